package loyalty

import (
	"context"
	"slices"
	"strings"

	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// record is what the tables of achievements would hold of somebody in a backtest.
type record struct {
	parts   map[string][]*part // by source, of orders that are refunded
	spans   map[featKey]map[spanKey]*featSpan
	reached map[featKey][]*reached
	streaks map[featKey]*streak
	prizes  map[string]int64 // lots of what was given for something, by source
	takers  takers
	lost    int // of the books at hand, how many were taken back
}

// newRecord is of somebody who has done nothing yet, and takes part in the challenges that they really accepted, under this programme's terms.
func (r *replay) newRecord(p *hindsight.Person) *record {
	f := &record{parts: map[string][]*part{}, spans: map[featKey]map[spanKey]*featSpan{}, reached: map[featKey][]*reached{}, streaks: map[featKey]*streak{},
		prizes: map[string]int64{}, takers: takers{}}
	for _, c := range p.Challenges {
		a, k := r.p.feats.named(c.Key), featKey{r.p.SiteID, p.ID, c.Key}
		if _, known := f.takers[k]; known || a == nil || a.Enrolment != feat.OptIn {
			continue
		}
		taken, err := accepted{featKey: k}.turn(a, true, false, c.At)
		if err != nil { // it wasn't open then
			continue
		}
		if !c.LeftAt.IsZero() {
			taken.Left = &c.LeftAt
		}
		f.takers[k] = taken
	}
	return f
}

// weigh finds what counts of something for achievements, and whether that makes its person a member.
func (r *replay) weigh(ctx context.Context, b *books, e earning) (earning, error) {
	one := []earning{e}
	err := weighAll(ctx, one, b.now)
	return one[0], err
}

// count counts something for achievements, with the points that it earned, and decides what is reached and lost by it.
func (r *replay) count(b *books, l *player, e earning, txns []txn) {
	if l.holder == nil || !e.feat.some() && !e.points.some() {
		return
	}
	b.achieve()
	parts := len(b.feats.parts)
	swings := b.counting([]earning{e}, l.holders(), map[partKey]bool{}, nil, l.feats.takers)
	b.looking([]earning{e}, l.holders(), l.feats.takers)
	b.feats.swings = nil
	b.countPoints(0, txns)
	swings = append(b.feats.swings, swings...)
	if l.bought[e.OriginID] != nil {
		l.feats.parts[e.Source] = slices.Clone(b.feats.parts[parts:])
	}
	l.swing(b, swings)
}

// uncount lowers what counts of an order that was refunded.
func (r *replay) uncount(b *books, l *player, c clawBack) {
	if l.feats == nil || l.holder == nil || !b.lowersParts(c) {
		return
	}
	b.achieve()
	l.swing(b, b.lowerParts([]clawBack{c}, map[siteSource][]*part{{c.SiteID, c.Of}: l.feats.parts[c.Of]}, l.holders()))
}

// achieve has books for achievements at hand.
func (b *books) achieve() {
	if b.feats == nil {
		b.feats = &featBooks{}
	}
}

func (l *player) holders() map[person]*holder {
	return map[person]*holder{{l.holder.SiteID, l.ID}: l.holder}
}

// swing changes what counts, with what the tables would be read for at hand.
func (l *player) swing(b *books, swings []swing) {
	if len(swings) == 0 {
		return
	}
	f := l.feats
	b.feats.spans = map[spanKey]*featSpan{}
	for _, t := range stirs(swings) {
		for k, s := range f.spans[t.featKey] {
			if k.since >= t.from {
				b.feats.spans[k] = s
			}
		}
	}
	b.feats.had, b.feats.was, b.feats.streaks, b.feats.swings = f.reached, f.streaks, map[featKey]*streak{}, swings
	b.swing(0)
	for k, s := range b.feats.spans {
		if f.spans[k.featKey] == nil {
			f.spans[k.featKey] = map[spanKey]*featSpan{}
		}
		f.spans[k.featKey][k] = s
	}
}

// takeBackLost takes back the points of what was lost since it was last asked, and says whether there was anything.
func (r *replay) takeBackLost(b *books, l *player) (some bool, err error) {
	if b.feats == nil {
		return false, nil
	}
	for ; l.feats.lost < len(b.feats.lost); l.feats.lost++ {
		x := b.feats.lost[l.feats.lost]
		of := featSource(x.MemberID, x.name())
		c := clawBack{SiteID: x.SiteID, Of: of, Source: "lost:" + of, Cause: causeLost, Full: true, EffectiveAt: b.now}
		for _, c := range eachWallet(b.programs, []clawBack{c}) {
			r.stock(b)
			if err := r.takeBack(b, l, c, l.feats.prizes[c.Of]); err != nil {
				return true, err
			}
		}
		some = true
	}
	return some, nil
}

// stock has as many numbers at hand as the books were opened with: nobody knows before how much somebody reaches by what they do.
func (r *replay) stock(b *books) {
	for last := b.ids[len(b.ids)-1]; len(b.ids) < r.numbers; {
		last++
		b.ids = append(b.ids, last)
	}
}

// closeFeats adds up what was reached and lost, and what moved for it.
func (r *replay) closeFeats(b *books, l *player) {
	if b.feats != nil {
		for _, x := range b.feats.reached {
			r.tally.Reach(r.featPlace(x.Key), b.now, l.feats.reached[featKey{x.SiteID, x.MemberID, x.Key}][0] == x)
		}
		for _, x := range b.feats.lost {
			r.tally.Lose(r.featPlace(x.Key), b.now)
		}
	}
	for i := range b.txns {
		t := &b.txns[i]
		if t.Reason != loyaltyevent.ForAchievement {
			continue
		}
		switch t.Kind {
		case kindEarn:
			r.tally.Prize(r.prizedBy(t.Source), r.place(t.Wallet), b.now, t.Points, 0)
		case kindClawBack:
			r.tally.Prize(r.prizedBy(l.lots[t.EarnID].of.Source), r.place(t.Wallet), b.now, 0, t.Points)
		}
	}
}

// prizedBy is the place of the achievement that something was given for, by what it was given for: achievement:1:key:…
func (r *replay) prizedBy(source string) int { return r.featPlace(strings.Split(source, ":")[2]) }

// featPlace is where an achievement is among those of the programme.
func (r *replay) featPlace(key string) int {
	return slices.IndexFunc(r.p.feats.List, func(a feat.Achievement) bool { return a.Key == key })
}
