package referral

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func TestNameOf_is_ASCII_in_upper_case(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"José": "JOSE", "Zoë & Co": "ZOECO", "straße": "STRAE", "ı": nameless, "": nameless, "李": nameless, "anna-lena 2": "ANNALENA2",
		"Ⅷ": "VIII", strings.Repeat("x", 300): strings.Repeat("X", longestName)} {
		if got := codeName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		plan := personalPlan{Template: usualPersona}
		code := plan.code(rapid.String().Draw(t, "name"), rapid.IntRange(0, personaTries-1).Draw(t, "try"))
		if codeFault(code) != "" || code != codeOfCoupon(strings.ToLower(code)) {
			t.Fatalf("%q is no code: %s", code, codeFault(code))
		}
	})
}

// personal makes a campaign whose advocates have codes of their own.
func (p *place) personal(s site.Site, template string, change func(*campaignInput)) couponListJSON {
	p.t.Helper()
	l, _, err := p.createCouponList(p.t.Context(), s, 1, couponListInput{Name: "Friends", Kind: multiUse, Percent: "10"}, idempotency.Key{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.campaign(s, func(c *campaignInput) {
		c.Attribution = &attributionInput{Personal: &personalInput{ListID: l.ID, Template: template}}
		if change != nil {
			change(c)
		}
	})
	return l
}

// buys is a purchase with codes.
func (p *place) buys(origin, person int64, visitor string, codes ...string) customerevent.OriginRecorded {
	e := p.purchase(p.one, origin, person, 1000, visitor)
	e.CouponCodes = codes
	return e
}

func TestPersonal_coupon_comes_with_the_offer_and_makes_the_referral(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.personal(p.one, "", nil)
	p.personal(p.two, "", nil)
	p.known[key{1, 10}] = customerapi.Person{ID: 10, FirstName: "José"}
	o := p.join(p.one, 10)
	if o.CouponCode == nil || !regexp.MustCompile(`^JOSE-[2-9A-Z]{4}$`).MatchString(*o.CouponCode) {
		t.Fatalf("%v", o.CouponCode)
	}
	if again := p.join(p.one, 10); *again.CouponCode != *o.CouponCode {
		t.Errorf("another code: %s", *again.CouponCode)
	}
	if read, err := p.Offer(t.Context(), p.one, o.ShortURLCode, nil); err != nil || *read.CouponCode != *o.CouponCode {
		t.Errorf("%v %v", read, err)
	}
	if twin := p.join(p.two, 10); !strings.HasPrefix(*twin.CouponCode, nameless+"-") {
		t.Errorf("the other site knows the name: %s", *twin.CouponCode)
	}
	p.touched(uuidOf(1), 11)
	p.tell(p.buys(1, 20, uuidOf(1), " "+strings.ToLower(*o.CouponCode)))
	r, a := p.referral(1), p.decision(1, 1)
	if r.AdvocateID != 10 || r.TrackMethod != byCoupon || a.Reason != reasonCode {
		t.Errorf("%+v %s", r, a.Trace)
	}
	if got := p.trace(1); len(got) != 2 || got[0]["kept"] != true || got[0]["coupon_id"] == nil || got[1]["cause"] != reasonWeaker {
		t.Errorf("%v", got)
	}
	p.tell(p.buys(2, 10, uuidOf(7), *o.CouponCode)) // the advocate's own order
	if a := p.decision(1, 2); a.Outcome != outcomeBlocked || a.Reason != ruleSelf {
		t.Errorf("%s %s", a.Outcome, a.Reason)
	}
	found, err := p.Coupon(t.Context(), p.one, *o.CouponCode)
	if err != nil || found == nil || len(found.Owners) != 0 || found.Unissued || found.Expired || found.Used || found.Coupon.Usages != 2 || !found.Coupon.PercentageDiscount {
		t.Errorf("friends may use it: %+v %v", found, err)
	}
	if n := p.count(`select count(*) from referral.waiting where type = 'referral.personal_coupon_made.v1'`); n != 3 {
		t.Errorf("%d codes were told", n)
	}
}

func TestPersonal_coupons_are_one_an_offer_and_unique_under_concurrency(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	for person := range int64(5) {
		p.join(p.one, 10+person) // offers that are there before the campaign gives codes
	}
	if _, err := p.root.Exec(`update referral.campaign_version set terms = jsonb_set(terms, '{status}', '"Disabled"')`); err != nil {
		t.Fatal(err)
	}
	p.catalog.changed(1)
	p.personal(p.one, "A###", nil)
	codes := make([]*string, 40)
	race(40, func(i int) {
		o, err := p.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: int64(10 + i%10)})
		if err != nil {
			t.Error(err)
			return
		}
		codes[i] = o.CouponCode
	})
	byPerson := map[int]string{}
	for i, c := range codes {
		if c == nil || byPerson[i%10] != "" && byPerson[i%10] != *c {
			t.Errorf("person %d: %v and %s", i%10, c, byPerson[i%10])
			continue
		}
		byPerson[i%10] = *c
	}
	if n := p.count(`select count(distinct (offer_id, coupon_id)) from referral.personal_coupon`); n != 10 {
		t.Errorf("%d codes for 10 offers", n)
	}
}

