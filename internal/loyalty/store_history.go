package loyalty

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// txnRow is a transaction as it is shown.
type txnRow struct {
	ID          int64     `db:"id"`
	Kind        string    `db:"kind"`
	Reason      string    `db:"reason"`
	Points      int64     `db:"points"`
	OriginID    *int64    `db:"origin_id"`
	ReferralID  *int64    `db:"referral_id"`
	RewardID    *int64    `db:"reward_id"`
	EarnID      *int64    `db:"earn_id"`
	Description *string   `db:"description"`
	EffectiveAt time.Time `db:"effective_at"`
	Wallet      string    `db:"wallet"`
}

// entryRow is an entry of a member's account as it is shown.
type entryRow struct {
	txnRow
	Rule       string     `db:"rule"`
	Seq        int64      `db:"seq"`
	Amount     int64      `db:"amount"`
	Balance    int64      `db:"balance_after"`
	RecordedAt time.Time  `db:"recorded_at"`
	ExpiresAt  *time.Time `db:"expires_at"`
}

const selectEntries = `
		select t.id, t.kind, t.reason, t.points, t.origin_id, t.referral_id, t.reward_id, t.earn_id, t.description, t.rule, t.effective_at,
			t.recorded_at, e.seq, e.amount, e.balance_after, l.expires_at
		from loyalty.entry e
		join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
		left join loyalty.lot l on l.site_id = e.site_id and l.id = e.txn_id
		where e.site_id = $1 and e.account_id = $2`

// entriesOf reads the entries of an account below after (0: from the newest on).
func entriesOf(ctx context.Context, db sqlx.QueryerContext, site, account, after int64, limit int) ([]loyaltyapi.Entry, error) {
	if after <= 0 {
		after = math.MaxInt64
	}
	return entries(ctx, db, selectEntries+` and e.seq < $3 order by e.seq desc limit $4`, site, account, after, limit)
}

// entriesBetween reads the entries of an account behind one number and up to another, oldest first.
func entriesBetween(ctx context.Context, db sqlx.QueryerContext, site, account, behind, upto int64, limit int) ([]loyaltyapi.Entry, error) {
	return entries(ctx, db, selectEntries+` and e.seq > $3 and e.seq <= $4 order by e.seq limit $5`, site, account, behind, upto, limit)
}

func entries(ctx context.Context, db sqlx.QueryerContext, query string, args ...any) ([]loyaltyapi.Entry, error) {
	var rows []entryRow
	if err := sqlx.SelectContext(ctx, db, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	out := make([]loyaltyapi.Entry, len(rows))
	for i, r := range rows { // an account has at most one entry of a transaction, so that is the entry's id
		out[i] = loyaltyapi.Entry{ID: r.ID, TransactionID: r.ID, Seq: r.Seq, Kind: r.Kind, Reason: r.Reason, Points: r.Amount, Balance: r.Balance,
			OriginID: r.OriginID, ReferralID: r.ReferralID, RewardID: r.RewardID, Rule: loyaltyapi.Rule(r.Rule), EffectiveAt: r.EffectiveAt,
			RecordedAt: r.RecordedAt, ExpiresAt: r.ExpiresAt, Description: r.Description, RedemptionID: r.redemption(), HoldID: r.hold(), TransferID: r.transfer()}
	}
	return out, nil
}

// totalsBetween adds up the entries of an account behind one number and up to another, by kind.
func totalsBetween(ctx context.Context, db sqlx.QueryerContext, site, account, behind, upto int64) ([]loyaltyapi.StatementTotal, error) {
	rows := []loyaltyapi.StatementTotal{}
	err := sqlx.SelectContext(ctx, db, &rows, `
		select t.kind, count(*) as entries, sum(e.amount)::bigint as points
		from loyalty.entry e
		cross join lateral (select * from loyalty.txn t where t.site_id = e.site_id and t.id = e.txn_id offset 0) t
		where e.site_id = $1 and e.account_id = $2 and e.seq > $3 and e.seq <= $4
		group by t.kind
		order by t.kind`, site, account, behind, upto)
	return rows, wrapped("add up entries", err)
}

// redemption is the one that a transaction makes or cancels.
func (t txnRow) redemption() *int64 {
	switch t.Kind {
	case kindRedeem:
		return &t.ID
	case kindCancel:
		return t.EarnID
	}
	return nil
}

// hold is the one that a transaction makes or ends.
func (t txnRow) hold() *int64 {
	switch t.Kind {
	case kindHold:
		return &t.ID
	case kindCommit, kindRelease, kindRestore:
		return t.EarnID
	}
	return nil
}

// transfer is the one that a transaction is a side of.
func (t txnRow) transfer() *int64 {
	switch t.Kind {
	case kindTransferOut:
		return &t.ID
	case kindTransferIn:
		return t.EarnID
	}
	return nil
}

// typeCase is the timeline's type of a transaction.
var typeCase = func() string {
	var b strings.Builder
	b.WriteString("case kind")
	for _, kind := range slices.Sorted(maps.Keys(typeOf)) {
		b.WriteString(" when '" + kind + "' then '" + typeOf[kind] + "'")
	}
	return b.String() + ` end collate "C"`
}()

// txnsBefore reads a member's transactions behind a place of the timeline, newest first.
func txnsBefore(ctx context.Context, db sqlx.QueryerContext, site, member int64, p place, limit int) ([]txnRow, error) {
	var rows []txnRow
	err := sqlx.SelectContext(ctx, db, &rows, `
		select id, kind, reason, points, origin_id, referral_id, reward_id, earn_id, description, effective_at, coalesce(wallet, '') as wallet
		from (
			select *, `+typeCase+` as type
			from loyalty.txn
			where site_id = $1 and member_id = $2 and effective_at <= $3 and points <> 0
		) t
		where effective_at < $3 or (type, id) < ($4 collate "C", $5)
		order by effective_at desc, type desc, id desc
		limit $6`, site, member, p.at, p.typ, p.id, limit)
	if err != nil {
		return nil, fmt.Errorf("read transactions: %w", err)
	}
	return rows, nil
}

// changeRow is a move between tiers as it is shown.
type changeRow struct {
	ID        int64     `db:"id"`
	From      string    `db:"from_tier"`
	To        string    `db:"to_tier"`
	Earned    int64     `db:"earned"`
	Cause     string    `db:"cause"`
	ChangedAt time.Time `db:"changed_at"`
}

// changesBefore reads a member's moves between tiers behind a place of the timeline, newest first.
func changesBefore(ctx context.Context, db sqlx.QueryerContext, site, member int64, p place, limit int) ([]changeRow, error) {
	var rows []changeRow
	err := sqlx.SelectContext(ctx, db, &rows, `
		select id, from_tier, to_tier, earned, cause, changed_at
		from loyalty.tier_change
		where site_id = $1 and member_id = $2 and changed_at <= $3
			and (changed_at < $3 or ('`+typeTier+`' collate "C", id) < ($4 collate "C", $5))
		order by changed_at desc, id desc
		limit $6`, site, member, p.at, p.typ, p.id, limit)
	if err != nil {
		return nil, fmt.Errorf("read changes of tier: %w", err)
	}
	return rows, nil
}
