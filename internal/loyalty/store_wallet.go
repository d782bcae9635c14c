package loyalty

import (
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
)

// walletColumn is which wallet an account a is of.
const walletColumn = `case when a.asset <> 'points' then a.asset else '' end as wallet`

// memberWallet is a wallet of a locked member that something is to be done with.
type memberWallet struct {
	*holder
	wallet string
}

// loadWallets hands locked members further wallets, and opens them for who has none yet. Whoever locks a member has all accounts, too.
// Nothing is asked where no other wallet than the main one is wanted.
func loadWallets(ctx context.Context, tx sqlx.QueryerContext, wanted []memberWallet) error {
	return loadWalletsAs(ctx, tx, wanted, true)
}

// lookAtWallets is loadWallets for who only wants to know what would be.
func lookAtWallets(ctx context.Context, tx sqlx.QueryerContext, wanted []memberWallet) error {
	return loadWalletsAs(ctx, tx, wanted, false)
}

func loadWalletsAs(ctx context.Context, tx sqlx.QueryerContext, wanted []memberWallet, open bool) error {
	var sites, members []int64
	var assets []string
	type key struct {
		siteID
		wallet string
	}
	by := map[key]*holder{}
	for _, w := range wanted {
		k := key{siteID{w.SiteID, w.MemberID}, w.wallet}
		if w.wallet == "" || by[k] != nil || w.in(w.wallet) != nil {
			continue
		}
		by[k] = w.holder
		sites, members, assets = append(sites, w.SiteID), append(members, w.MemberID), append(assets, w.wallet)
	}
	if len(by) == 0 {
		return nil
	}
	var rows []struct {
		account
		pace
		OwnerID int64 `db:"owner_id"`
	}
	opened, how := `select * from known`, `offset 0`
	if open {
		how = `for update` // the timer of expiry may have the account, and is about to lock the site's
		opened = `, fresh as (
			insert into loyalty.account (site_id, owner_id, name, asset)
			select site_id, owner_id, 'member', asset from u
			where not exists (select from known k where k.site_id = u.site_id and k.owner_id = u.owner_id and k.wallet = u.asset)
			order by site_id, owner_id, asset
			returning site_id, id, name, balance, seq, owner_id, asset, lapses_at, 0, wake_at, false
		) select * from known union all select * from fresh`
	}
	err := sqlx.SelectContext(ctx, tx, &rows, `
		with u as (select * from unnest($1::bigint[], $2::bigint[], $3::text[]) as u (site_id, owner_id, asset)),
		known as (
			select a.site_id, a.id as account_id, a.name, a.balance, a.seq, a.owner_id, a.asset as wallet,
				a.lapses_at, coalesce(a.idle_days, 0) as idle_days, a.wake_at, coalesce(a.reminded, false) as reminded from u
			cross join lateral (select * from loyalty.account a where a.site_id = u.site_id and a.owner_id = u.owner_id and a.asset = u.asset `+how+`) a
		)
		`+opened, pq.Array(sites), pq.Array(members), pq.Array(assets))
	if err != nil {
		return fmt.Errorf("load wallets: %w", err)
	}
	for _, r := range rows {
		h := by[key{siteID{r.SiteID, r.OwnerID}, r.Wallet}]
		h.wallets = append(h.wallets, h.wallet(r.account, r.pace))
	}
	return nil
}

