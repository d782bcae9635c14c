package loyalty

import (
	"context"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/feat"
)

// swing is a change of what counts in a span.
type swing struct {
	h       *holder
	by      *feats
	version int
	part    *part
	change  int64
	at      time.Time
	source  string // what did it
	nth     int    // which thing of the batch
}

// stir is a member with an achievement, for which something changed.
type stir struct {
	featKey
	h           *holder
	by          *feats
	version     int
	achievement *feat.Achievement // nil: there is none any more
	from        feat.Day          // what lies before it doesn't matter
	changed     feat.Day          // the first span that changed
	lowered     bool              // something was
	raised      bool              // something was: only then something is reached
	review      bool              // nothing changed but the goals, or whose it is: today's period is judged, and nothing is lost
	at          time.Time
	source      string
	spans       []*featSpan
}

// stirs are whom changes touch, in order.
func stirs(swings []swing) []*stir {
	lowered := map[featKey]bool{}
	for _, s := range swings {
		k := featKey{s.h.SiteID, s.h.MemberID, s.part.Key}
		lowered[k] = lowered[k] || s.change < 0
	}
	byKey := map[featKey]*stir{}
	for _, s := range swings {
		k := featKey{s.h.SiteID, s.h.MemberID, s.part.Key}
		from := s.part.Since
		if s.part.achievement != nil {
			from = s.part.achievement.From(from, lowered[k])
		}
		t := byKey[k]
		if t == nil {
			t = &stir{featKey: k, h: s.h, from: from, changed: s.part.Since, lowered: lowered[k]}
			byKey[k] = t
		}
		t.raised = t.raised || s.change > 0
		if t.from, t.changed = min(t.from, from), min(t.changed, s.part.Since); !s.at.Before(t.at) {
			t.by, t.version, t.achievement, t.at, t.source = s.by, s.version, s.part.achievement, s.at, s.source
		}
	}
	out := values(byKey)
	slices.SortFunc(out, func(x, y *stir) int { return x.compare(y.featKey) })
	return out
}

// swings reads what changes of spans, and those that are ahead, need to be judged one by one.
func (b *books) swings(ctx context.Context, u *bus.Unit, swings []swing, ahead ...swing) (err error) {
	if len(swings)+len(ahead) == 0 {
		return nil
	}
	list := stirs(slices.Concat(swings, ahead))
	if b.feats.spans, err = spansOf(ctx, u, list); err != nil {
		return err
	}
	b.feats.swings = swings
	return b.feats.recall(ctx, u, list)
}

// recall reads what members have reached, and their streaks.
func (f *featBooks) recall(ctx context.Context, u *bus.Unit, list []*stir) (err error) {
	if f.had, err = reachedBy(ctx, u, list); err != nil {
		return err
	}
	f.was, err = streaksOf(ctx, u, list)
	f.streaks = map[featKey]*streak{}
	return err
}

// swing changes what counts in spans by the nth thing of the batch, and decides what is reached and lost by it: as if it had been heard alone.
func (b *books) swing(nth int) {
	if b.feats == nil {
		return
	}
	n := 0
	for ; n < len(b.feats.swings) && b.feats.swings[n].nth <= nth; n++ {
		s := b.feats.swings[n]
		k := spanKey{featKey{s.h.SiteID, s.h.MemberID, s.part.Key}, s.part.Since, s.part.Name}
		t := b.feats.spans[k]
		if t == nil {
			t = &featSpan{spanKey: k, fades: fades(s.part.achievement, s.part.Since)}
			b.feats.spans[k] = t
		}
		t.amount, t.dirty = max(t.amount+s.change, 0), true // below zero: its other parts are so long ago that they were forgotten
	}
	if n > 0 {
		b.judgeFeats(stirs(b.feats.swings[:n]))
		b.feats.swings = b.feats.swings[n:]
	}
}

// judgeFeats decides, by the spans in the books, what members reach and lose.
func (b *books) judgeFeats(list []*stir) {
	byKey := map[featKey]*stir{}
	for _, t := range list {
		byKey[t.featKey] = t
	}
	for k, s := range b.feats.spans {
		if t := byKey[k.featKey]; t != nil {
			t.spans = append(t.spans, s)
		}
	}
	for _, t := range list {
		if t.achievement != nil {
			b.judgeFeat(t, b.feats.had[t.featKey])
		}
	}
}

// judgeFeat decides about one of them.
func (b *books) judgeFeat(t *stir, had []*reached) {
	a := t.achievement
	spans := make([]feat.Span, len(t.spans))
	for i, s := range t.spans {
		spans[i] = feat.Span{Since: s.since, Name: s.name, Amount: s.amount}
	}
	var met []feat.Reach
	switch {
	case t.review:
		met = a.MetOn(spans, feat.DayOf(b.now, t.by.zone))
	case t.raised:
		met = a.Met(spans, t.changed)
	}
	before := column(had, func(r *reached) feat.Had {
		return feat.Had{Reach: r.Reach, Lost: r.LostBy != "", Gone: r.LostBy == lostByHand, Given: r.Source == sourceByHand}
	})
	for _, r := range a.Fresh(met, before) {
		again := &reached{Reach: r, SiteID: t.SiteID, MemberID: t.MemberID, Key: t.Key, Round: 1, Version: t.version, Source: t.source, At: t.at}
		for _, h := range had {
			if h.Same(r) {
				again.Round = max(again.Round, h.Round+1)
			}
		}
		b.reach(t.h, a, again)
		b.feats.had[t.featKey] = append(b.feats.had[t.featKey], again)
	}
	if t.lowered && a.Revoke {
		b.missFeats(t, a.Missed(spans, before, t.from), had)
	}
	if a.Kind == feat.KindStreak {
		s := b.streakOf(t, a, a.Runs(spans), b.feats.was[t.featKey])
		b.feats.streaks[t.featKey], b.feats.was[t.featKey] = s, s
	}
}

// missFeats takes back what isn't met any more.
func (b *books) missFeats(t *stir, missed []feat.Reach, had []*reached) {
	for _, r := range missed {
		for _, h := range had {
			if h.Same(r) && h.LostBy == "" {
				b.lose(t.h, t.achievement, h, lostByRefund)
			}
		}
	}
}
