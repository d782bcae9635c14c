package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// notice is the words of a mail that says one thing, with holes like {{first_name}}. A merchant may have others.
type notice struct {
	subject, message string
	button           string // on the link
	why              string // "You get this message because …"
}

// holes are what words may name.
var holes = []string{"site_name", "first_name", "advocate", "reward", "code", "link", "tier", "achievement", "date"}

var hole = regexp.MustCompile(`\{\{ *([a-z_]+) *\}\}`)

const (
	mostSubject = 150
	mostMessage = 2000
)

// filled puts values into the holes. What a value holds is no hole.
func filled(words string, values map[string]string) string {
	return hole.ReplaceAllStringFunc(words, func(h string) string { return values[hole.FindStringSubmatch(h)[1]] })
}

// wrongWords says what is wrong with a merchant's words; "": nothing.
func wrongWords(words string, most int, lines bool) string {
	if !utf8.ValidString(words) || utf8.RuneCountInString(words) > most {
		return fmt.Sprintf("must have at most %d characters", most)
	}
	bad := func(r rune) bool { return (r != '\n' || !lines) && (unicode.IsControl(r) || control(r)) }
	if strings.ContainsFunc(words, bad) {
		return "must hold no control characters"
	}
	for _, h := range hole.FindAllStringSubmatch(words, -1) {
		if !slices.Contains(holes, h[1]) {
			return "names {{" + h[1] + "}}, which there isn't"
		}
	}
	if rest := hole.ReplaceAllString(words, ""); strings.Contains(rest, "{{") || strings.Contains(rest, "}}") {
		return "has braces that are no placeholder"
	}
	return ""
}

// noticeFacts are what a notice was queued with.
type noticeFacts struct {
	AdvocateID int64  `json:"advocate_id,omitempty"`
	Link       string `json:"link,omitempty"`
	Reward     string `json:"reward,omitempty"`
	Code       string `json:"code,omitempty"` // of a coupon
	Tier       string `json:"tier,omitempty"`
	About      about  `json:"about,omitzero"`

	Achievement string `json:"achievement,omitempty"` // with the name of its level
	Invitation  string `json:"invitation,omitempty"`  // its code, which the link holds

	Ends time.Time `json:"ends,omitzero"`
}

// noticeValues are what the template of a notice says beside the rest: the site's words or ours, filled.
func (j job) noticeValues(k mailKind, values map[string]any) error {
	var f noticeFacts
	if err := json.Unmarshal([]byte(j.Data), &f); err != nil {
		return err
	}
	advocate := name(j.Advocate)
	if advocate == "" {
		advocate = "A friend"
	}
	site := oneLine(j.SiteName, 80)
	known := map[string]string{"site_name": site, "first_name": name(j.FirstName), "advocate": advocate, "reward": oneLine(f.Reward, 200),
		"code": oneLine(cmp.Or(f.Code, f.Invitation), 100), "link": link(f.Link), "tier": oneLine(f.Tier, 100), "achievement": oneLine(f.Achievement, 200), "date": j.dayOf(f.Ends)}
	w := k.notice
	if j.Setting.Subject != "" {
		w.subject = j.Setting.Subject
	}
	if j.Setting.Message != "" {
		w.message = j.Setting.Message
	}
	values["subject"], values["message"] = filled(w.subject, known), filled(w.message, known)
	values["button"], values["why"], values["code"] = filled(w.button, known), filled(w.why, known), oneLine(f.Code, 100)
	if values["link"] = known["link"]; known["link"] == "" {
		values["link"] = link(j.SiteURL)
	}
	return nil
}

// dayOf is the last day before a moment, where the site is.
func (j job) dayOf(end time.Time) string {
	if end.IsZero() {
		return ""
	}
	zone, err := time.LoadLocation(j.SiteZone)
	if err != nil {
		zone = time.UTC
	}
	return end.Add(-time.Second).In(zone).Format("January 2, 2006")
}

// pointWords are points, as people say it.
func pointWords(n int64) string {
	if n == 1 {
		return "1 point"
	}
	return number(n) + " points"
}

// rewardWords are what somebody gets, as people say it.
func rewardWords(w referralevent.RewardIssued) string {
	switch {
	case w.Description != "":
		return w.Description
	case w.Kind == referralevent.Points:
		return pointWords(w.Points)
	case w.Kind == referralevent.Coupon:
		return "a coupon"
	case w.Kind == referralevent.StoreCredit:
		return money.Price(w.Amount, w.Currency) + " of store credit"
	case w.Kind == referralevent.Commission:
		return "a commission of " + money.Price(w.Amount, w.Currency)
	}
	return "a reward"
}
