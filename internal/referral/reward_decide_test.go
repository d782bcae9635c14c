package referral

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func is[T any](v T) *T { return &v }

// promising makes a campaign of these incentives, approved automatically.
func (p *place) promising(s site.Site, incentives ...incentiveInput) campaignJSON {
	return p.campaign(s, func(c *campaignInput) { c.Incentives = incentives })
}

// refer lets friend n buy by the advocate's link; his order is origin n.
func (p *place) refer(advocate, n, subtotal int64, change ...func(*customerevent.OriginRecorded)) {
	p.t.Helper()
	visitor := uuidOf(int(n))
	p.touched(visitor, advocate)
	o := p.purchase(p.one, n, 1000+n, subtotal, visitor)
	for _, c := range change {
		c(&o)
	}
	p.tell(o)
}

func (p *place) refund(n, subtotal int64) {
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: n, Subtotal: subtotal, RefundedTotal: subtotal, Full: true})
}

// ledger are the rewards of a site in the order of their making, "incentive source kind worth status", and the refused ones with their cause.
func (p *place) ledger(siteID int64) (given, refused []string) {
	p.t.Helper()
	const source = `coalesce('referral ' || (select origin_id from referral.referral r where r.site_id = w.site_id and r.id = w.referral_id), 'share ' || case when share_id is not null then '' end,
		'click ' || case when friend_offer_id is not null then '' end, 'milestone ' || milestone, 'origin ' || origin_id)`
	err := p.root.Select(&given, `select i.identifier || ' ' || trim(`+source+`) || ' ' || (w.points + w.amount) || ' ' || w.status
		from referral.reward w join referral.incentive i on i.site_id = w.site_id and i.id = w.incentive_id where w.site_id = $1 order by w.id`, siteID)
	if err == nil {
		err = p.root.Select(&refused, `select i.identifier || ' ' || trim(`+source+`) || ' ' || w.cause || rtrim(' ' || w.detail)
			from referral.reward_refused w join referral.incentive i on i.site_id = w.site_id and i.id = w.incentive_id where w.site_id = $1 order by w.id`, siteID)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return given, refused
}

func same(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTerms_are_checked(t *testing.T) {
	base := func(action, kind string, in incentiveInput, terms terms) incentiveInput {
		in.Identifier, in.ActionType, in.Kind, in.Terms = "x", action, kind, &terms
		return in
	}
	points, money := incentiveInput{Points: 5}, incentiveInput{Amount: 500}
	for name, one := range map[string]struct {
		in   incentiveInput
		want string // the place that is wrong; "" if none
	}{
		"nothing":                    {base("referrer", "points", points, terms{}), ""},
		"a condition":                {base("referrer", "points", points, terms{Criteria: "friend.new_customer"}), ""},
		"a wrong condition":          {base("referrer", "points", points, terms{Criteria: "friend.new"}), "/i/terms/criteria"},
		"tiers":                      {base("referrer", "points", points, terms{Tiers: []tier{{From: 2, Points: 10}, {From: 5, Points: 20}}}), ""},
		"tiers that fall back":       {base("referrer", "points", points, terms{Tiers: []tier{{From: 5, Points: 10}, {From: 5, Points: 20}}}), "/i/terms/tiers/1/from"},
		"tiers of another kind":      {base("referrer", "points", points, terms{Tiers: []tier{{From: 5, Amount: 10}}}), "/i/terms/tiers/0"},
		"tiers of a click":           {base("click", "coupon", incentiveInput{CouponCode: "ABC"}, terms{Tiers: []tier{{From: 5}}}), "/i/terms/tiers"},
		"a milestone":                {base("referrer", "points", points, terms{Milestone: 10}), ""},
		"a milestone of the friend":  {base("referred", "points", points, terms{Milestone: 10}), "/i/terms/milestone"},
		"a milestone in percent":     {base("referrer", "commission", incentiveInput{Percent: "5"}, terms{Milestone: 10}), "/i/terms/milestone"},
		"each zeroth":                {base("referrer", "points", points, terms{DivisibleBy: is(int64(0))}), "/i/terms/referrals_divisible_by"},
		"channels of a purchase":     {base("referrer", "points", points, terms{Channels: []string{"sms"}}), "/i/terms/sharing_channels"},
		"sharing":                    {base("sharing", "points", points, terms{Channels: []string{"sms"}, Uniqueness: oncePerChannel}), ""},
		"sharing in percent":         {base("sharing", "commission", incentiveInput{Percent: "5"}, terms{}), "/i/percent"},
		"an odd uniqueness":          {base("referrer", "points", points, terms{Uniqueness: "twice"}), "/i/terms/reward_uniqueness"},
		"signup":                     {base("signup", "store_credit", money, terms{}), ""},
		"signup with a subtotal":     {base("signup", "points", points, terms{SubtotalMax: is(int64(5))}), "/i/terms/subtotal_max"},
		"words":                      {base("referred", "other", incentiveInput{}, terms{Description: "A mug"}), ""},
		"words without words":        {base("referred", "other", incentiveInput{}, terms{}), "/i/terms/description"},
		"a gift card":                {base("referrer", "gift_card", money, terms{}), ""},
		"a gift card in percent":     {base("referrer", "gift_card", incentiveInput{Percent: "5"}, terms{}), "/i/amount"},
		"points of a click":          {base("click", "points", points, terms{}), "/i/kind"},
		"a cost that is no cost":     {base("referrer", "points", points, terms{Cost: -1}), "/i/terms/cost"},
		"self-referral of a sign-up": {base("signup", "points", points, terms{SelfReferral: is(false)}), "/i/terms/allow_on_self_referral"},
	} {
		var f findings
		one.in.incentive(&f, "/i", "USD")
		got := ""
		if len(f.fields) > 0 {
			got = f.fields[0].Pointer
		}
		if got != one.want || len(f.fields) > 1 {
			t.Errorf("%s: %v, want %q", name, f.fields, one.want)
		}
	}
}

func TestRewards_ask_the_terms_of_their_incentives(t *testing.T) {
	t.Parallel()
	p := setup(t)
	points := func(name, action string, terms terms) incentiveInput {
		return incentiveInput{Identifier: name, ActionType: action, Kind: "points", Points: 10, Terms: &terms}
	}
	p.promising(p.one,
		points("cel", "referrer", terms{Criteria: `origin.coupon_codes.exists(c, c.lowerAscii() == "no") ? "Not with this coupon" : ""`}),
		points("cel_no", "referrer", terms{Criteria: `friend.email_domain == "friends.example" && friend.custom_properties["vip"] == "yes"`}),
		points("chairs", "referrer", terms{Criteria: `items.exists(i, i.product_id == "chair" && i.category == "seats") ? "" : "Only chairs"`}),
		points("new", "referred", terms{NewCustomer: is(true)}),
		points("old", "referred", terms{NewCustomer: is(false)}),
		points("optin", "referred", terms{NewOptin: is(true)}),
		points("small", "referrer", terms{SubtotalMax: is(int64(500))}),
		points("event", "referrer", terms{FriendCategory: "trial"}),
		incentiveInput{Identifier: "mug", ActionType: "referred", Kind: "other", Terms: &terms{Description: "A mug"}},
		incentiveInput{Identifier: "credit", ActionType: "referrer", Kind: "store_credit", Percent: "10"},
	)
	p.known[key{1, 1001}] = customerapi.Person{ID: 1001, Email: "a@Friends.example", CustomProperties: map[string]string{"vip": "yes", "diary": "secret"}, SubscribedAt: is(epoch.Add(-time.Hour))}
	p.known[key{1, 1002}] = customerapi.Person{ID: 1002, Email: "b@else.example", CustomProperties: map[string]string{}, SubscribedAt: is(epoch.Add(-25 * time.Hour))}
	p.refer(10, 1, 1000, func(o *customerevent.OriginRecorded) {
		o.FirstPurchase, o.Items = true, []customerevent.Item{{ProductID: "chair", Category: "seats", Price: 500, Quantity: 2}}
	})
	p.refer(10, 2, 400, func(o *customerevent.OriginRecorded) { o.CouponCodes = []string{"No"} })
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"cel referral 1 10 Paid", "cel_no referral 1 10 Paid", "chairs referral 1 10 Paid", "new referral 1 10 Paid", "optin referral 1 10 Paid",
		"mug referral 1 0 Paid", "credit referral 1 100 Paid",
		"old referral 2 10 Paid", "small referral 2 10 Paid", "mug referral 2 0 Paid", "credit referral 2 40 Paid"})
	same(t, "refused", refused, []string{"old referral 1 new_customer", "small referral 1 subtotal", "event referral 1 friend_event_category",
		"cel referral 2 criteria Not with this coupon", "cel_no referral 2 criteria", "chairs referral 2 criteria Only chairs", "new referral 2 new_customer", "optin referral 2 new_optin",
		"event referral 2 friend_event_category"})

	code, out, _ := p.call(p.one, "GET", "/api/v2/refused_rewards?cause=criteria&limit=1", nil, "")
	list := out["result"].(map[string]any)["refused_rewards"].([]any)
	if one := list[0].(map[string]any); code != 200 || one["cause"] != "criteria" || one["detail"] != "Only chairs" || one["explanation"] != refusedBecause[refusedCriteria] || out["result"].(map[string]any)["next_cursor"] == nil {
		t.Errorf("got %d %v", code, out)
	}
	if strings.Contains(p.text(`select string_agg(rule::text, '') from (select rule from referral.reward union all select rule from referral.reward_refused) x`), "secret") {
		t.Error("a custom property is kept with a decision")
	}
	if code, out, _ := p.call(p.two, "GET", "/api/v2/refused_rewards", nil, ""); code != 200 || len(out["result"].(map[string]any)["refused_rewards"].([]any)) != 0 {
		t.Errorf("the other site sees %d %v", code, out)
	}
}

