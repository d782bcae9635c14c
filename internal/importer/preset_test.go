package importer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// parsed is what the rows of a file come to, or what is wrong with them.
func parsed[T any](t *testing.T, file, kind, from string, parse func(row, Options) (T, []finding), show func(T) string) string {
	t.Helper()
	o := Options{Site: site.Site{ID: 1, Currency: "USD", Zone: time.UTC}, From: from, Campaign: 3}
	src, _, _, err := open(strings.NewReader(file), Auto, vocabulary{kind, presets[from]}, place{}, "file")
	if err != nil {
		return err.Error()
	}
	var out []string
	for {
		r, err := src.next()
		if err != nil {
			return strings.Join(out, "\n")
		}
		v, wrong := parse(r, o)
		if r.wrong != nil {
			wrong = []finding{*r.wrong}
		}
		if len(wrong) > 0 {
			out = append(out, fmt.Sprintf("! %s %s", wrong[0].column, wrong[0].what))
			continue
		}
		out = append(out, show(v))
	}
}

func TestPresetsOfAdvocates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, file, want string }{
		"ours": {"", "email,link,code,name,date\nann@a.example,https://r.example/ann,ANN,ann_lee,2025-01-02\n", "ann@a.example  3 https://r.example/ann ANN ann_lee 2025-01-02 false"},
		"talkable": {"talkable", "Email,Customer ID,Username,Claim URL,Coupon code,Created at\nann@a.example,7,ann_lee,https://share.a.example/x/dZpBwd,ANN,2025-01-02T10:00:00Z\n",
			"ann@a.example 7 3 https://share.a.example/x/dZpBwd ANN ann_lee 2025-01-02 false"},
		"friendbuy": {"friendbuy", `{"emailAddress":"ann@a.example","customerId":"7","name":"Ann Lee","referralCode":"sarah123","personalLink":"https://go.a.example/sarah123","createdOn":"2024-03-11T18:29:46.296Z","campaigns":[1]}`,
			"ann@a.example 7 3 https://go.a.example/sarah123 sarah123  2024-03-11 true"},
		"dub": {"dub", "ID,Name,Email,Country,Status,Enrolled at,Short link\npn_1,Ann Lee,ann@a.example,DE,approved,2025-01-02T10:00:00.000Z,https://refer.a.example/ann\n",
			"ann@a.example  3 https://refer.a.example/ann   2025-01-02 true"},
		"nobody":      {"dub", `{"id":"pn_1","shortLink":"https://refer.a.example/ann"}`, "! email is empty, and nothing else names somebody"},
		"a bad date":  {"", "email,date\nann@a.example,soon\n", "! date is no date like 2026-03-01, nor a time like 2026-03-01T12:00:00Z"},
		"no campaign": {"", "email,campaign_id\nann@a.example,x\n", "! campaign_id is no campaign's id, and --campaign says none for all"},
		"no header":   {"", "link\nx\n", `the header ["link"] names nobody: there is no column email or customer_id`},
	} {
		got := parsed(t, c.file, "advocates", c.from, func(r row, o Options) (advocate, []finding) { return r.advocate(o) }, func(a advocate) string {
			return fmt.Sprintf("%s %s %d %s %s %s %s %v", a.who.Email, a.who.CustomerID, a.CampaignID, a.Link, a.Code, a.Name, a.Since.Format(time.DateOnly), a.AnyCase)
		})
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestPresetsOfReferrals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, file, want string }{
		"ours": {"", "external_id,advocate_email,email,order_number,subtotal,date,status\n1,ann@a.example,bob@a.example,A1,12.50,2025-01-02,\n", "1 ann@a.example>bob@a.example A1 1250 USD approved"},
		"talkable": {"talkable", "ID,Advocate email,Friend email,Referral status,Order number,Subtotal,Currency ISO code,Created at,Order date\n21,ann@a.example,bob@a.example,Flagged,A1,12.50,EUR,2025-01-02,2025-01-01\n",
			"21 ann@a.example>bob@a.example A1 1250 EUR pending"},
		"friendbuy": {"friendbuy", `{"id":"f1","advocate_email":"ann@a.example","friend_email":"bob@a.example","orderId":"A1","amount":30,"currency":"usd","createdOn":"2024-03-11T18:29:46.296Z","status":"Rejected"}`,
			"f1 ann@a.example>bob@a.example A1 3000 USD voided"},
		"dub api": {"dub", `{"id":"cm_1","type":"sale","amount":5000,"earnings":1000,"currency":"usd","status":"pending","invoiceId":"in_1","quantity":1,"createdAt":"2025-01-02T10:00:00.000Z","partner":{"id":"pn_1","name":"Ann","email":"ann@a.example"},"customer":{"id":"cus_1","email":"bob@a.example","externalId":"42"}}`,
			"cm_1 ann@a.example>bob@a.example42 in_1 5000 USD approved"},
		"dub csv": {"dub", "ID,Type,Amount,Earnings,Currency,Status,Invoice ID,Created at,Partner email,Customer email\ncm_2,sale,\"$1,250.00\",$125.00,usd,fraud,,2025-01-02T10:00:00.000Z,ann@a.example,bob@a.example\n",
			"cm_2 ann@a.example>bob@a.example  125000 USD blocked"},
		"an order's number is enough": {"", "order_number,advocate_email,email,date,subtotal\nA1,a@a.example,b@a.example,2025-01-02,1\n", "A1 a@a.example>b@a.example A1 100 USD approved"},
		"an unknown status":           {"dub", "ID,Partner email,Customer email,Created at,Status\n1,a@a.example,b@a.example,2025-01-02,odd\n", "! status is a status that has no meaning here"},
		"no friend":                   {"dub", `{"id":"cm_1","type":"custom","createdAt":"2025-01-02","partner":{"email":"ann@a.example"},"customer":null}`, "! email is empty, and nothing else names somebody"},
		"a hostile amount":            {"", "external_id,advocate_email,email,date,subtotal\n1,a@a.example,b@a.example,2025-01-02,-5\n", "! subtotal is no plain decimal number, or too large"},
		"two that are one":            {"dub", "ID,Partner email,PartnerEmail\n", `the columns "Partner email" and "PartnerEmail" are the same`},
	} {
		got := parsed(t, c.file, "referrals", c.from, func(r row, o Options) (pair, []finding) { return r.pair(o) }, func(p pair) string {
			return fmt.Sprintf("%s %s>%s%s %s %d %s %s", p.Number, p.advocate.Email, p.friend.Email, p.friend.CustomerID, p.order, p.Subtotal, p.Currency, p.Status)
		})
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestPresetsOfBalancesAndRewards(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, file, want string }{
		"ours":       {"", "email,amount,currency\nann@a.example,-1.50,EUR\n", "person ann@a.example -150 EUR"},
		"dub api":    {"dub", `{"id":"cm_1","earnings":1000,"amount":5000,"currency":"usd","status":"processed","partner":{"email":"ann@a.example"},"customer":{"id":"cus_1"}}`, "cm_1 ann@a.example 1000 USD"},
		"dub yen":    {"dub", `{"id":"cm_1","earnings":1000,"currency":"jpy","status":"pending","partner":{"email":"ann@a.example"}}`, "cm_1 ann@a.example 1000 JPY"},
		"five cents": {"dub", `{"id":"cm_1","earnings":-5,"currency":"usd","partner":{"email":"ann@a.example"}}`, "cm_1 ann@a.example -5 USD"},
		"paid":       {"dub", `{"id":"cm_1","earnings":1000,"status":"paid","partner":{"email":"ann@a.example"}}`, "! status says that nothing is owed any more"},
		"friendbuy":  {"friendbuy", "Email address,Balance\nann@a.example,12.5\n", "person ann@a.example 1250 USD"},
		"no amount":  {"", "email\nann@a.example\n", `the header ["email"] has no column amount`},
	} {
		got := parsed(t, c.file, "balances", c.from, func(r row, o Options) (owed, []finding) { return r.owed(o) }, func(b owed) string {
			if strings.HasPrefix(b.Number, "person-") && !strings.Contains(b.Number, "@") {
				b.Number = "person"
			}
			return fmt.Sprintf("%s %s %d %s", b.Number, b.who.Email, b.Amount, b.Currency)
		})
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	got := parsed(t, "ID,Referral ID,Reason,Incentive type,Coupon code,Coupon expires at\n5,21,referred,Discount coupon,OLD,2027-01-01\n6,21,clicked,,OLD,\n7,21,,Gift card,,\n", "rewards", "talkable",
		func(r row, o Options) (referralapi.MovedReward, []finding) { return r.reward(o) }, func(w referralapi.MovedReward) string {
			return fmt.Sprintf("%s %s %v %s %s", w.Number, w.Referral, w.Friend, w.Code, w.Expires.Format(time.DateOnly))
		})
	want := "5 21 true OLD 2027-01-01\n! side is neither advocate nor friend\n! kind is no coupon: points come as adjustments, commissions as balances, what is pending with its referral"
	if got != want {
		t.Errorf("rewards: %q, want %q", got, want)
	}
}

// Whatever stands in a file of another platform, it is a row that is read or one that is reported.
func FuzzPresets(f *testing.F) {
	f.Add([]byte("ID,Partner email,Earnings\n1,a@a.example,$1\n"), "dub")
	f.Add([]byte(`{"partner":{"email":"a"},"earnings":"9999999999999999999999"}`), "dub")
	f.Add([]byte("Email;Balance\n\"a\n"), "friendbuy")
	f.Fuzz(func(t *testing.T, file []byte, from string) {
		for _, kind := range []string{"advocates", "referrals", "rewards", "balances"} {
			src, _, _, err := open(bytes.NewReader(file), Auto, vocabulary{kind, presets[from]}, place{}, "f")
			for err == nil {
				var r row
				if r, err = src.next(); err == nil {
					o := Options{From: from, Site: site.Site{Currency: "USD", Zone: time.UTC}}
					r.advocate(o)
					r.pair(o)
					r.reward(o)
					r.owed(o)
				}
			}
		}
	})
}
