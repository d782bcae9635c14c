package notify

import (
	"embed"
	"encoding/json"
	"fmt"
	stdmail "net/mail"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/cbroglie/mustache"
	"github.com/wneessen/go-mail"
	"golang.org/x/net/idna"
)

// The built-in templates. A version grows with every change of the words, so that a message says which ones were sent.
const (
	pointsEarned        = "points_earned"
	pointsEarnedVersion = 2
	shared              = "share"
	sharedVersion       = 2
	noticeVersion       = 1
	rewardReady         = "reward_ready"
	rewardReadyVersion  = 1
)

//go:embed templates
var files embed.FS

// words is a template's three parts.
type words struct {
	version             int
	subject, text, html *mustache.Template
	sms                 *mustache.Template // nil: it doesn't go as an SMS
	necessary           bool               // transactional: who has unsubscribed gets it, too
	daily               int                // of these a person gets so many of a site within a day; 0: all
}

// necessary says whether the template's messages go to who has unsubscribed, too.
func necessary(template string) bool { return templates[template].necessary }

// templates are parsed once; a broken one is a broken build, which the tests see.
var templates = loadAll()

func loadAll() map[string]words {
	out := map[string]words{}
	for _, k := range mailKinds {
		if k.notice != (notice{}) {
			out[k.template] = load("notice", noticeVersion)
		}
	}
	out[pointsEarned], out[shared] = load(pointsEarned, pointsEarnedVersion), load(shared, sharedVersion).atMost(sharesDaily)
	out[rewardReady] = load(rewardReady, rewardReadyVersion).transactional()
	return out
}

// sharesDaily is how many advocates may have the site write to one person in a day, who asked for none of it.
const sharesDaily = 5

func (w words) atMost(daily int) words { w.daily = daily; return w }

func (w words) transactional() words { w.necessary = true; return w }

func load(name string, version int) words {
	parse := func(part string, raw bool) *mustache.Template {
		text, err := files.ReadFile("templates/" + name + "/" + part + ".mustache")
		if err != nil {
			panic(err)
		}
		t, err := mustache.ParseStringPartialsRaw(string(text), &mustache.StaticProvider{}, raw) // the default provider reads files
		if err != nil {
			panic(fmt.Sprintf("template %s/%s: %v", name, part, err))
		}
		return t
	}
	w := words{version: version, subject: parse("subject", true), text: parse("text", true), html: parse("html", false)}
	if _, err := files.Open("templates/" + name + "/sms.mustache"); err == nil {
		w.sms = parse("sms", true)
	}
	return w
}

// facts are what a points_earned message was queued with.
type facts struct {
	Points     int64  `json:"points"`
	Balance    int64  `json:"balance"`
	Reason     string `json:"reason"`
	ReferralID int64  `json:"referral_id,omitempty"`
}

// letter is a message in words.
type letter struct {
	version             int
	to, toName          string
	from, fromName      string
	subject, text, html string
	messageID           string
	unsubscribe         string
}

// render writes the message. It gets plain strings only: a template can reach nothing else.
func (j job) render(sender string) (letter, error) {
	w, ok := templates[j.Template]
	if !ok {
		return letter{}, fmt.Errorf("no template %q", j.Template)
	}
	values, err := j.values()
	if err != nil {
		return letter{}, fmt.Errorf("data of the message: %w", err)
	}
	l := letter{version: w.version, to: j.Email, toName: strings.TrimSpace(name(j.FirstName) + " " + name(j.LastName)), messageID: j.MessageID, unsubscribe: j.Unsubscribe}
	for _, part := range []struct {
		t  *mustache.Template
		to *string
	}{{w.subject, &l.subject}, {w.text, &l.text}, {w.html, &l.html}} {
		text, err := part.t.Render(values)
		if err != nil {
			return letter{}, fmt.Errorf("render %s: %w", j.Template, err)
		}
		*part.to = text
	}
	if l.subject = oneLine(l.subject, 200); j.Setting.Plain {
		l.html = ""
	}
	from, err := stdmail.ParseAddress(j.SiteFrom)
	if err != nil {
		if from, err = stdmail.ParseAddress(sender); err != nil {
			return letter{}, fmt.Errorf("the sender's address: %w", err)
		}
	}
	l.from, l.fromName = from.Address, oneLine(from.Name, 80)
	if l.fromName == "" {
		l.fromName = oneLine(j.SiteName, 80)
	}
	if l.messageID == "" {
		_, domain, _ := strings.Cut(from.Address, "@")
		l.messageID = fmt.Sprintf("%d.%d.%s@%s", j.SiteID, j.ID, strconv.FormatInt(j.QueuedAt.UnixMicro(), 36), domain)
	}
	return l, nil
}

