package referral

import (
	"fmt"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func (p *place) places(s site.Site, body string) (int, map[string]any) {
	p.t.Helper()
	code, out, _ := p.call(s, "PUT", "/api/v2/placements", `{"placements":[`+body+`]}`, "")
	return code, out
}

func TestPlacements_rotate_their_campaigns(t *testing.T) {
	t.Parallel()
	p := setup(t)
	first, second, third := p.campaign(p.one, nil), p.campaign(p.one, nil), p.campaign(p.one, nil)
	joined := func(in referralapi.Join) int64 {
		in.Type = customerevent.AffiliateMember
		o, err := p.Join(t.Context(), p.one, in)
		if err != nil {
			t.Fatal(err)
		}
		if o == nil {
			return 0
		}
		return o.CampaignID
	}
	if joined(referralapi.Join{PersonID: 1}) != third.ID {
		t.Error("it isn't the newest")
	}
	code, out := p.places(p.one, fmt.Sprintf(`{"kind":"standalone","name":"Share page","campaigns":[{"campaign_id":%d,"weight":3},{"campaign_id":%d}]},
		{"kind":"floating_widget","name":"Widget","campaigns":[{"campaign_id":%d}],"shown_on":[{"match":"path","value":"/"},{"match":"regex","value":"/p/[0-9]+$"}],
		"custom_properties":[{"name":"tier","is":"eq","value":"gold"}],"countries":["DE"],"devices":["mobile"]}`, third.ID, second.ID, first.ID))
	if code != 200 {
		t.Fatalf("%d %v", code, out)
	}
	golden(t, "placements", out)
	seen := map[int64]int{}
	for n := range 80 {
		v := uuidOf(n)
		id := joined(referralapi.Join{Visitors: []string{v}})
		seen[id]++
		if again := joined(referralapi.Join{Visitors: []string{v}, PersonID: int64(100 + n)}); again != id {
			t.Fatalf("%d goes from %d to %d", n, id, again)
		}
		if again := joined(referralapi.Join{PersonID: int64(100 + n)}); again != id { // without the browser: by what the person has
			t.Fatalf("person %d goes from %d to %d", n, id, again)
		}
	}
	if seen[first.ID] != 0 || seen[second.ID] < 8 || seen[third.ID] < 40 {
		t.Errorf("%v", seen)
	}
	ids := []int64{}
	for _, one := range out["result"].(map[string]any)["placements"].([]any) {
		ids = append(ids, int64(one.(map[string]any)["id"].(float64)))
	}
	for name, c := range map[string]struct {
		placements []int64
		want       int64
	}{"the widget's page": {ids[1:], first.ID}, "another placement": {[]int64{999}, 0}, "both: the first wins": {[]int64{ids[1], ids[0]}, joined(referralapi.Join{PersonID: 900})}} {
		if got := joined(referralapi.Join{PersonID: 900, Placements: c.placements}); got != c.want {
			t.Errorf("%s: campaign %d, want %d", name, got, c.want)
		}
	}
	code, out = p.places(p.one, fmt.Sprintf(`{"id":%d,"kind":"floating_widget","name":"Widget","campaigns":[]}`, ids[1]))
	if _, list, _ := p.call(p.one, "GET", "/api/v2/placements", nil, ""); code != 200 || fmt.Sprint(list) != fmt.Sprint(out) || strings.Count(fmt.Sprint(list), "name:") != 1 {
		t.Errorf("%d %v", code, list)
	}
	if joined(referralapi.Join{PersonID: 5000}) != third.ID {
		t.Error("it rotates on")
	}
	if code, _ := p.places(p.two, fmt.Sprintf(`{"id":%d,"kind":"floating_widget","name":"Widget","campaigns":[]}`, ids[1])); code != 400 {
		t.Errorf("another site's placement: %d", code)
	}
	if code, _ := p.places(p.two, fmt.Sprintf(`{"kind":"standalone","name":"x","campaigns":[{"campaign_id":%d}]}`, third.ID)); code != 400 {
		t.Errorf("another site's campaign: %d", code)
	}
}

func TestPlacements_are_checked_place_by_place(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	for body, want := range map[string]string{
		`{"kind":"popup","name":"x","campaigns":[]}`:                                                                               "/placements/0/kind",
		`{"kind":"standalone","name":"","campaigns":[]}`:                                                                           "/placements/0/name",
		`{"id":7,"kind":"standalone","name":"x","campaigns":[]}`:                                                                   "/placements/0/id",
		`{"kind":"gleam","name":"x","campaigns":[{"campaign_id":1}]}`:                                                              "/placements/0/campaigns/0/campaign_id",
		`{"kind":"standalone","name":"x","campaigns":[{"campaign_id":1},{"campaign_id":1}]}`:                                       "/placements/0/campaigns/1/campaign_id",
		`{"kind":"standalone","name":"x","campaigns":[{"campaign_id":1,"weight":-1}]}`:                                             "/placements/0/campaigns/0/weight",
		`{"kind":"standalone","name":"x","campaigns":[],"shown_on":[{"match":"regex","value":"("}]}`:                               "/placements/0/shown_on/0/value",
		`{"kind":"standalone","name":"x","campaigns":[],"hidden_on":[{"match":"path","value":"//evil"}]}`:                          "/placements/0/hidden_on/0/value",
		`{"kind":"standalone","name":"x","campaigns":[],"countries":["de"]}`:                                                       "/placements/0/countries",
		`{"kind":"standalone","name":"x","campaigns":[],"devices":["toaster"]}`:                                                    "/placements/0/devices",
		`{"kind":"standalone","name":"x","campaigns":[],"custom_properties":[{"name":"a","is":"regex","value":"[a-"}]}`:            "/placements/0/custom_properties/0/value",
		strings.Repeat(`{"kind":"standalone","name":"x","campaigns":[]},`, 50) + `{"kind":"standalone","name":"x","campaigns":[]}`: "/placements",
	} {
		if code, out := p.places(p.one, body); code != 400 || !strings.Contains(fmt.Sprint(out["errors"]), want+" ") && !strings.Contains(fmt.Sprint(out["errors"]), want+"]") {
			t.Errorf("%.200s: %d %v", body, code, out)
		}
	}
}

// A campaign on a floating widget has its offers say so (64), and one that is only ever opened over a page is a popup (177).
func TestPlacements_say_how_campaigns_appear(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c, widget := p.campaign(p.one, nil), `{"kind":"floating_widget","name":"Widget","campaigns":[{"campaign_id":%d,"weight":%d}]}`
	offer := p.join(p.one, 1)
	if _, _, err := p.ShareSocial(t.Context(), p.one, offer.ShortURLCode, "sms", true, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	page := fmt.Sprintf(`{"kind":"standalone","name":"Page","campaigns":[{"campaign_id":%d}]},`, c.ID)
	for _, step := range []struct {
		places, appearance string
		widget             bool
	}{{"", "inline", false}, {fmt.Sprintf(widget, c.ID, 1), "popup", true}, {page + fmt.Sprintf(widget, c.ID, 1), "inline", true},
		{fmt.Sprintf(widget, c.ID, 0), "inline", false}} {
		if code, out := p.places(p.one, step.places); code != 200 {
			t.Fatalf("%d %v", code, out)
		}
		o, err := p.Offer(t.Context(), p.one, offer.ShortURLCode, nil)
		if err != nil || o.TriggerWidget != step.widget || p.join(p.one, 1).TriggerWidget != step.widget {
			t.Errorf("%s: %+v, %v", step.places, o, err)
		}
		if _, list, _ := p.call(p.one, "GET", "/api/v2/campaigns", nil, ""); !strings.Contains(fmt.Sprint(list), "appearance:"+step.appearance) {
			t.Errorf("%s: %v", step.places, list)
		}
		shares, _, err := p.Shares(t.Context(), p.one, 1, 0, 10)
		if err != nil || len(shares) != 1 || shares[0].Campaign.Appearance != step.appearance || shares[0].Offer.TriggerWidget != step.widget {
			t.Errorf("%s: %+v %v", step.places, shares, err)
		}
	}
}
