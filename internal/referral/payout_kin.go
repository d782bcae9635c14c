package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
)

// payee is whom a line pays.
type payee struct {
	account           // it is paid from this one
	Due     int64     `db:"due"` // in all
	from    []account // of those who are one with the payee by now: what is available in them comes into its own first
}

// Each keeps the account in which something was earned, also while two persons are one: so nothing has to be taken apart when they are parted. What a line takes of
// another's account goes to the payee's when the line is made, and comes back when it isn't paid.

// payeesAsOne is payees where persons were merged: what all of one have earned counts together.
const payeesAsOne = `
	select coalesce(p.survivor_id, a.person_id) as person_id, sum(a.balance - a.held - a.reserved)::bigint as due
	from referral.account a
	left join referral.person_alias p on p.site_id = a.site_id and p.person_id = a.person_id
	where a.site_id = $1 and a.currency = $2 and ` + owed + `
	group by 1 having sum(a.balance - a.held - a.reserved) >= $3
	order by 1 limit $4`

// accountsOwed is what each has earned and wasn't paid, of sites where persons were merged.
const accountsOwed = `
	select sum(a.balance - a.held - a.reserved)::bigint as due, sum(a.held)::bigint as held
	from referral.account a
	left join referral.person_alias p on p.site_id = a.site_id and p.person_id = a.person_id
	where a.site_id = $1 and a.currency = $2 and ` + owed + `
	group by coalesce(p.survivor_id, a.person_id)`

// lockPayeesOf locks whom a payout pays.
func (m *Module) lockPayeesOf(ctx context.Context, u *bus.Unit, siteID int64, currency string, minimum int64) ([]payee, error) {
	some, err := m.merged.has(ctx, u, siteID)
	if err != nil {
		return nil, err
	}
	if some {
		return lockPayeesAsOne(ctx, u.Tx, siteID, currency, minimum, mostLines)
	}
	return lockPayees(ctx, u.Tx, siteID, currency, minimum, mostLines)
}

// lockPayeesAsOne locks the accounts of all who are payees together. What they have is looked at again behind the lock.
func lockPayeesAsOne(ctx context.Context, tx *sqlx.Tx, siteID int64, currency string, minimum int64, limit int) ([]payee, error) {
	_, err := tx.ExecContext(ctx, `
		insert into referral.account (site_id, person_id, currency)
		select $1, x.person_id, $2 from (`+payeesAsOne+`) x order by 2
		on conflict do nothing`, siteID, currency, minimum, limit)
	if err != nil {
		return nil, fmt.Errorf("make accounts of payees: %w", err)
	}
	var rows []struct {
		account
		One int64 `db:"one"`
	}
	err = tx.SelectContext(ctx, &rows, `
		with one as (`+payeesAsOne+`),
		whose as (
			select person_id, person_id as one from one
			union all
			select p.person_id, o.person_id from one o join referral.person_alias p on p.site_id = $1 and p.survivor_id = o.person_id)
		select a.site_id, a.person_id, a.currency, a.seq, a.balance, a.held, a.reserved, w.one
		from whose w
		join referral.account a on a.site_id = $1 and a.person_id = w.person_id and a.currency = $2
		order by a.person_id
		for update of a`, siteID, currency, minimum, limit)
	if err != nil {
		return nil, fmt.Errorf("lock payees: %w", err)
	}
	by := map[int64]*payee{}
	for _, r := range rows {
		p := by[r.One]
		if p == nil {
			p = &payee{}
			by[r.One] = p
		}
		if p.Due += r.available(); r.PersonID == r.One {
			p.account = r.account
		} else if r.available() != 0 {
			p.from = append(p.from, r.account)
		}
	}
	var out []payee
	for _, p := range by {
		if p.PersonID != 0 && p.Due >= minimum {
			out = append(out, *p)
		}
	}
	slices.SortFunc(out, func(a, b payee) int { return cmp.Compare(a.PersonID, b.PersonID) })
	return out, nil
}

// gather moves what the lines of a new batch take of others' accounts into their payees'.
func gather(ctx context.Context, u *bus.Unit, b *payoutBatch, payees []payee) error {
	var people []int64
	for _, p := range payees {
		if len(p.from) > 0 {
			people = append(people, p.PersonID)
		}
	}
	if len(people) == 0 {
		return nil
	}
	lines, err := selectLines(ctx, u, `where l.site_id = $1 and l.batch_id = $2 and l.person_id = any ($3::bigint[])`, b.SiteID, b.ID, pq.Array(people))
	if err != nil {
		return err
	}
	var out []entry
	for i := range lines {
		n, _ := slices.BinarySearchFunc(payees, lines[i].PersonID, func(p payee, id int64) int { return cmp.Compare(p.PersonID, id) })
		for _, a := range payees[n].from {
			out = append(out, moves(&lines[i], b.Currency, a.PersonID, a.available())...)
		}
	}
	return post(ctx, u, out)
}

// moves is an amount's way from another's account into that of a line's payee; back, if it is less than nothing. A line is gathered once and given back once.
func moves(l *payoutLine, currency string, from, amount int64) []entry {
	e := entry{SiteID: l.SiteID, PersonID: from, Currency: currency, Kind: entryMovedOut, Amount: -amount, LineID: &l.ID, closed: true}
	e.Source = "payout:" + itoa(l.ID) + ":" + itoa(from) + ":out"
	to := e
	to.PersonID, to.Kind, to.Amount, to.Source = l.PersonID, entryMovedIn, amount, "payout:"+itoa(l.ID)+":"+itoa(from)+":in"
	return []entry{e, to}
}

// giveBack is what comes back to others' accounts from those of lines that pay nothing.
func giveBack(ctx context.Context, q sqlx.QueryerContext, b *payoutBatch, byID map[int64]*payoutLine, lines []int64) ([]entry, error) {
	if len(lines) == 0 {
		return nil, nil
	}
	var rows []struct {
		LineID   int64 `db:"line_id"`
		PersonID int64 `db:"person_id"`
		Amount   int64 `db:"amount"`
	}
	err := sqlx.SelectContext(ctx, q, &rows, `
		select l.id as line_id, e.person_id, sum(e.amount)::bigint as amount
		from referral.payout_line l
		join referral.payout_entry p on p.site_id = l.site_id and p.line_id = l.id
		join referral.account_entry e on e.site_id = p.site_id and e.id = p.entry_id
		where l.site_id = $1 and l.id = any ($2::bigint[]) and e.person_id <> l.person_id
		group by l.id, e.person_id having sum(e.amount) <> 0
		order by l.id, e.person_id`, b.SiteID, pq.Array(lines))
	if err != nil {
		return nil, fmt.Errorf("what lines took of others' accounts: %w", err)
	}
	var out []entry
	for _, r := range rows {
		for _, e := range moves(byID[r.LineID], b.Currency, r.PersonID, -r.Amount) {
			e.Kind = map[string]string{entryMovedOut: entryMovedIn, entryMovedIn: entryMovedOut}[e.Kind]
			e.Source += ":back"
			out = append(out, e)
		}
	}
	return out, nil
}
