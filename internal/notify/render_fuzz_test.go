package notify

import (
	"bytes"
	"encoding/json"
	stdmail "net/mail"
	"strings"
	"testing"
	"time"
)

// FuzzRender: whatever persons and shops call themselves, the mail has our headers only, a subject of one line, and no markup of theirs.
func FuzzRender(f *testing.F) {
	f.Add("Ann", "Example", "Shop", "https://shop.example", "shop@shop.example", "ann@shop.example", int64(500))
	f.Add("<script>alert(1)</script>", "{{points}}", "x\r\nBcc: y@z.zz", "javascript:alert(1)", "\"a\r\nX: y\" <a@b.cd>", "a@b.cd\r\nBcc: x@y.zz", int64(-1))
	f.Add("{{{x}}}", "=?utf-8?q?x?=", "\u202eshop", "https://a@b", "", "a@xn--bcher-kva.example", int64(1<<62))
	f.Fuzz(func(t *testing.T, first, last, shop, url, from, to string, points int64) {
		data, err := json.Marshal(facts{Points: points, Balance: points})
		if err != nil {
			t.Fatal(err)
		}
		j := job{SiteID: 1, ID: 2, Template: pointsEarned, Data: string(data), QueuedAt: time.Unix(0, 0), Email: to, FirstName: first, LastName: last, SiteName: shop, SiteURL: url, SiteFrom: from}
		l, err := j.render("talkable@localhost")
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsFunc(l.subject, control) || strings.ContainsFunc(l.fromName, control) || strings.ContainsFunc(l.toName, control) {
			t.Errorf("subject %q of %q to %q", l.subject, l.fromName, l.toName)
		}
		if low := strings.ToLower(l.html); strings.Contains(low, "<script") || strings.Contains(low, "javascript:") && strings.Contains(low, `href="javascript`) {
			t.Errorf("the page holds markup of theirs: %s", l.html)
		}
		m, err := l.msg()
		if err != nil {
			return // no address: the message fails
		}
		var b bytes.Buffer
		if _, err := m.WriteTo(&b); err != nil {
			return // go-mail won't send it
		}
		read, err := stdmail.ReadMessage(&b)
		if err != nil {
			t.Fatalf("not a mail: %v", err)
		}
		for name := range read.Header {
			if !ours[name] {
				t.Errorf("header %s is not ours", name)
			}
		}
		if to := read.Header["To"]; len(to) != 1 {
			t.Errorf("to %q", to)
		}
	})
}

var ours = map[string]bool{"Auto-Submitted": true, "Content-Type": true, "Date": true, "From": true, "Message-Id": true, "Mime-Version": true, "Subject": true, "To": true, "X-Auto-Response-Suppress": true}

// FuzzParseSMTP: settings that pass name a host and a port, and no error repeats the password.
func FuzzParseSMTP(f *testing.F) {
	for _, s := range []string{"smtp://user:S3cr3t@host:587?tls=starttls", "smtps://host", "smtp://host:0", "http://host", "smtp://user:S3cr3t@", "smtp://host?tls=maybe&from=x", "smtp://%zz:S3cr3t@host", "smtp://host?from=a\r\nb@c.de"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSMTP(text)
		if err != nil {
			if strings.Contains(text, ":S3cr3t@") && strings.Contains(err.Error(), "S3cr3t") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if s.Host == "" || s.Port < 1 || s.Port > 65535 || s.TLS != "none" && s.TLS != "starttls" && s.TLS != "tls" {
			t.Errorf("%q is %+v", text, s)
		}
	})
}
