package referral

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/audit"
)

// Subjects of decisions. Those of a policy, of a hook and of what a campaign has are named by the campaign's id.
const (
	aboutReferral = "referral"
	aboutPolicy   = "fraud_policy"
	aboutHook     = "decision_hook"

	aboutCampaign   = "campaign"
	aboutLinks      = "campaign_links"
	aboutLimits     = "campaign_limits"
	aboutPlan       = "commission_plan"
	aboutSiteLinks  = "site_links" // hosts and apps that links may lead to
	aboutPlacements = "placements"
	aboutChannels   = "sharing_channels"
	aboutSupplies   = "coupon_supply" // named by the list's id
)

// stood is how a referral stood before or after a decision.
type stood struct {
	Status     string `json:"status"`
	Cause      string `json:"cause,omitempty"`
	AdvocateID int64  `json:"advocate_id,omitempty"`
	OriginID   int64  `json:"origin_id,omitempty"`
	ReferralID int64  `json:"referral_id,omitempty"`
	Verdict    string `json:"verdict,omitempty"` // of the fraud rules
	Forced     bool   `json:"forced,omitempty"`  // the merchant overruled it
}

// writeAudit keeps a decision in the transaction that carries it out.
func writeAudit(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, c audit.Change) error {
	return audit.Write(ctx, tx, schema, now, siteID, c)
}

// Audit reads the module's part of the audit log.
func (m *Module) Audit(ctx context.Context, siteID int64, f audit.Filter, before audit.Place, limit int) ([]audit.Line, error) {
	return audit.Read(ctx, m.db, schema, siteID, f, before, limit)
}
