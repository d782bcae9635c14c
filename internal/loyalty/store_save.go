package loyalty

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// saving is one statement that writes all that a batch decided: a part for each table that has something to be written, each
// a set. No row is touched by two parts, so their order, which PostgreSQL does not promise, does not matter. The texts differ by
// which parts they have, so there are few of them, and they are prepared.
type saving struct {
	parts []string
	args  []any
	what  []string
}

// add puts a part into the statement. Its text has $rows where the rows stand: one column a name, of its type, in the order of
// the arrays; names without a type are bigint.
func (s *saving) add(what, query, names string, columns ...any) {
	var arrays, plain []string
	for i, name := range strings.Fields(names) {
		name, kind, typed := strings.Cut(name, ":")
		if !typed {
			kind = "bigint"
		}
		s.args = append(s.args, pq.Array(columns[i]))
		arrays, plain = append(arrays, "$"+strconv.Itoa(len(s.args))+"::"+kind+"[]"), append(plain, name)
	}
	rows := "unnest(" + strings.Join(arrays, ", ") + ") with ordinality as u (" + strings.Join(plain, ", ") + ", o)"
	s.parts = append(s.parts, strings.ReplaceAll(query, "$rows", rows))
	s.what = append(s.what, what)
}

func (s *saving) run(ctx context.Context, tx sqlx.ExecerContext) error {
	if len(s.parts) == 0 {
		return nil
	}
	var query strings.Builder
	for i, part := range s.parts {
		query.WriteString([]string{"with ", ", "}[min(i, 1)] + "p" + strconv.Itoa(i) + " as (" + part + ")")
	}
	query.WriteString(" select")
	if _, err := tx.ExecContext(ctx, query.String(), s.args...); err != nil {
		return fmt.Errorf("save %s: %w", strings.Join(s.what, ", "), err)
	}
	return nil
}

// column is one column of rows.
func column[T, V any](rows []T, value func(T) V) []V {
	out := make([]V, len(rows))
	for i, r := range rows {
		out[i] = value(r)
	}
	return out
}

// stamp writes a time for an array of texts that the statement turns into timestamps.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00") }

func stampOrNot(t *time.Time) string {
	if t == nil {
		return ""
	}
	return stamp(*t)
}

func (s *saving) txns(rows []txn) {
	if len(rows) == 0 {
		return
	}
	names, more, values := `site_id id member_id kind:text source:text reason:text points earn_id origin_id referral_id reward_id rule:text
		effective_at:text recorded_at:text description:text`, "", ""
	columns := []any{
		column(rows, func(t txn) int64 { return t.SiteID }), column(rows, func(t txn) int64 { return t.ID }),
		column(rows, func(t txn) int64 { return t.MemberID }), column(rows, func(t txn) string { return t.Kind }),
		column(rows, func(t txn) string { return t.Source }), column(rows, func(t txn) string { return t.Reason }),
		column(rows, func(t txn) int64 { return t.Points }), column(rows, func(t txn) int64 { return t.EarnID }),
		column(rows, func(t txn) int64 { return t.OriginID }), column(rows, func(t txn) int64 { return t.ReferralID }),
		column(rows, func(t txn) int64 { return t.RewardID }), column(rows, func(t txn) string { return t.Rule }),
		column(rows, func(t txn) string { return stamp(t.EffectiveAt) }), column(rows, func(t txn) string { return stamp(t.RecordedAt) }),
		column(rows, func(t txn) string { return t.Description }),
	}
	if slices.ContainsFunc(rows, func(t txn) bool { return t.Wallet != "" }) {
		names, more, values = names+" wallet:text", ", wallet", ", nullif(wallet, '')"
		columns = append(columns, column(rows, func(t txn) string { return t.Wallet }))
	}
	s.add("transactions", `
		insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, earn_id, origin_id, referral_id, reward_id, rule,
			effective_at, recorded_at, description`+more+`)
		select site_id, id, member_id, kind, source, reason, points, nullif(earn_id, 0), nullif(origin_id, 0), nullif(referral_id, 0),
			nullif(reward_id, 0), rule, effective_at::timestamptz, recorded_at::timestamptz, nullif(description, '')`+values+`
		from $rows`, names, columns...)
}

