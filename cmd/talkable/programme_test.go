package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestProgrammeAsCode carries a programme that says everything from a file to a site, and from there to another.
func TestProgrammeAsCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := string(text)
	s := startServer(t, oneDatabase(t))
	test, live := newCoded(t, s, "code-test"), newCoded(t, s, "code-live")

	if p := test.plan(file, nil); len(p.Steps) != 15 || p.Unchanged != 0 {
		t.Errorf("planned for an empty site:\n%s", p.says())
	}
	if got := string(test.export()); got != "format: talkable-programme-1\n" {
		t.Fatalf("planning made\n%s", got)
	}
	applied := test.apply(file, nil)
	if p := test.plan(file, object{"prune": true}); len(p.Steps) != 0 || p.Unchanged != 12 {
		t.Errorf("what was applied is planned again, %d unchanged:\n%s", p.Unchanged, p.says())
	}
	if p := test.apply(file, object{"prune": true}); len(p.Steps) != 0 {
		t.Errorf("applied again it does\n%s", p.says())
	}
	first := test.export()
	live.apply(string(first), nil)
	if second := live.export(); !bytes.Equal(first, second) {
		t.Errorf("carried to another site the file is another:\n%s", differing(first, second))
	}
	if p := live.plan(string(first), object{"prune": true}); len(p.Steps) != 0 {
		t.Errorf("the other site is to be changed:\n%s", p.says())
	}
	t.Logf("%d steps; the file has %d bytes", len(applied.Steps), len(first))

	everything(t, first)
}

