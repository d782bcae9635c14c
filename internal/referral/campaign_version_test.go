package referral

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// publishes publishes a version with one incentive for the advocate of so many points.
func (p *place) publishes(id int64, points int64, more string) map[string]any {
	p.t.Helper()
	code, out, _ := p.call(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/versions", id), fmt.Sprintf(
		`{"campaign":{"name":"Invite","incentives":[{"identifier":"p","action_type":"referrer","kind":"points","points":%d}]}%s}`, points, more), "")
	if code != 201 {
		p.t.Fatalf("%d %v", code, out)
	}
	return out["result"].(map[string]any)["version"].(map[string]any)
}

// earned are the points that a friend's purchase by the offer's link brings its advocate.
func (p *place) earned(claim string, origin int64) int64 {
	p.t.Helper()
	p.visitLink(claim, uuidOf(int(origin)))
	p.clock.Move(time.Minute)
	p.tell(p.purchase(p.one, origin, 1000+origin, 10_000, uuidOf(int(origin))))
	return p.count(`select coalesce(sum(points), 0) from referral.reward where origin_id = $1`, origin)
}

func (p *place) states(id int64) (out []string) {
	p.t.Helper()
	_, list, _ := p.call(p.one, "GET", fmt.Sprintf("/api/v2/campaigns/%d/versions", id), nil, "")
	for _, v := range list["result"].(map[string]any)["versions"].([]any) {
		v := v.(map[string]any)
		out = append(out, fmt.Sprintf("%v %v", v["version"], v["state"]))
	}
	return out
}

