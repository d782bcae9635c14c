package loyalty

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/site"
)

// openings reads what a site's members had at a moment. What has moved since is undone: of a lot was left what is left now, and what was taken since, so
// that it is the same whenever it is asked. It reads all of the site's ledger, which is for background work only.
func (m *Module) openings(ctx context.Context, shop site.Site, at time.Time, h *hindsight.History) error {
	h.Opened = true
	if err := m.openMembers(ctx, shop.ID, at, h); err != nil {
		return err
	}
	for _, read := range []func(context.Context, int64, time.Time, *hindsight.History) error{m.openWallets, m.openLots, m.openCounted, m.openReached} {
		if err := read(ctx, shop.ID, at, h); err != nil {
			return err
		}
	}
	return m.openDays(ctx, shop, at, h)
}

// openMembers reads who was a member, what they owed, and when they would have lapsed. A merged member is the survivor by now.
func (m *Module) openMembers(ctx context.Context, siteID int64, at time.Time, h *hindsight.History) error {
	var rows []struct {
		PersonID int64      `db:"person_id"`
		JoinedAt time.Time  `db:"joined_at"`
		Debt     int64      `db:"debt"`
		ActiveAt *time.Time `db:"active_at"`
		IdleDays int        `db:"idle_days"`
	}
	err := m.db.SelectContext(ctx, &rows, `
		select m.person_id, m.joined_at, greatest(-coalesce(e.balance, 0), 0) as debt, x.active_at, coalesce(m.idle_days, 0) as idle_days
		from loyalty.member m
		join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points'
		left join lateral (
			select e.balance_after as balance from loyalty.entry e join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
			where e.site_id = a.site_id and e.account_id = a.id and t.recorded_at < $2 order by e.seq desc limit 1) e on true
		left join lateral (
			select max(t.effective_at) as active_at from loyalty.txn t
			where m.idle_days > 0 and t.site_id = m.site_id and t.member_id = m.id and t.wallet is null and t.recorded_at < $2
				and (t.kind in ('earn', 'redeem', 'activate', 'hold') or t.kind = 'adjust' and t.points > 0)) x on true
		where m.site_id = $1 and m.joined_at < $2 and m.merged_into is null
		order by m.person_id`, siteID, at)
	for _, r := range rows {
		o := &hindsight.Opening{JoinedAt: r.JoinedAt, Debt: r.Debt}
		if r.ActiveAt != nil {
			o.LapsesAt, o.IdleDays = r.ActiveAt.AddDate(0, 0, r.IdleDays), r.IdleDays
		}
		h.Of(r.PersonID).Opening = o
	}
	return wrapped("read who was a member", err)
}

// openWallets reads who had a wallet beside the main one, and what they owed in it.
func (m *Module) openWallets(ctx context.Context, siteID int64, at time.Time, h *hindsight.History) error {
	var rows []struct {
		PersonID int64  `db:"person_id"`
		Wallet   string `db:"wallet"`
		Debt     int64  `db:"debt"`
	}
	err := m.db.SelectContext(ctx, &rows, `
		select m.person_id, a.asset as wallet, greatest(-e.balance, 0) as debt
		from loyalty.member m
		join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset <> 'points'
		cross join lateral (
			select e.balance_after as balance from loyalty.entry e join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
			where e.site_id = a.site_id and e.account_id = a.id and t.recorded_at < $2 order by e.seq desc limit 1) e
		where m.site_id = $1 and m.joined_at < $2 and m.merged_into is null
		order by m.person_id, a.asset`, siteID, at)
	for _, r := range rows {
		if o := h.Of(r.PersonID).Opening; o != nil {
			o.Wallets = append(o.Wallets, hindsight.OpeningWallet{Key: r.Wallet, Debt: r.Debt})
		}
	}
	return wrapped("read who had which wallets", err)
}

