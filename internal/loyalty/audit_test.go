package loyalty

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/audit"
)

// Each change of the programme, and of what it has, stands in the audit log once, with the key that asked for it.
func TestAudit_keeps_changes_of_the_programme(t *testing.T) {
	t.Parallel()
	w := setup(t)
	call := w.serve(1)
	const at = "/api/v2/loyalty/programs"
	const batch, action = `{"description":"$5 off","points_cost":%d}`, `{"identifier":"review","name":"Review","points":%d}`
	for _, one := range []struct {
		method, path, key, body string
		status                  int
	}{
		{"POST", at, "k", clubJSON, 201},
		{"POST", at, "k", clubJSON, 201}, // the key again
		{"POST", at, "", clubJSON, 409},
		{"PUT", at + "/1", "", strings.Replace(clubJSON, "Club", "Klub", 1), 200},
		{"PUT", at + "/1", "", strings.Replace(clubJSON, "Club", "Klub", 1), 200}, // the same again: nothing
		{"POST", at + "/1/redemption_batches", "", fmt.Sprintf(batch, 500), 201},
		{"PUT", at + "/1/redemption_batches/1", "", fmt.Sprintf(batch, 600), 200},
		{"PUT", at + "/1/redemption_batches/9", "", fmt.Sprintf(batch, 600), 404},
		{"POST", at + "/1/action_configs", "", fmt.Sprintf(action, 50), 201},
		{"PUT", at + "/1/action_configs/1", "", fmt.Sprintf(action, 60), 200},
		{"PUT", at + "/1/action_configs/1", "", fmt.Sprintf(action, 0), 400},
	} {
		if code, body, _ := call(one.method, one.path, one.key, one.body); code != one.status {
			t.Fatalf("%s %s: %d %s", one.method, one.path, code, body)
		}
	}
	lines, err := w.Audit(t.Context(), 1, audit.Filter{}, audit.Place{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprint(l.Action, " ", *l.SubjectID, " ", *l.KeyID, " ", l.Before != nil))
	}
	want := []string{"action_config.changed 1 5 true", "action_config.created 1 5 false", "redemption_batch.changed 1 5 true",
		"redemption_batch.created 1 5 false", "loyalty_program.changed 1 5 true", "loyalty_program.created 1 5 false"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for i, states := range [][2]string{{`"points": 50`, `"points": 60`}, 2: {`"points_cost": 500`, `"points_cost": 600`}, 4: {`"name": "Club"`, `"name": "Klub"`}} {
		if states[0] != "" && (!strings.Contains(string(*lines[i].Before), states[0]) || !strings.Contains(string(*lines[i].After), states[1])) {
			t.Errorf("%s: from %s to %s", lines[i].Action, *lines[i].Before, *lines[i].After)
		}
	}
	if others, err := w.Audit(t.Context(), 2, audit.Filter{}, audit.Place{}, 10); err != nil || len(others) != 0 {
		t.Errorf("the other site's: %v %v", others, err)
	}
}