// Where all short codes are taken, a longer one is drawn.
func TestPersonal_code_that_is_taken_is_drawn_again(t *testing.T) {
	t.Parallel()
	p := setup(t)
	l := p.personal(p.one, "###", nil)
	if _, err := p.root.Exec(`
		insert into referral.coupon (site_id, list_id, code, single_use, created_at)
		select 1, $1, a || b || c, false, now() from regexp_split_to_table($2, '') a, regexp_split_to_table($2, '') b, regexp_split_to_table($2, '') c`, l.ID, drawn); err != nil {
		t.Fatal(err)
	}
	if o := p.join(p.one, 10); o.CouponCode == nil || len(*o.CouponCode) != 5 {
		t.Errorf("%v", o.CouponCode)
	}
}

func TestPersonal_coupons_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.personal(p.one, "", nil)
	p.campaign(p.two, nil)
	path := "/api/v2/offers/" + p.join(p.one, 10).ShortURLCode + "/personal_coupons"
	code, out, _ := p.call(p.one, "POST", path, `{"code":"ann10"}`, "k")
	if code != 201 || dig(out, "personal_coupon", "code") != "ANN10" || dig(out, "personal_coupon", "current") != true {
		t.Errorf("%d %v", code, out)
	}
	if code, again, replayed := p.call(p.one, "POST", path, `{"code":"ann10"}`, "k"); code != 201 || !replayed || fmt.Sprint(again) != fmt.Sprint(out) {
		t.Errorf("the same key: %d %v", code, again)
	}
	if code, out, _ := p.call(p.one, "POST", path, `{"code":"ANN10"}`, ""); code != 409 {
		t.Errorf("taken: %d %v", code, out)
	}
	if o := p.join(p.one, 10); *o.CouponCode != "ANN10" {
		t.Errorf("the offer shows %s", *o.CouponCode)
	}
	_, out, _ = p.call(p.one, "GET", path, nil, "")
	if list := dig(out, "personal_coupons").([]any); len(list) != 2 || list[0].(map[string]any)["code"] != "ANN10" || list[1].(map[string]any)["current"] != false {
		t.Errorf("%v", out)
	}
	for n := 2; n < mostPersonal; n++ {
		if code, out, _ := p.call(p.one, "POST", path, `{}`, ""); code != 201 {
			t.Fatalf("%d %v", code, out)
		}
	}
	if code, out, _ := p.call(p.one, "POST", path, `{}`, ""); code != 409 {
		t.Errorf("one too many: %d %v", code, out)
	}
	other := "/api/v2/offers/" + p.join(p.two, 10).ShortURLCode + "/personal_coupons"
	for _, c := range []struct {
		s          site.Site
		path, body string
		want       int
	}{{p.two, path, `{}`, 404}, {p.two, other, `{}`, 409}, {p.one, path, `{"code":"ß"}`, 400}, {p.one, path, `{"code":"SAMPLE-COUPON-CODE"}`, 400}, {p.one, "/api/v2/offers/x/personal_coupons", `{}`, 404}} {
		if code, out, _ := p.call(c.s, "POST", c.path, c.body, ""); code != c.want {
			t.Errorf("%s %s: %d %v", c.path, c.body, code, out)
		}
	}
}

