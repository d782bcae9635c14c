package loyalty

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// streak is a row of loyalty.achievement_streak.
type streak struct {
	featKey
	PersonID int64      `db:"person_id"`
	Began    *time.Time `db:"began"` // a date; nil: there is none
	Last     *time.Time `db:"last"`
	Length   int        `db:"length"`
	Missed   int        `db:"missed"` // periods that freezes forgave
	Longest  int        `db:"longest"`
	BreaksAt *time.Time `db:"breaks_at"` // nil: it has been told
}

// streakOf is a member's streak by what counts now. A streak that broke and was told of stays so, unless something that is told late mends it.
func (b *books) streakOf(t *stir, a *feat.Achievement, runs []feat.Run, was *streak) *streak {
	s := &streak{featKey: t.featKey, Longest: feat.Longest(runs)}
	r, alive := a.Alive(runs, feat.DayOf(b.now, t.by.zone))
	if r.Length == 0 {
		return s
	}
	began, last := r.First.Date(), r.Last.Date()
	s.Began, s.Last, s.Length, s.Missed = &began, &last, r.Length, r.Missed
	told := was != nil && was.BreaksAt == nil && was.Last != nil && was.Last.Equal(last)
	if alive || !told {
		breaks := a.Breaks(r).Begins(t.by.zone)
		s.BreaksAt = &breaks
	}
	return s
}

// breakStreaks tells of streaks in whose periods nothing was done, and returns how many.
func (m *Module) breakStreaks(ctx context.Context) (n int, err error) {
	for {
		done, err := m.breakSome(ctx)
		if n += done; err != nil || done < perPass {
			return n, err
		}
	}
}

func (m *Module) breakSome(ctx context.Context) (n int, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues("streaks"))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		list, err := takeBroken(ctx, u, u.Now, perPass)
		if n = len(list); err != nil {
			return err
		}
		for _, s := range list {
			u.Tell(s.SiteID, sourceOf("member", s.MemberID), loyaltyevent.StreakBroken{SiteID: s.SiteID, MemberID: s.MemberID, PersonID: s.PersonID, Achievement: s.Key,
				Length: int64(s.Length), Longest: int64(s.Longest), Began: s.Began.Format(time.DateOnly), BrokenAt: *s.BreaksAt})
		}
		m.m.Of(ctx).feats.WithLabelValues("streak_broken").Add(float64(n))
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
