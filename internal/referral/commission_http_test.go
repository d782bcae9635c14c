package referral

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

func TestCommissions_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID = 7
	ask := func(method, path, body string, want int) map[string]any {
		t.Helper()
		var in any
		if body != "" {
			in = body
		}
		code, out, _ := p.call(p.one, method, "/api/v2"+path, in, "")
		if code != want {
			t.Fatalf("%s %s: %d %v", method, path, code, out)
		}
		return out
	}
	golden(t, "commission_plan", ask("POST", "/commission_plans", `{"name":"Partners","currency":"USD","default":{"percent":7.5},"per_order":50,
		"rules":[{"product_id":"p1","percent":0},{"category":"books","per_item":25}],"caps":{"month":300},"recurring":{"months":12},"hold_days":1}`, 201))
	for body, want := range map[string]string{
		`{"name":"A","incentives":[{"identifier":"a","action_type":"referrer","kind":"commission","commission_plan_id":9}]}`:                                                                                        "/incentives/0/commission_plan_id",
		`{"name":"A","incentives":[{"identifier":"a","action_type":"referrer","kind":"commission","commission_plan_id":1,"percent":1}]}`:                                                                            "/incentives/0/commission_plan_id",
		`{"name":"A","incentives":[{"identifier":"a","action_type":"referred","kind":"commission","commission_plan_id":1}]}`:                                                                                        "/incentives/0/commission_plan_id",
		`{"name":"A","incentives":[{"identifier":"a","action_type":"referrer","kind":"commission","commission_plan_id":1,"subtotal_min":5}]}`:                                                                       "/incentives/0/subtotal_min",
		`{"name":"A","incentives":[{"identifier":"a","action_type":"referrer","kind":"commission","commission_plan_id":1,"terms":{"new_customer":true}}]}`:                                                          "/incentives/0/terms",
		`{"name":"A","incentives":[{"identifier":"a","action_type":"referrer","kind":"commission","commission_plan_id":1},{"identifier":"b","action_type":"referrer","kind":"commission","commission_plan_id":1}]}`: "/incentives/1/commission_plan_id",
	} {
		if out := ask("POST", "/campaigns", body, 400); !strings.Contains(mustJSON(t, out), want) {
			t.Errorf("%s: %v", body, out)
		}
	}
	ask("POST", "/campaigns", `{"name":"A","incentives":[{"identifier":"a","action_type":"referrer","kind":"commission","commission_plan_id":1}]}`, 201)
	p.touchedAt(p.one, uuidOf(1), 10)
	o := p.purchase(p.one, 1, 20, 10_000, uuidOf(1))
	o.Items = items(customerevent.Item{ProductID: "p1", Price: 5_000, Quantity: 1}, customerevent.Item{ProductID: "p2", Category: "books", Price: 1_000, Quantity: 1},
		customerevent.Item{ProductID: "p3", Price: 4_500, Quantity: 1}, customerevent.Item{ProductID: "sale", Price: -500, Quantity: 1})
	p.tell(o)
	p.earns(p.one, 40, 10)
	golden(t, "commission_explained", ask("GET", "/commissions/1", "", 200))
	golden(t, "commission_account", ask("GET", "/commission_accounts/10", "", 200))
	golden(t, "commission_entries", ask("GET", "/commission_accounts/10/entries?currency=USD", "", 200))
	golden(t, "payout_preview", ask("GET", "/payout_preview?currency=USD", "", 200))
	ask("POST", "/commissions/1/release", `{"reason":"Known"}`, 200)
	golden(t, "payout_batch", ask("POST", "/payout_batches", `{"currency":"USD"}`, 201))
	golden(t, "payout_lines", ask("GET", "/payout_batches/1/lines", "", 200))
	for _, one := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/commissions/1", "", 404}, {"POST", "/commissions/1/hold", `{"reason":"x"}`, 404}, {"POST", "/commissions/1/release", `{"reason":"x"}`, 404},
		{"GET", "/commission_plans/1", "", 404}, {"PUT", "/commission_plans/1", `{"name":"x","per_order":1}`, 404}, {"GET", "/commission_accounts/10", "", 404},
		{"GET", "/commission_accounts/10/entries?currency=USD", "", 404}, {"POST", "/commission_accounts/10/adjustments", `{"amount":1,"currency":"USD","note":"x"}`, 404},
		{"GET", "/payout_batches/1", "", 404}, {"GET", "/payout_batches/1/lines", "", 404}, {"GET", "/payout_batches/1/csv", "", 404},
		{"POST", "/payout_batches/1/approve", `{}`, 404}, {"POST", "/payout_batches/1/cancel", `{}`, 404}, {"POST", "/payout_batches/1/settle", `{"rest":"paid"}`, 404},
		{"POST", "/payout_batches", `{"currency":"USD"}`, 409},
		{"POST", "/campaigns", `{"name":"A","incentives":[{"identifier":"a","action_type":"referrer","kind":"commission","commission_plan_id":1}]}`, 400},
	} {
		var in any
		if one.body != "" {
			in = one.body
		}
		if code, out, _ := p.call(p.two, one.method, "/api/v2"+one.path, in, ""); code != one.status {
			t.Errorf("by another site: %s %s: %d %v", one.method, one.path, code, out)
		}
	}
	for range 2 {
		if code, _, _ := p.call(p.one, "POST", "/api/v2/commission_accounts/10/adjustments", `{"amount":1,"currency":"USD","note":"x"}`, "key"); code != 201 {
			t.Error(code)
		}
	}
	if a := p.due(p.one, 10, "USD"); a.Balance != 381-40+1 && a.Balance != 341 {
		t.Errorf("%+v", a)
	}
	p.sound()
}

