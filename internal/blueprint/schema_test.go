package blueprint_test

import (
	"os"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/blueprint"
)

func schema(t testing.TB) *blueprint.Schema {
	t.Helper()
	description, err := os.ReadFile("../../docs/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := blueprint.SchemaOf(description)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is wrong with a file's members is said all at once, in the order of the file, and with what was meant.
func TestCheck(t *testing.T) {
	s := schema(t)
	for name, c := range map[string]struct{ text, want string }{
		"all is well": {`
programme:
  name: Club
  points_per_unit: 10
  tiers:
    - name: Gold
      properties: {anything: goes}
rewards:
  - description: $5 off
    points_cost: 500
    coupon_list: Fives
campaigns:
  - name: Spring
    incentives:
      - {identifier: a, action_type: referrer, kind: commission, percent: 7.5}
      - {identifier: b, action_type: referred, kind: commission, percent: "7.5"}
    limits: {advocate_total: 5}
    links: {claim_page: true}
`, ""},
		"a slip of the pen": {"programme:\n  name: Club\n  points_per_unti: 10\n", "line 2, column 1: programme: points_per_unit is missing\n" +
			"line 4, column 3: programme.points_per_unti: there is no such member; did you mean points_per_unit?"},
		"a section that isn't": {"program:\n  name: Club\n", "line 2, column 1: program: there is no such member; did you mean programme?"},
		"another kind":         {"programme:\n  name: 5\n  points_per_unit: ten\n", "line 3, column 3: programme.name: must be a text\nline 4, column 3: programme.points_per_unit: must be a whole number"},
		"a fraction":           {"programme:\n  name: Club\n  points_per_unit: 1.5\n", "line 4, column 3: programme.points_per_unit: must be a whole number"},
		"an id":                {"rewards:\n  - description: a\n    points_cost: 5\n    coupon_list_id: 7\n", "line 5, column 5: rewards[0].coupon_list_id: a file holds no ids; name it by coupon_list"},
		"the key of a request": {"programme:\n  name: Club\n  points_per_unit: 1\n  effective_at: 2026-12-01T00:00:00Z\n", "programme.effective_at: there is no such member"},
		"two of a name":        {"rewards:\n  - {description: a, points_cost: 5}\n  - {description: a, points_cost: 6}\n", `line 4, column 6: rewards[1].description: "a" is the name of rewards[0] already`},
		"a list that isn't":    {"rewards: {description: a}\n", "line 2, column 1: rewards: must be a list"},
		"deep inside":          {"campaigns:\n  - name: a\n    limits: {budget: {amount: much}}\n", "line 4, column 23: campaigns[0].limits.budget.amount: must be a whole number"},
		"nothing in a list":    {"rewards: [null]\n", "line 2, column 11: rewards[0]: must be something"},
		"no name":              {"rewards:\n  - points_cost: 5\n", "line 3, column 5: rewards[0]: description is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := blueprint.Read([]byte(begin + strings.TrimPrefix(c.text, "\n")))
			if err != nil {
				t.Fatal(err)
			}
			switch err := s.Check(f); {
			case c.want == "" && err != nil:
				t.Errorf("found %v", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("found\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// The schema is the same however often it is made, and holds no id and nothing that it doesn't define.
func TestSchema_is_whole(t *testing.T) {
	text := string(schema(t).JSON())
	if again := string(schema(t).JSON()); again != text {
		t.Error("made again it is another")
	}
	for _, not := range []string{"coupon_list_id", "site_slug", "components/schemas", "effective_at\""} {
		if strings.Contains(text, not) {
			t.Errorf("it has %s", not)
		}
	}
	for part := range strings.SplitSeq(text, `"$ref": "#/$defs/`) {
		name, _, _ := strings.Cut(part, `"`)
		if !strings.HasPrefix(part, "{") && !strings.Contains(text, `"`+name+`": {`) {
			t.Errorf("it refers to %s, and doesn't define it", name)
		}
	}
	if s, err := blueprint.ParseSchema([]byte(text)); err != nil || string(s.JSON()) != text {
		t.Errorf("read again it is another, %v", err)
	}
}
