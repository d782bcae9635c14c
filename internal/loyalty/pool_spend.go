package loyalty

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// The two sides of what one member of a pool pays for another: on the way there, and back.
const (
	kindPoolOut = "pool_out"
	kindPoolIn  = "pool_in"
)

const forPool = "pool"

// fund is a pool as it is spent from. Its members are locked.
type fund struct {
	ID, OwnerID int64
	Spending    string
	members     []*holder
}

// loan is what a member of a pool paid of what another spent.
type loan struct {
	SiteID   int64 `db:"site_id"`
	SpendID  int64 `db:"spend_id"` // the redemption or hold
	OutID    int64 `db:"out_id"`   // of who paid
	LotID    int64 `db:"lot_id"`   // that it was to who spent
	PoolID   int64 `db:"pool_id"`
	PersonID int64 `db:"person_id"` // who paid
	lender   *holder
	used     []allocation // what it came from
}

// poolRule is how each side is kept. Which lots paid, or got it back, is in the allocations.
type poolRule struct {
	Rule    string    `json:"rule"`
	PoolID  int64     `json:"pool_id"`
	Other   int64     `json:"other_member_id"`
	SpendID int64     `json:"spend_id"` // the redemption or hold
	Back    bool      `json:"back,omitempty"`
	Repaid  int64     `json:"repaid_debt,omitempty"`
	Graced  []redated `json:"graced,omitempty"`
}

// lenders are the others whose points a member may spend. Who is in debt may spend nobody's: else the debt would cost nothing.
func (h *holder) lenders() (out []*holder) {
	f := h.fund
	if f == nil || h.Balance < 0 || f.Spending == spendOwner && h.MemberID != f.OwnerID {
		return nil
	}
	for _, o := range f.members {
		if o != h && o.Status == active {
			out = append(out, o)
		}
	}
	return out
}

// spendable is what a member may spend: what it has, and what others of its pool have. Their debts are no concern of it.
func (h *holder) spendable() int64 {
	sum := h.Balance
	for _, o := range h.lenders() {
		more := max(o.Balance, 0)
		if sum > math.MaxInt64-more {
			return math.MaxInt64
		}
		sum += more
	}
	return sum
}

// expirePool ends what is due of all that a member may spend.
func (b *books) expirePool(h *holder) error {
	for _, o := range append(h.lenders(), h) {
		if err := b.expireDue(o); err != nil {
			return err
		}
	}
	return nil
}

// portion is what one of the others pays.
type portion struct {
	of     *holder
	lots   []*lot
	parts  []int64
	points int64
}

// shares says who of a pool pays what of a cost: the points that end next pay first, of those that end together the spender's own.
func (h *holder) shares(cost int64) []*portion {
	all := slices.Clone(h.lots)
	whose := map[int64]*portion{}
	for _, o := range h.lenders() {
		s := &portion{of: o}
		for _, l := range o.lots {
			whose[l.ID] = s
		}
		all = append(all, o.lots...)
	}
	slices.SortStableFunc(all, func(x, y *lot) int {
		switch {
		case x.endsBefore(y):
			return -1
		case y.endsBefore(x):
			return 1
		case (whose[x.ID] == nil) != (whose[y.ID] == nil):
			return map[bool]int{true: -1, false: 1}[whose[x.ID] == nil]
		}
		return cmp.Compare(x.ID, y.ID)
	})
	var out []*portion
	for _, l := range all {
		n := min(cost, l.Remaining)
		cost -= n
		if s := whose[l.ID]; s != nil && n > 0 {
			if s.points == 0 {
				out = append(out, s)
			}
			s.lots, s.parts, s.points = append(s.lots, l), append(s.parts, n), s.points+n
		}
	}
	return out
}

// endsBefore says that a lot ends earlier than another; what never ends is last.
func (l *lot) endsBefore(o *lot) bool {
	one, other := l.ends(), o.ends()
	return one != nil && (other == nil || one.Before(*other))
}

