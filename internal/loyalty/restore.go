package loyalty

import (
	"fmt"
	"time"
)

// redated is a lot whose points come back after its date: how long they are good for now.
type redated struct {
	LotID int64      `json:"lot_id"`
	Was   *time.Time `json:"was"` // nil: the member had lapsed
	Ends  time.Time  `json:"ends"`
}

// lotDate is a change of a lot's date.
type lotDate struct {
	SiteID, LotID int64
	Was, Ends     *time.Time
	Cause, Note   string
	TxnID         int64
	At            time.Time
}

const (
	causeRestored = "restored"
	causeByHand   = "by_hand"
	causeReversed = "reinstated" // a run of expiry was taken back
)

// redate changes the date of a lot, and keeps which it was.
func (b *books) redate(l *lot, ends *time.Time, cause, note string, txnID int64) {
	b.dates = append(b.dates, lotDate{SiteID: l.SiteID, LotID: l.ID, Was: l.ends(), Ends: ends, Cause: cause, Note: note, TxnID: txnID, At: b.now})
	l.ExpiresAt, l.ByActivity, l.WakeAt = ends, false, b.programs[l.SiteID].wakes(ends, b.now)
	l.Reminded, l.dirty, l.dated = false, true, true
}

// giveBack puts points that a transaction t returns back into the lots which they were taken from. Their dates stay, but a lot that
// has lapsed is good for the programme's grace from now on; without one its points expire again at the next look. A debt is repaid
// out of what the member has then. The member's due lots have expired before. What came out of lots that were given back to a duplicate since is
// a lot of its own.
func (b *books) giveBack(h *holder, t txn, used []allocation) (repaid int64, graced []redated, err error) {
	if grace := b.programs[h.SiteID].RestoreGraceDays; grace > 0 && !h.forfeited(b.now) {
		ends := b.now.AddDate(0, 0, grace)
		return b.giveBackUntil(h, t, used, &ends, causeRestored)
	}
	return b.giveBackUntil(h, t, used, nil, "")
}

// giveBackUntil is giveBack where it has been said until when lapsed lots are good; nil: not at all.
func (b *books) giveBackUntil(h *holder, t txn, used []allocation, ends *time.Time, cause string) (repaid int64, graced []redated, err error) {
	lots := make(map[int64]*lot, len(h.lots))
	for _, l := range h.lots {
		lots[l.ID] = l
	}
	back := map[*lot]int64{}
	var sum, anothers int64
	for _, a := range used {
		l := lots[a.LotID]
		if l == nil { // of somebody who was this member when they were taken, and isn't any more
			anothers, sum = anothers+a.Amount, sum+a.Amount
			continue
		}
		if ends != nil && l.lapsed(b.now) {
			graced = append(graced, redated{l.ID, l.ends(), *ends})
			b.redate(l, ends, cause, "", t.ID)
		}
		l.Remaining, l.dirty = l.Remaining+a.Amount, true
		back[l] += a.Amount
		sum += a.Amount
	}
	if sum != t.Points {
		return 0, nil, fmt.Errorf("transaction %d gives back %d points, of which %d were taken from lots", t.ID, t.Points, sum)
	}
	if anothers > 0 {
		b.grantAnew(h, t.ID, anothers)
	}
	debt := max(-h.Balance, 0)
	sortLots(h.lots)
	for _, l := range h.lots { // a transaction has one allocation of a lot: what it gave back less what repays the debt
		n := min(debt, l.Remaining)
		if n > 0 {
			l.Remaining, l.dirty = l.Remaining-n, true
		}
		debt, repaid, back[l] = debt-n, repaid+n, back[l]-n
		if back[l] != 0 {
			b.uses = append(b.uses, allocation{SiteID: l.SiteID, LotID: l.ID, TxnID: t.ID, Amount: -back[l]})
		}
	}
	return repaid, graced, nil
}
