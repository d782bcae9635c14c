package loyalty

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// featBooks is what a batch counts for achievements, and what members reach and lose by it.
type featBooks struct {
	parts   []*part // new ones, and those that a refund lowered
	early   []part  // refunds of what isn't known
	spans   map[spanKey]*featSpan
	reached []*reached
	lost    []*reached
	streaks map[featKey]*streak

	swings []swing                // that are still to be made
	ahead  map[int][]swing        // those of each thing of the batch that its points will make, if it earns any
	had    map[featKey][]*reached // before, and by the batch so far
	was    map[featKey]*streak    // before
}

// featKey is a member with an achievement.
type featKey struct {
	SiteID   int64  `db:"site_id"`
	MemberID int64  `db:"member_id"`
	Key      string `db:"key"`
}

type spanKey struct {
	featKey
	since feat.Day
	name  string
}

// featSpan is a row of loyalty.achievement_span.
type featSpan struct {
	spanKey
	amount int64
	fades  string // "": never
	dirty  bool
}

// reached is a row of loyalty.achievement_reached.
type reached struct {
	feat.Reach
	SiteID, MemberID, PersonID int64
	ID                         int64 // 0: it isn't written yet
	Key                        string
	Round, Version             int
	Source, Note               string
	At                         time.Time
	LostBy                     string
}

// Why something that was reached is lost.
const (
	lostByRefund = "refund"
	lostByHand   = "hand"
)

// name is how rules are asked about it, and what earns once.
func (r *reached) name() string {
	return strings.Join([]string{r.Key, strconv.Itoa(r.Level), r.Since.String(), strconv.Itoa(r.Nth), strconv.Itoa(r.Round)}, ":")
}

// countParts makes ready what a batch of earnings is for achievements, each thing once. Members are locked.
func (m *Module) countParts(ctx context.Context, u *bus.Unit, b *books, all []earning, holders map[person]*holder) error {
	var sources []siteSource
	for _, e := range all {
		if e.feat.some() && holders[person{e.SiteID, e.PersonID}] != nil {
			sources = append(sources, siteSource{e.SiteID, e.Source})
		}
	}
	if len(sources) == 0 && !slices.ContainsFunc(all, func(e earning) bool { return e.points.some() }) {
		return nil
	}
	known, early, err := map[partKey]bool{}, map[siteSource]part{}, error(nil)
	if len(sources) > 0 {
		if known, early, err = partsKnown(ctx, u, sources); err != nil {
			return err
		}
	}
	takers, err := acceptedIn(ctx, u, all, holders)
	if err != nil {
		return err
	}
	b.feats = &featBooks{}
	return b.swings(ctx, u, b.counting(all, holders, known, early, takers), b.looking(all, holders, takers)...)
}

// looking notes what points will count for, if there are any: how many is decided thing by thing.
func (b *books) looking(all []earning, holders map[person]*holder, takers takers) (swings []swing) {
	b.feats.ahead = map[int][]swing{}
	for nth, e := range all {
		h := holders[person{e.SiteID, e.PersonID}]
		if e.points == nil || h == nil || !keeps(h.Status) {
			continue
		}
		for i := range e.points.parts {
			p := &e.points.parts[i]
			if !takers.takes(h, p) {
				continue
			}
			p.MemberID, p.PersonID = h.MemberID, h.PersonID
			b.feats.ahead[nth] = append(b.feats.ahead[nth], swing{h: h, by: e.points.by, version: e.points.version, part: p, at: p.At, source: p.Source, nth: nth})
		}
		swings = append(swings, b.feats.ahead[nth]...)
	}
	return swings
}

// countPoints counts the points that a thing of the batch has earned, pending or not.
func (b *books) countPoints(nth int, txns []txn) {
	if b.feats == nil {
		return
	}
	for _, s := range b.feats.ahead[nth] {
		for i := range txns {
			if t := &txns[i]; t.Kind == kindEarn && t.Source == s.source && t.Points > 0 {
				s.part.Amount, s.change = t.Points, t.Points
				b.feats.parts, b.feats.swings = append(b.feats.parts, s.part), slices.Insert(b.feats.swings, 0, s)
			}
		}
	}
}

// parts are all that may count of a decision.
func (e earning) parts(yield func(*part) bool) {
	for _, t := range []*thing{e.feat, e.points} {
		if t == nil {
			continue
		}
		for i := range t.parts {
			if !yield(&t.parts[i]) {
				return
			}
		}
	}
}

// counting are the changes that new parts of earnings make: of each what is known already, and who takes part, is known.
func (b *books) counting(all []earning, holders map[person]*holder, known map[partKey]bool, early map[siteSource]part, takers takers) (swings []swing) {
	for nth, e := range all {
		h := holders[person{e.SiteID, e.PersonID}]
		if e.feat == nil || h == nil || !keeps(h.Status) {
			continue
		}
		for i := range e.feat.parts {
			p := &e.feat.parts[i]
			of := siteSource{p.SiteID, p.Source}
			if known[partKey{of, p.Key, p.Name}] || !takers.takes(h, p) {
				continue
			}
			known[partKey{of, p.Key, p.Name}] = true
			p.MemberID, p.PersonID = h.MemberID, h.PersonID
			p.Refunded, p.Gone = early[of].Refunded, early[of].Gone
			b.feats.parts = append(b.feats.parts, p)
			if n := p.counted(); n > 0 {
				swings = append(swings, swing{h: h, by: e.feat.by, version: e.feat.version, part: p, change: n, at: p.At, source: p.Source, nth: nth})
			}
		}
	}
	return swings
}

