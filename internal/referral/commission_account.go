package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
)

// Kinds of entries of an account.
const (
	entryEarned       = "earned"
	entryHeld         = "held"
	entryReleased     = "released"
	entryClawed       = "clawed_back"
	entryAdjusted     = "adjusted"
	entryPaid         = "paid"
	entryPayoutFailed = "payout_failed"
	entryMovedOut     = "moved_out" // a payout takes it of the account of somebody who is one with the payee
	entryMovedIn      = "moved_in"
)

// accountID is what an account is unique by.
type accountID struct {
	site, person int64
	currency     string
}

// account is what a person has earned in a currency and wasn't paid yet.
type account struct {
	SiteID   int64  `db:"site_id" json:"site_id"`
	PersonID int64  `db:"person_id" json:"person_id"`
	Currency string `db:"currency" json:"currency"`
	Seq      int64  `db:"seq" json:"seq"`
	Balance  int64  `db:"balance" json:"balance"`
	Held     int64  `db:"held" json:"held"`         // of commissions on hold
	Reserved int64  `db:"reserved" json:"reserved"` // in payout batches under way
}

func (a account) id() accountID { return accountID{a.SiteID, a.PersonID, a.Currency} }

// available is what the next payout takes; less than nothing after a claw-back of what was paid.
func (a account) available() int64 { return a.Balance - a.Held - a.Reserved }

// entry is one line of an account's history.
type entry struct {
	SiteID       int64     `db:"site_id" json:"site_id"`
	ID           int64     `db:"id" json:"-"`
	PersonID     int64     `db:"person_id" json:"person_id"`
	Currency     string    `db:"currency" json:"currency"`
	Seq          int64     `db:"seq" json:"seq"`
	Kind         string    `db:"kind" json:"kind"`
	Amount       int64     `db:"amount" json:"amount"` // of the balance
	Held         int64     `db:"held" json:"held"`     // of what is held of it
	BalanceAfter int64     `db:"balance_after" json:"balance_after"`
	HeldAfter    int64     `db:"held_after" json:"held_after"`
	Source       string    `db:"source" json:"source"` // makes one entry
	CommissionID *int64    `db:"commission_id" json:"commission_id"`
	LineID       *int64    `db:"line_id" json:"line_id"`
	Note         *string   `db:"note" json:"note"`
	KeyID        *int64    `db:"key_id" json:"key_id"`
	At           time.Time `db:"at" json:"-"`

	reserved int64 // of what payouts have reserved
	closed   bool  // no payout is to take it
}

func (e *entry) account() accountID { return accountID{e.SiteID, e.PersonID, e.Currency} }

// post adds entries to their accounts, which it locks in one order. It is the only way to change a balance.
func post(ctx context.Context, u *bus.Unit, list []entry) error {
	if len(list) == 0 {
		return nil
	}
	accounts, err := lockAccounts(ctx, u.Tx, list)
	if err != nil {
		return err
	}
	for i := range list {
		a, e := accounts[list[i].account()], &list[i]
		a.Seq, a.Balance, a.Held, a.Reserved = a.Seq+1, a.Balance+e.Amount, a.Held+e.Held, a.Reserved+e.reserved
		e.Seq, e.BalanceAfter, e.HeldAfter = a.Seq, a.Balance, a.Held
	}
	return saveEntries(ctx, u.Tx, u.Now, list, accounts)
}

// lockAccounts locks the accounts of entries, and makes those that aren't there.
func lockAccounts(ctx context.Context, tx *sqlx.Tx, list []entry) (map[accountID]*account, error) {
	wanted := map[accountID]bool{}
	for i := range list {
		wanted[list[i].account()] = true
	}
	ids := make([]accountID, 0, len(wanted))
	for id := range wanted {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b accountID) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.person, b.person), cmp.Compare(a.currency, b.currency))
	})
	sites, persons, currencies := make([]int64, len(ids)), make([]int64, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		sites[i], persons[i], currencies[i] = id.site, id.person, id.currency
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.account (site_id, person_id, currency)
		select s, p, c from unnest($1::bigint[], $2::bigint[], $3::text[]) with ordinality u (s, p, c, n) order by n
		on conflict do nothing`, pq.Array(sites), pq.Array(persons), pq.Array(currencies))
	if err != nil {
		return nil, fmt.Errorf("make accounts: %w", err)
	}
	var found []account
	err = tx.SelectContext(ctx, &found, `
		select a.site_id, a.person_id, a.currency, a.seq, a.balance, a.held, a.reserved
		from unnest($1::bigint[], $2::bigint[], $3::text[]) u (s, p, c)
		join referral.account a on a.site_id = u.s and a.person_id = u.p and a.currency = u.c
		order by a.site_id, a.person_id, a.currency collate "C"
		for update of a`, pq.Array(sites), pq.Array(persons), pq.Array(currencies))
	if err != nil || len(found) != len(ids) {
		return nil, fmt.Errorf("lock %d of %d accounts: %w", len(found), len(ids), err)
	}
	out := make(map[accountID]*account, len(found))
	for i := range found {
		out[found[i].id()] = &found[i]
	}
	return out, nil
}

// saveEntries writes entries and what their accounts are now. Those that change what is owed wait for a payout.
func saveEntries(ctx context.Context, tx *sqlx.Tx, now time.Time, list []entry, accounts map[accountID]*account) error {
	type open struct {
		entry
		Open bool `json:"open"`
	}
	entries, changed := make([]open, len(list)), make([]*account, 0, len(accounts))
	for i := range list {
		entries[i] = open{list[i], list[i].Amount != 0 && !list[i].closed}
	}
	for _, a := range accounts {
		changed = append(changed, a)
	}
	_, err := tx.ExecContext(ctx, `
		with said as (
			select * from jsonb_to_recordset($1::jsonb) x (site_id bigint, person_id bigint, currency text, seq bigint, kind text, amount bigint, held bigint,
				balance_after bigint, held_after bigint, source text, commission_id bigint, line_id bigint, note text, key_id bigint, open boolean)
		), made as (
			insert into referral.account_entry (site_id, person_id, currency, seq, kind, amount, held, balance_after, held_after, source, commission_id,
				line_id, note, key_id, at)
			select site_id, person_id, currency, seq, kind, amount, held, balance_after, held_after, source, commission_id, line_id, note, key_id, $3
			from said order by site_id, person_id, currency, seq
			returning site_id, id, source
		), opened as (
			insert into referral.open_entry (site_id, entry_id, person_id, currency, amount, commission_id, held)
			select m.site_id, m.id, s.person_id, s.currency, s.amount, s.commission_id, s.held <> 0
			from made m join said s using (site_id, source)
			where s.open
		)
		update referral.account a set seq = x.seq, balance = x.balance, held = x.held, reserved = x.reserved
		from jsonb_to_recordset($2::jsonb) x (site_id bigint, person_id bigint, currency text, seq bigint, balance bigint, held bigint, reserved bigint)
		where a.site_id = x.site_id and a.person_id = x.person_id and a.currency = x.currency`, recordset(entries), recordset(changed), now)
	if err != nil {
		return fmt.Errorf("post entries: %w", err)
	}
	return nil
}