// openLots reads what was left of members' lots, with the dates that they had then.
func (m *Module) openLots(ctx context.Context, siteID int64, at time.Time, h *hindsight.History) error {
	var rows []struct {
		PersonID    int64      `db:"person_id"`
		Points      int64      `db:"points"`
		EarnedAt    time.Time  `db:"effective_at"`
		EndsAt      *time.Time `db:"ends_at"`
		ByActivity  bool       `db:"by_activity"`
		Pending     bool       `db:"pending"`
		ActivatesAt *time.Time `db:"activates_at"`
		Wallet      string     `db:"wallet"`
	}
	err := m.db.SelectContext(ctx, &rows, `
		with later as (
			select a.lot_id, sum(a.amount)::bigint as taken from loyalty.txn t join loyalty.allocation a on a.site_id = t.site_id and a.txn_id = t.id
			where t.site_id = $1 and t.recorded_at >= $2 group by a.lot_id),
		woken as (select t.earn_id from loyalty.txn t where t.site_id = $1 and t.kind = 'activate' and t.recorded_at >= $2)
		select m.person_id, a.asset as wallet, l.remaining + coalesce(x.taken, 0) as points, t.effective_at, coalesce(l.pending, false) or w.earn_id is not null as pending, l.activates_at,
			case when d.lot_id is not null then d.was when w.earn_id is null then l.expires_at end as ends_at, coalesce(l.by_activity, false) and w.earn_id is null as by_activity
		from loyalty.lot l
		join loyalty.txn t on t.site_id = l.site_id and t.id = l.id
		join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id
		join loyalty.member m on m.site_id = a.site_id and m.id = coalesce(a.owner_id, a.pending_of)
		left join later x on x.lot_id = l.id
		left join woken w on w.earn_id = l.id
		left join lateral (select d.lot_id, d.was from loyalty.lot_date d where d.site_id = l.site_id and d.lot_id = l.id and d.changed_at >= $2 order by d.id limit 1) d on true
		where l.site_id = $1 and t.recorded_at < $2 and l.remaining + coalesce(x.taken, 0) > 0
		order by l.id`, siteID, at)
	for _, r := range rows {
		o := h.Of(r.PersonID).Opening
		if o == nil {
			continue
		}
		x := hindsight.OpeningLot{Points: r.Points, EarnedAt: r.EarnedAt, EndsAt: orNone(r.EndsAt), ByActivity: r.ByActivity, Pending: r.Pending, ActivatesAt: orNone(r.ActivatesAt)}
		if w := o.In(r.Wallet); w != nil {
			w.Lots = append(w.Lots, x)
		} else if isMain(r.Wallet) {
			o.Lots = append(o.Lots, x)
		}
	}
	return wrapped("read what members had", err)
}

// openDays reads what counted towards tiers: points by the days for which they were earned, as far as they could be spent, less what was clawed back; and what
// programmes that count it have noted of referrals, and of what the shop counts.
func (m *Module) openDays(ctx context.Context, shop site.Site, at time.Time, h *hindsight.History) error {
	var rows []struct {
		PersonID  int64     `db:"person_id"`
		Day       time.Time `db:"day"`
		Earned    int64     `db:"earned"`
		Referrals int64     `db:"referrals"`
		Custom    int64     `db:"custom"`
	}
	err := m.db.SelectContext(ctx, &rows, `
		with later as (
			select t.earn_id, sum(t.points) filter (where t.kind = 'claw_back')::bigint as clawed, count(*) filter (where t.kind = 'activate') as woken
			from loyalty.txn t where t.site_id = $1 and t.kind in ('claw_back', 'activate') and t.recorded_at >= $2 group by t.earn_id),
		part as (
			select t.member_id, (t.effective_at at time zone $3)::date as day, l.granted - l.clawed + coalesce(x.clawed, 0) as earned, 0::bigint as referrals, 0::bigint as custom
			from loyalty.txn t join loyalty.lot l on l.site_id = t.site_id and l.id = t.id left join later x on x.earn_id = l.id
			where t.site_id = $1 and t.recorded_at < $2 and not coalesce(l.pending, false) and coalesce(x.woken, 0) = 0 and l.tierless is null
				and (t.kind = 'earn' or t.kind = 'adjust' and t.rule like '%"counts_for_tier":true%')
			union all
			select t.member_id, (t.effective_at at time zone $3)::date, t.points, 0, 0 from loyalty.txn t
			where t.site_id = $1 and t.recorded_at < $2 and t.wallet is null and t.kind = 'adjust' and t.points < 0 and t.rule like '%"counts_for_tier":true%'
			union all
			select d.member_id, d.day, 0, d.referrals, d.custom from loyalty.merit_day d
			where d.site_id = $1 and d.day < ($2 at time zone $3)::date and (d.referrals <> 0 or d.custom <> 0))
		select m.person_id, p.day, sum(p.earned)::bigint as earned, sum(p.referrals)::bigint as referrals, sum(p.custom)::bigint as custom
		from part p
		join loyalty.member o on o.site_id = $1 and o.id = p.member_id
		join loyalty.member m on m.site_id = $1 and m.id = coalesce(o.merged_into, o.id)
		group by m.person_id, p.day order by m.person_id, p.day`, shop.ID, at, shop.Zone.String())
	for _, r := range rows {
		if o := h.Of(r.PersonID).Opening; o != nil {
			o.Days = append(o.Days, hindsight.OpeningDay{Day: r.Day.UTC(), Earned: r.Earned, Referrals: r.Referrals, Custom: r.Custom})
		}
	}
	return wrapped("read what counted", err)
}