// partsLowered reads the parts of what claw-backs take back, in programmes with achievements, and makes those ready to decide.
func (m *Module) partsLowered(ctx context.Context, u *bus.Unit, programs map[int64]program, claws []clawBack) (map[siteSource][]*part, error) {
	var sources []siteSource
	for _, c := range claws {
		if of := (siteSource{c.SiteID, c.Of}); programs[c.SiteID].lowersParts(c) && !slices.Contains(sources, of) {
			sources = append(sources, of)
		}
	}
	if len(sources) == 0 {
		return nil, nil
	}
	if err := m.equip(ctx, u, programs); err != nil {
		return nil, err
	}
	return featParts(ctx, u, sources)
}

// lowersParts says that a claw-back is about something that may count for an achievement.
func (b *books) lowersParts(c clawBack) bool { return b.programs[c.SiteID].lowersParts(c) }

func (p program) lowersParts(c clawBack) bool { return p.FeatsVersion > 0 && c.Cause != causeLost }

// undoes says that a claw-back is about a thing itself, and not only about the points that it earned.
func (c clawBack) undoes() bool {
	return c.Wallet == "" && (c.Cause == causeRefund || c.Cause == causeVoided)
}

// lowerParts are the changes that claw-backs make to what counts of things that were refunded or voided. What isn't known yet is remembered for when it is.
func (b *books) lowerParts(claws []clawBack, parts map[siteSource][]*part, holders map[person]*holder) (swings []swing) {
	changed := map[*part]bool{}
	for nth, c := range claws {
		p := b.programs[c.SiteID]
		if !p.lowersParts(c) {
			continue
		}
		if b.feats == nil {
			b.feats = &featBooks{}
		}
		rows := parts[siteSource{c.SiteID, c.Of}]
		if len(rows) == 0 && c.undoes() {
			b.feats.early = append(b.feats.early, part{SiteID: c.SiteID, Source: c.Of, Refunded: c.Part, Gone: c.Full})
		}
		for _, q := range rows {
			q.achievement = p.feats.find(q.Key)
			before, was := q.counted(), *q
			switch {
			case q.Points: // as many as are taken back, whatever was refunded before they were earned
				q.Refunded = max(q.Refunded, c.due(q.Amount))
			case c.undoes():
				q.Refunded, q.Gone = max(q.Refunded, c.Part), q.Gone || c.Full
			}
			if *q == was { // heard before
				continue
			}
			if !changed[q] {
				changed[q] = true
				b.feats.parts = append(b.feats.parts, q)
			}
			h := holders[person{q.SiteID, q.PersonID}]
			if n := q.counted() - before; n != 0 && h != nil {
				swings = append(swings, swing{h: h, by: p.feats, version: p.Version, part: q, change: n, at: moment(c.EffectiveAt, b.now), source: c.Source, nth: nth})
			}
		}
	}
	return swings
}

// find is named of achievements that may be none.
func (f *feats) find(key string) *feat.Achievement {
	if f == nil {
		return nil
	}
	return f.named(key)
}

// reach keeps that a member reached something, and tells it. Rules are asked about it a moment later.
func (b *books) reach(h *holder, a *feat.Achievement, r *reached) {
	b.feats.reached = append(b.feats.reached, r)
	b.tell(h, loyaltyevent.AchievementReached{SiteID: h.SiteID, MemberID: h.MemberID, PersonID: h.PersonID, Achievement: r.Key, Name: a.Name, Level: int64(r.Level),
		LevelName: levelName(a, r.Level), Nth: int64(r.Nth), Round: int64(r.Round), Period: r.Period.String(), Goal: r.Goal, Counted: r.Amount, ByHand: r.Source == sourceByHand, ReachedAt: r.At})
}

// lose takes back what a member reached, with its points, and tells it.
func (b *books) lose(h *holder, a *feat.Achievement, r *reached, why string) {
	r.LostBy = why
	b.feats.lost = append(b.feats.lost, r)
	b.tell(h, loyaltyevent.AchievementLost{SiteID: h.SiteID, MemberID: h.MemberID, PersonID: h.PersonID, Achievement: r.Key, Name: a.Name, Level: int64(r.Level),
		LevelName: levelName(a, r.Level), Nth: int64(r.Nth), Round: int64(r.Round), Period: r.Period.String(), Cause: why, LostAt: b.now})
}

// levelName is the name of a level; "": it has none, or there is no such level any more.
func levelName(a *feat.Achievement, level int) string {
	if goals := a.Goals(); level <= len(goals) {
		return goals[level-1].Name
	}
	return ""
}

// sourceByHand is what did it where somebody gave it.
const sourceByHand = "hand"

// fades is when a span can be forgotten, as the tables take it.
func fades(a *feat.Achievement, since feat.Day) string {
	if a == nil {
		return ""
	}
	if d, some := a.Fades(since); some {
		return d.String()
	}
	return ""
}
