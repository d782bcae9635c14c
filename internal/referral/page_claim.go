package referral

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// arrivalRow is what is kept of a visitor and an offer.
type arrivalRow struct {
	FriendOfferID int64      `db:"friend_offer_id"` // the browser's; 0: none
	FirstAt       *time.Time `db:"first_at"`
	Tried         bool       `db:"tried"`            // the gate
	ClaimedID     int64      `db:"claimed_offer_id"` // the friend offer that the claim made; 0: refused
	Own           bool       `db:"own"`
	Referred      bool       `db:"referred"` // whose browser it was seen to be; what was typed here shows nobody's purchases
}

// Arrive says what the visitor of a claim page has there, and where the page leads on.
func (m *Module) Arrive(ctx context.Context, l *referralapi.Landing) (out referralapi.Arrival, err error) {
	if l.Visitor == "" {
		return out, nil
	}
	shelf, err := m.catalog.of(ctx, l.SiteID)
	if shelf == nil {
		return out, err
	}
	c := shelf.byID[l.CampaignID]
	if c == nil {
		return out, nil
	}
	row, err := arrivalOf(ctx, m.db, l)
	if err != nil {
		return out, err
	}
	out = referralapi.Arrival{Own: row.Own, Used: row.Referred, Claimed: row.Tried && row.ClaimedID != 0, Refused: row.Tried && row.ClaimedID == 0}
	out.Expired = row.FirstAt != nil && c.lapsed(*row.FirstAt, m.now())
	if !l.Gated() || row.Tried {
		if err := m.showCoupons(ctx, l, c, row, &out); err != nil {
			return out, err
		}
	}
	if to := shelf.leads(c.ID); to != nil {
		v := visit{link: &link{SiteID: l.SiteID, AdvocateID: l.AdvocateID, Channel: l.Channel}, campaign: c, visitor: l.Visitor}
		l.Continue = m.destination(ctx, to, v, row.FriendOfferID, append([]string{}, out.Coupons...))
	}
	return out, nil
}

// showCoupons puts into out the codes that the visitor may see. One that everybody gets is shown to whoever tried the gate: to hide it
// from some would only tell who they are.
func (m *Module) showCoupons(ctx context.Context, l *referralapi.Landing, c *campaign, row arrivalRow, out *referralapi.Arrival) error {
	of := row.FriendOfferID
	if l.Gated() {
		of = row.ClaimedID
	}
	if of == 0 {
		if codes, only := m.openCodes(ctx, l.SiteID, c); only && row.Tried {
			out.Coupons, out.Claimed, out.Refused = codes, true, false
		}
		return nil
	}
	rewards, err := rewardsOfFriendOffer(ctx, m.db, l.SiteID, of)
	for _, w := range rewards {
		switch {
		case w.Status == rewardWaiting:
			out.Waiting = true
		case w.Status == rewardVoided, w.CouponCode == "":
		default:
			if !slices.Contains(out.Coupons, w.CouponCode) {
				out.Coupons = append(out.Coupons, w.CouponCode)
			}
			out.Used = out.Used || w.coupon != nil && w.coupon.used()
		}
	}
	if err == nil && len(rewards) == 0 {
		out.Waiting, err = m.clickWaits(ctx, l.SiteID, c.ID, of)
	}
	return err
}

// ClaimLink lets a friend who was asked for an address claim the offer of a link. To claim it again gives the same, and by another browser
// nothing that a stranger could use: a coupon of his own has only the browser that asked first.
func (m *Module) ClaimLink(ctx context.Context, in referralapi.LinkClaim) error {
	shelf, err := m.catalog.of(ctx, in.Landing.SiteID)
	if shelf == nil {
		return err
	}
	c := shelf.byID[in.Landing.CampaignID]
	if c == nil {
		return nil
	}
	done, err := m.claims.Do(ctx, claiming{s: site.Site{ID: in.Landing.SiteID}, page: &in, campaign: c})
	if err != nil {
		return err
	}
	outcome := "claimed"
	if done.Value.FriendOfferID == 0 {
		outcome = "refused"
	}
	m.metrics.Of(ctx).pageClaims.WithLabelValues(outcome).Inc()
	return nil
}

