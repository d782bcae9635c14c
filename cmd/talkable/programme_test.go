package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/talkable/talkable/internal/blueprint"
)

// coded is a site that is kept as code, by its operations.
type coded struct {
	shop
	t testing.TB
}

func newCoded(t *testing.T, s *served, slug string) coded {
	return coded{newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, slug)}), t}
}

type codedStep struct {
	Action, Section, Name, Status string
	Part                          *string
	Changes                       []struct {
		Place         string
		Before, After json.RawMessage
	}
	Members   *int64
	Effects   []string
	Rehearsed bool
	Problem   *struct {
		Status       int
		Code, Detail string
		Errors       []struct{ Pointer, Detail string }
	}
}

// says is a step in a line.
func (s codedStep) says() string {
	out := s.Action + " " + s.Section
	if s.Name != "" {
		out += " " + s.Name
	}
	if s.Part != nil {
		out += "/" + *s.Part
	}
	for _, c := range s.Changes {
		out += fmt.Sprintf("; %s %s→%s", c.Place, c.Before, c.After)
	}
	return out
}

type codedPlan struct {
	State     string
	Steps     []codedStep
	Unchanged int
	Members   int64
	Warnings  []string
}

// says are its steps, each in a line.
func (p codedPlan) says() string {
	lines := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		lines[i] = s.says()
	}
	return strings.Join(lines, "\n")
}

func (c coded) export() []byte {
	c.t.Helper()
	var out struct{ File json.RawMessage }
	c.must("GET", "/api/v2/programme", nil, &out)
	root, err := blueprint.ParseJSON(out.File)
	if err != nil {
		c.t.Fatal(err)
	}
	f, err := blueprint.FileOf(root)
	if err != nil {
		c.t.Fatal(err)
	}
	return f.Write()
}

func (c coded) send(operation, file string, more object, out any) error {
	c.t.Helper()
	f, err := blueprint.Read([]byte(file))
	if err != nil {
		c.t.Fatal(err)
	}
	body := object{"file": f.Root}
	for k, v := range more {
		body[k] = v
	}
	return c.call(c.t.Context(), "POST", "/api/v2/programme/"+operation, body, out)
}

func (c coded) plan(file string, more object) codedPlan {
	c.t.Helper()
	var out struct{ Plan codedPlan }
	if err := c.send("plan", file, more, &out); err != nil {
		c.t.Fatal(err)
	}
	return out.Plan
}

func (c coded) apply(file string, more object) codedPlan {
	c.t.Helper()
	var out struct {
		Complete bool
		Plan     codedPlan
	}
	if err := c.send("apply", file, more, &out); err != nil {
		c.t.Fatal(err)
	}
	for _, s := range out.Plan.Steps {
		if s.Status != "done" {
			c.t.Errorf("%s: %s %+v", s.says(), s.Status, s.Problem)
		}
	}
	return out.Plan
}

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

	if p := test.plan(file, nil); len(p.Steps) != 13 || p.Unchanged != 0 {
		t.Errorf("planned for an empty site:\n%s", p.says())
	}
	if got := string(test.export()); got != "format: talkable-programme-1\n" {
		t.Fatalf("planning made\n%s", got)
	}
	applied := test.apply(file, nil)
	if p := test.plan(file, object{"prune": true}); len(p.Steps) != 0 || p.Unchanged != 10 {
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

// everything says of an export what of the schema it doesn't have: a setting that the API learned is to be carried, too.
func everything(t *testing.T, export []byte) {
	t.Helper()
	s, err := ownSchema()
	if err != nil {
		t.Fatal(err)
	}
	f, err := blueprint.Read(export)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(f); err != nil {
		t.Errorf("an export is not as its schema says: %v", err)
	}
	var doc struct {
		Properties map[string]json.RawMessage
		Defs       map[string]struct{ Properties map[string]json.RawMessage } `json:"$defs"`
	}
	if err := json.Unmarshal(s.JSON(), &doc); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, d := range doc.Defs {
		for name := range d.Properties {
			names[name] = true
		}
	}
	for name, raw := range doc.Properties {
		names[name] = true
		var section struct {
			Properties map[string]json.RawMessage
			Items      struct{ Properties map[string]json.RawMessage }
		}
		if json.Unmarshal(raw, &section) == nil {
			for name := range section.Properties {
				names[name] = true
			}
			for name := range section.Items.Properties {
				names[name] = true
			}
		}
	}
	for name := range names {
		if !strings.Contains(string(export), name+":") {
			t.Errorf("%s can be said, and is not in the export of a site that says everything: add it to testdata/everything.yaml", name)
		}
	}
}

func differing(a, b []byte) string {
	var out []string
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			out = append(out, "- "+x[i], "+ "+y[i])
		}
	}
	return strings.Join(out, "\n")
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
