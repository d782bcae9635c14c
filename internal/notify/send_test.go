package notify

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	stdmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/mailsink"
)

func ready(t *testing.T) *bench {
	b := newBench(t)
	b.site(1, "Demo Shop")
	b.person(1, 7, "anna@example.com", "Anna")
	return b
}

func TestSend(t *testing.T) {
	t.Parallel()

	t.Run("an advocate's points are one mail", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.earn(earned(1, 41, 7), earned(1, 41, 7))
		b.earn(earned(1, 41, 7)) // the handler may see it again
		b.want(1, "queued - 0")
		b.round()
		b.round()
		b.want(1, "sent - 1")
		mails := b.arrived()
		if len(mails) != 1 || mails[0].To[0] != "anna@example.com" || mails[0].From != "hello@shop1.example" {
			t.Fatalf("mails: %+v", mails)
		}
		parsed, err := stdmail.ReadMessage(bytes.NewReader(mails[0].Data))
		if err != nil {
			t.Fatal(err)
		}
		subject, _ := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
		if subject != "You earned 500 points at Demo Shop" {
			t.Errorf("subject: %q", subject)
		}
		if got := parsed.Header.Get("From"); got != `"Demo Shop" <hello@shop1.example>` {
			t.Errorf("from: %q", got)
		}
		if got := parsed.Header.Get("Message-ID"); !strings.HasPrefix(got, "<1.1.") || !strings.HasSuffix(got, "@shop1.example>") {
			t.Errorf("message id: %q", got)
		}
		if kind := parsed.Header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/alternative") {
			t.Errorf("content type: %q", kind)
		}
		if got := b.told(); len(got) != 1 || got[0] != "notify.message_sent.v1 message:1" {
			t.Errorf("told: %q", got)
		}
	})

	t.Run("own purchases and a friend's own reward have none", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		own, friend := earned(1, 1, 7), earned(1, 2, 7)
		own.Reason, friend.FriendID = "purchase", 7
		b.earn(own, friend)
		b.want(1)
	})

	t.Run("twin sites with equal ids stay apart", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.site(2, "Other")
		b.person(2, 7, "bert@example.com", "Bert")
		b.earn(earned(1, 41, 7), earned(2, 41, 7))
		b.round()
		b.want(1, "sent - 1")
		b.want(2, "sent - 1")
		got := map[string]string{}
		for _, m := range b.arrived() {
			got[m.To[0]] = m.From
		}
		if got["anna@example.com"] != "hello@shop1.example" || got["bert@example.com"] != "hello@shop2.example" {
			t.Errorf("mails: %v", got)
		}
	})

	t.Run("a contact that comes later is waited for, a day long", func(t *testing.T) {
		t.Parallel()
		b := newBench(t)
		b.site(1, "Demo")
		b.earn(earned(1, 1, 7), earned(1, 2, 8))
		b.round()
		b.want(1, "queued no_contact 0", "queued no_contact 0")
		b.person(1, 7, "anna@example.com", "Anna")
		b.clock.Move(time.Second)
		b.round()
		b.want(1, "sent - 1", "queued no_contact 0")
		for range 400 {
			b.clock.Move(5 * time.Minute)
			b.round()
		}
		b.want(1, "sent - 1", "failed no_contact 0")
		if got := b.told(); len(got) != 2 || got[1] != "notify.message_failed.v1 message:2 failed" {
			t.Errorf("told: %q", got)
		}
	})

	t.Run("without an address it fails at once", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.person(1, 8, "", "Nobody")
		b.person(1, 9, "evil@example.com\r\nBcc: all@example.com", "Eve")
		b.earn(earned(1, 1, 8), earned(1, 2, 9))
		b.round()
		b.want(1, "failed no_address 0", "failed no_address 1")
		if len(b.arrived()) != 0 {
			t.Error("a mail left")
		}
	})

	t.Run("a later state of the contact wins, an older one doesn't", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.clock.Move(time.Hour)
		b.person(1, 7, "new@example.com", "Anna")
		b.clock.Move(-time.Minute)
		b.person(1, 7, "old@example.com", "Anna")
		b.earn(earned(1, 1, 7))
		b.round()
		if m := b.arrived(); len(m) != 1 || m[0].To[0] != "new@example.com" {
			t.Errorf("mails: %+v", m)
		}
	})
}

