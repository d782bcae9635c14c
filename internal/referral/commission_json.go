package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
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
	ReducedBy     []string   `json:"reduced_by" doc:"Why it is less than the plan's rates come to: cap_order, cap_friend, cap_month, limit_30_days, limit_total, budget, budget_currency, refunded"`
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
		FixedAmount: c.FixedAmount, Amount: c.Amount, Clawed: c.Clawed, ReducedBy: c.reducedBy(), Currency: c.Currency, Held: c.Held, HoldUntil: instant(c.HoldUntil),
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
	PersonID     int64     `json:"person_id" doc:"Whose account it is: of two who are one by now, each has its own"`
	Seq          int64     `json:"seq" doc:"Counts the entries of the account"`
	Kind         string    `json:"kind" enum:"earned,held,released,clawed_back,adjusted,paid,payout_failed,moved_out,moved_in" doc:"moved_out, moved_in: a payout takes it of the account of somebody who was merged, or gives it back"`
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
	return entryJSON{PersonID: e.PersonID, Seq: e.Seq, Kind: e.Kind, Amount: e.Amount, Held: e.Held, BalanceAfter: e.BalanceAfter, HeldAfter: e.HeldAfter,
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
	people, err := m.idsOf(ctx, siteID, personID)
	if err != nil {
		return nil, err
	}
	accounts, err := accountsAsOne(ctx, m.db, siteID, people, "")
	if err != nil {
		return nil, err
	}
	var waiting []struct {
		Currency string `db:"currency"`
		waitingJSON
	}
	err = m.db.SelectContext(ctx, &waiting, `
		select currency, order_currency, count(*) as count, sum(percent_amount)::bigint as percent_amount
		from referral.commission where site_id = $1 and person_id = any ($2::bigint[]) and status = 'waiting'
		group by currency, order_currency order by currency, order_currency`, siteID, pq.Array(people))
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

// accountsAsOne adds up the accounts of all who are one; "": in any currency.
func accountsAsOne(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, currency string) (out []account, err error) {
	if err := sqlx.SelectContext(ctx, q, &out, `
		select site_id, min(person_id) as person_id, currency, max(seq) as seq, sum(balance)::bigint as balance, sum(held)::bigint as held, sum(reserved)::bigint as reserved
		from referral.account where site_id = $1 and person_id = any ($2::bigint[]) and ($3 = '' or currency = $3)
		group by site_id, currency order by currency`, siteID, pq.Array(people), currency); err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return out, nil
}

const entryColumns = `e.site_id, e.id, e.person_id, e.currency, e.seq, e.kind, e.amount, e.held, e.balance_after, e.held_after, e.source, e.commission_id, e.line_id,
	e.note, e.key_id, e.at`

// entriesBefore reads the entries of accounts of all who are one, newest first, from below an id (0: the newest).
func entriesBefore(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, currency string, before int64, limit int) ([]entry, error) {
	var out []entry
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+entryColumns+` from unnest($2::bigint[]) p
		cross join lateral (
			select * from referral.account_entry where site_id = $1 and person_id = p and currency = $3 and ($4::bigint = 0 or id < $4) order by seq desc limit $5) e
		order by e.id desc limit $5`,
		siteID, pq.Array(people), currency, before, limit)
	if err != nil {
		return nil, fmt.Errorf("account entries: %w", err)
	}
	return out, nil
}

// commissionsOfOrigin reads what an order earned, the oldest first.
func commissionsOfOrigin(ctx context.Context, q sqlx.QueryerContext, siteID, originID int64) ([]commission, error) {
	var out []commission
	err := sqlx.SelectContext(ctx, q, &out, `
		select `+commissionColumns+` from referral.commission c where c.site_id = $1 and c.origin_id = $2 order by c.id limit 100`, siteID, originID)
	if err != nil {
		return nil, fmt.Errorf("commissions of an origin: %w", err)
	}
	return out, nil
}

// commissionsBefore reads commissions, newest first, from below an id (0: the newest): of whoever is named, and in a status.
func commissionsBefore(ctx context.Context, q sqlx.QueryerContext, siteID int64, people []int64, status string, before int64, limit int) ([]commission, error) {
	const those = `c.site_id = $1 and ($2::bigint = 0 or c.id < $2) and ($3 = '' or c.status = $3)`
	from, args := `referral.commission c where `+those, []any{siteID, before, status, limit}
	if people != nil {
		from, args = `unnest($5::bigint[]) p cross join lateral (select * from referral.commission c where `+those+` and c.person_id = p order by c.id desc limit $4) c`,
			append(args, pq.Array(people))
	}
	var out []commission
	err := sqlx.SelectContext(ctx, q, &out, `select `+commissionColumns+` from `+from+` order by c.id desc limit $4`, args...)
	if err != nil {
		return nil, fmt.Errorf("commissions: %w", err)
	}
	return out, nil
}