func (p *place) text(query string, args ...any) (out string) {
	p.t.Helper()
	if err := p.root.Get(&out, query, args...); err != nil {
		p.t.Fatal(err)
	}
	return out
}

func TestSignup_77_is_rewarded_once_a_person_when_the_merchant_says_so(t *testing.T) {
	t.Parallel()
	p := setup(t)
	incentives := []incentiveInput{{Identifier: "welcome", ActionType: "signup", Kind: "points", Points: 50, Terms: &terms{Criteria: `person.email_domain == "bad.example" ? "Not for you" : ""`}}}
	p.promising(p.one, incentives...)
	p.promising(p.two, incentives...)
	p.known[key{1, 8}] = customerapi.Person{ID: 8, Email: "x@bad.example"}
	signup := func(s site.Site, origin, person int64, verified bool) customerevent.OriginRecorded {
		return customerevent.OriginRecorded{SiteID: s.ID, OriginID: origin, Type: customerevent.AffiliateMember, PersonID: person, Verified: verified,
			OccurredAt: p.clock.Now(), RecordedAt: p.clock.Now()}
	}
	p.tell(signup(p.one, 1, 7, false), signup(p.one, 2, 0, true))
	p.tell(signup(p.one, 1, 7, true), signup(p.one, 3, 7, true), signup(p.one, 4, 8, true), signup(p.two, 1, 7, true))
	p.tell(signup(p.one, 1, 7, true)) // again
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"welcome origin 1 50 Paid"})
	same(t, "refused", refused, []string{"welcome origin 4 criteria Not for you", "welcome origin 3 uniqueness"})
	if given, _ := p.ledger(2); len(given) != 1 {
		t.Errorf("the twin site: %v", given)
	}
}

