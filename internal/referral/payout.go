package referral

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// States of a payout batch, and of its lines. A line that was sent is with a provider, who alone knows what becomes of it.
const (
	batchDraft     = "draft"
	batchApproved  = "approved"
	batchDone      = "done"
	batchCancelled = "cancelled"

	linePending   = "pending"
	lineSent      = "sent"
	linePaid      = "paid"
	lineFailed    = "failed"
	lineCancelled = "cancelled"
)

// paidByHand is the method of batches that the merchant pays: a list to download, and outcomes to tell.
const paidByHand = "manual"

const mostLines = 10_000 // of a batch

var (
	errNoBatch = fault.New(fault.NotFound, "payout_batch_not_found", "No such payout batch.")
	errNoLine  = fault.New(fault.NotFound, "payout_line_not_found", "The batch has no such line.")
)

// payoutBatch pays people what they have earned by then.
type payoutBatch struct {
	SiteID     int64      `db:"site_id"`
	ID         int64      `db:"id"`
	Currency   string     `db:"currency"`
	Minimum    int64      `db:"minimum"`
	Method     string     `db:"method"`
	Status     string     `db:"status"`
	Lines      int        `db:"lines"`
	Amount     int64      `db:"amount"`
	Note       string     `db:"note"`
	Token      string     `db:"token"`     // names the batch to the provider
	Reference  string     `db:"reference"` // the provider's name of it
	Attempts   int        `db:"attempts"`
	NextAt     *time.Time `db:"next_at"` // when the provider is called next
	Trouble    string     `db:"trouble"`
	KeyID      int64      `db:"key_id"`
	ApprovedBy *int64     `db:"approved_by"`
	CreatedAt  time.Time  `db:"created_at"`
	ApprovedAt *time.Time `db:"approved_at"`
	FinishedAt *time.Time `db:"finished_at"`
}

// payoutLine is what one person gets of a batch.
type payoutLine struct {
	SiteID    int64     `db:"site_id"`
	ID        int64     `db:"id"`
	BatchID   int64     `db:"batch_id"`
	PersonID  int64     `db:"person_id"`
	Amount    int64     `db:"amount"`
	Status    string    `db:"status"`
	Reference string    `db:"reference"`
	Reason    string    `db:"reason"`
	UpdatedAt time.Time `db:"updated_at"`
}

// lineStep says whether a line may become what is told of it. Money that was paid may come back.
func lineStep(from, to string) bool {
	switch from {
	case linePending, lineSent:
		return to == linePaid || to == lineFailed || to == lineCancelled && from == linePending
	case linePaid:
		return to == lineFailed
	default:
		return false
	}
}

// outcome is what became of a line.
type outcome struct {
	Line      int64
	Status    string // paid, failed, cancelled
	Reference string
	Reason    string
}

// createBatch freezes what people have earned in a currency, if it is at least the minimum. Each entry of an account is in one live batch
// at most. replayed says that the Idempotency-Key had done it before.
func (m *Module) createBatch(ctx context.Context, s site.Site, keyID int64, in payoutBatchInput, k idempotency.Key) (out payoutBatchJSON, replayed bool, err error) {
	if err := in.check(m); err != nil {
		return out, false, err
	}
	replayed, err = m.once(ctx, s.ID, k, &out, func(u *bus.Unit) error {
		payees, err := m.lockPayeesOf(ctx, u, s.ID, in.Currency, in.Minimum)
		if err != nil {
			return err
		}
		if len(payees) == 0 {
			return fault.New(fault.Conflict, "nothing_to_pay", "Nobody has earned as much in this currency.")
		}
		b := payoutBatch{SiteID: s.ID, Currency: in.Currency, Minimum: in.Minimum, Method: in.Method, Status: batchDraft, Lines: len(payees), Note: in.Note,
			Token: uuid.NewString(), KeyID: keyID, CreatedAt: u.Now}
		for _, p := range payees {
			if b.Amount += p.Due; b.Amount > money.Max*1000 {
				return fault.New(fault.Conflict, "payout_too_large", "The batch would be too large; raise the minimum.")
			}
		}
		if err := insertBatch(ctx, u.Tx, &b, payees); err != nil {
			return err
		}
		if err := gather(ctx, u, &b, payees); err != nil {
			return err
		}
		out = b.json()
		return nil
	})
	return out, replayed, err
}

// approveBatch lets a batch be paid: by hand, or by its provider, who is called soon after. One that was approved stays as it is.
func (m *Module) approveBatch(ctx context.Context, s site.Site, keyID, id int64, k idempotency.Key) (out payoutBatchJSON, replayed bool, err error) {
	return m.changeBatch(ctx, s.ID, id, k, func(u *bus.Unit, b *payoutBatch) error {
		switch {
		case b.ApprovedAt != nil:
			return nil
		case b.Status != batchDraft:
			return errBatchStep(b, batchApproved)
		}
		if b.Status, b.ApprovedBy, b.ApprovedAt = batchApproved, &keyID, &u.Now; b.Method != paidByHand {
			b.NextAt = &u.Now
		}
		return saveBatch(ctx, u.Tx, b)
	})
}

// cancelBatch gives back what a batch has frozen and nobody was paid of. What is with a provider can't be cancelled.
func (m *Module) cancelBatch(ctx context.Context, s site.Site, id int64, k idempotency.Key) (out payoutBatchJSON, replayed bool, err error) {
	return m.changeBatch(ctx, s.ID, id, k, func(u *bus.Unit, b *payoutBatch) error {
		if b.Status != batchDraft && b.Status != batchApproved {
			return errBatchStep(b, batchCancelled)
		}
		lines, err := lockOpenLines(ctx, u.Tx, b, mostLines)
		if err != nil {
			return err
		}
		told := make([]outcome, len(lines))
		for i, l := range lines {
			if told[i] = (outcome{Line: l.ID, Status: lineCancelled, Reason: "cancelled"}); l.Status == lineSent {
				return fault.New(fault.Conflict, "payout_under_way", "The provider has this batch; what becomes of it is told by the provider.")
			}
		}
		return m.settle(ctx, u, b, lines, told)
	})
}