// Each statement that runs often, or over much, goes by an index.
func TestCommissions_statements_have_their_index(t *testing.T) {
	t.Parallel()
	p := setup(t)
	if _, err := p.root.Exec(`
		insert into referral.account (site_id, person_id, currency, balance) select 1, g, 'USD', g % 2 from generate_series(1, 50000) g;
		insert into referral.account_entry (site_id, person_id, currency, seq, kind, amount, held, balance_after, held_after, source, commission_id, at)
			select 1, g, 'USD', 1, 'earned', 1, 0, 1, 0, 's' || g, g, now() from generate_series(1, 50000) g;
		insert into referral.open_entry (site_id, entry_id, person_id, currency, amount, commission_id, held) select 1, g, g, 'USD', 1, g, false from generate_series(1, 50000) g;
		insert into referral.commission (site_id, person_id, friend_id, origin_id, referral_id, campaign_id, incentive_id, plan_id, nth, orders, status, subtotal, order_currency,
			base, percent_amount, fixed_amount, currency, amount, held, hold_until, explain, occurred_at, created_at, updated_at)
			select 1, g, g, g, g, 1, 1, 1, 1, 1 + g % 2, case when g % 1000 = 0 then 'waiting' when g % 500 = 0 then 'pending' else 'earned' end, 1, 'EUR', 1, 1, 0, 'USD',
				case when g % 500 = 0 then 0 else 1 end, g % 100 = 1, now() + g * interval '1 second', '{}', now(), now(), now() from generate_series(1, 50000) g;
		insert into referral.payout_batch (site_id, currency, minimum, method, status, lines, amount, note, token, key_id, created_at)
			select 1, 'USD', 1, 'paypal', 'done', 1, 1, '', gen_random_uuid(), 1, now() from generate_series(1, 2000) g;
		insert into referral.payout_line (site_id, batch_id, person_id, amount, status, updated_at) select 1, 1 + g % 2000, g, 1, 'paid', now() from generate_series(1, 50000) g;
		insert into referral.payout_entry (site_id, line_id, entry_id, live) select 1, g, g, true from generate_series(1, 50000) g;
		insert into referral.exchange_rate (site_id, day, source, target, rate, key_id, at) select 1, date '1990-01-01' + g, 'EUR', 'USD', 1, 1, now() from generate_series(1, 5000) g;
		analyze referral.account, referral.account_entry, referral.open_entry, referral.commission, referral.payout_batch, referral.payout_line, referral.payout_entry, referral.exchange_rate`); err != nil {
		t.Fatal(err)
	}
	for name, query := range map[string]string{
		"later orders": `select 1 from unnest('{1,1}'::bigint[], '{5,7}'::bigint[]) u (s, f) join referral.commission c on c.site_id = u.s and c.friend_id = u.f and c.nth = 1 and c.orders > 1 and not c.superseded`,
		"pending":      `select 1 from unnest('{1,1}'::bigint[], '{500,7}'::bigint[]) u (s, r) join referral.commission c on c.site_id = u.s and c.referral_id = u.r and c.status = 'pending'`,
		"superseded":   `select 1 from referral.commission c where c.site_id = 1 and c.referral_id = 7 and not c.superseded`,
		"of orders":    `select 1 from unnest('{1,1}'::bigint[], '{5,7}'::bigint[]) u (s, o) join referral.commission c on c.site_id = u.s and c.origin_id = u.o`,
		"of a person":  `select 1 from referral.commission c where c.site_id = 1 and c.person_id = 7 order by c.id desc limit 25`,
		"releases":     `select 1 from referral.commission c where c.held and c.hold_until <= now() order by c.hold_until, c.site_id, c.id limit 200`,
		"conversion": `select 1 from referral.commission c join referral.exchange_rate x on x.site_id = c.site_id and x.source = c.order_currency and x.target = c.currency
			and x.day = (c.occurred_at at time zone 'UTC')::date where c.status = 'waiting' limit 200`,
		"payees":      strings.NewReplacer("$1", "1", "$2", "'USD'", "$3", "1", "$4", "100").Replace(payees),
		"in a payout": `select 1 from referral.account_entry e join referral.payout_entry p on p.site_id = e.site_id and p.entry_id = e.id and p.live where e.site_id = 1 and e.commission_id = 7`,
		"open":        `select 1 from referral.open_entry o join referral.payout_line l on l.site_id = o.site_id and l.person_id = o.person_id where l.site_id = 1 and l.batch_id = 7 and o.currency = 'USD'`,
		"history":     `select 1 from referral.account_entry e where e.site_id = 1 and e.person_id = 7 and e.currency = 'USD' order by e.seq desc limit 25`,
		"due batches": `select 1 from referral.payout_batch b where b.status = 'approved' and b.next_at <= now() and b.method = 'paypal' order by b.next_at limit 1`,
		"lines":       `select 1 from referral.payout_line l where l.site_id = 1 and l.batch_id = 7 and l.id > 3 order by l.id limit 25`,
	} {
		var plan []string
		if err := p.root.Select(&plan, `explain `+query); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if slices.ContainsFunc(plan, func(line string) bool { return strings.Contains(line, "Seq Scan") }) {
			t.Errorf("%s:\n%s", name, strings.Join(plan, "\n"))
		}
	}
}