// arrivalOf reads what is kept of a visitor and an offer.
func arrivalOf(ctx context.Context, q sqlx.QueryerContext, l *referralapi.Landing) (row arrivalRow, err error) {
	err = sqlx.GetContext(ctx, q, &row, `
		select coalesce(f.id, 0) as friend_offer_id, f.first_at, p.visitor_id is not null as tried, coalesce(p.friend_offer_id, 0) as claimed_offer_id,
			exists (select from referral.identity i where i.site_id = $1 and i.visitor_id = $3 and i.person_id = nullif($4::bigint, 0))
				or exists (select from referral.offer o where o.site_id = $1 and o.id = $2 and o.visitor_id = $3) as own,
			exists (select from referral.identity i
				join referral.referral r on r.site_id = i.site_id and r.friend_id = i.person_id and r.campaign_id = $5
					and r.status in ('pending', 'flagged', 'approved')
				where i.site_id = $1 and i.visitor_id = $3) as referred
		from (values (1)) one (n)
		left join referral.friend_offer f on f.site_id = $1 and f.visitor_id = $3 and f.offer_id = $2
		left join referral.page_claim p on p.site_id = $1 and p.offer_id = $2 and p.visitor_id = $3`,
		l.SiteID, l.OfferID, l.Visitor, l.AdvocateID, l.CampaignID)
	if err != nil {
		return row, fmt.Errorf("read an arrival: %w", err)
	}
	return row, nil
}

// forgetClaims drops which browsers claimed in whose name.
func forgetClaims(ctx context.Context, tx *sqlx.Tx, sites, people []int64) error {
	_, err := tx.ExecContext(ctx, `
		delete from referral.page_claim c using unnest($1::bigint[], $2::bigint[]) u (s, p)
		where c.site_id = u.s and c.friend_id = u.p`, pq.Array(sites), pq.Array(people))
	if err != nil {
		return fmt.Errorf("forget claims of pages: %w", err)
	}
	return nil
}

// dropClaimMarks forgets with what up to n older claims were made, and returns of how many.
func dropClaimMarks(ctx context.Context, db sqlx.ExecerContext, before time.Time, n int) (int64, error) {
	done, err := db.ExecContext(ctx, `
		update referral.page_claim set ip = '', device = ''
		where (site_id, offer_id, visitor_id) in (
			select site_id, offer_id, visitor_id from referral.page_claim
			where claimed_at < $1 and ip <> '' order by claimed_at limit $2 for update skip locked)`, before, n)
	if err != nil {
		return 0, fmt.Errorf("drop marks of claims: %w", err)
	}
	return done.RowsAffected()
}

// OfferStats are an offer's numbers for the advocate who has it.
func (m *Module) OfferStats(ctx context.Context, l referralapi.Landing) (out referralapi.OfferStats, err error) {
	if l.AdvocateID == 0 {
		return out, nil
	}
	err = m.db.GetContext(ctx, &out.Referrals, `
		select count(*) from referral.referral
		where site_id = $1 and advocate_id = $2 and offer_id = $3 and status in ('pending', 'approved')`, l.SiteID, l.AdvocateID, l.OfferID)
	if err != nil {
		return out, fmt.Errorf("referrals of an offer: %w", err)
	}
	var rows []struct {
		referralapi.Sum
		Points  int64 `db:"points"`
		Coupons int64 `db:"coupons"`
	}
	err = m.db.SelectContext(ctx, &rows, `
		select currency, sum(case when kind = 'commission' then amount - clawed else 0 end)::bigint as amount,
			sum(case when kind = 'points' then points - clawed else 0 end)::bigint as points, count(*) filter (where kind = 'coupon') as coupons
		from referral.reward
		where site_id = $1 and person_id = $2 and side = 'advocate' and campaign_id = $3 and status <> 'Voided'
		group by currency order by currency`, l.SiteID, l.AdvocateID, l.CampaignID)
	if err != nil {
		return out, fmt.Errorf("rewards of an offer: %w", err)
	}
	for _, r := range rows {
		out.Points += r.Points
		out.Coupons += r.Coupons
		if r.Amount > 0 {
			out.Earned = append(out.Earned, r.Sum)
		}
	}
	return out, nil
}
