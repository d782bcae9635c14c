package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const batchColumns = `b.site_id, b.id, b.currency, b.minimum, b.method, b.status, b.lines, b.amount, b.note, b.token, b.reference, b.attempts, b.next_at,
	b.trouble, b.key_id, b.approved_by, b.created_at, b.approved_at, b.finished_at`

const lineColumns = `l.site_id, l.id, l.batch_id, l.person_id, l.amount, l.status, l.reference, l.reason, l.updated_at`

// owed are the accounts that the index account_payable holds: the others, of people who were paid all, are most of them some day.
const owed = `(a.balance - a.held - a.reserved <> 0 or a.held <> 0)`

// payees are the accounts that a payout would pay, in the order of their locks.
const payees = `
	select a.site_id, a.person_id, a.currency, a.seq, a.balance, a.held, a.reserved, a.balance - a.held - a.reserved as due
	from referral.account a
	where a.site_id = $1 and a.currency = $2 and ` + owed + ` and a.balance - a.held - a.reserved > 0 and a.balance - a.held - a.reserved >= $3
	order by a.person_id limit $4`

// lockPayees locks whom a payout pays.
func lockPayees(ctx context.Context, tx *sqlx.Tx, siteID int64, currency string, minimum int64, limit int) ([]payee, error) {
	var out []payee
	if err := tx.SelectContext(ctx, &out, payees+` for update`, siteID, currency, minimum, limit); err != nil {
		return nil, fmt.Errorf("lock payees: %w", err)
	}
	return out, nil
}

// insertBatch writes a batch with a line for each of the locked accounts, and moves their entries into it.
func insertBatch(ctx context.Context, tx *sqlx.Tx, b *payoutBatch, payees []payee) error {
	err := tx.GetContext(ctx, &b.ID, `
		insert into referral.payout_batch (site_id, currency, minimum, method, status, lines, amount, note, token, key_id, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		returning id`, b.SiteID, b.Currency, b.Minimum, b.Method, b.Status, b.Lines, b.Amount, b.Note, b.Token, b.KeyID, b.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert payout batch: %w", err)
	}
	persons, amounts := make([]int64, len(payees)), make([]int64, len(payees))
	var owners, paid []int64 // whose entries each payee is paid
	for i, p := range payees {
		persons[i], amounts[i] = p.PersonID, p.Due
		owners, paid = append(owners, p.PersonID), append(paid, p.PersonID)
		for _, a := range p.from {
			owners, paid = append(owners, a.PersonID), append(paid, p.PersonID)
		}
	}
	_, err = tx.ExecContext(ctx, `
		insert into referral.payout_line (site_id, batch_id, person_id, amount, status, updated_at)
		select $1, $2, p, a, 'pending', $5 from unnest($3::bigint[], $4::bigint[]) with ordinality u (p, a, n) order by n`,
		b.SiteID, b.ID, pq.Array(persons), pq.Array(amounts), b.CreatedAt)
	if err != nil {
		return fmt.Errorf("insert payout lines: %w", err)
	}
	var wrong int // lines whose entries don't add up to what the account says: nothing is paid then
	err = tx.GetContext(ctx, &wrong, `
		with taken as (
			delete from referral.open_entry o using referral.payout_line l
			join unnest($4::bigint[], $5::bigint[]) u (owner, payee) on u.payee = l.person_id
			where l.site_id = $1 and l.batch_id = $2 and o.site_id = l.site_id and o.person_id = u.owner and o.currency = $3 and not o.held
			returning o.entry_id, o.amount, l.id as line_id
		), frozen as (
			insert into referral.payout_entry (site_id, line_id, entry_id, live) select $1, line_id, entry_id, true from taken
		), reserved as (
			update referral.account a set reserved = a.reserved + l.amount
			from referral.payout_line l
			where l.site_id = $1 and l.batch_id = $2 and a.site_id = l.site_id and a.person_id = l.person_id and a.currency = $3
		)
		select count(*) from referral.payout_line l
		left join (select line_id, sum(amount) as amount from taken group by line_id) t on t.line_id = l.id
		where l.site_id = $1 and l.batch_id = $2 and l.amount is distinct from t.amount`, b.SiteID, b.ID, b.Currency, pq.Array(owners), pq.Array(paid))
	if err != nil {
		return fmt.Errorf("freeze entries: %w", err)
	}
	if wrong > 0 {
		return fmt.Errorf("freeze entries: %d accounts differ from their entries", wrong)
	}
	return nil
}

// lockBatch locks a batch; not found is a fault.
func lockBatch(ctx context.Context, tx *sqlx.Tx, siteID, id int64) (*payoutBatch, error) {
	return oneBatch(ctx, tx, siteID, id, ` for update`)
}

// batchByID reads a batch; not found is a fault.
func batchByID(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (*payoutBatch, error) {
	return oneBatch(ctx, q, siteID, id, ``)
}

func oneBatch(ctx context.Context, q sqlx.QueryerContext, siteID, id int64, lock string) (*payoutBatch, error) {
	var out []payoutBatch
	err := sqlx.SelectContext(ctx, q, &out, `select `+batchColumns+` from referral.payout_batch b where b.site_id = $1 and b.id = $2`+lock, siteID, id)
	if err != nil {
		return nil, fmt.Errorf("payout batch: %w", err)
	}
	if len(out) == 0 {
		return nil, errNoBatch
	}
	return &out[0], nil
}

// batchesBefore reads batches, newest first, from below an id (0: the newest).
func batchesBefore(ctx context.Context, q sqlx.QueryerContext, siteID, before int64, limit int) ([]payoutBatch, error) {
	var out []payoutBatch
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+batchColumns+` from referral.payout_batch b where b.site_id = $1 and ($2::bigint = 0 or b.id < $2) order by b.id desc limit $3`,
		siteID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("payout batches: %w", err)
	}
	return out, nil
}

