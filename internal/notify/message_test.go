package notify

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseSMTP(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]SMTP{
		"smtp://mail.example":                                     {Host: "mail.example", Port: 587, TLS: "starttls"},
		"smtp://mail.example:465":                                 {Host: "mail.example", Port: 465, TLS: "tls"},
		"smtps://mail.example":                                    {Host: "mail.example", Port: 465, TLS: "tls"},
		"smtp://127.0.0.1:2525?tls=none":                          {Host: "127.0.0.1", Port: 2525, TLS: "none"},
		"smtp://me:p%40ss@mail.example:25?tls=starttls":           {Host: "mail.example", Port: 25, User: "me", Password: "p@ss", TLS: "starttls"},
		"smtp://mail.example?from=Shop+%3Ca@b.example%3E&tls=tls": {Host: "mail.example", Port: 587, TLS: "tls", From: "Shop <a@b.example>"},
		"smtp://[::1]:2525?tls=none":                              {Host: "::1", Port: 2525, TLS: "none"},
	} {
		if got, err := ParseSMTP(in); err != nil || got != want {
			t.Errorf("ParseSMTP(%q) = %+v, %v", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"":                                       "begin with smtp://",
		"mail.example:25":                        "begin with smtp://",
		"http://mail.example":                    "begin with smtp://",
		"smtp://":                                "names no host",
		"smtp://mail.example:0":                  "between 1 and 65535",
		"smtp://mail.example:70000":              "between 1 and 65535",
		"smtp://u:secret@mail.example:x":         "can't be read",
		"smtp://u:sec%ret@mail.example":          "can't be read",
		"smtp://mail.example?tls=maybe":          `not "maybe"`,
		"smtp://mail.example?from=nobody":        "e-mail address",
		"smtp://mail.example?sender=a@b.example": `"sender" is unknown`,
		"smtp://mail.example/inbox":              "may follow",
		"smtp://u:secret@mail.example?tls=none":  "open line",
	} {
		_, err := ParseSMTP(in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "sec") {
			t.Errorf("ParseSMTP(%q): %v, want %q", in, err, want)
		}
	}
}

func TestPauses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		luck := rapid.Float64Range(0, 0.999).Draw(t, "luck")
		var total, last time.Duration
		for attempts := 1; ; attempts++ {
			d, ok := pause(attempts, luck)
			if !ok {
				break
			}
			if d < last || d > 8*time.Hour {
				t.Fatalf("pause %d is %s after %s", attempts, d, last)
			}
			last = d
			total += d
		}
		if total < 65*time.Hour || total > 100*time.Hour {
			t.Fatalf("gives up after %s", total)
		}
	})
}

func TestDecide(t *testing.T) {
	t.Parallel()
	known := job{ContactKnown: true, Email: "a@b.example", SiteKnown: true, Since: start}
	if f := known.decide(start.Add(48 * time.Hour)); f.status != sending {
		t.Errorf("known: %+v", f)
	}
	rapid.Check(t, func(t *rapid.T) {
		j := known
		j.ContactKnown, j.SiteKnown = rapid.Bool().Draw(t, "contact"), rapid.Bool().Draw(t, "site")
		age := time.Duration(rapid.Int64Range(0, int64(50*time.Hour)).Draw(t, "age"))
		now := start.Add(age)
		switch f := j.decide(now); {
		case j.ContactKnown && j.SiteKnown:
			if f.status != sending {
				t.Fatalf("%+v", f)
			}
		case age >= patience:
			if f.status != failed || f.reason == "" {
				t.Fatalf("%+v", f)
			}
		case f.status != queued || f.next.Sub(now) < time.Second || f.next.Sub(now) > 5*time.Minute:
			t.Fatalf("%+v", f)
		}
	})
}