func (s *saving) entries(rows []entry) {
	if len(rows) == 0 {
		return
	}
	names, of := `site_id txn_id account_id amount seq balance_after`, `'points'`
	columns := []any{
		column(rows, func(e entry) int64 { return e.SiteID }), column(rows, func(e entry) int64 { return e.TxnID }),
		column(rows, func(e entry) int64 { return e.AccountID }), column(rows, func(e entry) int64 { return e.Amount }),
		column(rows, func(e entry) int64 { return e.Seq }), column(rows, func(e entry) int64 { return e.BalanceAfter }),
	}
	if slices.ContainsFunc(rows, func(e entry) bool { return e.Wallet != "" }) {
		names, of, columns = names+" asset:text", "asset", append(columns, column(rows, func(e entry) string { return asset(e.Wallet) }))
	}
	s.add("entries", `
		insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
		select site_id, txn_id, account_id, `+of+`, amount, seq, balance_after from $rows`, names, columns...)
}

func (s *saving) newLots(rows []*lot) {
	if len(rows) == 0 {
		return
	}
	names, more, values := `site_id id account_id granted remaining expires_at:text`, "", ""
	columns := []any{
		column(rows, func(l *lot) int64 { return l.SiteID }), column(rows, func(l *lot) int64 { return l.ID }),
		column(rows, func(l *lot) int64 { return l.AccountID }), column(rows, func(l *lot) int64 { return l.Granted }),
		column(rows, func(l *lot) int64 { return l.Remaining }), column(rows, func(l *lot) string { return stampOrNot(l.ExpiresAt) }),
	}
	if slices.ContainsFunc(rows, func(l *lot) bool { return l.ByActivity || l.WakeAt != nil }) {
		more, values = ", by_activity, wake_at", ", nullif(by_activity, false), nullif(wake_at, '')::timestamptz"
		names, columns = names+" by_activity:boolean wake_at:text", append(columns, column(rows, func(l *lot) bool { return l.ByActivity }),
			column(rows, func(l *lot) string { return stampOrNot(l.WakeAt) }))
	}
	if slices.ContainsFunc(rows, func(l *lot) bool { return l.Pending }) {
		more, values = more+", pending, activates_at", values+", nullif(pending, false), nullif(activates_at, '')::timestamptz"
		names, columns = names+" pending:boolean activates_at:text", append(columns, column(rows, func(l *lot) bool { return l.Pending }),
			column(rows, func(l *lot) string { return stampOrNot(l.ActivatesAt) }))
	}
	if slices.ContainsFunc(rows, func(l *lot) bool { return l.Tierless }) {
		more, values = more+", tierless", values+", nullif(tierless, false)"
		names, columns = names+" tierless:boolean", append(columns, column(rows, func(l *lot) bool { return l.Tierless }))
	}
	if slices.ContainsFunc(rows, func(l *lot) bool { return l.Expired > 0 }) {
		more, values = more+", expired", values+", expired"
		names, columns = names+" expired", append(columns, column(rows, func(l *lot) int64 { return l.Expired }))
	}
	s.add("new lots", `
		insert into loyalty.lot (site_id, id, account_id, granted, remaining, expires_at`+more+`)
		select site_id, id, account_id, granted, remaining, nullif(expires_at, '')::timestamptz`+values+` from $rows`, names, columns...)
}

func (s *saving) allocations(rows []allocation) {
	if len(rows) == 0 {
		return
	}
	s.add("allocations", `
		insert into loyalty.allocation (site_id, lot_id, txn_id, amount) select site_id, lot_id, txn_id, amount from $rows`,
		`site_id lot_id txn_id amount`,
		column(rows, func(a allocation) int64 { return a.SiteID }), column(rows, func(a allocation) int64 { return a.LotID }),
		column(rows, func(a allocation) int64 { return a.TxnID }), column(rows, func(a allocation) int64 { return a.Amount }))
}

