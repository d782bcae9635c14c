package referral

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
)

const (
	supplyEvery  = 5 * time.Second
	supplyAtOnce = 8
	supplyOfSite = 2
)

// runSupply asks shops for codes until ctx ends.
func (m *Module) runSupply(ctx context.Context) {
	agenda.Every(ctx, supplyEvery, func() { m.tick(ctx, m.SupplyCoupons, "asking shops for codes", "shops were asked for codes") })
}

// SupplyCoupons asks shops for codes of lists that are low, or that somebody waits for, and returns how many requests it made or tried. Nobody's request
// waits for it: who waits for a coupon does so in the list's queue.
func (m *Module) SupplyCoupons(ctx context.Context) (total int, err error) {
	lists, err := supplyDue(ctx, m.db, m.now())
	if err != nil {
		return 0, err
	}
	for _, l := range lists {
		if err := m.requestCodes(ctx, l); err != nil {
			return total, err
		}
		total++
	}
	tried, err := agenda.Rounds(func() (due []codeRequest, err error) {
		err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
			due = nil
			return codeRequestsDue.Claim(ctx, u, &due, u.Now, hookLease, supplyAtOnce, supplyOfSite)
		})
		return due, err
	}, func(r codeRequest) error { return m.tryCodeRequest(ctx, &r) })
	return total + tried, err
}

// requestCodes makes a request of a list that needs codes. One that was told to be low and no longer is, is noted as that.
func (m *Module) requestCodes(ctx context.Context, l key) error {
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		s, err := lockSupply(ctx, u.Tx, l)
		if err != nil || s == nil || s.AskAt.After(u.Now) {
			return err
		}
		r, err := stockOf(ctx, u, l, u.Now.AddDate(0, 0, -lowDays))
		if err != nil {
			return err
		}
		if !r.short() {
			if _, err := markLow(ctx, u.Tx, l, nil); err != nil {
				return err
			}
			return askLater(ctx, u.Tx, l, u.Now.Add(supplyShort))
		}
		var offered *string
		if s.Template != "" {
			codes, err := json.Marshal(draw(s.Template, s.Batch))
			if err != nil {
				return err
			}
			text := string(codes)
			offered = &text
		}
		return insertCodeRequest(ctx, u.Tx, u.Now, l, s.Batch, offered)
	})
}

// tryCodeRequest asks once, outside of any transaction. Codes come into the list as an upload's do, which may be repeated; then the
// request is settled.
func (m *Module) tryCodeRequest(ctx context.Context, r *codeRequest) error {
	l := key{r.SiteID, r.ListID}
	s, err := supplyOf(ctx, m.db, l)
	if err != nil {
		return err
	}
	tried := attempt{At: m.now()}
	var d delivery
	if s != nil && s.Enabled && m.calls != nil {
		codes, err := m.askCodes(ctx, s, r, &tried)
		if err != nil {
			return err
		}
		if ctx.Err() != nil { // that is no answer of the shop's
			return ctx.Err()
		}
		if d, err = m.takeCodes(ctx, l, codes); err != nil {
			return err
		}
		if tried.Failure == "" && d.Added+d.Known == 0 {
			tried.Failure = "no usable codes"
		}
	}
	evidence, err := json.Marshal([]attempt{tried})
	if err != nil {
		return err
	}
	return m.outbox.InTx(ctx, func(u *bus.Unit) error {
		still, err := lockCodeRequest(ctx, u.Tx, r)
		if err != nil || still == nil {
			return err
		}
		askAt := s.settle(still, tried, d, u.Now)
		m.metrics.Of(ctx).codeRequests.WithLabelValues(still.State).Inc()
		if tried.Failure != "" {
			m.log.Warn().Int64("site_id", r.SiteID).Int64("coupon_list_id", r.ListID).Int("try", r.Tries).Str("failure", tried.Failure).Str("state", still.State).
				Msg("a shop gave no codes")
		}
		if err := saveCodeRequest(ctx, u.Tx, still, string(evidence)); err != nil || still.State == requestWaiting {
			return err
		}
		return askLater(ctx, u.Tx, l, askAt)
	})
}

// askCodes asks a shop, and reads its answer.
func (m *Module) askCodes(ctx context.Context, s *supply, r *codeRequest, t *attempt) ([]string, error) {
	list, err := readCouponList(ctx, m.db, r.SiteID, r.ListID)
	if err != nil {
		return nil, err
	}
	call, err := m.calls.Question(s.SiteID, s.Secret, r.name(), t.At, codeQuestion{Type: "coupons.requested", ID: r.name(), AskedAt: r.AskedAt.UTC(), List: list, Count: r.Count, Codes: r.offered()})
	if err != nil {
		return nil, err
	}
	call.URL, call.Timeout = s.URL, time.Duration(s.TimeoutMS)*time.Millisecond
	answer, err := m.calls.Post(ctx, call)
	return t.codes(r, answer, err), nil
}

// takeCodes brings codes into a list by the door of uploads, which serves who waits.
func (m *Module) takeCodes(ctx context.Context, l key, codes []string) (delivery, error) {
	if len(codes) == 0 {
		return delivery{}, nil
	}
	var lines bytes.Buffer
	for _, c := range codes {
		line, err := json.Marshal(c)
		if err != nil {
			return delivery{}, err
		}
		lines.Write(append(line, '\n'))
	}
	return m.deliver(ctx, l.site, 0, l.id, ndjson, &lines)
}
