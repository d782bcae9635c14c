package loyalty

import (
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// memory is what somebody in a backtest has bought so far, as module customer would tell it.
type memory struct {
	orders   []*hindsight.Order // purchases, in the order in which they were made
	segments []string           // of the latest origin that had any
}

func newMemory(p *hindsight.Person) *memory {
	m := &memory{}
	if p.Earlier != nil {
		for i := range p.Earlier.Orders {
			m.orders = append(m.orders, &p.Earlier.Orders[i])
		}
		m.segments = p.Earlier.Segments
	}
	return m
}

// tell remembers the segments of what is decided about: they count for it, too.
func (m *memory) tell(o *hindsight.Order) {
	if m != nil && o.Details != nil && len(o.Details.Segments) > 0 {
		m.segments = o.Details.Segments
	}
}

// add remembers an order once it was decided about.
func (m *memory) add(o *hindsight.Order) {
	if m != nil && !o.Event {
		m.orders = append(m.orders, o)
	}
}

// mostRemembered is how many orders module customer looks back at.
const mostRemembered = 1000

// past is what was bought before a moment, in a currency, with what was refunded by then.
func (m *memory) past(currency string, at time.Time) (out customerapi.Past) {
	out.Segments = m.segments
	for _, o := range m.orders[max(len(m.orders)-mostRemembered, 0):] {
		if out.Orders++; out.Orders == 1 {
			out.FirstAt = o.At
		}
		out.LastAt = o.At
		if o.Currency != currency {
			continue
		}
		back := int64(0)
		for _, r := range o.Refunds {
			if r.At.Before(at) {
				back += r.Amount
			}
		}
		back = min(back, o.Subtotal)
		out.Spent, out.Refunded = out.Spent+o.Subtotal-back, out.Refunded+back
	}
	return out
}