func TestServerSays(t *testing.T) {
	t.Parallel()

	t.Run("421: again after a pause, and the rest of the batch on a new connection", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		first := true
		b.data(func(mailsink.Mail) mailsink.Reply {
			if first {
				first = false
				return mailsink.Reply{Code: 421, Text: "too busy"}
			}
			return mailsink.Reply{}
		})
		b.earn(earned(1, 1, 7), earned(1, 2, 7))
		b.round()
		b.want(1, "queued - 1", "sent - 1")
		b.clock.Move(2 * time.Second)
		b.round()
		b.want(1, "sent - 2", "sent - 1")
		if n := len(b.arrived()); n != 2 {
			t.Errorf("%d mails", n)
		}
	})

	t.Run("550: failed at once, and the others go on", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.person(1, 8, "gone@example.com", "")
		b.mu.Lock()
		b.onRcpt = func(m mailsink.Mail) mailsink.Reply {
			if m.To[0] == "gone@example.com" {
				return mailsink.Reply{Code: 550, Text: "no such user"}
			}
			return mailsink.Reply{}
		}
		b.mu.Unlock()
		b.earn(earned(1, 1, 8), earned(1, 2, 7))
		b.round()
		b.want(1, "failed refused 1", "sent - 1")
		m, err := messageByID(t.Context(), b.DB, 1, 1)
		if err != nil || m.LastError == nil || !strings.Contains(*m.LastError, "no such user") {
			t.Errorf("last error: %v %v", m.LastError, err)
		}
		if got := b.told(); got[0] != "notify.message_failed.v1 message:1 failed" {
			t.Errorf("told: %q", got)
		}
	})

	t.Run("nothing after DATA: uncertain, and never again by itself", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.data(func(mailsink.Mail) mailsink.Reply { return mailsink.Reply{Drop: true} })
		b.earn(earned(1, 1, 7))
		b.round()
		b.want(1, "uncertain lost 1")
		b.data(nil)
		b.clock.Move(30 * 24 * time.Hour)
		if err := b.tidy(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		b.round()
		b.want(1, "uncertain lost 1")
		if n := len(b.arrived()); n != 1 {
			t.Errorf("%d mails", n)
		}
		if got := b.told(); len(got) != 1 || got[0] != "notify.message_failed.v1 message:1 uncertain" {
			t.Errorf("told: %q", got)
		}
	})

	t.Run("a dropped connection before DATA: again", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		drop := true
		b.mu.Lock()
		b.onRcpt = func(mailsink.Mail) mailsink.Reply { d := drop; drop = false; return mailsink.Reply{Drop: d} }
		b.mu.Unlock()
		b.earn(earned(1, 1, 7))
		b.round()
		b.want(1, "queued - 1")
		b.clock.Move(2 * time.Second)
		b.round()
		b.want(1, "sent - 2")
	})

	t.Run("nobody there: pauses grow, and after three days it gives up", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.SMTP = "smtp://127.0.0.1:1?tls=none"
		b.earn(earned(1, 1, 7))
		began := b.clock.Now()
		for range 100 {
			b.round()
			if got := b.states(1); strings.HasPrefix(got[0], "failed") {
				break
			}
			b.clock.Move(8 * time.Hour)
		}
		b.want(1, fmt.Sprintf("failed gave_up %d", len(pauses)+1))
		if took := b.clock.Now().Sub(began); took < 3*24*time.Hour {
			t.Errorf("gave up after %s", took)
		}
	})
}