// dig reads a member of an answer's result.
func dig(out map[string]any, names ...string) any {
	v := out["result"]
	for _, n := range names {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[n]
	}
	return v
}

// The coupon that a friend got by a link is the advocate's link in another form.
func TestSingle_use_coupon_of_a_friend_makes_the_referral(t *testing.T) {
	t.Parallel()
	p := setup(t)
	l := p.list(p.one, "FRIEND-1", "FRIEND-2")
	p.campaign(p.one, func(c *campaignInput) {
		c.Incentives = []incentiveInput{{Identifier: "click", ActionType: "click", Kind: "coupon", CouponListID: &l}, usual[0]}
	})
	p.touched(uuidOf(1), 10)
	p.tell(p.buys(1, 20, uuidOf(9), "friend-1")) // by another browser
	if r := p.referral(1); r.AdvocateID != 10 || r.TrackMethod != byCoupon {
		t.Errorf("%+v", r)
	}
	p.tell(p.buys(2, 21, uuidOf(8), "FRIEND-2")) // nobody's yet
	if a := p.decision(1, 2); a.Reason != reasonNoTouch {
		t.Errorf("%+v", a)
	}
}

func TestEndCoupon(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.personal(p.one, "", nil)
	l := p.list(p.one, "FREE-ONE", "FREE-TWO")
	o := p.join(p.one, 10)
	p.touched(uuidOf(1), 11)
	end := func(code, key string) (int, map[string]any) {
		status, out, _ := p.call(p.one, "POST", "/api/v2/coupons/"+code+"/expire", `{}`, key)
		return status, out
	}
	if code, out := end(strings.ToLower(*o.CouponCode), "k"); code != 200 || dig(out, "coupon", "code") != *o.CouponCode {
		t.Fatalf("%d %v", code, out)
	}
	p.clock.Move(time.Hour)
	before := p.clock.Now()
	for range 2 {
		if code, out := end(*o.CouponCode, ""); code != 200 || dig(out, "coupon", "expires_at") == before.Format(time.RFC3339) {
			t.Errorf("ended again: %d %v", code, out)
		}
	}
	found, err := p.Coupon(t.Context(), p.one, *o.CouponCode)
	if err != nil || !found.Expired || found.Coupon.Active {
		t.Errorf("%+v %v", found, err)
	}
	p.tell(p.buys(1, 20, uuidOf(9), *o.CouponCode), p.buys(2, 21, uuidOf(1), *o.CouponCode))
	if a := p.decision(1, 1); a.Reason != reasonCodeEnded {
		t.Errorf("%s %s", a.Reason, a.Trace)
	}
	if r := p.referral(2); r.AdvocateID != 11 || r.TrackMethod != byCookie {
		t.Errorf("the link goes on: %+v", r)
	}
	early := p.buys(3, 22, uuidOf(9), *o.CouponCode)
	early.OccurredAt = epoch.Add(-time.Minute)
	p.tell(early)
	if r := p.referral(3); r.AdvocateID != 10 {
		t.Errorf("an order from before, told late: %+v", r)
	}
	if code, out := end("FREE-ONE", ""); code != 200 {
		t.Fatalf("%d %v", code, out)
	}
	if got, err := readCouponList(t.Context(), p.db, 1, l); err != nil || got.Available != 1 {
		t.Errorf("%+v %v", got, err)
	}
	taken, err := freeCoupons(t.Context(), p.db, key{1, l}, 10)
	if err != nil || taken != 1 {
		t.Errorf("%d are free: %v", taken, err)
	}
	for _, code := range []string{"NO-SUCH", "%20", "%C3%9F"} {
		if status, out := end(code, ""); status != 404 {
			t.Errorf("%s: %d %v", code, status, out)
		}
	}
	if _, err := p.root.Exec(`update referral.coupon_list set expires_at = $1 where kind = 'multi-use'`, p.clock.Now()); err != nil {
		t.Fatal(err)
	}
	p.tell(p.buys(4, 23, uuidOf(9), *p.join(p.one, 11).CouponCode))
	if a := p.decision(1, 4); a.Reason != reasonCodeEnded {
		t.Errorf("the list has expired: %s", a.Reason)
	}
	if status, _, _ := p.call(p.two, "POST", "/api/v2/coupons/FREE-TWO/expire", `{}`, ""); status != 404 {
		t.Errorf("the other site: %d", status)
	}
}

