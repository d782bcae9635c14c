package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// sharing is what a share message was queued with: who shares, the link, and the advocate's words, if any.
type sharing struct {
	AdvocateID int64  `json:"advocate_id"`
	Link       string `json:"link"`
	Subject    string `json:"subject,omitempty"`
	Message    string `json:"message,omitempty"`
	About      about  `json:"about,omitzero"`
}

const mostWords = 2000 // runes of an advocate's message

// onShared writes to the friends whom advocates mail an offer to, once for each share.
func (m *Module) onShared(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.OfferShared]) error {
	if err := announce(ctx, m, u, batch, fromShare); err != nil {
		return err
	}
	var orders []order
	seen := map[string]bool{}
	for _, e := range batch {
		h := e.Body
		if h.Kind != referralevent.Email || h.FriendID == 0 {
			continue
		}
		data, err := json.Marshal(sharing{AdvocateID: h.AdvocateID, Link: h.Link, Subject: h.Subject, Message: h.Message, About: about{CampaignID: h.CampaignID, QA: h.QA}})
		if err != nil {
			return fmt.Errorf("data of a message: %w", err)
		}
		o := order{siteID: h.SiteID, personID: h.FriendID, dedupeKey: fmt.Sprintf("%s:%d", shared, h.ShareID), data: string(data)}
		if id := fmt.Sprint(o.siteID, " ", o.dedupeKey); !seen[id] {
			seen[id] = true
			orders = append(orders, o)
		}
	}
	return m.queue(ctx, u, shared, orders)
}

// shareValues are what a share's template may say beside the rest. The advocate's words go to somebody who didn't ask for them, so
// they hold no links: the only one is ours.
func (j job) shareValues(values map[string]any) error {
	var s sharing
	if err := json.Unmarshal([]byte(j.Data), &s); err != nil {
		return err
	}
	if values["advocate"], values["giver"] = name(j.Advocate), name(j.Advocate); values["advocate"] == "" {
		values["advocate"], values["giver"] = "A friend", "a friend"
	}
	values["link"], values["subject"], values["message"] = link(s.Link), oneLine(unlinked(s.Subject), 150), wordsOf(s.Message)
	return nil
}

// wordsOf are somebody's lines without links and invisible characters.
func wordsOf(text string) string {
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		lines = append(lines, oneLine(unlinked(line), mostWords))
	}
	text = strings.TrimSpace(strings.Join(lines, "\n"))
	if r := []rune(text); len(r) > mostWords {
		text = strings.TrimSpace(string(r[:mostWords-1])) + "…"
	}
	return text
}

// unlinked replaces the words that a mail program would turn into a link.
func unlinked(text string) string {
	words := strings.FieldsFunc(text, unicode.IsSpace)
	for i, w := range words {
		if linkish.MatchString(strings.Map(visible, w)) {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// visible drops the characters that oneLine would, so that none hides a link.
func visible(r rune) rune {
	if control(r) {
		return -1
	}
	return r
}