func TestSharing_78_is_rewarded_once_when_the_merchant_says_so(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "shared", ActionType: "sharing", Kind: "points", Points: 5, Terms: &terms{EmailShares: is(false), Uniqueness: oncePerChannel}},
		incentiveInput{Identifier: "mailed", ActionType: "sharing", Kind: "points", Points: 7, Terms: &terms{Criteria: "share.emails >= 2"}})
	o := p.join(p.one, 10)
	do := func(channel string, verified bool, points int64) {
		t.Helper()
		out, _, err := p.ShareSocial(t.Context(), p.one, o.ShortURLCode, channel, verified, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		if (out.Reward != nil) != (points > 0) || out.Reward != nil && (*out.Reward.Points != points || out.Reward.Reason != "shared") {
			t.Errorf("%s: %+v, want %d", channel, out.Reward, points)
		}
	}
	do("sms", false, 0)
	do("sms", true, 5)
	do("sms", true, 0)
	do("facebook", true, 5)
	mail, _, err := p.ShareByEmail(t.Context(), p.one, referralapi.EmailShare{Code: o.ShortURLCode, Verified: true,
		Recipients: []referralapi.Recipient{{PersonID: 20, Valid: true}, {PersonID: 21, Valid: true}}})
	if err != nil || len(mail.Rewards) != 1 || *mail.Rewards[0].Points != 7 {
		t.Errorf("mail: %+v, %v", mail.Rewards, err)
	}
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"shared share 5 Paid", "shared share 5 Paid", "mailed share 7 Paid"})
	same(t, "refused", refused, []string{"mailed share criteria", "shared share unverified", "mailed share criteria", "mailed share criteria",
		"shared share uniqueness", "mailed share criteria", "shared share sharing_channel"})
	p.clock.Move((visitDaysKept - 1) * 24 * time.Hour)
	p.keep(t.Context())
	if _, refused := p.ledger(1); len(refused) != 7 {
		t.Errorf("%d refusals within their time", len(refused))
	}
	p.clock.Move(48 * time.Hour)
	p.keep(t.Context())
	if given, refused := p.ledger(1); len(given) != 3 || len(refused) != 0 {
		t.Errorf("after their time: %q, %q", given, refused)
	}
}

