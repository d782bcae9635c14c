package loyalty

import (
	"strings"
	"testing"
)

func TestTiersOverHTTP(t *testing.T) {
	t.Parallel()
	w := setup(t)
	call, twin := w.serve(1), w.serve(2)
	const body = `{"name":"Club","points_per_unit":1,"tiers":[{"name":"Silver","spend":10000,"benefits":"Free shipping"},{"name":"Gold","orders":3,"referrals":1,"match":"any","properties":{"icon":"sun"}}],
		"tier_plan":{"window":"rolling_months","length":12,"downgrade":"one_level","grace_days":30}}`
	if code, out, _ := call("POST", "/api/v2/loyalty/programs", "", body); code != 201 ||
		!strings.Contains(out, `"tier_plan":{"window":"rolling_months","length":12,"downgrade":"one_level","grace_days":30}`) {
		t.Fatalf("%d %s", code, out)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000), w.bought(1, 8, 2, 100))
	const want = `{"ok":true,"result":{"program_id":1,"tier_plan":{"window":"rolling_months","length":12,"downgrade":"one_level","grace_days":30},` +
		`"tiers":[{"tier":{"name":"Silver","spend":10000,"benefits":"Free shipping"},"members":1},` +
		`{"tier":{"name":"Gold","orders":3,"referrals":1,"match":"any","properties":{"icon":"sun"}},"members":0}],"members_without_tier":1,"as_of":"2026-03-01T12:00:00Z"}}`
	if code, out, _ := call("GET", "/api/v2/loyalty/tiers", "", ""); code != 200 || out != want {
		t.Errorf("%d %s\nwant %s", code, out, want)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 9, 3, 10_000), w.bought(1, 10, 4, 100))
	for _, who := range []int64{7, 10} {
		if err := w.become(1, who, turnClose); err != nil {
			t.Fatal(err)
		}
	}
	if _, out, _ := call("GET", "/api/v2/loyalty/tiers", "", ""); out != want {
		t.Errorf("who has left is counted: %s", out)
	}
	if code, out, _ := twin("GET", "/api/v2/loyalty/tiers", "", ""); code != 404 || !strings.Contains(out, "program_not_found") {
		t.Errorf("the twin: %d %s", code, out)
	}
	for what, bad := range map[string]string{
		"an unknown member": `{"name":"A","points_per_unit":1,"tier_plan":{"window":"lifetime","color":"red"}}`, "a text": `{"name":"A","points_per_unit":1,"tier_plan":"yearly"}`,
		"an unknown window": `{"name":"A","points_per_unit":1,"tier_plan":{"window":"week"}}`, "a huge length": `{"name":"A","points_per_unit":1,"tier_plan":{"window":"rolling_days","length":99999}}`,
		"no demand": `{"name":"A","points_per_unit":1,"tiers":[{"name":"A"}]}`, "a property that is none": `{"name":"A","points_per_unit":1,"tiers":[{"name":"A","spend":1,"properties":{"a":1}}]}`,
	} {
		if code, out, _ := twin("POST", "/api/v2/loyalty/programs", "", bad); code != 400 {
			t.Errorf("%s: %d %s", what, code, out)
		}
	}
}
