package loyalty

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// stamp writes a time for an array of texts that the statement turns into timestamps.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00") }

func stampOrNot(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

// exec runs one statement of a save.
func exec(ctx context.Context, tx sqlx.ExecerContext, what, query string, args ...any) error {
	for i, a := range args {
		switch a.(type) {
		case []int64, []string:
			args[i] = pq.Array(a)
		}
	}
	if _, err := tx.ExecContext(ctx, query, args...); err != nil {
		return fmt.Errorf("save %s: %w", what, err)
	}
	return nil
}

func insertTxns(ctx context.Context, tx sqlx.ExecerContext, txns []txn, now time.Time) error {
	if len(txns) == 0 {
		return nil
	}
	var sites, ids, members, points, earns, origins, referrals, rewards []int64
	var kinds, sources, reasons, rules, effective, descriptions []string
	for _, t := range txns {
		sites, ids, members, points = append(sites, t.SiteID), append(ids, t.ID), append(members, t.MemberID), append(points, t.Points)
		earns, origins = append(earns, t.EarnID), append(origins, t.OriginID)
		referrals, rewards = append(referrals, t.ReferralID), append(rewards, t.RewardID)
		kinds, sources, reasons = append(kinds, t.Kind), append(sources, t.Source), append(reasons, t.Reason)
		rules, effective = append(rules, t.Rule), append(effective, stamp(t.EffectiveAt))
		descriptions = append(descriptions, t.Description)
	}
	return exec(ctx, tx, "transactions", `
		insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, earn_id, origin_id, referral_id, reward_id, rule,
			effective_at, recorded_at, description)
		select site_id, id, member_id, kind, source, reason, points, nullif(earn_id, 0), nullif(origin_id, 0), nullif(referral_id, 0),
			nullif(reward_id, 0), rule, effective_at::timestamptz, $15, nullif(description, '')
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[],
			$10::bigint[], $11::bigint[], $12::text[], $13::text[], $14::text[])
			as u (site_id, id, member_id, kind, source, reason, points, earn_id, origin_id, referral_id, reward_id, rule, effective_at, description)`,
		sites, ids, members, kinds, sources, reasons, points, earns, origins, referrals, rewards, rules, effective, descriptions, now)
}

func insertEntries(ctx context.Context, tx sqlx.ExecerContext, entries []entry) error {
	if len(entries) == 0 {
		return nil
	}
	n := len(entries)
	sites, txns, accounts, amounts := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	seqs, balances := make([]int64, n), make([]int64, n)
	for i, e := range entries {
		sites[i], txns[i], accounts[i], amounts[i], seqs[i], balances[i] = e.SiteID, e.TxnID, e.AccountID, e.Amount, e.Seq, e.BalanceAfter
	}
	return exec(ctx, tx, "entries", `
		insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
		select site_id, txn_id, account_id, 'points', amount, seq, balance_after
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			as u (site_id, txn_id, account_id, amount, seq, balance_after)`, sites, txns, accounts, amounts, seqs, balances)
}

func insertLots(ctx context.Context, tx sqlx.ExecerContext, lots []*lot) error {
	if len(lots) == 0 {
		return nil
	}
	n := len(lots)
	sites, ids, accounts, granted, remaining := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	ends := make([]string, n)
	for i, l := range lots {
		sites[i], ids[i], accounts[i], granted[i], remaining[i], ends[i] = l.SiteID, l.ID, l.AccountID, l.Granted, l.Remaining, stampOrNot(l.ExpiresAt)
	}
	return exec(ctx, tx, "lots", `
		insert into loyalty.lot (site_id, id, account_id, granted, remaining, expires_at)
		select site_id, id, account_id, granted, remaining, nullif(expires_at, '')::timestamptz
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])
			as u (site_id, id, account_id, granted, remaining, expires_at)`, sites, ids, accounts, granted, remaining, ends)
}

func insertAllocations(ctx context.Context, tx sqlx.ExecerContext, uses []allocation) error {
	if len(uses) == 0 {
		return nil
	}
	n := len(uses)
	sites, lots, txns, amounts := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i, u := range uses {
		sites[i], lots[i], txns[i], amounts[i] = u.SiteID, u.LotID, u.TxnID, u.Amount
	}
	return exec(ctx, tx, "uses of lots", `
		insert into loyalty.allocation (site_id, lot_id, txn_id, amount)
		select site_id, lot_id, txn_id, amount
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) as u (site_id, lot_id, txn_id, amount)`, sites, lots, txns, amounts)
}

func updateLots(ctx context.Context, tx sqlx.ExecerContext, lots []*lot) error {
	var sites, ids, remaining, clawed, expired, forgiven []int64
	for _, l := range lots {
		if l.dirty {
			sites, ids, remaining = append(sites, l.SiteID), append(ids, l.ID), append(remaining, l.Remaining)
			clawed, expired, forgiven = append(clawed, l.Clawed), append(expired, l.Expired), append(forgiven, l.Forgiven)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return exec(ctx, tx, "lots", `
		update loyalty.lot l set remaining = u.remaining, clawed = u.clawed, expired = u.expired, forgiven = u.forgiven
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
			as u (site_id, id, remaining, clawed, expired, forgiven)
		where l.site_id = u.site_id and l.id = u.id`, sites, ids, remaining, clawed, expired, forgiven)
}

func updateAccounts(ctx context.Context, tx sqlx.ExecerContext, accounts []*account) error {
	var sites, ids, balances, seqs []int64
	for _, a := range accounts {
		if a.dirty {
			sites, ids, balances, seqs = append(sites, a.SiteID), append(ids, a.ID), append(balances, a.Balance), append(seqs, a.Seq)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return exec(ctx, tx, "accounts", `
		update loyalty.account a set balance = u.balance, seq = u.seq
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) as u (site_id, id, balance, seq)
		where a.site_id = u.site_id and a.id = u.id`, sites, ids, balances, seqs)
}

func updateMembers(ctx context.Context, tx sqlx.ExecerContext, holders []*holder) error {
	var sites, ids, earned, versions []int64
	var tiers []string
	for _, h := range holders {
		if h.tiered {
			sites, ids, earned = append(sites, h.SiteID), append(ids, h.MemberID), append(earned, h.Earned)
			tiers, versions = append(tiers, h.Tier), append(versions, int64(h.TiersVersion))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return exec(ctx, tx, "members", `
		update loyalty.member m set earned = u.earned, tier = u.tier, tiers_version = u.version
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) as u (site_id, id, earned, tier, version)
		where m.site_id = u.site_id and m.id = u.id`, sites, ids, earned, tiers, versions)
}

func insertChanges(ctx context.Context, tx sqlx.ExecerContext, changes []tierChange) error {
	if len(changes) == 0 {
		return nil
	}
	var sites, members, earned, txns, versions []int64
	var from, to, causes, at []string
	for _, c := range changes {
		sites, members, earned = append(sites, c.SiteID), append(members, c.MemberID), append(earned, c.Earned)
		txns, versions = append(txns, c.TxnID), append(versions, int64(c.Version))
		from, to, causes = append(from, c.From), append(to, c.To), append(causes, c.Cause)
		at = append(at, stamp(c.At))
	}
	return exec(ctx, tx, "changes of tier", `
		insert into loyalty.tier_change (site_id, member_id, from_tier, to_tier, earned, cause, txn_id, program_version, changed_at)
		select site_id, member_id, from_tier, to_tier, earned, cause, nullif(txn_id, 0), version, at::timestamptz
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::text[]) with ordinality
			as u (site_id, member_id, from_tier, to_tier, earned, cause, txn_id, version, at, o)
		order by o`, sites, members, from, to, earned, causes, txns, versions, at)
}

// keepRefusals writes down what earned nothing, and why. What was decided before stands.
func keepRefusals(ctx context.Context, tx sqlx.ExecerContext, refused []earning, now time.Time) error {
	if len(refused) == 0 {
		return nil
	}
	var sites, people []int64
	var sources, reasons, rules, effective []string
	for _, e := range refused {
		at := e.EffectiveAt
		if at.IsZero() {
			at = now
		}
		sites, people = append(sites, e.SiteID), append(people, e.PersonID)
		sources, reasons = append(sources, e.Source), append(reasons, e.Refused)
		rules, effective = append(rules, e.Rule), append(effective, stamp(at))
	}
	return exec(ctx, tx, "refusals", `
		insert into loyalty.refusal (site_id, source, person_id, reason, rule, effective_at, recorded_at)
		select site_id, source, person_id, reason, rule, effective_at::timestamptz, $7
		from unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[])
			as u (site_id, source, person_id, reason, rule, effective_at)
		order by site_id, source
		on conflict (site_id, source) do nothing`, sites, sources, people, reasons, rules, effective, now)
}