// settleBatch takes what the merchant tells of lines of a batch that is paid by hand.
func (m *Module) settleBatch(ctx context.Context, s site.Site, id int64, in settleInput, k idempotency.Key) (out payoutBatchJSON, replayed bool, err error) {
	if err := in.check(); err != nil {
		return out, false, err
	}
	return m.changeBatch(ctx, s.ID, id, k, func(u *bus.Unit, b *payoutBatch) error {
		switch {
		case b.Status != batchApproved && b.Status != batchDone:
			return errBatchStep(b, "settled")
		case b.Method != paidByHand && (b.Reference != "" || b.Trouble == ""): // one that the provider doesn't take is ended by hand
			return fault.New(fault.Conflict, "payout_by_provider", "What becomes of this batch is told by its provider.")
		}
		lines, told, err := in.outcomes(ctx, u, b)
		if err != nil {
			return err
		}
		return m.settle(ctx, u, b, lines, told)
	})
}

// changeBatch locks a batch, changes it, and answers with what it is then.
func (m *Module) changeBatch(ctx context.Context, siteID, id int64, k idempotency.Key, change func(u *bus.Unit, b *payoutBatch) error) (out payoutBatchJSON, replayed bool, err error) {
	replayed, err = m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {
		b, err := lockBatch(ctx, u.Tx, siteID, id)
		if err != nil {
			return err
		}
		if err := change(u, b); err != nil {
			return err
		}
		out = b.json()
		return nil
	})
	return out, replayed, err
}

func errBatchStep(b *payoutBatch, to string) error {
	return fault.New(fault.Conflict, "payout_step_not_allowed", "A payout batch that is %s can't be %s.", b.Status, to)
}

// settle makes locked lines of a locked batch what was told of them. A line that is that already stays as it is.
func (m *Module) settle(ctx context.Context, u *bus.Unit, b *payoutBatch, lines []payoutLine, told []outcome) error {
	byID := make(map[int64]*payoutLine, len(lines))
	for i := range lines {
		byID[lines[i].ID] = &lines[i]
	}
	var changed []payoutLine
	var entries []entry
	freed, paid, back := []int64{}, []int64{}, []int64{}
	for _, o := range told {
		l := byID[o.Line]
		if l == nil {
			return errNoLine
		}
		if l.Status == o.Status {
			continue
		}
		if !lineStep(l.Status, o.Status) {
			return fault.New(fault.Conflict, "payout_line_step_not_allowed", "Line %d is %s and can't be %s.", l.ID, l.Status, o.Status)
		}
		e := entry{SiteID: l.SiteID, PersonID: l.PersonID, Currency: b.Currency, LineID: &l.ID, Note: orNull(o.Reason), closed: true}
		switch {
		case o.Status == linePaid:
			e.Kind, e.Amount, e.reserved = entryPaid, -l.Amount, -l.Amount
			paid = append(paid, l.ID)
		case l.Status == linePaid: // it came back
			e.Kind, e.Amount = entryPayoutFailed, l.Amount
			freed, back = append(freed, l.ID), append(back, l.ID)
		default:
			e.Kind, e.reserved = entryPayoutFailed, -l.Amount
			freed = append(freed, l.ID)
		}
		e.Source = "payout:" + itoa(l.ID) + ":" + o.Status
		m.tellLine(ctx, u, b, l, o)
		l.Status, l.Reason = o.Status, o.Reason
		if o.Reference != "" {
			l.Reference = o.Reference
		}
		entries, changed = append(entries, e), append(changed, *l)
	}
	if err := saveLines(ctx, u.Tx, u.Now, changed); err != nil {
		return err
	}
	others, err := giveBack(ctx, u, b, byID, freed)
	if err != nil {
		return err
	}
	entries = append(entries, others...)
	if err := post(ctx, u, entries); err != nil {
		return err
	}
	if err := reopen(ctx, u.Tx, b.SiteID, freed); err != nil {
		return err
	}
	if err := markRewards(ctx, u.Tx, b.SiteID, paid, rewardUnpaid, rewardPaid); err != nil {
		return err
	}
	if err := markRewards(ctx, u.Tx, b.SiteID, back, rewardPaid, rewardUnpaid); err != nil {
		return err
	}
	return finishBatch(ctx, u.Tx, u.Now, b)
}

func (m *Module) tellLine(ctx context.Context, u *bus.Unit, b *payoutBatch, l *payoutLine, o outcome) {
	m.metrics.Of(ctx).payouts.WithLabelValues(o.Status).Inc()
	switch o.Status {
	case linePaid:
		u.Tell(l.SiteID, accountKey(l.PersonID), referralevent.PayoutPaid{SiteID: l.SiteID, BatchID: b.ID, LineID: l.ID, PersonID: l.PersonID,
			Amount: l.Amount, Currency: b.Currency, Method: b.Method, Reference: o.Reference, PaidAt: u.Now})
	case lineFailed:
		u.Tell(l.SiteID, accountKey(l.PersonID), referralevent.PayoutFailed{SiteID: l.SiteID, BatchID: b.ID, LineID: l.ID, PersonID: l.PersonID,
			Amount: l.Amount, Currency: b.Currency, Method: b.Method, Returned: l.Status == linePaid, Reason: o.Reason, FailedAt: u.Now})
	}
}
