package referral

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/bus"
)

const (
	payoutLease   = 5 * time.Minute // longer than a call may take
	payoutTimeout = time.Minute
	payoutLook    = 30 * time.Second // first pause before the provider is asked what became of a batch
	payoutPause   = time.Hour        // longest pause
)

// TendPayouts hands approved batches to their provider and asks what became of them, one batch after another; it returns how many it tended.
func (m *Module) TendPayouts(ctx context.Context) (n int, err error) {
	if m.payer == nil {
		return 0, nil
	}
	for {
		b, err := m.claimBatch(ctx)
		if err != nil || b == nil {
			return n, err
		}
		n++
		if err := m.tend(ctx, b); err != nil {
			return n, err
		}
	}
}

// claimBatch takes the batch that is due first, so that nobody else does for a while; nil if none is. Its lines are with the provider from
// now on: whether a call that broke off was heard can't be known.
func (m *Module) claimBatch(ctx context.Context) (b *payoutBatch, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		b = nil
		var due []payoutBatch
		err := u.SelectContext(ctx, &due, `
			select `+batchColumns+` from referral.payout_batch b
			where b.status = 'approved' and b.next_at <= $1 and b.method = $2
			order by b.next_at limit 1
			for update skip locked`, u.Now, m.payer.Name())
		if err != nil || len(due) == 0 {
			return err
		}
		b = &due[0]
		lease := u.Now.Add(payoutLease)
		b.NextAt, b.Attempts = &lease, b.Attempts+1
		if err := saveBatch(ctx, u.Tx, b); err != nil {
			return err
		}
		_, err = u.ExecContext(ctx, `
			update referral.payout_line set status = 'sent', updated_at = $3 where site_id = $1 and batch_id = $2 and status = 'pending'`, b.SiteID, b.ID, u.Now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim a payout batch: %w", err)
	}
	return b, nil
}

// tend calls the provider about a claimed batch. An error is ours; the provider's are noted in the batch.
func (m *Module) tend(ctx context.Context, b *payoutBatch) error {
	call, cancel := context.WithTimeout(ctx, payoutTimeout)
	defer cancel()
	if b.Reference == "" {
		return m.send(ctx, call, b)
	}
	told, complete, err := m.payer.Outcomes(call, b.Reference)
	m.called(err)
	if err != nil {
		return m.later(ctx, b, err)
	}
	outcomes, named := heard(told)
	if complete {
		unknown, err := m.sentLines(ctx, b, func(l payoutLine) bool { return !named[l.ID] })
		if err != nil {
			return err
		}
		for _, l := range unknown {
			outcomes = append(outcomes, outcome{Line: l.ID, Status: lineFailed, Reason: "the provider's batch doesn't have it"})
		}
	}
	return m.conclude(ctx, b, outcomes, "")
}

// heard is what a provider told of lines, and which it named.
func heard(told []PayoutOutcome) (outcomes []outcome, named map[int64]bool) {
	named = map[int64]bool{}
	for _, t := range told {
		line, err := strconv.ParseInt(t.ID, 10, 64)
		if err != nil {
			continue // not ours
		}
		switch named[line] = true; {
		case t.Open:
		case t.Paid:
			outcomes = append(outcomes, outcome{Line: line, Status: linePaid, Reference: shorten(t.Reference)})
		default:
			outcomes = append(outcomes, outcome{Line: line, Status: lineFailed, Reference: shorten(t.Reference), Reason: shorten(t.Reason)})
		}
	}
	return outcomes, named
}

// sentLines are the lines of a batch that are with the provider, those that keep says.
func (m *Module) sentLines(ctx context.Context, b *payoutBatch, keep func(payoutLine) bool) (out []payoutLine, err error) {
	lines, err := linesAfter(ctx, m.db, b.SiteID, b.ID, 0, mostLines)
	for _, l := range lines {
		if l.Status == lineSent && keep(l) {
			out = append(out, l)
		}
	}
	return out, err
}