// gather has the others of a pool pay their shares of a cost to who is about to spend it, and says how much that is. Each share is a lot of the
// spender's, with the date of the first that it came from, so that spending the cost afterwards empties exactly these and what is its own part. The
// transaction that spends takes the next id.
func (b *books) gather(h *holder, cost int64) (points int64, err error) {
	if h.fund == nil {
		return 0, nil
	}
	shares := h.shares(cost)
	if len(shares) == 0 {
		return 0, nil
	}
	spend := b.ids[2*len(shares)]
	for _, s := range shares {
		r := poolRule{Rule: "pool", PoolID: h.fund.ID, SpendID: spend, Other: h.MemberID}
		out := b.txn(s.of, kindPoolOut, sourceOf(sourceOf("pool", spend), s.of.MemberID), forPool, s.points, b.now, text(r))
		out.EarnID = spend
		for i, l := range s.lots {
			b.use(l, out.ID, s.parts[i])
		}
		r.Other = s.of.MemberID
		in := b.txn(h, kindPoolIn, out.Source, forPool, s.points, b.now, text(r))
		in.EarnID = out.ID
		l := &lot{SiteID: h.SiteID, ID: in.ID, AccountID: h.ID, Granted: s.points, Remaining: s.points, ExpiresAt: s.lots[0].ends()}
		b.lots, h.lots = append(b.lots, l), append(h.lots, l)
		if err := b.lend(s.of, h, out, in, r); err != nil {
			return 0, err
		}
		points += s.points
	}
	return points, nil
}

// lend posts both sides, and tells.
func (b *books) lend(from, to *holder, out, in txn, r poolRule) error {
	if err := b.move(from, transferred, out.ID, -out.Points); err != nil {
		return err
	}
	if err := b.move(to, transferred, in.ID, in.Points); err != nil {
		return err
	}
	b.txns = append(b.txns, out, in)
	b.tell(from, loyaltyevent.PointsPooled{SiteID: from.SiteID, TransactionID: out.ID, PoolID: r.PoolID, SpendID: r.SpendID, Back: r.Back, MemberID: from.MemberID,
		PersonID: from.PersonID, ToMemberID: to.MemberID, ToPersonID: to.PersonID, Points: out.Points, Balance: from.Balance, ToBalance: to.Balance, PooledAt: out.EffectiveAt})
	return nil
}

// returning is a part of what a transaction took from a lot, and where in it that part begins.
type returning struct {
	allocation
	at int64
}

// between is what was taken from one point to another, counted from the newest lot on: in this order points come back.
func between(used []allocation, from, to int64) (parts []returning) {
	used = slices.SortedFunc(slices.Values(used), func(x, y allocation) int { return cmp.Compare(y.LotID, x.LotID) })
	passed := int64(0)
	for _, a := range used {
		begin := passed
		passed += a.Amount
		first, last := max(begin, from), min(passed, to)
		if a.Amount = last - first; a.Amount > 0 {
			parts = append(parts, returning{a, first - begin})
		}
	}
	return parts
}

// apart splits what comes back to a member into what was its own, and what others of a pool had paid.
func (b *books) apart(h *holder, parts []returning) (own []allocation, lent []returning) {
	for _, p := range parts {
		ln := b.loans[siteID{p.SiteID, p.LotID}]
		if ln != nil && ln.lender != nil && slices.ContainsFunc(h.lots, func(l *lot) bool { return l.ID == p.LotID }) {
			lent = append(lent, p)
		} else {
			own = append(own, p.allocation)
		}
	}
	return own, lent
}

// repayLoans gives back to the others of a pool what a transaction has just brought back of theirs, into the lots that it came from. Debts of who spent
// have no part in it.
func (b *books) repayLoans(h *holder, t txn, lent []returning) error {
	lots := make(map[int64]*lot, len(h.lots))
	for _, l := range h.lots {
		lots[l.ID] = l
	}
	for _, p := range lent {
		ln := b.loans[siteID{p.SiteID, p.LotID}]
		if err := b.expireDue(ln.lender); err != nil {
			return err
		}
		r := poolRule{Rule: "pool", PoolID: ln.PoolID, SpendID: ln.SpendID, Back: true, Other: ln.lender.MemberID}
		out := b.txn(h, kindPoolOut, sourceOf(sourceOf("pool", t.ID), ln.OutID), forPool, p.Amount, b.now, text(r))
		out.EarnID = t.ID
		b.use(lots[p.LotID], out.ID, p.Amount)
		in := b.txn(ln.lender, kindPoolIn, out.Source, forPool, p.Amount, b.now, "")
		in.EarnID = out.ID
		back := column(between(ln.used, p.at, p.at+p.Amount), func(s returning) allocation { return s.allocation })
		var err error
		if ln.lender == h { // they were merged: what just left is no debt
			h.Balance -= p.Amount
			r.Repaid, r.Graced, err = b.giveBack(h, in, back)
			h.Balance += p.Amount
		} else {
			r.Repaid, r.Graced, err = b.giveBack(ln.lender, in, back)
		}
		if err != nil {
			return err
		}
		r.Other = h.MemberID
		in.Rule = text(r)
		if err := b.lend(h, ln.lender, out, in, r); err != nil {
			return err
		}
		if err := b.expireDue(ln.lender); err != nil {
			return err
		}
	}
	return nil
}