// values are what the message's template may say.
func (j job) values() (map[string]any, error) {
	values := map[string]any{"site_name": oneLine(j.SiteName, 80), "site_url": link(j.SiteURL), "first_name": name(j.FirstName),
		"unsubscribe": j.Unsubscribe}
	switch j.Template {
	case shared:
		return values, j.shareValues(values)
	case rewardReady:
		return values, j.rewardValues(values)
	}
	if k, _ := kindOf(j.Template); k.notice != (notice{}) {
		return values, j.noticeValues(k, values)
	}
	var f facts
	if err := json.Unmarshal([]byte(j.Data), &f); err != nil {
		return nil, err
	}
	values["points"], values["one_point"], values["balance"], values["one_balance"] = number(f.Points), f.Points == 1, number(f.Balance), f.Balance == 1
	return values, nil
}

// msg makes the mail. go-mail encodes header values, and ours hold no control characters in the first place.
func (l letter) msg() (*mail.Msg, error) {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	to, err := address(l.to)
	if err != nil {
		return nil, err
	}
	m.FromMailAddress(&stdmail.Address{Name: l.fromName, Address: l.from}) // quoted and encoded by net/mail, whatever the name holds
	m.AddToMailAddress(&stdmail.Address{Name: l.toName, Address: to})
	m.Subject(l.subject)
	m.SetMessageIDWithValue(l.messageID)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	offerUnsubscribe(m, l.unsubscribe)
	m.SetBodyString(mail.TypeTextPlain, l.text)
	if l.html != "" {
		m.AddAlternativeString(mail.TypeTextHTML, l.html)
	}
	return m, nil
}

// address checks one bare address and writes its domain in ASCII.
func address(text string) (string, error) {
	a, err := stdmail.ParseAddress(text)
	if err != nil || a.Name != "" || strings.IndexFunc(text, control) >= 0 {
		return "", fmt.Errorf("it is no e-mail address")
	}
	at := strings.LastIndexByte(a.Address, '@')
	domain, err := idna.Lookup.ToASCII(a.Address[at+1:])
	if err != nil {
		return "", fmt.Errorf("its domain can't be written to")
	}
	return a.Address[:at+1] + domain, nil
}

// oneLine makes one line of a text: no control or invisible formatting characters, single spaces, at most n runes.
func oneLine(text string, n int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool { return control(r) || unicode.IsSpace(r) }), " ")
	if r := []rune(text); len(r) > n {
		return strings.TrimSpace(string(r[:n-1])) + "…"
	}
	return text
}

// control is true for what has no business in one line: C0, C1, line separators, and marks that turn the writing direction.
func control(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

var linkish = regexp.MustCompile(`(?i)[/@\\]|www\.|[\pL\pN]\.[\pL\pN]{2,}`)

// name is how we greet. People type their names themselves, for addresses that may not be theirs: a name that mail programs
// would turn into a link isn't used.
func name(text string) string {
	text = oneLine(text, 60)
	if linkish.MatchString(text) {
		return ""
	}
	return text
}

// link is an http address of the site's settings, or nothing.
func link(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// number groups thousands: 1,500.
func number(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if s[0] == '-' {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}
