package page

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

func statement(text string) gatewayapi.PrintedStatement {
	vienna := time.FixedZone("", 3600)
	at := time.Date(2026, 11, 5, 9, 0, 0, 0, vienna)
	ends := time.Date(2027, 1, 31, 0, 0, 0, 0, vienna)
	return gatewayapi.PrintedStatement{FirstName: "Ann", LastName: text, Statement: loyaltyapi.Statement{From: time.Date(2026, 11, 1, 0, 0, 0, 0, vienna),
		To: time.Date(2026, 12, 1, 0, 0, 0, 0, vienna), Opening: -120, Closing: 1234447, Count: 3,
		Entries:  []loyaltyapi.Entry{{Kind: "earn", Points: 1234567, Balance: 1234447, EffectiveAt: at}, {Kind: "moved_over", Points: -5, Balance: 3, EffectiveAt: at, Description: &text}},
		Totals:   []loyaltyapi.StatementTotal{{Kind: "earn", Entries: 1, Points: 1234567}},
		Expiring: []loyaltyapi.Expiration{{Points: 20, ExpiresAt: &ends}, {Points: 30, ExpiresAt: &ends}, {Points: 9}}}}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	p := newPages(newShop())
	for languages, want := range map[string][]string{
		"en":    {"Nov 1, 2026 to Nov 30, 2026", "Balance on Nov 1, 2026", "−120", "+1,234,567", "1,234,447", "Ann Lee", "moved over", "Earned", "50 on Jan 31, 2027", "first 2 of 3"},
		"de-AT": {"01.11.2026 bis 30.11.2026", "1.234.567", "Gesammelt", "50 am 31.01.2027"},
		"fr":    {"Gagnés", "1\u202f234\u202f567"},
	} {
		d, err := p.Statement(t.Context(), languages, 1, statement("Lee"))
		if err != nil {
			t.Fatal(err)
		}
		page := string(d.Body)
		harmless(t, languages, page)
		for _, text := range want {
			if !strings.Contains(html.UnescapeString(page), text) {
				t.Errorf("%s: no %q in %s", languages, text, page)
			}
		}
		if d.Headers["Content-Language"] != languages[:2] || !strings.HasPrefix(d.Headers["Content-Security-Policy"], "default-src 'none'") {
			t.Errorf("%v", d.Headers)
		}
	}
	for _, text := range nasty {
		d, err := p.Statement(t.Context(), text, 1, statement(text))
		if err != nil {
			t.Fatal(err)
		}
		harmless(t, text, string(d.Body))
	}
	empty, err := p.Statement(t.Context(), "", 1, gatewayapi.PrintedStatement{Statement: loyaltyapi.Statement{From: time.Now(), To: time.Now()}})
	if err != nil || !strings.Contains(string(empty.Body), "No points moved") {
		t.Errorf("%s, %v", empty.Body, err)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -999: "−999", -1000: "−1,000", 123456: "123,456", 1 << 62: "4,611,686,018,427,387,904", -1 << 63: "−9,223,372,036,854,775,808"} {
		if got := (frame{Lang: "en"}).number(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
