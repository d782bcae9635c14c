package referral

import (
	"fmt"
	"slices"
	"testing"

	"github.com/talkable/talkable/internal/site"
)

func TestCampaignIDs(t *testing.T) {
	t.Parallel()
	p := setup(t)
	make := func(s site.Site, status string, tags ...string) int64 {
		return p.campaign(s, func(c *campaignInput) { c.Status, c.Tags = status, tags }).ID
	}
	live, test, bare := make(p.one, "Live", "invite", "a,b"), make(p.one, "Test", "invite", "old"), make(p.one, "Disabled")
	other := make(p.two, "Live", "invite")
	for _, c := range []struct {
		site   site.Site
		tags   []string
		status string
		want   []int64
	}{
		{p.one, nil, "", []int64{live, test, bare}}, {p.one, nil, "live", []int64{live}}, {p.one, nil, "Disabled", []int64{bare}}, {p.one, []string{"invite"}, "", []int64{live, test}},
		{p.one, []string{"old", "a,b"}, "", []int64{live, test}}, {p.one, []string{"old"}, "live", nil}, {p.one, []string{"INVITE"}, "", nil}, {p.one, nil, "dead", nil},
		{p.two, []string{"invite"}, "live", []int64{other}},
	} {
		got, err := p.CampaignIDs(t.Context(), c.site.ID, c.tags, c.status)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q of status %q: %v (%v), want %v", c.tags, c.status, got, err, c.want)
		}
	}
	for at, want := range map[site.Site]map[int64]string{p.one: {live: "[invite a,b]", test: "[invite old]", bare: "[]"}, p.two: {other: "[invite]"}} {
		got, err := p.CampaignLabels(t.Context(), at.ID)
		if err != nil || len(got) != len(want) {
			t.Errorf("%v, %v", got, err)
		}
		for id, tags := range want {
			if fmt.Sprint(got[id].Tags) != tags || len(got[id].Types) == 0 {
				t.Errorf("%d has %v, want %s", id, got[id], tags)
			}
		}
	}
}
