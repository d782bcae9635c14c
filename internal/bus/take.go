package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/failpoint"
)

// take brings the consumer past records: it applies them, and parks what cannot be applied.
func (h *hearing) take(ctx context.Context, records []Record) error {
	last := records[len(records)-1].Seq
	mine := h.mine(records)
	if len(mine) == 0 { // nothing to do: the cursor follows when there is something, or a rest
		h.at = last
		if h.due == nil {
			h.first = time.Now()
		}
		if time.Since(h.first) >= stale {
			return h.save(ctx)
		}
		h.due = time.After(lazy)
		return nil
	}
	for try := 1; ; try++ {
		err := h.commit(ctx, last, mine, (*pass).whole)
		if ctx.Err() != nil { // we are stopping: it says nothing of the batch
			return err
		}
		switch judge(err) {
		case suspect:
			if try < tries {
				h.m.retries.WithLabelValues(h.name, h.source).Inc()
				sleep(ctx, time.Duration(try*try)*50*time.Millisecond)
				continue
			}
			fallthrough
		case hopeless:
			h.log.Warn().Err(err).Int64("from", records[0].Seq).Int64("to", last).Msg("a batch fails: looking for the guilty event")
			return h.isolate(ctx, records)
		}
		return err
	}
}

// isolate applies records and parks the guilty ones. A failure that shows only at the commit belongs to no handler's call: the
// batch is made smaller until a single event has it.
func (h *hearing) isolate(ctx context.Context, records []Record) error {
	for {
		last := records[len(records)-1].Seq
		mine := h.mine(records)
		err := h.commit(ctx, last, mine, (*pass).halve)
		if v := judge(err); v != suspect && v != hopeless || ctx.Err() != nil {
			return err
		}
		if len(records) == 1 {
			return h.commit(ctx, last, mine, func(p *pass, _ context.Context, mine []Record) error {
				for _, r := range mine {
					p.park(r, err.Error())
				}
				return nil
			})
		}
		records = records[:len(records)/2]
	}
}

// mine are the records that have a handler.
func (h *hearing) mine(records []Record) []Record {
	mine := make([]Record, 0, len(records))
	for _, r := range records {
		if _, ok := h.handlers[r.Type]; ok {
			mine = append(mine, r)
		}
	}
	return mine
}

// commit moves the cursor to last and applies mine by how, in one transaction.
func (h *hearing) commit(ctx context.Context, last int64, mine []Record, how func(*pass, context.Context, []Record) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var parked, before int
	err := h.outbox.InTx(ctx, func(u *Unit) (err error) {
		if before, err = h.advance(ctx, u, h.source, h.saved, last); err != nil {
			return err
		}
		p := &pass{Consumer: h.Consumer, u: u, source: h.source}
		if before > 0 {
			if err := p.recall(ctx, mine); err != nil {
				return err
			}
		}
		if free := p.aside(mine); len(free) > 0 {
			if err := how(p, ctx, free); err != nil {
				return err
			}
		}
		if parked = len(p.parked); before+parked > h.limit {
			return fmt.Errorf("%w: %d would be, of which %d: %s", ErrParked, before+parked, p.parked[0].Seq, p.parked[0].Error)
		}
		if err := p.store(ctx); err != nil {
			return err
		}
		failpoint.Hit("bus.consumer_before_commit")
		return nil
	})
	if err != nil {
		return err
	}
	failpoint.Hit("bus.consumer_after_commit")
	if parked > 0 {
		h.log.Error().Int("parked", parked).Int("before", before).Int64("to", last).Msg("events were parked")
		h.m.parkings.WithLabelValues(h.name, h.source).Add(float64(parked))
	}
	h.m.parked.WithLabelValues(h.name, h.source).Set(float64(before + parked))
	h.m.batch.WithLabelValues(h.name, h.source).Observe(float64(last - h.saved.Seq))
	h.saved.Seq, h.at, h.due = last, last, nil
	return nil
}
