package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// publication is how a version came to be.
type publication struct {
	KeyID       int64      // the API key; 0: none
	Reason      string     // in the words of who published it
	EffectiveAt *time.Time // nil: at once
	Action      string     // in the audit log; "": published
	BasedOn     *int       // the last version that the publisher has seen; nil: whichever
}

const (
	longestReason = 500
	latestEffect  = 2 * 366 * 24 * time.Hour
	clockSlack    = time.Minute // by which a publisher's clock may be behind ours
)

// States of a version.
const (
	versionRunning    = "running"
	versionScheduled  = "scheduled"
	versionPast       = "past"
	versionSuperseded = "superseded" // another was published before its time came
)

var (
	errInnerSite  = fault.New(fault.Invalid, "invalid_campaign", "The site stands beside the campaign, not in it.").At("/campaign/site_slug", "belongs beside campaign")
	errNoVersion  = fault.New(fault.NotFound, "campaign_version_not_found", "The campaign has no such version.")
	errOvertaken  = fault.New(fault.Conflict, "campaign_changed", "Another version was published meanwhile; please look at it first.").At("/based_on", "is not the last version")
	errTypeStays  = fault.New(fault.Invalid, "invalid_campaign", "A campaign stays of its type.").At("/type", "is another than the campaign has")
	errPastEffect = fault.New(fault.Invalid, "invalid_campaign", "A version takes effect now or within two years.").At("/effective_at", "must not be in the past, nor more than two years ahead")
)

// publish gives a campaign its next version. Versions take effect in the order of their numbers: one whose time comes after that of a
// later one never does, so who publishes last is right, and a rollback is not undone by what was planned before it.
func (m *Module) publish(ctx context.Context, u *bus.Unit, c *campaign, by publication) error {
	c.UpdatedAt, c.EffectiveAt = u.Now, u.Now
	if at := instant(by.EffectiveAt); at != nil && at.After(u.Now) {
		c.EffectiveAt = *at
	} else if at != nil && at.Before(u.Now.Add(-clockSlack)) {
		return errPastEffect
	}
	if c.EffectiveAt.After(u.Now.Add(latestEffect)) {
		return errPastEffect
	}
	if err := nextVersion(ctx, u.Tx, c); err != nil {
		return err
	}
	if by.BasedOn != nil && *by.BasedOn != c.Version-1 {
		return errOvertaken
	}
	if err := m.furnish(ctx, u, c, by); err != nil {
		return err
	}
	return m.auditVersion(ctx, u, c, by)
}

// publishVersion publishes what make gives; replayed says that the Idempotency-Key had done it before.
func (m *Module) publishVersion(ctx context.Context, s site.Site, id int64, by publication, k idempotency.Key, make func(u *bus.Unit) (campaign, error)) (out versionJSON, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			c, err := make(u)
			if err != nil {
				return err
			}
			c.SiteID, c.ID = s.ID, id
			if err := m.publish(ctx, u, &c, by); err != nil {
				return err
			}
			out, err = m.readVersion(ctx, u, s.ID, id, c.Version, u.Now)
			return err
		})
		return err
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}

// rollback publishes a copy of an older version.
func (m *Module) rollback(ctx context.Context, s site.Site, id int64, version int, by publication, k idempotency.Key) (versionJSON, bool, error) {
	by.Action = campaignRolledBack
	return m.publishVersion(ctx, s, id, by, k, func(u *bus.Unit) (campaign, error) {
		old, err := versionsByKey(ctx, u, []versionKey{{s.ID, id, version}})
		if err != nil {
			return campaign{}, err
		}
		c := old[versionKey{s.ID, id, version}]
		if c == nil {
			if err := campaignExists(ctx, u, s.ID, id); err != nil {
				return campaign{}, err
			}
			return campaign{}, errNoVersion.At("/version", "the campaign has no such version")
		}
		return *c, nil
	})
}

// copyCampaign makes another campaign that says the same. It is a Test campaign without a live period, so that nobody meets it yet.
func (m *Module) copyCampaign(ctx context.Context, s site.Site, id int64, name string, keyID int64, k idempotency.Key) (campaignJSON, bool, error) {
	by := publication{KeyID: keyID, Reason: "copy of campaign " + itoa(id), Action: campaignCopied}
	return m.saveNew(ctx, s, k, by, func(u *bus.Unit) (*campaign, error) {
		list, err := campaignsByID(ctx, u, []int64{s.ID}, []int64{id}, u.Now)
		if err != nil {
			return nil, err
		}
		c := list[key{s.ID, id}]
		if c == nil {
			return nil, errNoCampaign
		}
		return c.copied(name)
	})
}

func (c *campaign) copied(name string) (*campaign, error) {
	out := *c
	if out.Name = name; name == "" {
		out.Name = string([]rune("Copy of " + c.Name)[:min(200, len([]rune("Copy of "+c.Name)))])
	}
	var f findings
	checkText(&f, "/name", out.Name, 1, 200)
	out.Status, out.StartsAt, out.EndsAt = statusTest, nil, nil
	return &out, f.err()
}

// state of a version at a moment. Versions with higher numbers go before those with lower ones, whatever they were planned for.
func (r versionRow) state(now time.Time) string {
	switch {
	case r.NextAt != nil && !r.NextAt.After(r.EffectiveAt):
		return versionSuperseded
	case r.EffectiveAt.After(now):
		return versionScheduled
	case r.NextAt != nil && !r.NextAt.After(now):
		return versionPast
	default:
		return versionRunning
	}
}