func TestCoupon_cycling_blocks_the_referral(t *testing.T) {
	t.Parallel()
	p := setup(t)
	l := p.list(p.one, "EARNED-1", "EARNED-2")
	p.campaign(p.one, func(c *campaignInput) {
		c.Incentives = []incentiveInput{{Identifier: "own", ActionType: "referrer", Kind: "coupon", CouponListID: &l},
			{Identifier: "all", ActionType: "referrer", Kind: "coupon", CouponCode: "ADVOCATES", CouponPercent: "5"}, usual[2]}
	})
	p.touched(uuidOf(1), 10)
	p.touched(uuidOf(2), 10)
	p.touched(uuidOf(3), 11)
	p.tell(p.buys(1, 20, uuidOf(1)))
	p.tell(p.buys(2, 21, uuidOf(2), "earned-1"), p.buys(3, 22, uuidOf(3), "EARNED-1"), p.buys(4, 23, uuidOf(2), "ADVOCATES"), p.buys(5, 24, uuidOf(2), "THANKS5"))
	for origin, want := range map[int64]string{2: outcomeBlocked, 3: outcomeReferred, 4: outcomeBlocked, 5: outcomeReferred} {
		if a := p.decision(1, origin); a.Outcome != want || want == outcomeBlocked && (a.Reason != ruleCycling || !strings.Contains(a.json().Explanation, ruleCycling)) {
			t.Errorf("origin %d: %s %s %s", origin, a.Outcome, a.Reason, a.Trace)
		}
	}
	if n := p.count(`select count(*) from referral.reward w join referral.referral r on r.site_id = w.site_id and r.id = w.referral_id where r.origin_id in (2, 4)`); n != 0 {
		t.Errorf("%d rewards for what blocks them", n)
	}
}

func TestPersonal_codes_of_the_forgotten_say_no_name(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.personal(p.one, "", nil)
	p.known[key{1, 10}] = customerapi.Person{ID: 10, FirstName: "Ann"}
	code := *p.join(p.one, 10).CouponCode
	kept := *p.join(p.one, 11).CouponCode
	for range 2 {
		p.tell(customerevent.PersonAnonymized{SiteID: 1, PersonID: 10})
	}
	if found, err := p.Coupon(t.Context(), p.one, code); err != nil || found != nil {
		t.Errorf("%+v %v", found, err)
	}
	if n := p.count(`select count(*) from referral.coupon where code like 'ANN-%'`) + p.count(`select count(*) from referral.offer where coupon_code like 'ANN-%'`); n != 0 {
		t.Errorf("the name stands in %d places", n)
	}
	if found, err := p.Coupon(t.Context(), p.one, kept); err != nil || found == nil || found.Expired {
		t.Errorf("somebody else's: %+v %v", found, err)
	}
}
