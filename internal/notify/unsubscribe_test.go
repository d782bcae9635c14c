package notify

import (
	"bytes"
	stdmail "net/mail"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/web"
)

// Mails that nobody needs hold a way out: a link for people, and headers for mail programs (RFC 2369, RFC 8058).
func TestUnsubscribe_211_is_offered_by_each_mail(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.PublicURL = "https://go.example/"
	b.earn(earned(1, 41, 7))
	b.round()
	mails := b.arrived()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	link := "https://go.example" + b.Cursors.UnsubscribePath(1, 7)
	parsed, err := stdmail.ReadMessage(bytes.NewReader(mails[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(strings.Fields(parsed.Header.Get("List-Unsubscribe")), ""); got != "<"+link+">" {
		t.Errorf("List-Unsubscribe: %q", got)
	}
	if got := parsed.Header.Get("List-Unsubscribe-Post"); got != "List-Unsubscribe=One-Click" {
		t.Errorf("List-Unsubscribe-Post: %q", got)
	}
	siteID, token := int64(1), link[strings.LastIndexByte(link, '/')+1:]
	if who, ok := b.Cursors.Unsubscriber(siteID, token); !ok || who.PersonID != 7 {
		t.Errorf("%+v %v", who, ok)
	}
	if _, ok := b.Cursors.Unsubscriber(2, token); ok {
		t.Error("another site takes it")
	}
}

func TestUnsubscribe_stands_in_the_words(t *testing.T) {
	t.Parallel()
	j := anna()
	j.Unsubscribe = "https://go.example/unsubscribe/1/a?b&c"
	l, err := j.render("talkable@localhost")
	if err != nil || !strings.HasSuffix(l.text, "\nUnsubscribe: https://go.example/unsubscribe/1/a?b&c\n") || !strings.Contains(l.html, `href="https://go.example/unsubscribe/1/a?b&amp;c"`) {
		t.Errorf("%v\n%s\n%s", err, l.text, l.html)
	}
	m := &Module{Deps: Deps{Cursors: web.NewCursors([]byte("secret"))}}
	if got := m.unsubscribeURL(j); got != "" {
		t.Errorf("where nobody could be led: %s", got)
	}
}
