package loyalty

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// standing is where a member stands at a moment, whether or not the timer has come by.
type standing struct {
	ladder
	today, next day // next: the first day on which time alone changes the tier
	level       int
}

func standingOf(ctx context.Context, db sqlx.QueryerContext, p program, r memberRow, now time.Time) (standing, error) {
	zone := p.TierPlan.zone()
	s := standing{today: dayOf(now, zone)}
	t := &score{joined: dayOf(r.JoinedAt, zone), days: []dayCounts{{s.today, counts{countEarned: r.Earned}}}}
	if p.TierPlan.Counted {
		h := &holder{account: account{SiteID: p.SiteID}, MemberID: r.ID}
		if err := scoresOf(ctx, db, map[int64]program{p.SiteID: p}, []*holder{h}, now); err != nil {
			return s, err
		}
		t = h.score
	}
	s.ladder = p.ladder(t.joined, t.days)
	s.level, s.next = s.on(s.today), s.ladder.next(s.today)
	return s, nil
}

// above is the tier above, and how many points it misses; "" at the top.
func (s standing) above() (name string, points int64) {
	if s.level == len(s.Tiers) {
		return "", 0
	}
	t := s.Tiers[s.level]
	return t.Name, max(t.Threshold-s.sum(s.today)[countEarned], 0)
}

// until is when the tier falls, if nothing more counts; nil: time alone doesn't let it.
func (s standing) until() *time.Time {
	if s.next == never || s.on(s.next) >= s.level {
		return nil
	}
	return s.moment(s.next)
}

func (s standing) moment(d day) *time.Time {
	if d == never {
		return nil
	}
	at := d.begins(s.TierPlan.zone())
	return &at
}

// view is all that is shown of it.
func (s standing) view() loyaltyapi.MemberTier {
	out := loyaltyapi.MemberTier{Tier: named(s.nameOf(s.level)), Until: s.until(), Properties: map[string]string{}, Window: s.window(),
		Counters: seen(s.sum(s.today)), Next: s.goal(s.level+1, s.today, nil), Keep: s.keep(), Projected: s.projected()}
	if s.level > 0 {
		t := s.Tiers[s.level-1]
		if out.Benefits = t.Benefits; t.Properties != nil {
			out.Properties = t.Properties
		}
	}
	return out
}

// goal is a tier, and what is missing of it in the window of a day; nil: there is no such tier.
func (s standing) goal(level int, on day, by *time.Time) *loyaltyapi.TierGoal {
	if level < 1 || level > len(s.Tiers) {
		return nil
	}
	t, missing := s.Tiers[level-1], counts{}
	sum := s.sum(on)
	for i, need := range t.needs() {
		if need > 0 {
			missing[i] = max(need-sum[i], 0)
		}
	}
	g := &loyaltyapi.TierGoal{Tier: t.Name, Match: matchAll, Needs: seen(t.needs()), Missing: seen(missing), By: by}
	if t.Match == matchAny {
		g.Match = matchAny
	}
	return g
}

// keep is what the tier needs so as not to fall: in a rolling window what will be missing on that day, else what is missing in this
// period.
func (s standing) keep() *loyaltyapi.TierGoal {
	if s.until() == nil {
		return nil
	}
	if s.TierPlan.rolls() {
		return s.goal(s.level, s.next, s.moment(s.next))
	}
	if s.Tiers[s.level-1].met(s.sum(s.today)) {
		return nil
	}
	return s.goal(s.level, s.today, s.moment(min(s.next, s.TierPlan.leaves(s.today, s.joined))))
}

// projected is the tier when this period's result takes effect; in a rolling window, when it changes.
func (s standing) projected() loyaltyapi.TierProjection {
	at := s.next
	if s.TierPlan.Window != lifetime && !s.TierPlan.rolls() {
		at = s.TierPlan.leaves(s.today, s.joined) + day(s.TierPlan.GraceDays)
	}
	if at == never {
		return loyaltyapi.TierProjection{Tier: named(s.nameOf(s.level))}
	}
	return loyaltyapi.TierProjection{Tier: named(s.nameOf(s.on(at))), At: s.moment(at)}
}

func (s standing) window() loyaltyapi.TierWindow {
	p := s.TierPlan
	w := loyaltyapi.TierWindow{Window: p.window()}
	if p.Window == lifetime {
		return w
	}
	from, to := p.opens(s.today, s.joined).String(), s.today.String()
	if p.rolls() {
		w.Length = &p.Length
	} else {
		to = (p.leaves(s.today, s.joined) - 1).String()
	}
	w.From, w.To = &from, &to
	return w
}

// seen are counts as they are shown and kept.
func seen(c counts) loyaltyapi.Counters {
	return loyaltyapi.Counters{Points: c[countEarned], Spend: c[countSpend], Orders: c[countOrders], Referrals: c[countReferrals], Custom: c[countCustom]}
}

// MemberTier reads a member's tier with what counts, and what is missing to keep it and to rise.
func (m *Module) MemberTier(ctx context.Context, siteID, personID int64) (out loyaltyapi.MemberTier, err error) {
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		out, err = memberTier(ctx, tx, siteID, personID, m.now())
		return err
	})
	return out, err
}

func memberTier(ctx context.Context, db sqlx.QueryerContext, siteID, personID int64, now time.Time) (out loyaltyapi.MemberTier, err error) {
	r, err := memberOf(ctx, db, siteID, personID)
	if err != nil {
		return out, err
	}
	programs, err := programsOf(ctx, db, siteID)
	if err != nil {
		return out, err
	}
	p := program{SiteID: siteID}
	if len(programs) > 0 {
		p = programs[0]
	}
	s, err := standingOf(ctx, db, p, r, now)
	if err != nil {
		return out, err
	}
	out = s.view()
	out.Since, err = lastMove(ctx, db, siteID, r.ID)
	return out, err
}

// TierChanges reads how a member moved between tiers, the latest first, and says whether earlier moves follow.
func (m *Module) TierChanges(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterTierChange, limit int) ([]loyaltyapi.TierChange, bool, error) {
	r, err := memberOf(ctx, m.db, siteID, personID)
	if err != nil {
		return nil, false, err
	}
	all, err := tierChangesOf(ctx, m.db, siteID, r.ID, after, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}
