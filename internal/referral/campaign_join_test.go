package referral

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

func TestJoin_asks_who_may(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.known[key{1, 10}] = customerapi.Person{ID: 10, Email: "ann@Shop.example", PurchasesCount: 1, EventsCount: 1, CustomProperties: map[string]string{"tier": "gold"}}
	p.known[key{1, 11}] = customerapi.Person{ID: 11, PurchasesCount: 2, EventsCount: 2}
	hours := func(n int64) *int64 { return &n }
	order := referralapi.Join{Type: customerevent.Purchase, PersonID: 10, Subtotal: 5000, Currency: "USD", Segments: []string{"", "vip", ""}, Verified: true,
		Items: []customerapi.Item{{ProductID: "chair", Quantity: 1}}, OccurredAt: epoch.Add(-30 * time.Hour)}
	second := order
	second.PersonID = 11
	for name, c := range map[string]struct {
		join joinInput
		in   referralapi.Join
		may  bool
	}{
		"the first purchase":      {joinInput{Customers: "new"}, order, true},
		"the second purchase":     {joinInput{Customers: "new"}, second, false},
		"who bought before":       {joinInput{Customers: "existing"}, second, true},
		"old enough":              {joinInput{OriginMinAge: hours(30)}, order, true},
		"not old enough":          {joinInput{OriginMinAge: hours(31)}, order, false},
		"too old":                 {joinInput{OriginMaxAge: hours(29)}, order, false},
		"one of the products":     {joinInput{Products: []string{"table", "chair"}}, order, true},
		"none of the products":    {joinInput{Products: []string{"table"}}, order, false},
		"the segment":             {joinInput{Segments: []string{"vip"}}, order, true},
		"not the segment":         {joinInput{Segments: []string{"" + "v"}}, order, false},
		"the property":            {joinInput{CustomProperties: map[string]string{"tier": "gold"}}, order, true},
		"another value":           {joinInput{CustomProperties: map[string]string{"tier": "silver"}}, order, false},
		"no such property":        {joinInput{CustomProperties: map[string]string{"tier": "gold"}}, second, false},
		"criteria":                {joinInput{Criteria: `origin.subtotal >= 5000 && person.email_domain == "shop.example"`}, order, true},
		"criteria that say why":   {joinInput{Criteria: `"not today"`}, order, false},
		"criteria that fail":      {joinInput{Criteria: `person.custom_properties["none"] == "x"`}, order, false},
		"everything but one":      {joinInput{Customers: "new", Segments: []string{"vip"}, Criteria: "false"}, order, false},
		"one and an unknown name": {joinInput{Customers: "new"}, referralapi.Join{Type: customerevent.Purchase, PersonID: 99}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tag := strings.ReplaceAll(name, " ", "-")
			p.campaign(p.one, func(in *campaignInput) {
				in.Tags, in.Join, in.JoinableCategoryNames = []string{tag}, &c.join, []string{"purchase"}
			})
			c.in.CampaignTags = []string{tag}
			o, err := p.Join(t.Context(), p.one, c.in)
			if err != nil || (o != nil) != c.may {
				t.Errorf("%v %v", o, err)
			}
		})
	}
}

// Whom the merchant calls an existing customer is none that is new, whatever we have heard of.
func TestExisting_customers_are_not_new(t *testing.T) {
	t.Parallel()
	p := setup(t)
	first := referralapi.Join{Type: customerevent.Purchase, PersonID: 10, Subtotal: 5000, Currency: "USD", Verified: true, CampaignTags: []string{"asked"}}
	for _, existing := range []bool{false, true} {
		known := customerapi.Person{ID: 10, PurchasesCount: 1, EventsCount: 1, ExistingCustomer: existing}
		p.known[key{1, 10}] = known
		for customers, may := range map[string]bool{newCustomers: !existing, existingCustomers: existing} {
			first.CampaignTags = []string{fmt.Sprint(customers, existing)}
			p.campaign(p.one, func(in *campaignInput) {
				in.Tags, in.Join, in.JoinableCategoryNames = first.CampaignTags, &joinInput{Customers: customers}, []string{"purchase"}
			})
			if o, err := p.Join(t.Context(), p.one, first); err != nil || (o != nil) != may {
				t.Errorf("%s, existing %v: %v %v", customers, existing, o, err)
			}
		}
		known.PurchasesCount, known.EventsCount = 0, 0
		if got := (acquaintances{{1, 10}: known}).person(1, 10, epoch).NewCustomer; got == existing {
			t.Errorf("existing %v: new %v", existing, got)
		}
	}
}