// giveBackPooled is giveBack where others of a pool may have paid a part. That goes through the member's hands: it is back in the lots that it was to
// the member, for repayLoans to take out again.
func (b *books) giveBackPooled(h *holder, t txn, parts []returning) (repaid int64, graced []redated, lent []returning, err error) {
	own, lent := b.apart(h, parts)
	mine := t
	for _, p := range lent {
		mine.Points -= p.Amount
	}
	if repaid, graced, err = b.giveBack(h, mine, own); err != nil {
		return 0, nil, nil, err
	}
	for _, l := range h.lots {
		for _, p := range lent {
			if p.LotID == l.ID {
				b.putBack(l, t.ID, p.Amount)
			}
		}
	}
	return repaid, graced, lent, nil
}

// openPools locks the pools of who is about to spend, where programmes have some, and says who is in them.
func (d *desk) openPools(ctx context.Context, u *bus.Unit, in []action, work []int) (rows []poolPlace, err error) {
	var spenders []person
	for _, i := range work {
		if a := in[i]; (a.kind == kindRedeem || a.kind == kindHold) && d.programs[a.site].PoolSize > 0 {
			spenders = append(spenders, person{a.site, a.person})
		}
	}
	if len(spenders) == 0 {
		return nil, nil
	}
	return sharePools(ctx, u, inOrder(spenders))
}

// fill lets the members of the opened pools know of each other.
func (d *desk) fill(places []poolPlace) {
	funds := map[siteID]*fund{}
	for _, p := range places {
		h := d.holders[person{p.SiteID, p.PersonID}]
		if h == nil || h.MemberID != p.MemberID {
			continue
		}
		id := siteID{p.SiteID, p.PoolID}
		if funds[id] == nil {
			funds[id] = &fund{ID: p.PoolID, OwnerID: p.OwnerID, Spending: p.Spending}
		}
		h.fund, funds[id].members = funds[id], append(funds[id].members, h)
	}
}

// openLoans reads what others of a pool paid of what is about to be given back: their lots are wanted, too.
func (d *desk) openLoans(ctx context.Context, u *bus.Unit, loans []*loan) error {
	if len(loans) == 0 {
		return nil
	}
	d.loans = make(map[siteID]*loan, len(loans))
	outs := column(loans, func(l *loan) siteID { return siteID{l.SiteID, l.OutID} })
	if err := allocationsOf(ctx, u, outs, d.used); err != nil {
		return err
	}
	for _, l := range loans {
		l.lender, l.used = d.holders[person{l.SiteID, l.PersonID}], d.used[siteID{l.SiteID, l.OutID}]
		d.loans[siteID{l.SiteID, l.LotID}] = l
	}
	return nil
}

// poolIDs is how many transactions pools may make of the actions, beside theirs: two for each of the others.
func (d *desk) poolIDs(in []action, work []int) (n int) {
	if len(d.loans) == 0 && !slices.ContainsFunc(values(d.holders), func(h *holder) bool { return h.fund != nil }) {
		return 0
	}
	lent := map[siteID]int{}
	for _, l := range d.loans {
		lent[siteID{l.SiteID, l.SpendID}]++
	}
	for _, i := range work {
		a := in[i]
		n += 2 * lent[siteID{a.site, a.id}]
		if h := d.holders[person{a.site, a.person}]; h != nil && h.fund != nil {
			n += 2 * len(h.fund.members)
		}
	}
	return n
}
