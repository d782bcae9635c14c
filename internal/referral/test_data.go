package referral

import (
	"context"
	"errors"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// causeDropped is why a referral of a test campaign is voided whose data is dropped.
const causeDropped = "test_data_dropped"

// States of dropping what a test campaign has made.
const (
	dropRunning = "running"
	dropDone    = "done"
	dropStopped = "stopped" // the campaign is no test any more: what is left stays
)

const (
	dropOffers    = 50 // offers of a set
	dropReferrals = 50
	dropClicks    = 5000 // rewards that are looked through for those of friends' clicks
	dropPoll      = 2 * time.Second
	dropPause     = time.Hour // longest, after failures
)

var errNotTest = fault.New(fault.Conflict, "campaign_not_test", "Only what a campaign has made can be dropped that is in Test, and was never anything else.")

// testDrop is what becomes of dropping.
type testDrop struct {
	SiteID     int64      `db:"site_id" json:"-"`
	ID         int64      `db:"id" json:"id"`
	CampaignID int64      `db:"campaign_id" json:"-"`
	KeyID      int64      `db:"key_id" json:"-"`
	State      string     `db:"state" json:"state" enum:"running,done,stopped" doc:"stopped: the campaign is no test any more, and what was left stays"`
	Referrals  int64      `db:"referrals" json:"referrals" doc:"Dropped so far"`
	Rewards    int64      `db:"rewards" json:"rewards" doc:"Taken back so far"`
	Offers     int64      `db:"offers" json:"offers" doc:"Dropped so far"`
	AskedAt    time.Time  `db:"asked_at" json:"asked_at"`
	FinishedAt *time.Time `db:"finished_at" json:"finished_at"`
	Failures   int        `db:"failures" json:"failures" doc:"Since it last got on; it is tried again, later each time"`

	RewardsBefore int64 `db:"rewards_before" json:"-"` // what friends got for coming was looked for down to this one
}

// testData is what a campaign has made, as far as it can be dropped.
type testData struct {
	CampaignID int64     `db:"-" json:"campaign_id"`
	Droppable  bool      `db:"-" json:"droppable" doc:"The campaign is in Test, and was never anything else"`
	Offers     int64     `db:"offers" json:"offers" doc:"That would be dropped; 0 where nothing can be"`
	Referrals  int64     `db:"referrals" json:"referrals"`
	Rewards    int64     `db:"rewards" json:"rewards" doc:"That are not taken back"`
	LastDrop   *testDrop `db:"-" json:"last_drop" doc:"null: nothing was ever dropped"`
}

// askTestDrop has what a test campaign has made dropped in the background. While that goes on, asking again changes nothing.
func (m *Module) askTestDrop(ctx context.Context, siteID, campaignID, keyID int64, k idempotency.Key) (out testData, replayed bool, err error) {
	replayed, err = m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {
		tested, err := lockTested(ctx, u.Tx, siteID, campaignID, u.Now)
		if err != nil {
			return err
		}
		if !tested {
			return errNotTest
		}
		fresh, err := insertTestDrop(ctx, u.Tx, testDrop{SiteID: siteID, CampaignID: campaignID, KeyID: keyID, AskedAt: u.Now})
		if err != nil {
			return err
		}
		if out, err = testDataOf(ctx, u, siteID, campaignID, u.Now); err != nil || !fresh {
			return err
		}
		return writeAudit(ctx, u.Tx, u.Now, siteID, audit.Change{KeyID: keyID, Action: "campaign.test_data_dropped", Subject: aboutCampaign, SubjectID: campaignID,
			Before: map[string]int64{"offers": out.Offers, "referrals": out.Referrals, "rewards": out.Rewards}})
	})
	return out, replayed, err
}

// dropTestData works off what is to be dropped until ctx ends.
func (m *Module) dropTestData(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := false, error(nil)
		m.Tick(func() { more, err = m.DropTestData(ctx) })
		if err != nil && ctx.Err() == nil {
			m.log.Error().Err(err).Msg("dropping test data failed; it is tried again")
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(dropPoll):
		}
	}
}

// pause is how long a drop waits after so many failures.
func (d *testDrop) pause() time.Duration {
	return min(dropPoll<<min(d.Failures, 20), dropPause)
}

