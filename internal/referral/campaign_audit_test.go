package referral

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
)

// keysCalled is a key ring.
type keysCalled map[int64]string

func (k keysCalled) KeyNames(_ context.Context, siteID int64, _ []int64) (map[int64]string, error) {
	if siteID != 1 {
		return nil, errors.New("away")
	}
	return k, nil
}

// Each change of settings stands in the audit log once, with the key that asked for it; what was refused or rehearsed doesn't.
func TestAudit_keeps_changes_of_settings(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.keyID, p.keys = 3, keysCalled{3: "office"}
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
		_, got, _ := p.call(p.one, "GET", "/api/v2/audit?limit=1", nil, "")
		line := into[auditResult](t, got).Audit[0]
		if line.Action != one.want || deref(line.KeyID) != 3 || deref(line.KeyName) != "office" || line.After == nil {
			t.Errorf("%s: %+v", one.want, line)
		}
		if one.want == "campaign.published" && (deref(line.Reason) != "spring" || !strings.Contains(string(*line.After), `"/name"`) || !strings.Contains(string(*line.Before), `"version":1`)) {
			t.Errorf("%s %s", *line.Before, *line.After)
		}
	}
	if n := p.count(`select count(*) from referral.audit where key_id = 3 and site_id = 1`); n != 12 {
		t.Errorf("%d lines", n)
	}
	err := p.outbox.InTx(t.Context(), func(u *bus.Unit) error {
		return p.settingChanged(t.Context(), u, []bus.Event[gatewayevent.SettingChanged]{{Seq: 1, Body: gatewayevent.SettingChanged{SiteID: 1, KeyID: 3,
			Setting: "look", Before: `{"name":""}`, After: `{"name":"Shop"}`, ChangedAt: p.clock.Now()}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := p.call(p.one, "GET", "/api/v2/audit?subject=site", nil, "")
	if list := into[auditResult](t, got).Audit; len(list) != 1 || list[0].Action != "look.set" || string(*list[0].After) != `{"name":"Shop"}` {
		t.Errorf("%+v", list)
	}
	for subject, want := range map[string]int{"campaign": 5, "campaign_links": 1, "campaign_limits": 1, "site_links": 1, "commission_plan": 1, "fraud_policy": 1} {
		_, got, _ := p.call(p.one, "GET", "/api/v2/audit?limit=100&subject="+subject, nil, "")
		list := slices.DeleteFunc(into[auditResult](t, got).Audit, func(l auditLine) bool { return l.KeyID == nil })
		if len(list) != want {
			t.Errorf("%s: %d lines, want %d", subject, len(list), want)
		}
	}
	if _, out, _ := p.call(p.two, "GET", "/api/v2/audit", nil, ""); len(into[auditResult](t, out).Audit) != 0 {
		t.Errorf("the other site's: %v", out)
	}
}
