package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// commissionJSON is a commission in our own shape.
type commissionJSON struct {
	ID            int64      `json:"id"`
	Status        string     `json:"status" enum:"pending,waiting,earned,voided" doc:"pending: its referral isn't approved yet; waiting: the exchange rate of its day isn't known"`
	PersonID      int64      `json:"person_id" doc:"Who earns"`
	FriendID      int64      `json:"friend_id" doc:"Whose order"`
	OriginID      int64      `json:"origin_id"`
	ReferralID    int64      `json:"referral_id"`
	PlanID        *int64     `json:"commission_plan_id" doc:"null: of an incentive without a plan"`
	RewardID      *int64     `json:"reward_id" doc:"Of a referral's order; later ones have none"`
	Nth           int        `json:"nth" doc:"Order of the friend that is paid for"`
	Subtotal      int64      `json:"subtotal" doc:"Of the order, minor units"`
	OrderCurrency string     `json:"order_currency"`
	Base          int64      `json:"base" doc:"What of the order is paid for, minor units"`
	PercentAmount int64      `json:"percent_amount" doc:"Percentages, minor units of the order's currency"`
	FixedAmount   int64      `json:"fixed_amount" doc:"Amounts, minor units of currency"`
	Amount        int64      `json:"amount" doc:"After conversion and caps, minor units of currency; 0 until it is earned"`
	Clawed        int64      `json:"clawed" doc:"What refunds have taken back of it"`
	Currency      string     `json:"currency" doc:"That it is paid in"`
	Held          bool       `json:"held"`
	HoldUntil     *time.Time `json:"hold_until" doc:"null of one on hold: until it is released"`
	OccurredAt    time.Time  `json:"occurred_at" doc:"Of the order"`
	ApprovedAt    *time.Time `json:"approved_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
}

func (c *commission) json() commissionJSON {
	return commissionJSON{ID: c.ID, Status: c.Status, PersonID: c.PersonID, FriendID: c.FriendID, OriginID: c.OriginID, ReferralID: c.ReferralID,
		PlanID: c.PlanID, RewardID: c.RewardID, Nth: c.Nth, Subtotal: c.Subtotal, OrderCurrency: c.OrderCurrency, Base: c.Base, PercentAmount: c.PercentAmount,
		FixedAmount: c.FixedAmount, Amount: c.Amount, Clawed: c.Clawed, Currency: c.Currency, Held: c.Held, HoldUntil: instant(c.HoldUntil),
		OccurredAt: c.OccurredAt.UTC(), ApprovedAt: instant(c.ApprovedAt), UpdatedAt: c.UpdatedAt.UTC()}
}

func checkCommissionStatus(status string) error {
	switch status {
	case "", commissionPending, commissionWaiting, commissionEarned, commissionVoided:
		return nil
	}
	return fault.New(fault.Invalid, "invalid_status", "`status` must be pending, waiting, earned or voided, or left out.").At("query.status", "is none of them")
}

// entryJSON is an entry of an account in our own shape.
type entryJSON struct {
	Seq          int64     `json:"seq" doc:"Counts the entries of the account"`
	Kind         string    `json:"kind" enum:"earned,held,released,clawed_back,adjusted,paid,payout_failed"`
	Amount       int64     `json:"amount" doc:"Of the balance, minor units"`
	Held         int64     `json:"held" doc:"Of what is on hold"`
	BalanceAfter int64     `json:"balance_after"`
	HeldAfter    int64     `json:"held_after"`
	CommissionID *int64    `json:"commission_id"`
	LineID       *int64    `json:"payout_line_id"`
	Note         *string   `json:"note"`
	KeyID        *int64    `json:"key_id" doc:"The API key that asked for it"`
	At           time.Time `json:"at"`
}

func (e *entry) json() entryJSON {
	return entryJSON{Seq: e.Seq, Kind: e.Kind, Amount: e.Amount, Held: e.Held, BalanceAfter: e.BalanceAfter, HeldAfter: e.HeldAfter,
		CommissionID: e.CommissionID, LineID: e.LineID, Note: e.Note, KeyID: e.KeyID, At: e.At.UTC()}
}

// accountJSON is an account in our own shape.
type accountJSON struct {
	Currency  string        `json:"currency"`
	Balance   int64         `json:"balance" doc:"Earned and not paid, minor units; less than 0 after a claw-back of what was paid"`
	Held      int64         `json:"held" doc:"On hold"`
	Reserved  int64         `json:"reserved" doc:"In payouts under way"`
	Available int64         `json:"available" doc:"What the next payout takes; less than 0 is taken off what is earned next"`
	Waiting   []waitingJSON `json:"waiting" doc:"Commissions that wait for an exchange rate"`
}

type waitingJSON struct {
	OrderCurrency string `json:"order_currency" db:"order_currency"`
	Count         int    `json:"count" db:"count"`
	PercentAmount int64  `json:"percent_amount" db:"percent_amount" doc:"Minor units of the order's currency"`
}

func (a account) json() accountJSON {
	return accountJSON{Currency: a.Currency, Balance: a.Balance, Held: a.Held, Reserved: a.Reserved, Available: a.available(), Waiting: []waitingJSON{}}
}

// accountsOf are a person's accounts; nobody who has earned is a fault.
func (m *Module) accountsOf(ctx context.Context, siteID, personID int64) ([]accountJSON, error) {
	var accounts []account
	err := m.db.SelectContext(ctx, &accounts, `
		select site_id, person_id, currency, seq, balance, held, reserved from referral.account where site_id = $1 and person_id = $2 order by currency`, siteID, personID)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	var waiting []struct {
		Currency string `db:"currency"`
		waitingJSON
	}
	err = m.db.SelectContext(ctx, &waiting, `
		select currency, order_currency, count(*) as count, sum(percent_amount)::bigint as percent_amount
		from referral.commission where site_id = $1 and person_id = $2 and status = 'waiting'
		group by currency, order_currency order by currency, order_currency`, siteID, personID)
	if err != nil {
		return nil, fmt.Errorf("waiting commissions: %w", err)
	}
	out, at := []accountJSON{}, map[string]int{}
	place := func(a account) int {
		i, ok := at[a.Currency]
		if !ok {
			i = len(out)
			at[a.Currency], out = i, append(out, a.json())
		}
		return i
	}
	for _, a := range accounts {
		place(a)
	}
	for _, w := range waiting {
		i := place(account{Currency: w.Currency})
		out[i].Waiting = append(out[i].Waiting, w.waitingJSON)
	}
	if len(out) == 0 {
		return nil, errNoAccount
	}
	return out, nil
}

// adjust gives or takes money of a person's account.
func (m *Module) adjust(ctx context.Context, siteID, keyID, personID int64, in adjustmentInput, k idempotency.Key) (out accountJSON, replayed bool, err error) {
	if err := in.check(); err != nil {
		return out, false, err
	}
	who, err := m.payeesOf(ctx, siteID, []payoutLine{{PersonID: personID}})
	if err != nil {
		return out, false, err
	}
	if _, ok := who[personID]; !ok {
		return out, false, fault.New(fault.NotFound, "person_not_found", "The site has no such person.")
	}
	replayed, err = m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {
		e := entry{SiteID: siteID, PersonID: personID, Currency: in.Currency, Kind: entryAdjusted, Amount: in.Amount, Source: "adjusted:" + uuid.NewString(),
			Note: &in.Note, KeyID: orNull(keyID)}
		u.Tell(siteID, accountKey(personID), referralevent.AccountAdjusted{SiteID: siteID, PersonID: personID, Amount: in.Amount, Currency: in.Currency, AdjustedAt: u.Now})
		if err := post(ctx, u, []entry{e}); err != nil {
			return err
		}
		var a account
		err := u.GetContext(ctx, &a, `
			select site_id, person_id, currency, seq, balance, held, reserved from referral.account
			where site_id = $1 and person_id = $2 and currency = $3`, siteID, personID, in.Currency)
		out = a.json()
		return err
	})
	return out, replayed, err
}

// holdOne keeps a commission from payouts.
func (m *Module) holdOne(ctx context.Context, siteID, keyID, id int64, in reasonInput, k idempotency.Key) (commissionJSON, bool, error) {
	return m.changeCommission(ctx, siteID, id, in, k, func(u *bus.Unit, c *commission) error { return m.hold(ctx, u, c, in.Reason, keyID) })
}

// releaseOne ends a commission's hold.
func (m *Module) releaseOne(ctx context.Context, siteID, keyID, id int64, in reasonInput, k idempotency.Key) (commissionJSON, bool, error) {
	return m.changeCommission(ctx, siteID, id, in, k, func(u *bus.Unit, c *commission) error {
		if !c.Held {
			return nil
		}
		list := []commission{*c}
		err := m.release(ctx, u, list, &in.Reason, orNull(keyID))
		*c = list[0]
		return err
	})
}

// changeCommission locks a commission, changes it, and answers with what it is then.
func (m *Module) changeCommission(ctx context.Context, siteID, id int64, in reasonInput, k idempotency.Key, change func(*bus.Unit, *commission) error) (out commissionJSON, replayed bool, err error) {
	if err := in.check(); err != nil {
		return out, false, err
	}
	replayed, err = m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {
		list, err := lockCommissions(ctx, u.Tx, `from referral.commission c where c.site_id = $1 and c.id = $2`, siteID, id)
		switch {
		case err != nil:
			return err
		case len(list) == 0:
			return errNoCommission
		}
		if err := change(u, &list[0]); err != nil {
			return err
		}
		out = list[0].json()
		return nil
	})
	return out, replayed, err
}

// explainedCommission is a commission with all that is known of it.
type explainedCommission struct {
	Commission commissionJSON  `json:"commission"`
	Explain    json.RawMessage `json:"explain" doc:"Terms, lines with their rules, rate, and caps that were hit"`
	Entries    []entryJSON     `json:"entries" doc:"The newest 100 of the account that it made"`
	Payout     *paidBy         `json:"payout" doc:"The newest payout that took it; null if none did"`
}

type paidBy struct {
	BatchID int64  `json:"batch_id" db:"batch_id"`
	LineID  int64  `json:"line_id" db:"line_id"`
	Status  string `json:"status" db:"status"`
}

// explainCommission says why a commission is what it is; not found is a fault.
func (m *Module) explainCommission(ctx context.Context, siteID, id int64) (out explainedCommission, err error) {
	var list []commission
	err = m.db.SelectContext(ctx, &list, `select `+commissionColumns+` from referral.commission c where c.site_id = $1 and c.id = $2`, siteID, id)
	if err != nil || len(list) == 0 {
		if err == nil {
			err = errNoCommission
		}
		return out, err
	}
	out = explainedCommission{Commission: list[0].json(), Explain: json.RawMessage(list[0].Explain), Entries: []entryJSON{}}
	var entries []entry
	err = m.db.SelectContext(ctx, &entries, `
		select `+entryColumns+` from referral.account_entry e where e.site_id = $1 and e.commission_id = $2 order by e.seq desc limit 100`, siteID, id)
	if err != nil {
		return out, fmt.Errorf("entries of a commission: %w", err)
	}
	for i := range entries {
		out.Entries = append(out.Entries, entries[i].json())
	}
	var by []paidBy
	err = m.db.SelectContext(ctx, &by, `
		select l.batch_id, l.id as line_id, l.status
		from referral.account_entry e
		join referral.payout_entry p on p.site_id = e.site_id and p.entry_id = e.id
		join referral.payout_line l on l.site_id = p.site_id and l.id = p.line_id
		where e.site_id = $1 and e.commission_id = $2 and e.kind = 'earned'
		order by l.id desc limit 1`, siteID, id)
	if err != nil {
		return out, fmt.Errorf("payout of a commission: %w", err)
	}
	if len(by) > 0 {
		out.Payout = &by[0]
	}
	return out, nil
}

const entryColumns = `e.site_id, e.id, e.person_id, e.currency, e.seq, e.kind, e.amount, e.held, e.balance_after, e.held_after, e.source, e.commission_id, e.line_id,
	e.note, e.key_id, e.at`

// entriesBefore reads an account's entries, newest first, from below a number (0: the newest).
func entriesBefore(ctx context.Context, q sqlx.QueryerContext, siteID, personID int64, currency string, before int64, limit int) ([]entry, error) {
	var out []entry
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+entryColumns+` from referral.account_entry e
		where e.site_id = $1 and e.person_id = $2 and e.currency = $3 and ($4::bigint = 0 or e.seq < $4) order by e.seq desc limit $5`,
		siteID, personID, currency, before, limit)
	if err != nil {
		return nil, fmt.Errorf("account entries: %w", err)
	}
	return out, nil
}

// commissionsBefore reads commissions, newest first, from below an id (0: the newest): of a person, if one is named, and in a status.
func commissionsBefore(ctx context.Context, q sqlx.QueryerContext, siteID, personID int64, status string, before int64, limit int) ([]commission, error) {
	where, args := `c.site_id = $1 and ($2::bigint = 0 or c.id < $2) and ($3 = '' or c.status = $3)`, []any{siteID, before, status, limit}
	if personID != 0 {
		where, args = where+` and c.person_id = $5`, append(args, personID)
	}
	var out []commission
	err := sqlx.SelectContext(ctx, q, &out, `select `+commissionColumns+` from referral.commission c where `+where+` order by c.id desc limit $4`, args...)
	if err != nil {
		return nil, fmt.Errorf("commissions: %w", err)
	}
	return out, nil
}