func TestJoin_criteria_are_checked_when_they_are_saved(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for body, want := range map[string]string{
		`{"criteria":"origin.price > 5"}`:                      "/join/criteria",
		`{"criteria":"1 + 1"}`:                                 "/join/criteria",
		`{"customers":"old"}`:                                  "/join/customers",
		`{"origin_min_age":-1}`:                                "/join/origin_min_age",
		`{"origin_min_age":5,"origin_max_age":4}`:              "/join/origin_max_age",
		`{"products":["` + strings.Repeat("x", 65) + `"]}`:     "/join/products/0",
		`{"segments":["\u0001"]}`:                              "/join/segments/0",
		`{"custom_properties":{"Tier":"x"}}`:                   "/join/custom_properties",
		`{"criteria":"` + strings.Repeat("(", 1999) + `"}`:     "/join/criteria",
		`{"products":[` + strings.Repeat(`"a",`, 20) + `"a"]}`: "/join/products",
	} {
		code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", `{"name":"x","join":`+body+`}`, "")
		if code != 400 || !strings.Contains(fmt.Sprint(out["errors"]), want) {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	_, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", `{"name":"x","join":{"customers":"new","criteria":"origin.subtotal > 1"}}`, "")
	if got := fmt.Sprint(out["result"].(map[string]any)["campaign"].(map[string]any)["join"]); got != "map[criteria:origin.subtotal > 1 customers:new]" {
		t.Errorf("%s", got)
	}
}

// Whatever a merchant calls his products and segments, the conditions made of them compile.
func TestConditions_of_any_words_compile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var f findings
		words := rapid.SliceOfN(rapid.String(), 1, maxJoinThings).Draw(t, "words")
		in := joinInput{Products: words, Segments: words, CustomProperties: map[string]string{"a_1": strings.ToValidUTF8(words[0], "")}}
		j := in.joining(&f)
		if f.err() != nil {
			for _, one := range f.fields {
				if one.Pointer == "/join/criteria" {
					t.Fatalf("%q: %v", words, one)
				}
			}
			return
		}
		for _, text := range j.conditions() {
			if _, err := criteria.Compile(text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	})
}

func TestTestCampaign_is_met_by_its_id_only(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, func(in *campaignInput) {
		in.Status, in.Tags, in.Join = statusTest, []string{"later"}, &joinInput{Criteria: "false"}
	})
	join := func(in referralapi.Join) *referralapi.Offer {
		in.Type, in.PersonID = customerevent.AffiliateMember, 10
		o, err := p.Join(t.Context(), p.one, in)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if join(referralapi.Join{}) != nil || join(referralapi.Join{CampaignTags: []string{"later"}}) != nil || join(referralapi.Join{CampaignID: 999}) != nil {
		t.Error("it is met by others")
	}
	o := join(referralapi.Join{CampaignID: c.ID})
	if o == nil {
		t.Fatal("it isn't met by its id")
	}
	if got := p.earned(o.ClaimURL, 1); got != 500 {
		t.Errorf("it earned %d", got)
	}
	if !p.is(`select qa from referral.referral where origin_id = 1`) {
		t.Error("its referral isn't marked")
	}
	if _, _, err := p.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10, FriendID: 20}); err == nil {
		t.Error("anybody may claim it")
	}
}

func (p *place) is(query string) (yes bool) {
	p.t.Helper()
	if err := p.root.Get(&yes, query); err != nil {
		p.t.Fatal(err)
	}
	return yes
}

func TestTypes_of_campaign(t *testing.T) {
	t.Parallel()
	p := setup(t)
	_, types, _ := p.call(p.one, "GET", "/api/v2/campaign_types", nil, "")
	golden(t, "campaign_types", types)
	for _, k := range campaignTypes {
		c := p.campaign(p.one, func(in *campaignInput) {
			in.Type, in.Tags = k.Name, []string{k.Name}
			if in.JoinableCategoryNames = signUp; !k.Rewards {
				in.Incentives = nil
			}
		})
		o, err := p.Join(t.Context(), p.one, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 10, CampaignTags: []string{k.Name}})
		if err != nil || (o != nil) != k.Offers || c.Type != k.Name {
			t.Errorf("%s: %v %v", k.Name, o, err)
		}
	}
	for body, want := range map[string]int{`{"name":"x","type":"other"}`: 400, `{"name":"x","type":"leaderboard","incentives":[{"identifier":"a","action_type":"referrer","kind":"points","points":1}]}`: 400} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns", body, ""); code != want {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	if code, out, _ := p.call(p.one, "PUT", "/api/v2/campaigns/1", `{"name":"x","type":"leaderboard"}`, ""); code != 400 {
		t.Errorf("another type: %d %v", code, out)
	}
}
