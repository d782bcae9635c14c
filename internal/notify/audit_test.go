package notify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/audit"
)

// Each change of a webhook stands in the audit log once, with the key that asked for it, and without a secret.
func TestAudit_keeps_changes_of_webhooks(t *testing.T) {
	t.Parallel()
	b, r := hooked(t)
	b.site(2, "Other")
	h := b.server(1)
	const at = "/api/v2/webhooks"
	body := func(types string) string { return fmt.Sprintf(`{"url":%q,"types":[%q]}`, r.URL, types) }
	for _, one := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", at, body("tier.changed"), 201},
		{"POST", at, body("tier.changed"), 201}, // the key again
		{"POST", at, body("nothing.known"), 400},
		{"PUT", at + "/1", body("referral.approved"), 200},
		{"PUT", at + "/9", body("referral.approved"), 404},
		{"POST", at + "/1/secret/rotate", `{}`, 200},
		{"POST", at + "/1/resend", `{"since":"2026-01-01T00:00:00Z"}`, 200}, // changes no setting
		{"POST", at + "/1/delete", `{}`, 200},
		{"POST", at + "/1/delete", `{}`, 200}, // again: nothing
		{"POST", at + "/9/delete", `{}`, 404},
	} {
		key := ""
		if one.path == at && one.status == 201 {
			key = "one"
		}
		if code, text := send(t, h, one.method, one.path, one.body, "Idempotency-Key", key); code != one.status {
			t.Fatalf("%s %s: %d %s", one.method, one.path, code, text)
		}
	}
	lines, err := b.Audit(t.Context(), 1, audit.Filter{Subject: aboutHook, SubjectID: new(int64(1))}, audit.Place{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprint(l.Action, " ", *l.KeyID, " ", l.Before != nil, l.After != nil))
		for _, state := range []string{text(l.Before), text(l.After)} {
			if strings.Contains(state, "whsec_") || strings.Contains(state, `"secret"`) {
				t.Errorf("%s holds a secret: %s", l.Action, state)
			}
		}
	}
	want := []string{"webhook.deleted 5 true false", "webhook.secret_rotated 5 true true", "webhook.changed 5 true true", "webhook.created 5 false true"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if changed := lines[2]; !strings.Contains(text(changed.Before), "tier.changed") || !strings.Contains(text(changed.After), "referral.approved") {
		t.Errorf("from %s to %s", text(changed.Before), text(changed.After))
	}
	if others, err := b.Audit(t.Context(), 2, audit.Filter{}, audit.Place{}, 10); err != nil || len(others) != 0 {
		t.Errorf("the other site's: %v %v", others, err)
	}
}

func text[T ~[]byte](v *T) string {
	if v == nil {
		return ""
	}
	return string(*v)
}