func TestVersions_keep_what_offers_promised(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, func(in *campaignInput) {
		in.Incentives = []incentiveInput{{Identifier: "p", ActionType: "referrer", Kind: "points", Points: 500}, {Identifier: "gone", ActionType: "referrer", Kind: "points", Points: 7}}
	})
	old := p.join(p.one, 10)
	v := p.publishes(c.ID, 100, `,"reason":"too dear","based_on":1`)
	if fmt.Sprintf("%v %v %v", v["version"], v["state"], v["reason"]) != "2 running too dear" {
		t.Errorf("%v", v)
	}
	golden(t, "campaign_version", v)
	fresh := p.join(p.one, 11)
	if got := p.earned(old.ClaimURL, 1); got != 507 {
		t.Errorf("the old offer earned %d", got)
	}
	if got := p.earned(fresh.ClaimURL, 2); got != 100 {
		t.Errorf("the new offer earned %d", got)
	}
	if again := p.join(p.one, 10); again.Incentives["p"].Description != "500 points" || len(again.Incentives) != 2 {
		t.Errorf("the old offer promises %v", again.Incentives)
	}
	for _, key := range []string{"1", old.ShortURLCode} {
		o, err := p.Offer(t.Context(), p.one, key, nil)
		if err != nil || o.Incentives["p"].Description != "500 points" {
			t.Errorf("%v %v", o, err)
		}
	}
	for body, want := range map[string]int{
		`{"version":1,"based_on":1}`: 409, `{"version":9}`: 404, `{"version":0}`: 400, `{"version":1,"effective_at":"2001-01-01T00:00:00Z"}`: 400,
		`{"version":1,"effective_at":"2101-01-01T00:00:00Z"}`: 400, `{"version":1,"reason":"\u0007"}`: 400,
	} {
		if code, out, _ := p.call(p.one, "POST", "/api/v2/campaigns/1/rollback", body, ""); code != want {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	for _, path := range []string{"/api/v2/campaigns/1/versions", "/api/v2/campaigns/1/versions/1", "/api/v2/campaigns/7/versions/1"} {
		if code, _, _ := p.call(p.two, "GET", path, nil, ""); code != 404 {
			t.Errorf("the other site sees %s: %d", path, code)
		}
	}
	for path, body := range map[string]string{"rollback": `{"version":1}`, "copy": `{}`, "versions": `{"campaign":{"name":"x"}}`} {
		if code, _, _ := p.call(p.two, "POST", "/api/v2/campaigns/1/"+path, body, ""); code != 404 {
			t.Errorf("the other site may %s: %d", path, code)
		}
	}
}

func TestVersions_take_effect_in_their_order(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	replica := open(t, p.url, 2)
	points := func(r *place, person int64) string { return r.join(p.one, person).Incentives["p"].Description }
	at := func(d time.Duration) string {
		return `,"effective_at":"` + epoch.Add(d).Format(time.RFC3339) + `"`
	}
	p.publishes(c.ID, 2, "")
	p.publishes(c.ID, 3, at(time.Hour))
	p.publishes(c.ID, 4, at(3*time.Hour))
	if got := p.states(c.ID); !slices.Equal(got, []string{"4 scheduled", "3 scheduled", "2 running", "1 superseded"}) {
		t.Errorf("%v", got)
	}
	if points(p, 20) != "2 points" || points(replica, 21) != "2 points" {
		t.Error("the second doesn't run")
	}
	p.clock.Move(time.Hour)
	replica.clock.Move(time.Hour)
	if points(p, 30) != "3 points" || points(replica, 31) != "3 points" {
		t.Error("the third didn't take effect at its time everywhere")
	}
	p.clock.Move(time.Minute)
	code, out, replayed := p.call(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/rollback", c.ID), `{"version":2,"reason":"three was wrong"}`, "k")
	if code != 201 || replayed {
		t.Fatalf("%d %v", code, out)
	}
	if _, again, replayed := p.call(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/rollback", c.ID), `{"version":2,"reason":"three was wrong"}`, "k"); !replayed || fmt.Sprint(again) != fmt.Sprint(out) {
		t.Errorf("%v", again)
	}
	if got := p.states(c.ID); !slices.Equal(got, []string{"5 running", "4 superseded", "3 past", "2 past", "1 superseded"}) {
		t.Errorf("%v", got)
	}
	p.clock.Move(4 * time.Hour)
	if points(p, 40) != "2 points" {
		t.Error("what was scheduled came back after the rollback")
	}
	_, one, _ := p.call(p.one, "GET", fmt.Sprintf("/api/v2/campaigns/%d/versions/4", c.ID), nil, "")
	if v := one["result"].(map[string]any)["version"].(map[string]any); fmt.Sprint(v["changes"]) != "[map[from:3 path:/incentives/p/points to:4] map[from:3 points path:/incentives/p/description to:4 points]]" &&
		fmt.Sprint(v["changes"]) != "[map[from:3 points path:/incentives/p/description to:4 points] map[from:3 path:/incentives/p/points to:4]]" {
		t.Errorf("%v", v["changes"])
	}
}

func TestCopy_is_a_test_campaign_that_says_the_same(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, func(in *campaignInput) { in.LivePeriod = &periodInput{StartsAt: &epoch} })
	code, out, _ := p.call(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/copy", c.ID), `{}`, "")
	if code != 201 {
		t.Fatalf("%d %v", code, out)
	}
	got := out["result"].(map[string]any)["campaign"].(map[string]any)
	if got["name"] != "Copy of Invite & win" || got["status"] != "Test" || got["live_period"].(map[string]any)["starts_at"] != nil || len(got["incentives"].([]any)) != 4 {
		t.Errorf("%v", got)
	}
	if n := p.count(`select count(distinct id) from referral.incentive`); n != 8 {
		t.Errorf("%d incentives", n)
	}
	if code, out, _ := p.call(p.one, "POST", fmt.Sprintf("/api/v2/campaigns/%d/copy", c.ID), `{"name":"\u0001"}`, ""); code != 400 {
		t.Errorf("%d %v", code, out)
	}
}

// Whatever is published when, the number of the version that runs only grows.
func TestVersions_never_run_backwards(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		effects := rapid.SliceOfN(rapid.IntRange(0, 20), 1, 8).Draw(t, "effects")
		effects[0] = 0
		last := 0
		for now := range 25 {
			runs := 0
			for v := range effects {
				row := versionRow{Version: v + 1, EffectiveAt: epoch.Add(time.Duration(effects[v]) * time.Hour)}
				for _, later := range effects[v+1:] {
					if at := epoch.Add(time.Duration(later) * time.Hour); row.NextAt == nil || at.Before(*row.NextAt) {
						row.NextAt = &at
					}
				}
				if row.state(epoch.Add(time.Duration(now)*time.Hour)) == versionRunning {
					if runs != 0 {
						t.Fatalf("%d and %d run at once", runs, row.Version)
					}
					runs = row.Version
				}
			}
			if runs == 0 || runs < last {
				t.Fatalf("%d after %d", runs, last)
			}
			last = runs
		}
	})
}