// Approvals and refunds in any order leave each milestone rewarded once if the advocate has so many referrals, and not otherwise.
func TestRewards_101_are_kept_from_what_approved_itself(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "hand", ActionType: "referrer", Kind: "points", Points: 1, Terms: &terms{ByHand: true}})
	p.refer(10, 1, 1000)
	p.campaign(p.one, func(c *campaignInput) {
		c.Approval = &approvalInput{Mode: manual}
		c.Incentives = []incentiveInput{{Identifier: "hand", ActionType: "referrer", Kind: "points", Points: 1, Terms: &terms{ByHand: true}}}
	})
	p.refer(10, 2, 1000)
	if _, _, err := p.SetStatus(t.Context(), p.one, 2, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	given, refused := p.ledger(1)
	same(t, "given", given, []string{"hand referral 2 1 Paid"})
	same(t, "refused", refused, []string{"hand referral 1 auto_approved"})
}

func TestExplain_of_rewards(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.promising(p.one, incentiveInput{Identifier: "card", ActionType: "referrer", Kind: "gift_card", Amount: 500, Terms: &terms{Criteria: "origin.subtotal > 5"}},
		incentiveInput{Identifier: "never", ActionType: "referred", Kind: "points", Points: 1, Terms: &terms{Criteria: `"Not this week"`}})
	p.limits(p.one, c.ID, limits{Budget: &budget{Amount: 600}})
	p.refer(10, 1, 1000)
	_, out, _ := p.call(p.one, "GET", "/api/v2/referrals/1/explain", nil, "")
	result := out["result"].(map[string]any)
	given, refused := result["rewards"].([]any), result["refused_rewards"].([]any)
	if len(given) != 1 || len(refused) != 1 || refused[0].(map[string]any)["detail"] != "Not this week" {
		t.Fatalf("got %v, %v", given, refused)
	}
	path := "/api/v2/rewards/" + strconv.Itoa(int(given[0].(map[string]any)["id"].(float64))) + "/explain"
	code, out, _ := p.call(p.one, "GET", path, nil, "")
	result = out["result"].(map[string]any)
	one := result["reward"].(map[string]any)
	seen := one["rule"].(map[string]any)["criteria_seen"].(map[string]any)
	if code != 200 || one["state"] != "pending" || one["incentive"] != "card" || seen["origin.subtotal"] != 1000.0 ||
		result["budget"].(map[string]any)["cost"] != 500.0 || result["gift_card"].(map[string]any)["status"] != "queued" {
		t.Errorf("%d %v", code, out)
	}
	if code, _, _ := p.call(p.two, "GET", path, nil, ""); code != 404 {
		t.Errorf("the other site: %d", code)
	}
}