func TestWorkerDies(t *testing.T) {
	t.Parallel()

	t.Run("before transmission: another takes it after the lease", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.earn(earned(1, 1, 7))
		dead := b.worker(b.Module)
		jobs, _, err := dead.claim(t.Context())
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		b.round()
		b.want(1, "sending - 1")
		b.clock.Move(sendLease + time.Second)
		if err := b.tidy(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		b.round()
		b.want(1, "sent - 2")
		if _, err := dead.send(t.Context(), jobs, nil); err != nil { // it wasn't dead, only slow
			t.Fatal(err)
		}
		b.want(1, "sent - 2")
		if n := len(b.arrived()); n != 1 {
			t.Errorf("%d mails", n)
		}
	})

	t.Run("in transmission: uncertain until a person decides", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.earn(earned(1, 1, 7))
		w, j := b.transmitting()
		for range 3 {
			b.clock.Move(handLease + time.Second)
			if err := b.tidy(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			b.round()
		}
		b.want(1, "uncertain lost 1")
		if n := len(b.arrived()); n != 0 {
			t.Fatalf("%d mails", n)
		}
		if got := b.told(); len(got) != 1 || got[0] != "notify.message_failed.v1 message:1 uncertain" {
			t.Errorf("told: %q", got)
		}
		h := b.server(1)
		if code, body := call(t, h, "POST", "/api/v2/messages/1/resend"); code != 200 {
			t.Fatal(code, body)
		}
		b.round()
		b.want(1, "sent - 1")
		if code, body := call(t, h, "POST", "/api/v2/messages/1/resend"); code != 409 {
			t.Fatal(code, body)
		}
		// The worker of the first attempt must not overwrite what the second one did.
		if err := w.finish(t.Context(), j, fate{status: failed, reason: refused}, "late"); err != nil {
			t.Fatal(err)
		}
		b.want(1, "sent - 1")
	})
}

func TestReplicasShareTheQueue(t *testing.T) {
	b := ready(t)
	const n = 120
	for i := range n {
		b.earn(earned(1, int64(i+1), 7))
	}
	leaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 2 {
		r := b.replica()
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	for end := time.Now().Add(3 * time.Minute); len(b.arrived()) < n && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	wg.Wait()
	if got := len(b.arrived()); got != n {
		t.Fatalf("%d mails, want %d", got, n)
	}
	seen := map[string]bool{}
	for _, m := range b.arrived() {
		parsed, err := stdmail.ReadMessage(bytes.NewReader(m.Data))
		if err != nil {
			t.Fatal(err)
		}
		id := parsed.Header.Get("Message-ID")
		if seen[id] {
			t.Errorf("%s came twice", id)
		}
		seen[id] = true
	}
	if got := len(b.told()); got != n {
		t.Errorf("%d events", got)
	}
	for _, s := range b.states(1) {
		if s != "sent - 1" {
			t.Errorf("a message is %q", s)
		}
	}
}

func TestEncryptionIsInsistedOn(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.earn(earned(1, 1, 7))
	for i, tls := range []string{"starttls", "tls"} { // the server speaks neither
		b.SMTP = strings.Replace(strings.Replace(b.sink.URL(), "tls=none", "tls="+tls, 1), "//", "//user:secret@", 1)
		b.round()
		m, err := messageByID(t.Context(), b.DB, 1, 1)
		if err != nil || m.Status != queued || m.Attempts != i+1 || m.LastError == nil || strings.Contains(*m.LastError, "secret") {
			t.Errorf("%s: %+v %v", tls, m, err)
		}
		b.clock.Move(time.Minute)
	}
	if n := len(b.arrived()); n != 0 {
		t.Errorf("%d mails over an open line", n)
	}
}

func TestRunNeedsItsSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ smtp, from, want string }{
		{"", "a@b.example", "SMTP URL"}, {"smtp://mail.example", "", "no sender's address"},
	} {
		m := &Module{Deps: Deps{SMTP: c.smtp, From: c.from}}
		if err := m.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