// send hands a batch to the provider. Who has no address by then isn't paid; who has none any more when a call is repeated may have
// been paid by the first, so the provider's list decides. For the same reason only the first call's refusal is the end.
func (m *Module) send(ctx, call context.Context, b *payoutBatch) error {
	lines, err := m.sentLines(ctx, b, func(payoutLine) bool { return true })
	if err != nil {
		return err
	}
	order, nowhere, all := PayoutOrder{Token: b.Token, Currency: b.Currency, Note: b.Note}, []outcome{}, []outcome{}
	for part := range slices.Chunk(lines, csvChunk) {
		who, err := m.payeesOf(ctx, b.SiteID, part)
		if err != nil {
			return m.later(ctx, b, err)
		}
		for _, l := range part {
			if p := who[l.PersonID]; p.Email == "" {
				nowhere = append(nowhere, outcome{Line: l.ID, Status: lineFailed, Reason: "no e-mail address is known"})
			} else {
				order.Items = append(order.Items, PayoutItem{ID: itoa(l.ID), Email: p.Email, Amount: l.Amount})
				all = append(all, outcome{Line: l.ID, Status: lineFailed})
			}
		}
	}
	first := b.Attempts == 1
	if first && len(nowhere) > 0 {
		if err := m.conclude(ctx, b, nowhere, ""); err != nil {
			return err
		}
	}
	if len(order.Items) == 0 {
		if first || len(nowhere) == 0 {
			return nil
		}
		return m.later(ctx, b, errors.New("nobody of this batch has an e-mail address any more"))
	}
	reference, err := m.payer.Send(call, order)
	m.called(err)
	switch {
	case errors.Is(err, ErrPayoutRefused) && first:
		for i := range all {
			all[i].Reason = shorten(err.Error())
		}
		return m.conclude(ctx, b, all, "")
	case err != nil:
		return m.later(ctx, b, err)
	}
	return m.conclude(ctx, b, nil, reference)
}

// conclude writes what a provider told, and when it is asked again.
func (m *Module) conclude(ctx context.Context, claimed *payoutBatch, told []outcome, reference string) error {
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		b, err := lockBatch(ctx, u.Tx, claimed.SiteID, claimed.ID)
		if err != nil {
			return err
		}
		if reference != "" {
			b.Reference, b.Attempts = reference, 0
		}
		next := u.Now.Add(pauseAfter(b.Attempts))
		if b.Trouble = ""; b.Status == batchApproved {
			b.NextAt = &next
		}
		ids := make([]int64, len(told))
		for i, o := range told {
			ids[i] = o.Line
		}
		lines, err := lockLines(ctx, u.Tx, b, ids)
		if err != nil {
			return err
		}
		return m.settle(ctx, u, b, lines, possible(lines, told))
	})
}

// possible leaves out what can't be, or is known: a provider's word is taken, not trusted to be in order.
func possible(lines []payoutLine, told []outcome) []outcome {
	status := make(map[int64]string, len(lines))
	for _, l := range lines {
		status[l.ID] = l.Status
	}
	var out []outcome
	for _, o := range told {
		if lineStep(status[o.Line], o.Status) {
			out = append(out, o)
			status[o.Line] = o.Status
		}
	}
	return out
}

// later notes why a call failed, and when it is made again.
func (m *Module) later(ctx context.Context, claimed *payoutBatch, cause error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the lease ends by itself
	}
	m.log.Warn().Err(cause).Int64("site_id", claimed.SiteID).Int64("payout_batch_id", claimed.ID).Msg("a payout provider couldn't be asked; it is tried again")
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		b, err := lockBatch(ctx, u.Tx, claimed.SiteID, claimed.ID)
		if err != nil {
			return err
		}
		next := u.Now.Add(pauseAfter(b.Attempts))
		b.NextAt, b.Trouble = &next, shorten(cause.Error())
		return saveBatch(ctx, u.Tx, b)
	})
}

// pauseAfter doubles the pause with each call in a row, and scatters it.
func pauseAfter(attempts int) time.Duration {
	pause := min(payoutLook<<min(attempts, 10), payoutPause)
	return pause/2 + rand.N(pause/2)
}

func (m *Module) called(err error) {
	result := "done"
	switch {
	case errors.Is(err, ErrPayoutRefused):
		result = "refused"
	case err != nil:
		result = "failed"
	}
	m.metrics.Real.payoutCalls.WithLabelValues(m.payer.Name(), result).Inc()
}

// shorten keeps what others say within bounds, and to what a text can hold.
func shorten(s string) string {
	out := make([]rune, 0, 200)
	for _, r := range s {
		if len(out) == cap(out) {
			break
		}
		if r >= ' ' && r != 0x7f && r != '\ufffd' {
			out = append(out, r)
		}
	}
	return string(out)
}