func (s *saving) usedLots(all []*lot) {
	var rows []*lot
	for _, l := range all {
		if l.dirty {
			rows = append(rows, l)
		}
	}
	if len(rows) == 0 {
		return
	}
	names, more := `site_id id remaining clawed expired forgiven`, ""
	columns := []any{
		column(rows, func(l *lot) int64 { return l.SiteID }), column(rows, func(l *lot) int64 { return l.ID }),
		column(rows, func(l *lot) int64 { return l.Remaining }), column(rows, func(l *lot) int64 { return l.Clawed }),
		column(rows, func(l *lot) int64 { return l.Expired }), column(rows, func(l *lot) int64 { return l.Forgiven }),
	}
	if slices.ContainsFunc(rows, func(l *lot) bool { return l.dated }) { // seldom: what purchases do stays short
		more = `, expires_at = nullif(u.expires_at, '')::timestamptz,
			by_activity = nullif(u.by_activity, false), wake_at = nullif(u.wake_at, '')::timestamptz, reminded = nullif(u.reminded, false)`
		names, columns = names+" expires_at:text by_activity:boolean wake_at:text reminded:boolean", append(columns, column(rows, func(l *lot) string { return stampOrNot(l.ExpiresAt) }),
			column(rows, func(l *lot) bool { return l.ByActivity }), column(rows, func(l *lot) string { return stampOrNot(l.WakeAt) }),
			column(rows, func(l *lot) bool { return l.Reminded }))
	}
	if slices.ContainsFunc(rows, func(l *lot) bool { return l.moved || l.Waived > 0 }) {
		more += `, account_id = u.account_id, pending = nullif(u.pending, false), waived = u.waived`
		names, columns = names+" account_id pending:boolean waived", append(columns, column(rows, func(l *lot) int64 { return l.AccountID }),
			column(rows, func(l *lot) bool { return l.Pending }), column(rows, func(l *lot) int64 { return l.Waived }))
	}
	if slices.ContainsFunc(rows, func(l *lot) bool { return l.Reinstated > 0 }) {
		more += `, reinstated = u.reinstated`
		names, columns = names+" reinstated", append(columns, column(rows, func(l *lot) int64 { return l.Reinstated }))
	}
	s.add("lots", `
		update loyalty.lot l set remaining = u.remaining, clawed = u.clawed, expired = u.expired, forgiven = u.forgiven`+more+`
		from $rows where l.site_id = u.site_id and l.id = u.id`, names, columns...)
}

func (s *saving) members(all []*holder) {
	var rows []*holder
	for _, h := range all {
		if h.tiered || h.paced && h.Wallet == "" {
			rows = append(rows, h)
		}
	}
	if len(rows) == 0 {
		return
	}
	names, more := `site_id id earned tier:text version`, ""
	columns := []any{
		column(rows, func(h *holder) int64 { return h.SiteID }), column(rows, func(h *holder) int64 { return h.MemberID }),
		column(rows, func(h *holder) int64 { return h.Earned }), column(rows, func(h *holder) string { return h.Tier }),
		column(rows, func(h *holder) int64 { return int64(h.TiersVersion) }),
	}
	if slices.ContainsFunc(rows, func(h *holder) bool { return h.paced }) {
		more, names, columns = savedPace, names+pacedNames, append(columns, paceColumns(rows, func(h *holder) pace { return h.pace })...)
	}
	tier := ""
	if slices.ContainsFunc(rows, func(h *holder) bool { return h.score != nil && h.score.dirty }) {
		tier = `, tier_due_at = nullif(u.tier_due_at, '')::timestamptz, counted = nullif(u.counted, false)`
		names, columns = names+" tier_due_at:text counted:boolean", append(columns, column(rows, (*holder).tierDue), column(rows, func(h *holder) bool { return h.score != nil }))
	}
	s.add("members", `
		update loyalty.member m set earned = u.earned, tier = u.tier, tiers_version = u.version`+more+tier+`
		from $rows where m.site_id = u.site_id and m.id = u.id`, names, columns...)
}

func (s *saving) changes(rows []tierChange) {
	if len(rows) == 0 {
		return
	}
	names, more, values := `site_id member_id from_tier:text to_tier:text earned cause:text txn_id version at:text`, "", ""
	columns := []any{
		column(rows, func(c tierChange) int64 { return c.SiteID }), column(rows, func(c tierChange) int64 { return c.MemberID }),
		column(rows, func(c tierChange) string { return c.From }), column(rows, func(c tierChange) string { return c.To }),
		column(rows, func(c tierChange) int64 { return c.Earned }), column(rows, func(c tierChange) string { return c.Cause }),
		column(rows, func(c tierChange) int64 { return c.TxnID }), column(rows, func(c tierChange) int64 { return int64(c.Version) }),
		column(rows, func(c tierChange) string { return stamp(c.At) }),
	}
	if slices.ContainsFunc(rows, func(c tierChange) bool { return c.Seen != "" }) {
		more, values = ", source, seen, until", ", nullif(source, ''), nullif(seen, '')::jsonb, nullif(until, '')::timestamptz"
		names, columns = names+" source:text seen:text until:text", append(columns, column(rows, func(c tierChange) string { return c.Source }),
			column(rows, func(c tierChange) string { return c.Seen }), column(rows, func(c tierChange) string { return stampOrNot(c.Until) }))
	}
	s.add("changes of tier", `
		insert into loyalty.tier_change (site_id, member_id, from_tier, to_tier, earned, cause, txn_id, program_version, changed_at`+more+`)
		select site_id, member_id, from_tier, to_tier, earned, cause, nullif(txn_id, 0), version, at::timestamptz`+values+`
		from $rows
		order by o`, names, columns...)
}

