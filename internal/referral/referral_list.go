package referral

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

type referralsInput struct {
	Status     string `query:"status" doc:"pending, flagged, approved, voided or blocked; any when left out"`
	CampaignID int64  `query:"campaign_id" minimum:"0" doc:"Of one campaign; of all when left out"`
	web.Days
	web.Page
}

type referralsResult struct {
	Referrals  []referralJSON `json:"referrals"`
	NextCursor *string        `json:"next_cursor" doc:"null on the last page"`
}

func (m *Module) getReferrals(ctx context.Context, in *referralsInput) (*web.OK[referralsResult], error) {
	list, next, err := m.listReferrals(ctx, web.From(ctx).Site, in)
	if err != nil {
		return nil, err
	}
	return web.Answer(referralsResult{list, next}), nil
}

// referralFilter says which referrals of a site are asked for: those before a place in the list, which goes from new to old.
type referralFilter struct {
	status     string // "": any
	campaignID int64  // 0: any
	from, to   time.Time
	before     referralPlace
}

// referralPlace is where a page of referrals ended.
type referralPlace struct {
	At time.Time `json:"at"`
	ID int64     `json:"id"`
}

// Times between which all orders are; a database's timestamps go further than its drivers'.
var firstTime, lastTime = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// filter is what is asked for, in the site's zone.
func (in *referralsInput) filter(s site.Site, now time.Time) (f referralFilter, err error) {
	f = referralFilter{status: in.Status, campaignID: in.CampaignID, from: firstTime, to: lastTime, before: referralPlace{At: lastTime}}
	all := []string{"", referralevent.Pending, referralevent.Flagged, referralevent.Approved, referralevent.Voided, referralevent.Blocked}
	if !slices.Contains(all, in.Status) {
		return f, fault.New(fault.Invalid, "invalid_status", "`status` must be pending, flagged, approved, voided or blocked, or left out.").At("query.status", "is none of them")
	}
	if in.Days != (web.Days{}) {
		f.from, f.to, err = in.Period(now.In(s.Zone))
	}
	return f, err
}

// listReferrals is a page of a site's referrals.
func (m *Module) listReferrals(ctx context.Context, s site.Site, in *referralsInput) (out []referralJSON, next *string, err error) {
	f, err := in.filter(s, m.now())
	if err != nil {
		return nil, nil, err
	}
	name := fmt.Sprintf("referrals %s %d %s %s", in.Status, in.CampaignID, in.From, in.To)
	if _, err := m.cursors.Decode(s.ID, name, in.Cursor, &f.before); err != nil {
		return nil, nil, err
	}
	rows, err := referralsOf(ctx, m.db, s.ID, f, in.Limit+1)
	if err != nil {
		return nil, nil, err
	}
	out = []referralJSON{}
	for _, r := range rows[:min(len(rows), in.Limit)] {
		out = append(out, showReferral(r.answer(nil, m.now(), nil)))
	}
	if len(rows) > in.Limit {
		last := rows[in.Limit-1]
		c := m.cursors.Encode(s.ID, name, referralPlace{last.OccurredAt.UTC(), last.ID})
		next = &c
	}
	return out, next, nil
}

// referralsOf reads referrals by a filter. Each way to ask has its index, in the list's order.
func referralsOf(ctx context.Context, q sqlx.QueryerContext, siteID int64, f referralFilter, limit int) ([]referral, error) {
	query, args := `
		select `+referralColumns+` from referral.referral r
		where r.site_id = $1 and (r.occurred_at, r.id) < ($2, $3) and r.occurred_at >= $4 and r.occurred_at < $5`,
		[]any{siteID, f.before.At, f.before.ID, f.from, f.to, limit}
	if f.status != "" {
		args = append(args, f.status)
		query += fmt.Sprintf(` and r.status = $%d`, len(args))
	}
	if f.campaignID != 0 {
		args = append(args, f.campaignID)
		query += fmt.Sprintf(` and r.campaign_id = $%d`, len(args))
	}
	var out []referral
	if err := sqlx.SelectContext(ctx, q, &out, query+` order by r.occurred_at desc, r.id desc limit $6`, args...); err != nil {
		return nil, fmt.Errorf("list referrals: %w", err)
	}
	return out, nil
}
