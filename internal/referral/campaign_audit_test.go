package referral

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/audit"
)

// Each change of settings stands in the audit log once, with the key that asked for it; what was refused or rehearsed doesn't.
func TestAudit_keeps_changes_of_settings(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID = 3
	c := p.campaign(p.one, nil)
	at := fmt.Sprintf("/api/v2/campaigns/%d", c.ID)
	const incentives = `"incentives":[{"identifier":"points","action_type":"referrer","kind":"points","points":5}]`
	for _, one := range []struct{ method, path, body, want string }{
		{"POST", at + "/versions", `{"campaign":{"name":"Second",` + incentives + `},"reason":"spring"}`, "campaign.published"},
		{"POST", at + "/versions", `{"campaign":{"name":"Third",` + incentives + `},"effective_at":"` + p.clock.Now().AddDate(0, 1, 0).Format("2006-01-02T15:04:05Z") + `"}`, "campaign.scheduled"},
		{"POST", at + "/rollback", `{"version":1}`, "campaign.rolled_back"},
		{"POST", at + "/versions", `{"campaign":{"name":"Over","status":"Disabled",` + incentives + `}}`, "campaign.deactivated"},
		{"POST", at + "/copy", `{}`, "campaign.copied"},
		{"POST", at + "/versions", `{"campaign":{"name":""}}`, ""},
		{"PUT", at + "/links", `{"claim_page":true,"gate":"email"}`, "campaign_links.set"},
		{"PUT", at + "/limits", `{"limits":{"advocate_total":5}}`, "campaign_limits.set"},
		{"PUT", "/api/v2/link_settings", `{"allowed_hosts":["other.example"]}`, "site_links.set"},
		{"PUT", "/api/v2/placements", `{"placements":[]}`, "placements.set"},
		{"PUT", "/api/v2/sharing_channels", `{"custom":["pigeon"]}`, "sharing_channels.set"},
		{"POST", "/api/v2/commission_plans", `{"name":"Partners","default":{"percent":"10"}}`, "commission_plan.created"},
		{"PUT", "/api/v2/fraud/policy", `{"profile":"low"}`, "fraud_policy.set"},
	} {
		code, out, _ := p.call(p.one, one.method, one.path, one.body, "")
		if good := code == http.StatusOK || code == http.StatusCreated; good != (one.want != "") {
			t.Fatalf("%s %s %s: %d %v", one.method, one.path, one.body, code, out)
		}
		if one.want == "" {
			continue
		}
		line := p.audited(1, audit.Filter{})[0]
		if line.Action != one.want || deref(line.KeyID) != 3 || line.After == nil {
			t.Errorf("%s: %+v", one.want, line)
		}
		if one.want == "campaign.published" && (deref(line.Reason) != "spring" || !strings.Contains(string(*line.After), `"/name"`) || !strings.Contains(string(*line.Before), `"version": 1`)) {
			t.Errorf("%s %s", *line.Before, *line.After)
		}
	}
	if n := p.count(`select count(*) from referral.audit where key_id = 3 and site_id = 1`); n != 12 {
		t.Errorf("%d lines", n)
	}
	for subject, want := range map[string]int{"campaign": 5, "campaign_links": 1, "campaign_limits": 1, "site_links": 1, "commission_plan": 1, "fraud_policy": 1} {
		list := slices.DeleteFunc(p.audited(1, audit.Filter{Subject: subject}), func(l audit.Line) bool { return l.KeyID == nil })
		if len(list) != want {
			t.Errorf("%s: %d lines, want %d", subject, len(list), want)
		}
	}
	if lines := p.audited(2, audit.Filter{}); len(lines) != 0 {
		t.Errorf("the other site's: %v", lines)
	}
}
