package notify

import (
	"bytes"
	"strings"
	"testing"

	"github.com/wneessen/go-mail"
	"pgregory.net/rapid"
)

func anna() job {
	return job{SiteID: 1, ID: 5, Template: pointsEarned, QueuedAt: start, Data: `{"points":1500,"balance":12500,"reason":"reward"}`,
		ContactKnown: true, Email: "anna@example.com", FirstName: "Anna", LastName: "Müller",
		SiteKnown: true, SiteName: "Demo Shop", SiteURL: "https://shop.example/?a=1&b=2", SiteFrom: "Demo <hello@shop.example>"}
}

func TestWords(t *testing.T) {
	t.Parallel()
	hostile := anna()
	hostile.FirstName, hostile.LastName = "<script>", "\"><b>"
	hostile.SiteName = "{{7*7}} & <Sons>\r\nBcc: all@example.com"
	hostile.SiteURL, hostile.SiteFrom = "javascript:alert(1)", ""
	plain := anna()
	plain.FirstName, plain.Data = "  ", `{"points":1,"balance":1,"reason":"referral"}`
	reward, pinched := anna(), hostile
	reward.Template, reward.Data = rewardReady, `{"description":"$5 off","code":"FIVE-1"}`
	pinched.Template, pinched.Data = rewardReady, `{"description":"<b>{{code}}\r\nBcc: all@example.com"}`
	for name, j := range map[string]job{"anna": anna(), "hostile": hostile, "plain": plain, "reward": reward, "pinched": pinched} {
		l, err := j.render("talkable@localhost")
		if err != nil {
			t.Fatal(name, err)
		}
		golden(t, name+".txt", "From: "+l.fromName+" <"+l.from+">\nTo: "+l.toName+" <"+l.to+">\nSubject: "+l.subject+
			"\nMessage-ID: "+l.messageID+"\n\n"+l.text)
		golden(t, name+".html", l.html)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Anna":                        "Anna",
		" Anna \t Maria ":             "Anna Maria",
		"J.R.R.":                      "J.R.R.",
		"Jürgen\r\nBcc: x":            "Jürgen Bcc: x",
		"Win at evil.com":             "",
		"https://evil.example":        "",
		"www.evil":                    "",
		"me@example.com":              "",
		"\u202eannA":                  "annA",
		strings.Repeat("x", 61):       strings.Repeat("x", 59) + "…",
		"\xff\xfeAnna":                "Anna",
		"{{#first_name}}{{/x}}":       "",
		"{{first_name}}":              "{{first_name}}",
		"<img src=x onerror=alert()>": "<img src=x onerror=alert()>",
	} {
		if got := name(in); got != want {
			t.Errorf("name(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1500: "−1,500",
		-9223372036854775808: "−9,223,372,036,854,775,808"} {
		if got := number(in); got != want {
			t.Errorf("number(%d) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"anna@example.com": "anna@example.com", "anna@bücher.example": "anna@xn--bcher-kva.example",
		"": "", "anna": "", "Anna <anna@example.com>": "", "a@b.example\r\nX: y": "", "a@b.example,c@d.example": ""} {
		if got, err := address(in); got != want || (err == nil) != (want != "") {
			t.Errorf("address(%q) = %q, %v", in, got, err)
		}
	}
}

// Whatever people and sites are called, the header of the mail has the lines that we wrote and no other.
func TestHeadersCannotBeInjected(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nasty := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z<>{}"\\]{0,6}(\r\n|\n|\r|\x{2028}|\x00)(Bcc|X-Evil): [a-z@.]{0,9}`))
		j := anna()
		j.FirstName, j.LastName, j.SiteName = nasty.Draw(t, "first"), nasty.Draw(t, "last"), nasty.Draw(t, "site")
		j.SiteFrom, j.SiteURL = nasty.Draw(t, "from"), nasty.Draw(t, "url")
		l, err := j.render("Talkable <talkable@localhost>")
		if err != nil {
			t.Fatal(err)
		}
		msg, err := l.msg()
		if err != nil {
			t.Fatal(err)
		}
		var raw bytes.Buffer
		if _, err := msg.WriteTo(&raw); err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
		for line := range strings.SplitSeq(head, "\r\n") {
			if strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("stray control character in %q", line)
			}
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
				continue
			}
			switch word, _, _ := strings.Cut(line, ":"); word {
			case "Date", "MIME-Version", "Message-ID", "Subject", "From", "To", "Content-Type", "Auto-Submitted", "X-Auto-Response-Suppress":
			default:
				t.Fatalf("header line %q", line)
			}
		}
		for _, rcpt := range must(msg.GetRecipients()) {
			if rcpt != "<anna@example.com>" {
				t.Fatalf("goes to %q", rcpt)
			}
		}
		if strings.Contains(strings.ToLower(l.html), "<script") || strings.Contains(l.html, "javascript:") {
			t.Fatal("active content")
		}
	})
}

func must(rcpts []string, err error) []string {
	if err != nil {
		panic(err)
	}
	return rcpts
}

func TestJudgeWithoutAnswer(t *testing.T) {
	t.Parallel()
	if o := judge(mail.NewMsg(), nil); o.kind != unknown || !o.broken {
		t.Errorf("%+v", o)
	}
}
