package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
)

// payoutBatchJSON is a batch in our own shape.
type payoutBatchJSON struct {
	ID         int64      `json:"id"`
	Currency   string     `json:"currency"`
	Minimum    int64      `json:"minimum" doc:"Minor units"`
	Method     string     `json:"method" enum:"manual,paypal"`
	Status     string     `json:"status" enum:"draft,approved,done,cancelled"`
	Lines      int        `json:"lines" doc:"How many people it pays"`
	Amount     int64      `json:"amount" doc:"All of them, minor units"`
	Note       string     `json:"note"`
	Reference  *string    `json:"reference" doc:"The provider's name of it"`
	Trouble    *string    `json:"trouble" doc:"Why the provider has to be called again"`
	KeyID      int64      `json:"key_id" doc:"The API key that made it"`
	ApprovedBy *int64     `json:"approved_by" doc:"The API key that approved it"`
	CreatedAt  time.Time  `json:"created_at"`
	ApprovedAt *time.Time `json:"approved_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

func (b *payoutBatch) json() payoutBatchJSON {
	return payoutBatchJSON{ID: b.ID, Currency: b.Currency, Minimum: b.Minimum, Method: b.Method, Status: b.Status, Lines: b.Lines, Amount: b.Amount, Note: b.Note,
		Reference: orNull(b.Reference), Trouble: orNull(b.Trouble), KeyID: b.KeyID, ApprovedBy: b.ApprovedBy, CreatedAt: b.CreatedAt.UTC(),
		ApprovedAt: instant(b.ApprovedAt), FinishedAt: instant(b.FinishedAt)}
}

type payoutLineJSON struct {
	ID        int64     `json:"id"`
	PersonID  int64     `json:"person_id"`
	Amount    int64     `json:"amount" doc:"Minor units"`
	Status    string    `json:"status" enum:"pending,sent,paid,failed,cancelled"`
	Reference *string   `json:"reference"`
	Reason    *string   `json:"reason" doc:"Why it failed"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (l *payoutLine) json() payoutLineJSON {
	return payoutLineJSON{ID: l.ID, PersonID: l.PersonID, Amount: l.Amount, Status: l.Status, Reference: orNull(l.Reference), Reason: orNull(l.Reason),
		UpdatedAt: l.UpdatedAt.UTC()}
}

// previewJSON is what a batch would be now.
type previewJSON struct {
	Currency string            `json:"currency"`
	Minimum  int64             `json:"minimum" doc:"Minor units"`
	Payees   int               `json:"payees" doc:"Of whom a batch takes the first 10000"`
	Amount   int64             `json:"amount" doc:"All of them, minor units"`
	Below    int               `json:"below_minimum" doc:"People who have earned less"`
	Owing    int               `json:"owing" doc:"People who owe what was taken back after a payout"`
	Held     int64             `json:"held" doc:"What is on hold, minor units"`
	Waiting  int               `json:"waiting" doc:"Commissions in this currency that wait for an exchange rate"`
	Sample   []previewLineJSON `json:"sample" doc:"The first 100"`
}

type previewLineJSON struct {
	PersonID int64 `json:"person_id" db:"person_id"`
	Amount   int64 `json:"amount" db:"due"`
}

// preview says what a batch would be now; it changes nothing. It adds up the accounts of all who are owed something or owe it, out of the
// index alone.
func (m *Module) preview(ctx context.Context, siteID int64, currency string, minimum int64) (previewJSON, error) {
	out := previewJSON{Currency: currency, Minimum: minimum, Sample: []previewLineJSON{}}
	if _, ok := money.Digits(currency); !ok {
		return out, fault.New(fault.Invalid, "invalid_currency", "The currency must be an ISO 4217 code.").At("query.currency", "is none")
	}
	var n struct {
		Payees  int   `db:"payees"`
		Amount  int64 `db:"amount"`
		Below   int   `db:"below"`
		Owing   int   `db:"owing"`
		Held    int64 `db:"held"`
		Waiting int   `db:"waiting"`
	}
	some, err := m.merged.has(ctx, m.db, siteID)
	if err != nil {
		return out, err
	}
	accounts, first := `select balance - held - reserved as due, held from referral.account a where site_id = $1 and currency = $2 and `+owed, payees
	if some {
		accounts, first = accountsOwed, payeesAsOne
	}
	err = m.db.GetContext(ctx, &n, `
		select count(*) filter (where a.due >= $3) as payees, coalesce(sum(a.due) filter (where a.due >= $3), 0)::bigint as amount,
			count(*) filter (where a.due > 0 and a.due < $3) as below, count(*) filter (where a.due < 0) as owing, coalesce(sum(a.held), 0)::bigint as held,
			(select count(*) from referral.commission c where c.site_id = $1 and c.currency = $2 and c.status = 'waiting') as waiting
		from (`+accounts+`) a`, siteID, currency, minimum)
	if err != nil {
		return out, fmt.Errorf("preview of a payout: %w", err)
	}
	out.Payees, out.Amount, out.Below, out.Owing, out.Held, out.Waiting = n.Payees, n.Amount, n.Below, n.Owing, n.Held, n.Waiting
	if err := m.db.SelectContext(ctx, &out.Sample, `select person_id, due from (`+first+`) x`, siteID, currency, minimum, 100); err != nil {
		return out, fmt.Errorf("payees: %w", err)
	}
	return out, nil
}