// DropTestData drops a set of what a test campaign has made, and says whether there was anything to do. Several replicas may: the row of the
// drop is held meanwhile. One that fails waits, so that it holds up no other.
func (m *Module) DropTestData(ctx context.Context) (more bool, err error) {
	var d *testDrop
	var gone []string // codes
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		gone = nil
		if d, err = lockTestDrop(ctx, u.Tx, u.Now); err != nil || d == nil {
			return err
		}
		tested, err := lockTested(ctx, u.Tx, d.SiteID, d.CampaignID, u.Now)
		if err != nil {
			return err
		}
		if !tested {
			return d.finish(ctx, u, dropStopped)
		}
		offers, advocates, err := offersToDrop(ctx, u, d, dropOffers)
		if err != nil {
			return err
		}
		if len(offers) == 0 {
			return m.dropClicks(ctx, u, d)
		}
		if gone, err = m.dropSet(ctx, u, d, offers, advocates); err != nil {
			return err
		}
		return saveTestDrop(ctx, u.Tx, d)
	})
	if err != nil && d != nil && ctx.Err() == nil {
		d.Failures++
		return false, errors.Join(err, postponeTestDrop(ctx, m.db, d, m.now().Add(d.pause())))
	}
	if err != nil || d == nil {
		return false, err
	}
	for _, code := range gone { // other replicas follow their links a minute longer, to an offer that is nobody's
		m.known.Remove(code)
	}
	if d.State != dropRunning {
		m.log.Info().Int64("site", d.SiteID).Int64("campaign", d.CampaignID).Str("state", d.State).Int64("referrals", d.Referrals).Int64("rewards", d.Rewards).
			Int64("offers", d.Offers).Msg("test data was dropped")
	}
	return true, nil
}

func (d *testDrop) finish(ctx context.Context, u *bus.Unit, state string) error {
	d.State, d.FinishedAt = state, &u.Now
	return saveTestDrop(ctx, u.Tx, d)
}

// dropSet drops referrals of advocates, a set at a time; and, once they have none, what else they were given, and their offers. It returns the
// codes of links that are gone.
func (m *Module) dropSet(ctx context.Context, u *bus.Unit, d *testDrop, offers, advocates []int64) (gone []string, err error) {
	dropped, err := m.dropReferrals(ctx, u, d, advocates)
	if err != nil || dropped {
		return nil, err
	}
	others, err := otherRewards(ctx, u, d, advocates)
	if err != nil {
		return nil, err
	}
	if err := m.dropRewards(ctx, u, d, others); err != nil {
		return nil, err
	}
	d.Offers += int64(len(offers))
	m.metrics.Of(ctx).testDropped.WithLabelValues("offer").Add(float64(len(offers)))
	return retireOffers(ctx, u.Tx, d, offers, u.Now)
}

// dropReferrals takes referrals of advocates out of the way, with all that they earned. Each is held as it is when it is given to another advocate.
func (m *Module) dropReferrals(ctx context.Context, u *bus.Unit, d *testDrop, advocates []int64) (some bool, err error) {
	origins, err := originsToDrop(ctx, u, d, advocates, dropReferrals)
	if err != nil || len(origins) == 0 {
		return false, err
	}
	sites := make([]int64, len(origins))
	for i, origin := range origins {
		sites[i] = d.SiteID
		if _, err := lockOrigin(ctx, u.Tx, d.SiteID, origin); err != nil {
			return false, err
		}
	}
	list, err := lockReferrals(ctx, u.Tx, sites, origins)
	if err != nil {
		return false, err
	}
	for i := range list {
		r := &list[i]
		if r.CampaignID != d.CampaignID { // it was made since the origins were read
			continue
		}
		rewards, err := rewardsOfReferrals(ctx, u, []int64{r.SiteID}, []int64{r.ID})
		if err != nil {
			return false, err
		}
		if err := m.supersede(ctx, u, r, causeDropped, d.KeyID, ""); err != nil {
			return false, err
		}
		d.Referrals++
		for _, w := range rewards {
			if w.Status != rewardVoided {
				d.Rewards++
			}
		}
	}
	m.metrics.Of(ctx).testDropped.WithLabelValues("referral").Add(float64(len(list)))
	return true, nil
}

// dropClicks takes back what friends got for coming, a stretch of the site's rewards at a time, from the newest down to the campaign's beginning. It comes
// last: by then no link leads to the campaign.
func (m *Module) dropClicks(ctx context.Context, u *bus.Unit, d *testDrop) error {
	list, more, err := clickRewardsToDrop(ctx, u, d, dropClicks)
	if err != nil {
		return err
	}
	if err := m.dropRewards(ctx, u, d, list); err != nil {
		return err
	}
	if !more {
		return d.finish(ctx, u, dropDone)
	}
	return saveTestDrop(ctx, u.Tx, d)
}

// dropRewards takes back what people were given for something else than referrals.
func (m *Module) dropRewards(ctx context.Context, u *bus.Unit, d *testDrop, list []reward) error {
	d.Rewards += int64(len(list))
	return m.takeBack(ctx, u, list, func(w *reward) *referralevent.RewardClawedBack { return w.revoke(causeDropped, u.Now) })
}