// walletsHad are all wallets that members have beside the main one.
func walletsHad(ctx context.Context, tx sqlx.QueryerContext, holders []*holder) (out []memberWallet, err error) {
	var rows []struct {
		SiteID  int64  `db:"site_id"`
		OwnerID int64  `db:"owner_id"`
		Asset   string `db:"asset"`
	}
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select a.site_id, a.owner_id, a.asset from unnest($1::bigint[], $2::bigint[]) as u (site_id, owner_id)
		cross join lateral (select * from loyalty.account a where a.site_id = u.site_id and a.owner_id = u.owner_id and a.asset <> 'points' offset 0) a
		order by a.asset, a.owner_id`,
		pq.Array(column(holders, func(h *holder) int64 { return h.SiteID })), pq.Array(column(holders, func(h *holder) int64 { return h.MemberID })))
	for _, r := range rows {
		for _, h := range holders {
			if h.SiteID == r.SiteID && h.MemberID == r.OwnerID {
				out = append(out, memberWallet{h, r.Asset})
			}
		}
	}
	return out, wrapped("find members' wallets", err)
}

// walletRows reads a member's further wallets for a display, with what of each ends next.
func walletRows(ctx context.Context, db sqlx.QueryerContext, site, member int64) (map[string]walletRow, error) {
	var rows []walletRow
	err := sqlx.SelectContext(ctx, db, &rows, `
		select a.asset as wallet, a.id as account_id, a.balance, coalesce(w.balance, 0) as pending, coalesce(l.points, 0) as points, l.expires_at
		from loyalty.account a
		left join lateral (select * from loyalty.account w where w.site_id = a.site_id and w.name = 'pending' and w.asset = a.asset and w.pending_of = $2
			and w.owner_id is null offset 0) w on true
		left join lateral (select coalesce(l.expires_at, a.lapses_at) as expires_at, sum(l.remaining)::bigint as points from loyalty.lot l
			where l.site_id = a.site_id and l.account_id = a.id and l.remaining > 0 and (l.expires_at is not null or l.by_activity) group by 1 order by 1 limit 1) l on true
		where a.site_id = $1 and a.owner_id = $2 and a.asset <> 'points'`, site, member)
	out := make(map[string]walletRow, len(rows))
	for _, r := range rows {
		out[r.Wallet] = r
	}
	return out, wrapped("read wallets", err)
}

// walletOf is memberOf with the account of one of the member's wallets instead of the main one's: 0 where it was never needed.
func walletOf(ctx context.Context, db sqlx.QueryerContext, site, person int64, wallet string) (memberRow, error) {
	r, err := memberOf(ctx, db, site, person)
	if wallet = walletNamed(wallet); err != nil || wallet == "" {
		return r, err
	}
	if err := hasWallet(ctx, db, site, wallet); err != nil {
		return r, err
	}
	had, err := walletRows(ctx, db, site, r.ID)
	r.AccountID, r.Balance, r.Pending = had[wallet].AccountID, had[wallet].Balance, had[wallet].Pending
	return r, err
}

// hasWallet says whether the site's programme has a wallet.
func hasWallet(ctx context.Context, db sqlx.QueryerContext, site int64, wallet string) error {
	if wallet == "" {
		return nil
	}
	programs, err := programsOf(ctx, db, site)
	if err == nil && !slices.ContainsFunc(programs, func(p program) bool { _, ok := p.wallet(wallet); return ok }) {
		err = errNoWallet
	}
	return err
}

// openWallets makes the site's own accounts of a programme's wallets.
func openWallets(ctx context.Context, tx sqlx.ExecerContext, p program) error {
	if len(p.Wallets) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		insert into loyalty.account (site_id, name, asset) select $1, n, w from unnest($2::text[]) n cross join unnest($3::text[]) w order by w, n
		on conflict (site_id, name, asset, pending_of) where owner_id is null do nothing`,
		p.SiteID, pq.Array(siteAccounts), pq.Array(column(p.Wallets, func(w Wallet) string { return w.Key })))
	return wrapped("open wallets", err)
}

// mayRemove says why wallets can't be taken out of a programme, which is locked: the ledger has something of them, whose rule and name are asked for ever.
func mayRemove(ctx context.Context, tx sqlx.QueryerContext, p program, keys []string) error {
	used, err := usedWallets(ctx, tx, p, keys)
	if err != nil || len(used) == 0 {
		return err
	}
	bad := fault.New(fault.Conflict, "wallet_in_use", "A wallet stays in the programme once there were points in it: %s.", used[0])
	return bad.At("/wallets", "must have "+used[0]+", in which points were posted")
}

// usedWallets are those of some wallets that points were ever posted in. Nobody posts while the programme is locked.
func usedWallets(ctx context.Context, tx sqlx.QueryerContext, p program, keys []string) (used []string, err error) {
	if len(keys) == 0 {
		return nil, nil
	}
	err = sqlx.SelectContext(ctx, tx, &used, `
		select distinct asset from loyalty.account where site_id = $1 and owner_id is null and pending_of is null and asset = any($2) and name = any($3) and seq > 0 order by asset`,
		p.SiteID, pq.Array(keys), pq.Array(siteAccounts))
	return used, wrapped("look for points in wallets", err)
}

// keepUsed puts wallets back into settings that were scheduled before these had points.
func keepUsed(ctx context.Context, tx sqlx.QueryerContext, p program, s settings) (settings, error) {
	used, err := usedWallets(ctx, tx, p, p.removed(s))
	for _, w := range p.Wallets {
		if slices.Contains(used, w.Key) {
			s.Wallets = append(s.Wallets[:len(s.Wallets):len(s.Wallets)], w)
		}
	}
	return s, err
}