// saveBatch writes what can change of a locked batch.
func saveBatch(ctx context.Context, tx *sqlx.Tx, b *payoutBatch) error {
	_, err := tx.ExecContext(ctx, `
		update referral.payout_batch set status = $3, reference = $4, attempts = $5, next_at = $6, trouble = $7, approved_by = $8, approved_at = $9,
			finished_at = $10
		where site_id = $1 and id = $2`, b.SiteID, b.ID, b.Status, b.Reference, b.Attempts, b.NextAt, b.Trouble, b.ApprovedBy, b.ApprovedAt, b.FinishedAt)
	if err != nil {
		return fmt.Errorf("save payout batch: %w", err)
	}
	return nil
}

// finishBatch ends a locked batch whose lines are all at an end, and saves it.
func finishBatch(ctx context.Context, tx *sqlx.Tx, now time.Time, b *payoutBatch) error {
	var left struct {
		Open int `db:"open"`
		Paid int `db:"paid"`
	}
	err := tx.GetContext(ctx, &left, `
		select count(*) filter (where status in ('pending', 'sent')) as open, count(*) filter (where status in ('paid', 'failed')) as paid
		from referral.payout_line where site_id = $1 and batch_id = $2`, b.SiteID, b.ID)
	if err != nil {
		return fmt.Errorf("count payout lines: %w", err)
	}
	if left.Open == 0 && b.FinishedAt == nil {
		if b.Status = batchDone; left.Paid == 0 {
			b.Status = batchCancelled
		}
		b.FinishedAt, b.NextAt = &now, nil
	}
	return saveBatch(ctx, tx, b)
}

// linesAfter reads a batch's lines in their order.
func linesAfter(ctx context.Context, q sqlx.QueryerContext, siteID, batchID, after int64, limit int) ([]payoutLine, error) {
	return selectLines(ctx, q, `where l.site_id = $1 and l.batch_id = $2 and l.id > $3 order by l.id limit $4`, siteID, batchID, after, limit)
}

// lockOpenLines locks lines of a locked batch that aren't at an end.
func lockOpenLines(ctx context.Context, tx *sqlx.Tx, b *payoutBatch, limit int) ([]payoutLine, error) {
	return selectLines(ctx, tx, `where l.site_id = $1 and l.batch_id = $2 and l.status in ('pending', 'sent') order by l.id limit $3 for update`, b.SiteID, b.ID, limit)
}

// lockLines locks lines of a batch; unknown ones are left out.
func lockLines(ctx context.Context, tx *sqlx.Tx, b *payoutBatch, ids []int64) ([]payoutLine, error) {
	return selectLines(ctx, tx, `where l.site_id = $1 and l.batch_id = $2 and l.id = any ($3::bigint[]) order by l.id for update`, b.SiteID, b.ID, pq.Array(ids))
}

func selectLines(ctx context.Context, q sqlx.QueryerContext, where string, args ...any) ([]payoutLine, error) {
	var out []payoutLine
	if err := sqlx.SelectContext(ctx, q, &out, `select `+lineColumns+` from referral.payout_line l `+where, args...); err != nil {
		return nil, fmt.Errorf("payout lines: %w", err)
	}
	return out, nil
}

// saveLines writes what became of locked lines.
func saveLines(ctx context.Context, tx *sqlx.Tx, now time.Time, list []payoutLine) error {
	n := len(list)
	sites, ids, status, references, reasons := make([]int64, n), make([]int64, n), make([]string, n), make([]string, n), make([]string, n)
	for i, l := range list {
		sites[i], ids[i], status[i], references[i], reasons[i] = l.SiteID, l.ID, l.Status, l.Reference, l.Reason
	}
	_, err := tx.ExecContext(ctx, `
		update referral.payout_line l set status = u.status, reference = u.reference, reason = u.reason, updated_at = $6
		from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[]) u (s, i, status, reference, reason)
		where l.site_id = u.s and l.id = u.i`, pq.Array(sites), pq.Array(ids), pq.Array(status), pq.Array(references), pq.Array(reasons), now)
	if err != nil {
		return fmt.Errorf("save payout lines: %w", err)
	}
	return nil
}

// reopen gives the entries of lines back to the next payout.
func reopen(ctx context.Context, tx *sqlx.Tx, siteID int64, lines []int64) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		with freed as (
			update referral.payout_entry set live = false where site_id = $1 and line_id = any ($2::bigint[]) and live
			returning entry_id
		)
		insert into referral.open_entry (site_id, entry_id, person_id, currency, amount, commission_id, held)
		select e.site_id, e.id, e.person_id, e.currency, e.amount, e.commission_id, false
		from freed f join referral.account_entry e on e.site_id = $1 and e.id = f.entry_id`, siteID, pq.Array(lines))
	if err != nil {
		return fmt.Errorf("reopen entries: %w", err)
	}
	return nil
}

// markRewards makes the rewards that lines pay, and that are in a state, another.
func markRewards(ctx context.Context, tx *sqlx.Tx, siteID int64, lines []int64, from, to string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		update referral.reward w set status = $4
		from referral.payout_entry p
		join referral.account_entry e on e.site_id = p.site_id and e.id = p.entry_id and e.kind = 'earned'
		join referral.commission c on c.site_id = e.site_id and c.id = e.commission_id
		where p.site_id = $1 and p.line_id = any ($2::bigint[]) and w.site_id = c.site_id and w.id = c.reward_id and w.status = $3`,
		siteID, pq.Array(lines), from, to)
	if err != nil {
		return fmt.Errorf("mark rewards: %w", err)
	}
	return nil
}