// TestProgrammeAsCode_changes goes through what becomes of a site as its file changes.
func TestProgrammeAsCode_changes(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	site := newCoded(t, s, "code-changes")
	const start = `format: talkable-programme-1
programme:
  name: Club
  points_per_unit: 1
  tiers:
    - {name: Silver, threshold: 1000}
rewards:
  - {description: $5 off, points_cost: 500}
  - {description: A mug, points_cost: 900}
campaigns:
  - name: Invite
    incentives:
      - {identifier: points, action_type: referrer, kind: points, points: 500}
    links: {claim_page: true}
`
	site.apply(start, nil)
	for i, spent := range []int{50, 500, 5000} {
		site.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": fmt.Sprintf("m%d@shop.example", i), "order_number": fmt.Sprint(i), "subtotal": spent}}, nil)
	}
	eventually(t, "all are members", func() bool { return site.plan(start, nil).Members == 3 })

	change := strings.NewReplacer("points_per_unit: 1\n", "points_per_unit: 2\n", "threshold: 1000}", "threshold: 400}", "points_cost: 500", "points_cost: 550",
		"  - {description: A mug, points_cost: 900}\n", "  - {description: A cap, points_cost: 700, coupon_list: Caps}\n", "points: 500}\n    links: {claim_page: true}", "points: 600}",
		"campaigns:", "coupon_lists:\n  - {name: Caps, kind: single-use, percent: 100}\ncampaigns:").Replace(start)
	eventually(t, "tiers follow", func() bool { return movesOf(site.plan(change, nil)) == 1 })
	p := site.plan(change, nil)
	want := `create coupon_lists Caps
change programme Club; points_per_unit 1→2; tiers[Silver].threshold 1000→400
change rewards $5 off; points_cost 500→550
create rewards A cap
change campaigns Invite; incentives[points].points 500→600`
	if p.says() != want || p.Unchanged != 0 {
		t.Errorf("planned\n%s\nwant\n%s", p.says(), want)
	}
	if e := strings.Join(p.Steps[1].Effects, "; "); !strings.Contains(e, "of 3 members 1 move between tiers: 1 from no tier to Silver") || !strings.Contains(e, "points that were earned keep") {
		t.Errorf("the change of tiers: %s", e)
	}
	if !p.Steps[2].Rehearsed || p.Steps[3].Rehearsed {
		t.Errorf("rehearsed: %t, %t", p.Steps[2].Rehearsed, p.Steps[3].Rehearsed)
	}
	pruned := site.plan(change, object{"prune": true})
	more := "change campaigns Invite; incentives[points].points 500→600\nreset campaigns Invite/links; claim_page true→false\nretire rewards A mug; status \"active\"→\"archived\""
	if !strings.HasSuffix(pruned.says(), more) {
		t.Errorf("with prune\n%s\nwant\n%s", pruned.says(), more)
	}
	if p.State != pruned.State {
		t.Error("planning changed the state")
	}

	if err := site.send("apply", change, object{"state": p.State + "x"}, nil); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("a plan for another state: %v", err)
	}
	site.apply(change, object{"prune": true, "state": p.State, "reason": "Spring"})
	if err := site.send("apply", change, object{"state": p.State}, nil); err == nil || !strings.Contains(err.Error(), "plan again") {
		t.Errorf("the plan of before: %v", err)
	}
	if p := site.plan(change, object{"prune": true}); len(p.Steps) != 0 {
		t.Errorf("applied, and still planned:\n%s", p.says())
	}
	if p := site.plan(start, nil); !strings.Contains(p.says(), `change rewards A mug; status "archived"→"active"`) {
		t.Errorf("what was archived comes back by\n%s", p.says())
	}
	var lines struct {
		Audit []struct {
			Action string
			Reason *string
		}
	}
	site.must("GET", "/api/v2/audit?limit=100", nil, &lines)
	var actions []string
	for _, l := range lines.Audit {
		actions = append(actions, l.Action)
	}
	for _, action := range []string{"programme.applied", "loyalty_program.changed", "redemption_batch.changed", "campaign.published"} {
		if !slices.Contains(actions, action) {
			t.Errorf("the audit log has no %s: %q", action, actions)
		}
	}

	// A version of a campaign that is scheduled does not come if another is applied.
	var made struct{ Campaigns []struct{ ID int64 } }
	site.must("GET", "/api/v2/campaigns", nil, &made)
	site.must("POST", fmt.Sprintf("/api/v2/campaigns/%d/versions", made.Campaigns[0].ID), object{"campaign": object{"name": "Invite"}, "effective_at": time.Now().AddDate(1, 0, 0)}, nil)
	if p := site.plan(strings.Replace(change, "points: 600", "points: 700", 1), nil); len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], `the version of "Invite" that is scheduled for`) {
		t.Errorf("a version is scheduled: %q", p.Warnings)
	}

	// A change of the programme that waits for its day.
	later := strings.Replace(change, "points_per_unit: 2", "points_per_unit: 3", 1)
	const from = "2099-01-01T00:00:00Z"
	if p := site.apply(later, object{"effective_at": from}); !strings.Contains(strings.Join(p.Steps[0].Effects, "; "), "takes effect at "+from) {
		t.Errorf("scheduled by %s", p.says())
	}
	if p := site.plan(later, object{"effective_at": from}); len(p.Steps) != 0 {
		t.Errorf("what is scheduled is planned again:\n%s", p.says())
	}
	if p := site.plan(later, nil); len(p.Steps) != 1 || len(p.Warnings) != 1 {
		t.Errorf("at once: %s, %q", p.says(), p.Warnings)
	}
}

func movesOf(p codedPlan) int64 {
	for _, s := range p.Steps {
		if s.Members != nil {
			return *s.Members
		}
	}
	return -1
}

