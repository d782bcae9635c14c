package loyalty

import (
	"context"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// pace is how long a member's points of a wallet live that live by activity.
type pace struct {
	LapsesAt *time.Time `db:"lapses_at"` // nil: no such points are left
	IdleDays int        `db:"idle_days"`
	WakeAt   *time.Time `db:"wake_at"` // when to remind of it
	Reminded bool       `db:"reminded"`
	paced    bool       // any of it changed
}

// lapsed says that a member did nothing for too long.
func (p pace) lapsed(now time.Time) bool { return p.LapsesAt != nil && !p.LapsesAt.After(now) }

// active takes note that a member earned or spent in a wallet, as which the programme is p: what lives in it by activity lives on. What was done long ago
// shortens nothing.
func (b *books) active(h *holder, p program, at time.Time) {
	days := p.idleDays()
	if days == 0 && h.LapsesAt == nil {
		return
	}
	if days == 0 {
		days = h.IdleDays // of the rule by which those points were earned
	}
	ends := at.AddDate(0, 0, days)
	if h.LapsesAt != nil && !ends.After(*h.LapsesAt) && days == h.IdleDays {
		return
	}
	if h.LapsesAt == nil || ends.After(*h.LapsesAt) {
		h.LapsesAt, h.pace.WakeAt, h.Reminded = &ends, p.wakes(&ends, b.now), false
	}
	h.IdleDays, h.paced = days, true
}

// rest takes note that no points are left that live by activity.
func (h *holder) rest() {
	if h.LapsesAt != nil {
		h.LapsesAt, h.pace.WakeAt, h.paced = nil, nil, true
	}
}

// ends is when a lot's points are no longer worth anything; nil: never, or when the member lapsed, which lapsed says.
func (l *lot) ends() *time.Time {
	own := l.ownEnd()
	if l.member == nil {
		return own
	}
	if at := l.member.self().ForfeitAt; at != nil && (own == nil || own.After(*at)) {
		return at
	}
	return own
}

// ownEnd is ends of a member who stays.
func (l *lot) ownEnd() *time.Time {
	if l.ByActivity {
		return l.member.LapsesAt
	}
	return l.ExpiresAt
}

// lapsed says that a lot's time is over.
func (l *lot) lapsed(now time.Time) bool {
	if l.member != nil && l.member.forfeited(now) {
		return true
	}
	ends := l.ownEnd()
	if ends == nil {
		return l.ByActivity // nothing of its kind was left
	}
	return !ends.After(now)
}

// lost is the state of a member to whom no points are left because of it; "": it is not because of it.
func (l *lot) lost(now time.Time) string {
	if l.member == nil || !l.member.forfeited(now) {
		return ""
	}
	return l.member.self().Status
}

// orNone is a time, or the zero of who has none.
func orNone(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// dueOf are the lots of loaded members whose time is over.
func dueOf(lots []*lot, now time.Time) (due []siteID) {
	for _, l := range lots {
		if l.member != nil && l.lapsed(now) {
			due = append(due, siteID{l.SiteID, l.ID})
		}
	}
	return due
}

// asleep reads what members who lapsed, and whom the timer has not come by yet, still have in those wallets: it ends before they earn again. There is
// hardly ever anybody.
func (b *books) asleep(ctx context.Context, tx sqlx.QueryerContext, holders map[person]*holder) ([]*lot, error) {
	lapsed := slices.DeleteFunc(each(holders), func(h *holder) bool { return !h.lapsed(b.now) })
	if len(lapsed) == 0 {
		return nil, nil
	}
	lots, err := lotsIn(ctx, tx, lapsed, nil)
	if err != nil {
		return nil, err
	}
	hand(lots, lapsed)
	b.made, err = madeBy(ctx, tx, dueOf(lots, b.now))
	return lots, err
}

// moment is when something happened, to the database's precision; what does not say happens now.
func moment(at, now time.Time) time.Time {
	if at.IsZero() {
		at = now
	}
	return at.UTC().Truncate(time.Microsecond)
}