// refusals are what earned nothing, and why. What was decided before stands.
func (s *saving) refusals(rows []earning, now time.Time) {
	if len(rows) == 0 {
		return
	}
	s.add("refusals", `
		insert into loyalty.refusal (site_id, source, person_id, reason, rule, effective_at, recorded_at)
		select site_id, source, person_id, reason, rule, effective_at::timestamptz, recorded_at::timestamptz
		from $rows
		order by site_id, source
		on conflict (site_id, source) do nothing`,
		`site_id source:text person_id reason:text rule:text effective_at:text recorded_at:text`,
		column(rows, func(e earning) int64 { return e.SiteID }), column(rows, func(e earning) string { return e.Source }),
		column(rows, func(e earning) int64 { return e.PersonID }), column(rows, func(e earning) string { return e.Refused }),
		column(rows, func(e earning) string { return e.Rule }), column(rows, func(e earning) string { return stamp(moment(e.EffectiveAt, now)) }),
		column(rows, func(earning) string { return stamp(now) }))
}

func (s *saving) redemptions(rows []*redemption) {
	if len(rows) == 0 {
		return
	}
	s.add("redemptions", `
		insert into loyalty.redemption (site_id, id, member_id, batch_id, status, description, points, traffic_source, coupon_list_id, kind, terms, wallet, created_at, fulfilled_at, pooled)
		select site_id, id, member_id, batch_id, status, description, points, source, nullif(list_id, 0), kind, nullif(terms, '')::jsonb, nullif(wallet, ''), at::timestamptz,
			case status when 'fulfilled' then at::timestamptz end, nullif(pooled, false)
		from $rows`,
		`site_id id member_id batch_id status:text description:text points source:text list_id at:text kind:text terms:text wallet:text pooled:boolean`,
		column(rows, func(r *redemption) int64 { return r.SiteID }), column(rows, func(r *redemption) int64 { return r.ID }),
		column(rows, func(r *redemption) int64 { return r.MemberID }), column(rows, func(r *redemption) int64 { return r.BatchID }),
		column(rows, func(r *redemption) string { return r.Status }), column(rows, func(r *redemption) string { return r.Description }),
		column(rows, func(r *redemption) int64 { return r.Points }), column(rows, func(r *redemption) string { return r.TrafficSource }),
		column(rows, func(r *redemption) int64 { return orZero(r.CouponListID) }), column(rows, func(r *redemption) string { return stamp(r.CreatedAt) }),
		column(rows, func(r *redemption) string { return r.Kind }), column(rows, func(r *redemption) string { return r.Terms.text() }),
		column(rows, func(r *redemption) string { return deref(r.Wallet) }),
		column(rows, func(r *redemption) bool { return r.Pooled }))
}

func (s *saving) cancelled(all []*redemption) {
	var rows []*redemption
	for _, r := range all {
		if r.dirty {
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return
	}
	s.add("cancelled redemptions", `
		update loyalty.redemption r set status = 'cancelled', cancel_reason = u.reason, cancel_txn_id = u.txn_id, cancelled_at = u.at::timestamptz
		from $rows where r.site_id = u.site_id and r.id = u.id`,
		`site_id id txn_id reason:text at:text`,
		column(rows, func(r *redemption) int64 { return r.SiteID }), column(rows, func(r *redemption) int64 { return r.ID }),
		column(rows, func(r *redemption) int64 { return *r.CancelTxnID }), column(rows, func(r *redemption) string { return *r.CancelReason }),
		column(rows, func(r *redemption) string { return stampOrNot(r.CancelledAt) }))
}
