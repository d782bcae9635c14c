package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
)

// What happens to campaigns, as the audit log calls it.
const (
	campaignCreated    = "campaign.created"
	campaignCopied     = "campaign.copied"
	campaignPublished  = "campaign.published"
	campaignScheduled  = "campaign.scheduled" // a version that takes effect later
	campaignRolledBack = "campaign.rolled_back"
	campaignEnded      = "campaign.deactivated"
)

const changesAudited = 50

// versionStood is a campaign's version in short, as the audit log keeps it; the whole stands in the versions.
type versionStood struct {
	Version     int        `json:"version"`
	Name        string     `json:"name"`
	Status      string     `json:"status"`
	EffectiveAt *time.Time `json:"effective_at,omitempty"` // of one that isn't there yet
	Changed     []string   `json:"changed,omitempty"`      // places in the campaign, the first fifty
	Changes     int        `json:"changes,omitempty"`      // how many there are in all
}

// auditNew notes that a campaign was made.
func auditNew(ctx context.Context, u *bus.Unit, c *campaign, by publication) error {
	action := by.Action
	if action == "" {
		action = campaignCreated
	}
	return writeAudit(ctx, u.Tx, u.Now, c.SiteID, audit.Change{KeyID: by.KeyID, Action: action, Subject: aboutCampaign, SubjectID: c.ID, Reason: by.Reason,
		After: versionStood{Version: c.Version, Name: c.Name, Status: c.Status}})
}

// auditVersion notes that a campaign has another version. A live one that ends is worth a name of its own.
func (m *Module) auditVersion(ctx context.Context, u *bus.Unit, c *campaign, by publication) error {
	list, err := readVersions(ctx, u, c.SiteID, c.ID, c.Version+1, 2, u.Now)
	if err != nil || len(list) < 2 {
		return err
	}
	now, was := list[0], list[1]
	before := versionStood{Version: was.Version, Name: was.Campaign.Name, Status: was.Campaign.Status}
	after := versionStood{Version: now.Version, Name: now.Campaign.Name, Status: now.Campaign.Status, Changes: len(now.Changes)}
	for _, one := range now.Changes[:min(len(now.Changes), changesAudited)] {
		after.Changed = append(after.Changed, one.Path)
	}
	action := by.Action
	switch {
	case action != "":
	case after.Status == statusDisabled && before.Status != statusDisabled:
		action = campaignEnded
	case c.EffectiveAt.After(u.Now):
		action = campaignScheduled
	default:
		action = campaignPublished
	}
	if c.EffectiveAt.After(u.Now) {
		after.EffectiveAt = &now.EffectiveAt
	}
	return writeAudit(ctx, u.Tx, u.Now, c.SiteID, audit.Change{KeyID: by.KeyID, Action: action, Subject: aboutCampaign, SubjectID: c.ID, Reason: by.Reason,
		Before: before, After: after})
}
