package loyalty

import (
	"cmp"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// player is somebody in a backtest: what the tables would hold of them, in memory.
type player struct {
	*hindsight.Person
	known   *customerapi.Person // what conditions may ask of them; nil: nothing is known
	holder  *holder             // nil: no member yet
	now     time.Time
	next    int64 // id of a transaction
	lots    map[int64]*pastLot
	waiting []*lot            // that are pending
	bought  map[int64]*bought // by order, of those that are refunded
	merits  map[siteSource]*merit
	tallies map[tallyKey]*tally
	asked   map[string]bool // sources of what rules were asked about beside orders
	spent   map[int64]*spending
	played  int     // how much of what they did
	told    int64   // purchases and events of it
	memory  *memory // of what they bought before; nil: no condition asks
	feats   *record // of achievements; nil: the programme has none
	stand   hindsight.Stand
}

// pastLot is a lot with the earning that made it.
type pastLot struct {
	*lot
	of    earned
	given []step // by rules with limits
}

// bought is an order that is refunded.
type bought struct {
	lot      int64            // 0: it earned nothing
	also     map[string]int64 // lots in other wallets
	refunded int64
}

// spending is a redemption with what it took.
type spending struct {
	*redemption
	wallet string
	used   []allocation
}

// Kinds of deeds, in the order in which they are done at one moment.
const (
	didOrder = iota
	didRefund
	didRedeem
	didCancel
)

// deed is something that a person really did, at a moment.
type deed struct {
	at     time.Time
	kind   int
	id     int64
	order  *hindsight.Order
	refund *hindsight.Refund
	spent  *hindsight.Redemption
}

// deedsOf puts what somebody did in order. A refund that was told to be before its order comes right after it; what was done after the
// end isn't done.
func deedsOf(p *hindsight.Person, historic bool, until time.Time) (out []deed) {
	for i := range p.Orders {
		o := &p.Orders[i]
		out = append(out, deed{at: o.At, kind: didOrder, id: o.ID, order: o})
		for j := range o.Refunds {
			f := &o.Refunds[j]
			at := f.At
			if at.Before(o.At) {
				at = o.At
			}
			out = append(out, deed{at: at, kind: didRefund, id: f.ID, order: o, refund: f})
		}
	}
	for i := range p.Redemptions {
		r := &p.Redemptions[i]
		if !historic {
			break
		}
		out = append(out, deed{at: r.At, kind: didRedeem, id: r.ID, spent: r})
		if !r.CancelledAt.IsZero() && r.CancelledAt.Before(until) {
			out = append(out, deed{at: r.CancelledAt, kind: didCancel, id: r.ID, spent: r})
		}
	}
	slices.SortFunc(out, func(a, b deed) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	return out
}

// join makes somebody a member, as enrol does.
func (l *player) join(b *books, p program, at time.Time) {
	l.holder = &holder{account: account{SiteID: p.SiteID, ID: 1, Name: "member"}, MemberID: l.ID, PersonID: l.ID, Status: active, TiersVersion: p.TiersVersion, JoinedAt: at,
		dates: l.Dates}
	if p.TierPlan.Counted {
		l.holder.score = &score{joined: dayOf(at, p.TierPlan.zone())}
	}
	l.lots = map[int64]*pastLot{}
	l.stand.Member = true
	b.joined = []*holder{l.holder}
}

// waits gives somebody an account to wait on in a wallet. Nobody asks for its number.
func (l *player) waits(wallet string) {
	if h := l.holder.in(wallet); h != nil && h.pending == nil {
		h.pending = &account{SiteID: h.SiteID, ID: 2, Name: pending, Wallet: wallet}
	}
}

// held is what somebody has.
func (l *player) held() (h hindsight.Held) {
	if l.holder == nil {
		return h
	}
	return l.holder.left()
}

// due is when time alone does something next; false: never.
func (l *player) due() (at time.Time, some bool) {
	if l.holder == nil {
		return at, false
	}
	look := func(t *time.Time) {
		if t != nil && (!some || t.Before(at)) {
			at, some = *t, true
		}
	}
	for h := range l.purses {
		look(h.LapsesAt)
		for _, lot := range h.lots {
			if lot.Remaining > 0 {
				look(lot.ends())
			}
		}
	}
	for _, lot := range l.waiting {
		look(lot.ActivatesAt)
	}
	if s := l.holder.score; s != nil && !s.due.IsZero() {
		look(&s.due)
	}
	if some && at.Before(l.now) { // points whose date was past when they were activated
		at = l.now
	}
	return at, some
}

// ready are the pending lots whose time has come, the first to come first, with the others left to wait.
func (l *player) ready(now time.Time) (ready []*lot) {
	l.waiting = slices.DeleteFunc(l.waiting, func(w *lot) bool {
		come := w.Remaining == 0 || w.ActivatesAt != nil && !w.ActivatesAt.After(now)
		if come && w.Remaining > 0 {
			ready = append(ready, w)
		}
		return come
	})
	slices.SortFunc(ready, func(a, b *lot) int { return cmp.Or(a.ActivatesAt.Compare(*b.ActivatesAt), cmp.Compare(a.ID, b.ID)) })
	return ready
}

// meet tells conditions what is known of somebody when they do something.
func (l *player) meet(o *occasion) {
	if l.known != nil {
		o.meet(*l.known)
	}
	o.facts.Person.Events = l.Before + l.told
	if l.memory != nil {
		o.recall(l.memory.past(o.by.Currency, o.at))
	}
}

// sweep forgets lots of which nothing is left, which claw-backs and what gives points back find by their numbers, and days that can't matter to
// a tier any more.
func (l *player) sweep(p program) {
	h := l.holder
	if h == nil {
		return
	}
	for w := range l.purses {
		if len(w.lots) > 8 {
			w.lots = slices.DeleteFunc(w.lots, func(x *lot) bool { return x.Remaining == 0 })
		}
	}
	if s := h.score; s != nil && len(s.days) > 16 && p.TierPlan.Window != lifetime {
		since := p.since(dayOf(l.now, p.TierPlan.zone()))
		s.days = slices.DeleteFunc(s.days, func(d dayCounts) bool { return d.Day < since })
		clear(s.added) // for the tables
	}
}

// limited says that rules have to remember what they gave.
func (e *earner) limited() bool {
	return e.some(func(r earnRule) bool { return r.Budget != nil || len(r.spans()) > 0 })
}

// budgeted says that what one member gets is another's loss.
func (e *earner) budgeted() bool { return e.some(func(r earnRule) bool { return r.Budget != nil }) }

// speaks says that a rule is asked on such things.
func (e *earner) speaks(on string) bool {
	return e.some(func(r earnRule) bool { return r.On == on && !r.Paused })
}

// some says that there is such a rule, in whichever wallet.
func (e *earner) some(such func(earnRule) bool) bool {
	if e == nil || slices.ContainsFunc(e.Rules, such) {
		return e != nil
	}
	for _, w := range e.wallets {
		if w.some(such) {
			return true
		}
	}
	return false
}

// wonders says what conditions look at beside the thing itself.
func (e *earner) wonders() (out looks) {
	if e != nil {
		for _, l := range e.asks {
			out = out.and(l)
		}
	}
	return out
}