// TestProgrammeAsCode_refused: what would be refused is known before anything is done, and by its place in the file.
func TestProgrammeAsCode_refused(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	site := newCoded(t, s, "code-refused")
	for range 2 {
		site.must("POST", "/api/v2/coupon_lists", object{"name": "Twins", "kind": "single-use", "percent": 10}, nil)
	}
	const begin = "format: talkable-programme-1\n"
	for name, c := range map[string]struct{ file, want string }{
		"a value":          {"programme: {name: Club, points_per_unit: -1}\n", "/file/programme/points_per_unit: must be 0 to 1000000"},
		"deep inside":      {"programme: {name: Club, points_per_unit: 1, tiers: [{name: A, threshold: 5}, {name: A, threshold: 9}]}\n", "/file/programme/tiers/1/name: is used by another tier"},
		"a condition":      {"campaigns:\n  - {name: A, join: {criteria: nothing.such}}\n", "/file/campaigns/0/join/criteria"},
		"no such list":     {"campaigns:\n  - {name: A, incentives: [{identifier: a, action_type: referrer, kind: coupon, coupon_list: Fives}]}\n", "/file/campaigns/0/incentives/0/coupon_list: neither the site nor the file has"},
		"one of two":       {"campaigns:\n  - {name: A, incentives: [{identifier: a, action_type: referrer, kind: coupon, coupon_list: Twins}]}\n", "/file/campaigns/0/incentives/0/coupon_list: neither the site nor the file has"},
		"two of a name":    {"coupon_lists:\n  - {name: Twins, kind: single-use, percent: 10}\n", "/file/coupon_lists/0: two of the site's coupon_lists that are in use are called so"},
		"no programme":     {"rewards:\n  - {description: A, points_cost: 5}\n", "/file/rewards/0: needs a programme"},
		"an unknown place": {"programme: {name: Club, points_per_unit: 1, nothing: 1}\n", "/file/programme/nothing: there is no such member"},
		"a section":        {"rewrads: []\n", "/file/rewrads: there is no such member; did you mean rewards?"},
		"several":          {"programme: {name: \"\", points_per_unit: -1}\n", "/file/programme/points_per_unit"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, operation := range []string{"plan", "apply"} {
				err := site.send(operation, begin+c.file, nil, nil)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "400 Bad Request") {
					t.Errorf("%s: %v", operation, err)
				}
			}
		})
	}
	if err := site.call(t.Context(), "GET", "/api/v2/programme", nil, nil); err == nil || !strings.Contains(err.Error(), `"Twins" is the name of two that are in use`) {
		t.Errorf("an export of two of one name: %v", err)
	}
}

// TestProgrammeAsCode_stops: a step that is refused ends it, what was done stays, and the file goes on from there when it is applied again. Many who apply one
// file at once make everything once.
func TestProgrammeAsCode_stops(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	site := newCoded(t, s, "code-stops")
	const list = "format: talkable-programme-1\ncoupon_lists:\n  - {name: Fives, kind: single-use, percent: 10}\n"
	// The second campaign gives a coupon of a list that the file makes, and gives it on a click with a subtotal: that is found when it is made.
	const file = list + `campaigns:
  - {name: First, incentives: [{identifier: a, action_type: referrer, kind: coupon, coupon_list: Fives}]}
  - {name: Second, incentives: [{identifier: a, action_type: click, kind: coupon, coupon_list: Fives, subtotal_min: 5}]}
  - {name: Third}
`
	var out struct {
		Complete bool
		Plan     codedPlan
	}
	if err := site.send("apply", file, nil, &out); err != nil {
		t.Fatal(err)
	}
	var status []string
	for _, s := range out.Plan.Steps {
		status = append(status, s.Status)
	}
	if out.Complete || strings.Join(status, " ") != "done done failed waiting" {
		t.Fatalf("complete %t: %q", out.Complete, status)
	}
	if p := out.Plan.Steps[2].Problem; p.Status != 400 || p.Errors[0].Pointer != "/file/campaigns/1/incentives/0/subtotal_min" {
		t.Errorf("the problem: %+v", p)
	}
	mended := strings.Replace(file, ", subtotal_min: 5", "", 1)
	if p := site.plan(mended, nil); p.says() != "create campaigns Second\ncreate campaigns Third" || !p.Steps[0].Rehearsed {
		t.Errorf("what is left:\n%s", p.says())
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for range 8 {
		wg.Go(func() {
			err := site.send("apply", mended, nil, nil)
			if mu.Lock(); err != nil && strings.Contains(err.Error(), "409 Conflict") {
				refused++
			} else if err != nil {
				t.Error(err)
			}
			mu.Unlock()
		})
	}
	wg.Wait()
	site.apply(mended, nil)
	var made struct{ Campaigns []struct{ Name string } }
	site.must("GET", "/api/v2/campaigns", nil, &made)
	if len(made.Campaigns) != 3 {
		t.Errorf("eight at once made %v", made.Campaigns)
	}
	t.Logf("%d of 8 were told that another applies", refused)
}