func TestClicks_83_know_the_kind_of_friend(t *testing.T) {
	t.Parallel()
	p := setup(t)
	click := func(name string, terms terms) incentiveInput {
		return incentiveInput{Identifier: name, ActionType: "click", Kind: "coupon", CouponCode: strings.ToUpper(name), Terms: &terms}
	}
	p.promising(p.one, click("newcomer", terms{NewCustomer: is(true)}), click("regular", terms{NewCustomer: is(false)}), click("reader", terms{NewOptin: is(true)}),
		click("other", terms{SelfReferral: is(false)}))
	p.known[key{1, 20}] = customerapi.Person{ID: 20, EventsCount: 3, SubscribedAt: is(epoch)}
	p.known[key{1, 10}] = customerapi.Person{ID: 10, EventsCount: 1}
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(20)), p.purchase(p.one, 2, 10, 1000, uuidOf(10)))
	link := p.join(p.one, 10).ClaimURL
	for _, n := range []int{1, 20, 10} { // a stranger, somebody who has bought, the advocate
		p.visitLink(link, uuidOf(n))
	}
	var got []string
	if err := p.root.Select(&got, `select right(w.visitor_id::text, 2) || ' ' || i.identifier from referral.reward w join referral.incentive i on i.site_id = w.site_id
		and i.id = w.incentive_id order by w.id`); err != nil {
		t.Fatal(err)
	}
	same(t, "clicks", got, []string{"01 newcomer", "01 other", "20 regular", "20 reader", "20 other", "10 regular"})
}

func TestOffers_show_the_criteria_of_incentives(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "a", ActionType: "referrer", Kind: "points", Points: 5, SubtotalMin: is(int64(1050)), Terms: &terms{NewCustomer: is(true), Criteria: "true",
		DivisibleBy: is(int64(5)), SubtotalMax: is(int64(2000)), Uniqueness: oncePerPerson, FriendCategory: "trial"}},
		incentiveInput{Identifier: "b", ActionType: "sharing", Kind: "points", Points: 5, Terms: &terms{Channels: []string{"sms"}, EmailShares: is(false)}})
	got, err := json.Marshal(p.join(p.one, 10).Incentives)
	for _, want := range []string{`"criteria_config":{"friend_event_category":"trial","has_liquid_criteria":true,"new_customer":true,"new_optin":null,"referrals_divisible_by":5,` +
		`"referrals_max":null,"referrals_min":null,"referrals_not_divisible_by":null,"reward_uniqueness":"once_per_person","subtotal_max":20.00,"subtotal_min":10.50}`,
		`"criteria_config":{"email_shares":false,"has_liquid_criteria":false,"new_customer":null,"new_optin":null,"once_per_person":true,"sharing_channels":["sms"]}`} {
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
