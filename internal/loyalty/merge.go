package loyalty

import (
	"cmp"
	"slices"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// The two sides of what goes from one member to another because their persons are one, or are two after all: each of its own member, through the
// site's account transferred.
const (
	kindMergeOut = "merge_out"
	kindMergeIn  = "merge_in"
)

// What such a transaction is for.
const (
	forMerge   = "merge"
	forUnmerge = "unmerge"
)

// memberMerge is what a merge moved: a row of loyalty.member_merge.
type memberMerge struct {
	SiteID      int64  `db:"site_id"`
	ID          int64  `db:"id"`
	SurvivorID  int64  `db:"survivor_id"`
	DuplicateID int64  `db:"duplicate_id"`
	Status      string `db:"status"`
	Points      int64  `db:"points"`
	TxnID       *int64 `db:"txn_id"`

	SurvivorWas  *string `db:"survivor_was"` // its state, where the merge changed it
	SurvivorMade *string `db:"survivor_made"`
}

// mergeRule is how each side is kept.
type mergeRule struct {
	Rule    string `json:"rule"`
	MergeID int64  `json:"merge_id"`
	Other   int64  `json:"other_member_id"`
	Pending bool   `json:"pending,omitempty"`
	Repaid  int64  `json:"repaid_debt,omitempty"` // of the survivor by the duplicate's lots, or the other way round
	Granted int64  `json:"granted,omitempty"`     // by a lot of its own, as what paid is nobody's any more
}

// absorb moves all that a duplicate has to the survivor: its lots as they are, with their dates, and its balance, whatever that is. Whoever of
// both has a debt is paid for by the other's lots. It says which transaction gave the survivor the balance.
func (b *books) absorb(s, d *holder, mergeID int64) (txnID *int64, err error) {
	amount, r := d.Balance, mergeRule{Rule: forMerge, MergeID: mergeID}
	if amount != 0 {
		out, in := b.sides(d, s, r, sourced(sourceOf(forMerge, mergeID), d.Wallet), amount)
		if amount < 0 {
			in.repaid = b.take(s, in.ID, -amount)
		} else {
			in.repaid = b.payFrom(d.lots, in.ID, max(-s.Balance, 0))
		}
		if err := b.cross(&d.account, &s.account, out, in, amount); err != nil {
			return nil, err
		}
		b.tellMerged(d, s, mergeID, amount, false)
		txnID = &in.ID
	}
	for _, l := range d.lots {
		l.AccountID, l.member = s.ID, s
	}
	s.lots, d.lots = append(s.lots, d.lots...), nil
	if d.LapsesAt != nil { // who did something as either has done it
		if s.LapsesAt == nil || d.LapsesAt.After(*s.LapsesAt) {
			s.LapsesAt, s.IdleDays, s.Reminded, s.paced = d.LapsesAt, d.IdleDays, d.Reminded, true
			s.pace.WakeAt = b.programOf(s).wakes(s.LapsesAt, b.now)
		}
		d.rest()
	}
	if d.pending != nil && d.pending.Balance != 0 {
		return txnID, b.crossPending(d, s, r, sourced(sourceOf(forMerge, mergeID), d.Wallet), d.pending.Balance)
	}
	return txnID, nil
}

// side is one of the two transactions.
type side struct {
	txn
	rule    mergeRule
	repaid  int64
	granted int64
}

// sides begins the two transactions of what goes from one member to another.
func (b *books) sides(from, to *holder, r mergeRule, source string, amount int64) (out, in *side) {
	r.Other = to.MemberID
	out = &side{txn: b.txn(from, kindMergeOut, source, r.Rule, amount, b.now, ""), rule: r}
	r.Other = from.MemberID
	in = &side{txn: b.txn(to, kindMergeIn, source, r.Rule, amount, b.now, ""), rule: r}
	in.EarnID = out.ID
	return out, in
}

// cross posts both, through the site's account.
func (b *books) cross(from, to *account, out, in *side, amount int64) error {
	for _, s := range []*side{out, in} {
		s.rule.Repaid, s.rule.Granted = s.repaid, s.granted
		s.Rule = text(s.rule)
		b.txns = append(b.txns, s.txn)
	}
	if amount == 0 {
		return nil
	}
	if err := b.moveOn(from, transferred, out.ID, -amount); err != nil {
		return err
	}
	return b.moveOn(to, transferred, in.ID, amount)
}

func (b *books) tellMerged(from, to *holder, mergeID, points int64, undone bool) {
	b.tell(from, loyaltyevent.PointsMerged{SiteID: from.SiteID, MergeID: mergeID, MemberID: from.MemberID, PersonID: from.PersonID,
		ToMemberID: to.MemberID, ToPersonID: to.PersonID, Points: points, Wallet: from.Wallet, Balance: from.Balance, ToBalance: to.Balance, Undone: undone, MergedAt: b.now})
}

// crossPending moves what can't be spent yet.
func (b *books) crossPending(from, to *holder, r mergeRule, source string, amount int64) error {
	r.Pending = true
	out, in := b.sides(from, to, r, source+":pending", amount)
	return b.cross(from.pending, to.pending, out, in, amount)
}

// payFrom takes an amount out of lots, the next to expire first, as far as they reach.
func (b *books) payFrom(lots []*lot, txnID, amount int64) (paid int64) {
	sortLots(lots)
	for _, l := range lots {
		n := min(amount-paid, l.Remaining)
		b.use(l, txnID, n)
		paid += n
	}
	return paid
}

// unmerging is what undoing a merge needs to know beside both members and their lots.
type unmerging struct {
	memberMerge
	home    map[int64]bool   // the lots that are the duplicate's
	used    []allocation     // what the merge took out of lots for a debt
	waiting map[string]int64 // pending, by wallet
	pending int64            // what is left of the duplicate's points of the wallet that can't be spent yet
}

// part gives the duplicate back what is left of its lots, and both sides what one had paid of the other's debt then.
func (b *books) part(s, d *holder, m unmerging) error {
	r := mergeRule{Rule: forUnmerge, MergeID: m.ID}
	var own, lent []*lot
	lots := make(map[int64]*lot, len(s.lots))
	left := int64(0)
	for _, l := range s.lots {
		if lots[l.ID] = l; m.home[l.ID] {
			lent, left = append(lent, l), left+l.Remaining
		} else {
			own = append(own, l)
		}
	}
	var paidForSurvivor int64
	for _, a := range m.used {
		if m.home[a.LotID] {
			paidForSurvivor += a.Amount
		}
	}
	s.lots, d.lots = own, lent
	debt := max(-m.Points, 0)
	amount := left + paidForSurvivor - debt
	back := debt - paidForSurvivor // what the survivor is better off by, without the lots that leave
	if amount != 0 || back != 0 {
		out, in := b.sides(s, d, r, sourced(sourceOf(forUnmerge, m.ID), s.Wallet), amount)
		if back < 0 {
			out.repaid = b.payFrom(own, out.ID, -back)
		} else {
			out.granted = b.regain(s, &out.txn, lots, m, back)
		}
		for _, a := range m.used {
			if l := lots[a.LotID]; m.home[a.LotID] && l != nil {
				b.putBack(l, in.ID, a.Amount)
			}
		}
		in.repaid = b.payFrom(lent, in.ID, min(debt, left))
		if err := b.cross(&s.account, &d.account, out, in, amount); err != nil {
			return err
		}
		b.tellMerged(s, d, m.ID, amount, true)
	}
	if slices.ContainsFunc(lent, func(l *lot) bool { return l.ByActivity && l.Remaining > 0 }) {
		d.LapsesAt, d.IdleDays, d.Reminded, d.paced = s.LapsesAt, s.IdleDays, s.Reminded, true
		d.pace.WakeAt = b.programOf(s).wakes(d.LapsesAt, b.now)
	}
	for _, l := range lent {
		l.AccountID, l.member = d.ID, d
	}
	if m.pending != 0 {
		return b.crossPending(s, d, r, sourced(sourceOf(forUnmerge, m.ID), s.Wallet), m.pending)
	}
	return nil
}

// regain gives the survivor what it had paid of the duplicate's debt: a debt of its own is repaid first, then the lots that paid get it back, what would
// live longest first; and what was paid by points that came later is a lot of its own, which ends like points of today.
func (b *books) regain(s *holder, t *txn, lots map[int64]*lot, m unmerging, points int64) (granted int64) {
	points -= min(points, max(-s.Balance, 0))
	var paid []*lot
	amounts := map[int64]int64{}
	for _, a := range m.used {
		if l := lots[a.LotID]; l != nil && !m.home[a.LotID] && l.AccountID == s.ID {
			paid, amounts[a.LotID] = append(paid, l), a.Amount
		}
	}
	sortLots(paid)
	slices.Reverse(paid)
	for _, l := range paid {
		n := min(points, amounts[l.ID])
		b.putBack(l, t.ID, n)
		points -= n
	}
	if points > 0 {
		b.grantAnew(s, t.ID, points)
	}
	return points
}

// grantAnew makes a lot of points that come back and whose lots are another's by now. They end like points of today.
func (b *books) grantAnew(h *holder, txnID, points int64) {
	p := b.programOf(h)
	b.active(h, p, b.now)
	l := &lot{SiteID: h.SiteID, ID: txnID, AccountID: h.ID, Granted: points, Remaining: points}
	b.date(h, l, p.expiry(b.now))
	b.lots, h.lots = append(b.lots, l), append(h.lots, l)
}

// putBack gives points back to a lot.
func (b *books) putBack(l *lot, txnID, amount int64) {
	if amount > 0 {
		l.Remaining, l.dirty = l.Remaining+amount, true
		b.uses = append(b.uses, allocation{SiteID: l.SiteID, LotID: l.ID, TxnID: txnID, Amount: -amount})
	}
}

// each is every holder once, whoever of those who were merged leads to it, with the wallets that are loaded; always in one order, so that the same
// events do the same to the byte.
func each(holders map[person]*holder) []*holder {
	mains := make([]*holder, 0, len(holders))
	for who, h := range holders {
		if who.id == h.PersonID {
			mains = append(mains, h)
		}
	}
	slices.SortFunc(mains, func(x, y *holder) int {
		return cmp.Or(cmp.Compare(x.SiteID, y.SiteID), cmp.Compare(x.PersonID, y.PersonID))
	})
	out := make([]*holder, 0, len(mains))
	for _, h := range mains {
		out = append(append(out, h), h.wallets...)
	}
	return out
}

// tallied are the members whose tallies count for a member's limits: its own, and those of who was merged into it.
func (h *holder) tallied() []int64 { return append(pq.Int64Array{h.MemberID}, h.Duplicates...) }

// sum is what a rule has given in a span to a member and to those who were merged into it.
func (r *rooms) sum(k tallyKey, members []int64) (sum tally) {
	for _, k.MemberID = range members {
		t := r.tallies[k]
		if t == nil {
			continue
		}
		sum.Points, sum.Times = sum.Points+t.Points, sum.Times+t.Times
		if sum.LastAt == nil || t.LastAt != nil && t.LastAt.After(*sum.LastAt) {
			sum.LastAt = t.LastAt
		}
	}
	return sum
}

// mergeSummary says in the timeline what a merge did.
func mergeSummary(t txnRow) string {
	what, verb := points(max(t.Points, -t.Points)), "came from"
	if (t.Kind == kindMergeOut) == (t.Points >= 0) {
		verb = "went to"
	}
	if t.Points < 0 {
		what = "A debt of " + what
		verb = map[string]string{"came from": "went to", "went to": "came from"}[verb]
	}
	if t.Reason == forUnmerge {
		return what + " " + verb + " the other member, as they are two persons after all"
	}
	return what + " " + verb + " the other member, as they are one person"
}
