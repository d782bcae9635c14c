package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

const (
	remindAfter = 72 * time.Hour
	remindUntil = remindAfter + 7*24*time.Hour // whoever wasn't reminded by then isn't any more
	remindEvery = 5 * time.Second
	remindBatch = 100
)

// reminder is an e-mail share whose friend may be reminded now.
type reminder struct {
	SiteID     int64     `db:"site_id"`
	ID         int64     `db:"id"`
	OfferID    int64     `db:"offer_id"`
	CampaignID int64     `db:"campaign_id"`
	AdvocateID *int64    `db:"person_id"`
	FriendID   int64     `db:"friend_id"`
	Code       string    `db:"code"`
	SharedAt   time.Time `db:"shared_at"`
	Newer      bool      `db:"newer"`    // another offer was mailed to the friend since
	Referred   bool      `db:"referred"` // the friend has come by this one
}

// wanted says whether the friend is reminded: nothing newer was mailed, the offer wasn't taken, and it still holds.
func (r *reminder) wanted(c *campaign, now time.Time) bool {
	return !r.Newer && !r.Referred && c != nil && c.claimable(now) && now.Before(r.SharedAt.Add(remindUntil))
}

// RemindFriends tells of the shares by e-mail whose time has come, and says how many it looked at. Whether anybody is written to is for those
// who write mails. One replica does it at a time.
func (m *Module) RemindFriends(ctx context.Context) (n int, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		list, err := lockReminders(ctx, u.Tx, u.Now.Add(-remindAfter), remindBatch)
		if n = len(list); err != nil || n == 0 {
			return err
		}
		sites, ids := make([]int64, n), make([]int64, n)
		for i, r := range list {
			sites[i], ids[i] = r.SiteID, r.CampaignID
		}
		campaigns, err := campaignsByID(ctx, u, sites, ids, u.Now)
		if err != nil {
			return err
		}
		for i := range list {
			r := &list[i]
			c := campaigns[key{r.SiteID, r.CampaignID}]
			if !r.wanted(c, u.Now) {
				continue
			}
			u.Tell(r.SiteID, "offer:"+itoa(r.OfferID), referralevent.ShareReminderDue{SiteID: r.SiteID, ShareID: r.ID, OfferID: r.OfferID, CampaignID: r.CampaignID,
				AdvocateID: deref(r.AdvocateID), FriendID: r.FriendID, Link: m.linkURL(r.Code), DueAt: u.Now, QA: c.tried()})
		}
		return remindedUpTo(ctx, u.Tx, &list[n-1])
	})
	return n, err
}

// remindAll reminds until ctx ends.
func (m *Module) remindAll(ctx context.Context) {
	ticker := time.NewTicker(remindEvery)
	defer ticker.Stop()
	for {
		n, err := m.RemindFriends(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			m.log.Error().Err(err).Msg("reminding friends failed; it is tried again")
		case n > 0:
			m.log.Info().Int("shares", n).Msg("looked whom to remind of a share")
		}
		if n == remindBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lockReminders are the next shares that nobody was reminded of, those before a moment. None while another replica is at it.
func lockReminders(ctx context.Context, tx *sqlx.Tx, before time.Time, most int) ([]reminder, error) {
	var out []reminder
	err := tx.SelectContext(ctx, &out, `
		with mark as materialized (select shared_at, site_id, share_id from referral.reminded for update skip locked)
		select h.site_id, h.id, h.offer_id, h.campaign_id, o.person_id, h.friend_id, h.code, h.shared_at,
			exists (select from referral.share s where s.site_id = h.site_id and s.friend_id = h.friend_id and s.id > h.id) as newer,
			exists (select from referral.referral r where r.site_id = h.site_id and r.friend_id = h.friend_id and r.campaign_id = h.campaign_id
				and r.status in ('pending', 'flagged', 'approved')) as referred
		from mark m
		cross join lateral (
			select site_id, id, offer_id, campaign_id, friend_id, code, shared_at from referral.share
			where reminder and (shared_at, site_id, id) > (m.shared_at, m.site_id, m.share_id) and shared_at <= $1
			order by shared_at, site_id, id limit $2) h
		join referral.offer o on o.site_id = h.site_id and o.id = h.offer_id
		order by h.shared_at, h.site_id, h.id`, before, most)
	if err != nil {
		return nil, fmt.Errorf("shares to remind of: %w", err)
	}
	return out, nil
}

// remindedUpTo notes the last share that was looked at.
func remindedUpTo(ctx context.Context, tx *sqlx.Tx, last *reminder) error {
	_, err := tx.ExecContext(ctx, `update referral.reminded set shared_at = $1, site_id = $2, share_id = $3`, last.SharedAt, last.SiteID, last.ID)
	if err != nil {
		return fmt.Errorf("note reminded shares: %w", err)
	}
	return nil
}
