package criteria_test

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/fault"
)

var facts = criteria.Facts{
	Now:      time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
	Person:   criteria.Person{ID: 7, Referrals: 10},
	Advocate: criteria.Person{ID: 7, EmailDomain: "shop.example", Referrals: 10},
	Friend: criteria.Person{ID: 8, NewCustomer: true, CustomProperties: map[string]string{"vip": "yes"},
		CreatedAt: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)},
	Origin: criteria.Origin{ID: 3, Type: "Purchase", Subtotal: 5000, Currency: "EUR", CouponCodes: []string{"Summer"},
		Segments: []string{"web"}, OccurredAt: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)},
	Items:    []criteria.Item{{ProductID: "chair", Price: 2500, Quantity: 2}},
	Campaign: criteria.Campaign{ID: 1, Name: "Give and get", Tags: []string{"winter"}},
	Share:    criteria.Share{Channel: "facebook"},
}

func TestAsk(t *testing.T) {
	const no, yes = "no", "yes" // anything else is the reason
	for text, want := range map[string]string{
		"":                            yes,
		"  \n":                        yes,
		"true":                        yes,
		"false":                       no,
		"origin.subtotal >= 5000":     yes,
		"origin.subtotal > 5000":      no,
		"friend.new_customer":         yes,
		"advocate.referrals % 5 == 0": yes,
		`friend.custom_properties["vip"] == "yes"`:                                                         yes,
		`"vip" in friend.custom_properties`:                                                                yes,
		`items.exists(i, i.product_id == "chair" && i.quantity > 1)`:                                       yes,
		`items.all(i, i.price * i.quantity > 5000)`:                                                        no,
		`origin.coupon_codes.exists(c, c.lowerAscii() == "summer")`:                                        yes,
		`"web" in origin.segments`:                                                                         yes,
		`now - origin.occurred_at < duration("48h")`:                                                       yes,
		`friend.created_at > timestamp("2026-11-22T00:00:00Z")`:                                            no,
		`advocate.email_domain.endsWith(".example")`:                                                       yes,
		`advocate.email_domain.matches("^sh[aeiou]p")`:                                                     yes,
		`size(items) == 1 && "winter" in campaign.tags`:                                                    yes,
		`now.getDayOfWeek("Europe/Berlin") == 1`:                                                           yes,
		`share.channel == "email" ? "" : "only by e-mail"`:                                                 "only by e-mail",
		`friend.new_customer ? "" : "only new customers"`:                                                  yes,
		`friend.new_customer ? "true" : "only new customers"`:                                              yes,
		`member.birthday.month == 0 && !("wedding" in member.dates)`:                                       yes,
		`date("1990-05-17").month == 5 && date("1990-05-17").day == 17 && date("2024-02-29").year == 2024`: yes,
		`date("17.5.1990").month == 0 && date("2023-02-29").day == 0 && date("").year == 0`:                yes,
		`date(friend.custom_properties["vip"]).month == today.month`:                                       yes,
		`"false"`: no,
		`"  "`:    yes,
		`origin.subtotal > 9000 ? dyn(true) : dyn("too small")`: "too small",
		`dyn(1)`:                           "the criteria give neither true, false nor a text",
		`1 / (origin.subtotal - 5000) > 0`: "the criteria cannot be evaluated: division by zero",
		`friend.custom_properties["no such"] == ""`: "the criteria cannot be evaluated: no such key: no such",
		`items[4].quantity == 1`:                    "the criteria cannot be evaluated: index out of bounds: 4",
		`origin.subtotal * 9223372036854775807 > 0`: "the criteria cannot be evaluated: integer overflow",
		"[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, a+b+c+d+e > 0)))))": "the criteria cannot be evaluated: operation cancelled: actual cost limit exceeded",
	} {
		t.Run(text, func(t *testing.T) {
			c, err := criteria.Compile(text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Ask(t.Context(), facts)
			if err != nil {
				t.Fatal(err)
			}
			said := got.Reason
			if said == "" {
				said = map[bool]string{true: yes, false: no}[got.Met]
			}
			if said != want || got.Met && got.Reason != "" {
				t.Errorf("%s: got %+v, want %q", text, got, want)
			}
		})
	}
}

func TestCompile_says_what_is_wrong_and_where(t *testing.T) {
	for text, want := range map[string]string{
		"origin.subtotal >":                             "Line 1, column 18: ",
		"origin.subtotl > 5":                            "Line 1, column 7: undefined field 'subtotl'",
		"nobody.id > 5":                                 "Line 1, column 1: undeclared reference to 'nobody'",
		"true &&\n  origin.subtotal":                    "Line 2, column 9: ",
		"origin.subtotal":                               "Line 1, column 1: must give true, false or a text, and this gives int",
		`origin.subtotal > "5"`:                         "Line 1, column 17: found no matching overload",
		`"a".replace("a", "b") == ""`:                   "Line 1, column 12: undeclared reference to 'replace'",
		`friend.customer_id.matches("(a")`:              "Line 1, column 28: ",
		strings.Repeat("(", 100) + "true":               "Line 1, column ",
		strings.Repeat("true && ", 400) + "true":        "Line 1, column 1: must be at most 2000 characters",
		"true\xff":                                      "Line 1, column 1: must be at most 2000 characters of valid UTF-8",
		`"x".matches(origin.currency)`:                  "Line 1, column 19: a pattern must be written out",
		`timestamp("yesterday") < now`:                  "Line 1, column 11: ",
		`friend.customer_id.matches("(a{99}b{99}){9}")`: "Line 1, column ",
	} {
		_, err := criteria.Compile(text)
		f, ok := fault.Of(err)
		if !ok || f.Kind != fault.Invalid || f.Code != "invalid_criteria" || !strings.HasPrefix(f.Detail, want) {
			t.Errorf("%.40q: got %v, want %q", text, err, want)
		}
	}
}

func TestReasons_are_bounded(t *testing.T) {
	c, err := criteria.Compile(`"` + strings.Repeat("é", 1000) + `"`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Ask(t.Context(), facts); err != nil || got.Met || len([]rune(got.Reason)) != 301 {
		t.Errorf("got %d letters, %v", len([]rune(got.Reason)), err)
	}
}

func TestUses_and_Seen_name_what_is_asked_for(t *testing.T) {
	c, err := criteria.Compile(`friend.new_customer && friend.custom_properties["vip"] == "yes" && origin.subtotal > 1 && now > origin.occurred_at && size(items) > 0`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"friend": true, "origin": true, "items": true, "now": true, "advocate": false, "share": false} {
		if c.Uses(name) != want {
			t.Errorf("uses %s: %v", name, !want)
		}
	}
	want := map[string]any{"friend.new_customer": true, "origin.subtotal": int64(5000), "now": facts.Now, "origin.occurred_at": facts.Origin.OccurredAt}
	if got := c.Seen(facts); !reflect.DeepEqual(got, want) { // what the merchant says of people isn't kept
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAsk_tells_a_verdict_from_no_answer(t *testing.T) {
	c, err := criteria.Compile("items.all(a, items.all(b, items.all(c, a.price + b.price + c.price > 0)))")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := c.Ask(ctx, criteria.Facts{Items: make([]criteria.Item, 100)}); err == nil || got.Met {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestCompile_is_for_many_at_once(t *testing.T) {
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			c, err := criteria.Compile("origin.subtotal == 5000")
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := c.Ask(t.Context(), facts); err != nil || !got.Met {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	wait.Wait()
}

func TestVariables_are_all_documented(t *testing.T) {
	list := criteria.Variables()
	if len(list) < 30 {
		t.Fatalf("only %d", len(list))
	}
	for _, v := range list {
		if v.Doc == "" || v.Type == "" || strings.HasSuffix(v.Name, ".") {
			t.Errorf("%+v says too little", v)
		}
	}
}

// TestDates_are_known_by_their_parts and never kept, while the day at hand is.
func TestDates_are_known_by_their_parts(t *testing.T) {
	f := criteria.Facts{Today: criteria.ParseDate("2026-05-02"), Member: criteria.Member{Birthday: criteria.ParseDate("1990-05-17"),
		Dates: map[string]criteria.Date{"birthday": criteria.ParseDate("1990-05-17"), "wedding": criteria.ParseDate("2020-05-02")}}}
	c, err := criteria.Compile(`member.birthday.month == today.month && "wedding" in member.dates && member.dates["wedding"].day == today.day && today.year - member.birthday.year == 36`)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Ask(t.Context(), f); err != nil || !got.Met {
		t.Errorf("%+v, %v", got, err)
	}
	if seen := c.Seen(f); !reflect.DeepEqual(seen, map[string]any{"today.month": int64(5), "today.day": int64(2), "today.year": int64(2026)}) || !c.Names("member.dates") || !c.Names("member.birthday") {
		t.Errorf("seen %v", seen)
	}
}

func FuzzCriteria(f *testing.F) {
	for _, text := range []string{"", "true", `friend.new_customer ? "" : "no"`, `items.exists(i, i.price > 1)`, "origin.subtotal >",
		`[1,2].all(a, [a].exists(b, b == a))`, `"a" + string(origin.subtotal)`, `now + duration("1h") > now`, `dyn(origin.id)`, `date("1990-05-17").month == today.month`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := criteria.Compile(text)
		if err != nil {
			if wrong, ok := fault.Of(err); !ok || wrong.Kind != fault.Invalid {
				t.Fatalf("%q: %v is no fault", text, err)
			}
			return
		}
		got, err := c.Ask(t.Context(), facts)
		if err != nil {
			t.Fatalf("%q took too long: %v", text, err)
		}
		if again, _ := c.Ask(t.Context(), facts); again != got {
			t.Fatalf("%q: %+v, then %+v", text, got, again)
		}
		if got.Met && got.Reason != "" {
			t.Fatalf("%q: %+v", text, got)
		}
	})
}

func BenchmarkAsk(b *testing.B) {
	c, err := criteria.Compile(`friend.new_customer && origin.subtotal >= 5000 && items.exists(i, i.product_id == "chair")`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if got, err := c.Ask(b.Context(), facts); err != nil || !got.Met {
			b.Fatal(got, err)
		}
	}
}