func TestExchangeRates_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for path, want := range map[string]int{"2026-11-20": 200, "2026-11-31": 400, "today": 400, "20261120": 400, "0000-01-01": 400} {
		if code, out, _ := p.call(p.one, http.MethodPut, "/api/v2/exchange_rates/"+path, `{"rates":[{"from":"EUR","to":"USD","rate":1.5}]}`, ""); code != want {
			t.Errorf("%s: %d %v", path, code, out)
		}
	}
	for body, pointer := range map[string]string{`{"rates":[]}`: "/rates", `{"rates":[{"from":"EUR","to":"EUR","rate":1}]}`: "/rates/0/to", `{"rates":[{"from":"XXQ","to":"EUR","rate":1}]}`: "/rates/0/from",
		`{"rates":[{"from":"USD","to":"EUR","rate":0}]}`: "/rates/0/rate", `{"rates":[{"from":"USD","to":"EUR","rate":1e3}]}`: "/rates/0/rate",
		`{"rates":[{"from":"USD","to":"EUR","rate":1},{"from":"USD","to":"EUR","rate":2}]}`: "/rates/1/to"} {
		if code, out, _ := p.call(p.one, http.MethodPut, "/api/v2/exchange_rates/2026-11-20", body, ""); code != 400 || !strings.Contains(mustJSON(t, out), `"`+pointer+`"`) {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	_, mine, _ := p.call(p.one, http.MethodGet, "/api/v2/exchange_rates/2026-11-20", nil, "")
	_, theirs, _ := p.call(p.two, http.MethodGet, "/api/v2/exchange_rates/2026-11-20", nil, "")
	if got := mustJSON(t, mine) + mustJSON(t, theirs); !strings.Contains(got, `"rates":[{"from":"EUR","rate":"1.5","to":"USD"}]`) || !strings.Contains(got, `"rates":[]`) {
		t.Error(got)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
