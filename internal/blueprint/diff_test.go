package blueprint_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/blueprint"
)

func parse(t testing.TB, text string) any {
	t.Helper()
	v, err := blueprint.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDiff(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"nothing":             {`{"a":1,"b":[1,2]}`, `{"b":[1,2],"a":1}`, ""},
		"a value":             {`{"a":1}`, `{"a":2}`, "a: 1 → 2"},
		"something new":       {`{}`, `{"a":{"b":1}}`, `a: null → {"b":1}`},
		"something left out":  {`{"a":{"b":1}}`, `{"a":{}}`, "a.b: 1 → null"},
		"null is nothing":     {`{"a":null}`, `{}`, ""},
		"an element by name":  {`{"tiers":[{"name":"Silver","threshold":1},{"name":"Gold","threshold":5}]}`, `{"tiers":[{"name":"Silver","threshold":1},{"name":"Gold","threshold":7}]}`, "tiers[Gold].threshold: 5 → 7"},
		"one between others":  {`{"t":[{"name":"a"},{"name":"c"}]}`, `{"t":[{"name":"a"},{"name":"b"},{"name":"c"}]}`, `t[b]: null → {"name":"b"}`},
		"another order":       {`{"rules":[{"key":"a"},{"key":"b"}]}`, `{"rules":[{"key":"b"},{"key":"a"}]}`, `rules.(order): ["a","b"] → ["b","a"]`},
		"one less":            {`{"rules":[{"key":"a"},{"key":"b"}]}`, `{"rules":[{"key":"b"}]}`, `rules[a]: {"key":"a"} → null`},
		"a list of values":    {`{"tags":["a"]}`, `{"tags":["a","b"]}`, `tags: ["a"] → ["a","b"]`},
		"the key goes first":  {`{"r":[{"key":"a","name":"x"}]}`, `{"r":[{"key":"a","name":"y"}]}`, `r[a].name: "x" → "y"`},
		"names that two have": {`{"r":[{"name":"x"},{"name":"x"}]}`, `{"r":[{"name":"x"}]}`, `r: [{"name":"x"},{"name":"x"}] → [{"name":"x"}]`},
		"another kind":        {`{"a":[1]}`, `{"a":{"b":1}}`, `a: [1] → {"b":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, d := range blueprint.Diff(parse(t, c.before), parse(t, c.after)) {
				got = append(got, fmt.Sprintf("%s: %s → %s", d.Place, blueprint.JSON(d.Before), blueprint.JSON(d.After)))
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), c.want)
			}
		})
	}
}

// What the API answers becomes what a file says, and back: without ids, without what nobody sets, without what is over.
func TestSettings_and_Body(t *testing.T) {
	s := schema(t)
	names := func(section string, id int64) (string, bool) { return fmt.Sprintf("%s %d", section, id), id < 100 }
	ids := func(section, name string) (id int64, ok bool) {
		_, err := fmt.Sscanf(name, section+" %d", &id)
		return id, err == nil
	}
	for name, c := range map[string]struct{ section, view, want, body string }{
		"a reward": {"rewards", `{"id":5,"program_id":1,"status":"active","description":"a","points_cost":7,"position":0,"coupon_list_id":9,"created_at":"x"}`,
			`{"description":"a","status":"active","points_cost":7,"position":0,"coupon_list":"coupon_lists 9"}`,
			`{"description":"a","status":"active","points_cost":7,"position":0,"coupon_list_id":9}`},
		"without a list": {"rewards", `{"description":"a","points_cost":7,"coupon_list_id":null}`, `{"description":"a","points_cost":7}`, `{"description":"a","points_cost":7}`},
		"a campaign": {"campaigns", `{"id":3,"name":"a","tags":[],"texts":{},"incentives":[{"id":1,"identifier":"x","action_type":"referrer","side":"advocate","kind":"coupon","coupon_list_id":2,"percent":null,"coupon_amount":500,"currency":"USD","active":true},
			{"id":2,"identifier":"old","kind":"points","active":false}],"attribution":{"methods":["cookie"],"personal_coupons":{"coupon_list_id":4,"template":"{NAME}###"}}}`,
			`{"name":"a","incentives":[{"identifier":"x","action_type":"referrer","kind":"coupon","coupon_list":"coupon_lists 2"}],"attribution":{"methods":["cookie"],"personal_coupons":{"coupon_list":"coupon_lists 4","template":"{NAME}###"}}}`,
			`{"name":"a","incentives":[{"identifier":"x","action_type":"referrer","kind":"coupon","coupon_list_id":2}],"attribution":{"methods":["cookie"],"personal_coupons":{"coupon_list_id":4,"template":"{NAME}###"}}}`},
		"a programme": {"programme", `{"id":1,"name":"Club","currency":"USD","points_per_unit":1,"tiers":[{"name":"Gold","threshold":5,"properties":{"icon":"sun"}}],"version":3,"earning":{"stacking":"all","exclude":{},"rules":[{"key":"a","kind":"fixed","points":1,"hours":null}],"zone":"UTC"}}`,
			`{"name":"Club","points_per_unit":1,"tiers":[{"name":"Gold","threshold":5,"properties":{"icon":"sun"}}],"earning":{"stacking":"all","rules":[{"key":"a","kind":"fixed","points":1}]}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Settings(blueprint.SectionOf(c.section), nil, parse(t, c.view).(*blueprint.Object), names)
			if err != nil || string(got.JSON()) != c.want {
				t.Errorf("settings\n%s, %v, want\n%s", got.JSON(), err, c.want)
			}
			if c.body == "" {
				c.body = c.want
			}
			if body, missing := blueprint.Body(got, ids); len(missing) > 0 || string(body.JSON()) != c.body {
				t.Errorf("body\n%s, %v, want\n%s", body.JSON(), missing, c.body)
			}
		})
	}
	if _, err := s.Settings(blueprint.SectionOf("rewards"), nil, parse(t, `{"coupon_list_id":100}`).(*blueprint.Object), names); err == nil {
		t.Error("a list that has no name was named")
	}
	_, missing := blueprint.Body(parse(t, `{"a":[{"coupon_list":"Fives"}]}`).(*blueprint.Object), ids)
	if len(missing) != 1 || missing[0] != (blueprint.Missing{Pointer: "/a/0/coupon_list", Section: "coupon_lists", Name: "Fives"}) {
		t.Errorf("missing: %+v", missing)
	}
	if at := blueprint.Pointer("/incentives/0/coupon_list_id"); at != "/incentives/0/coupon_list" {
		t.Errorf("points to %s", at)
	}
}
