package loyalty

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

var (
	errNoFeat       = fault.New(fault.NotFound, "achievement_not_found", "The programme has no such achievement.")
	errNoChallenge  = fault.New(fault.Conflict, "not_a_challenge", "All members take part in this achievement: there is nothing to accept.")
	errOver         = fault.New(fault.Conflict, "challenge_over", "The challenge is not open.")
	errLeft         = fault.New(fault.Conflict, "challenge_left", "A challenge that was left can't be accepted again.")
	errNotAccepted  = fault.New(fault.Conflict, "challenge_not_accepted", "The member doesn't take part in the challenge.")
	errReachedFeat  = fault.New(fault.Conflict, "already_reached", "The member has reached it already.")
	errNotReached   = fault.New(fault.Conflict, "not_reached", "The member has not reached it.")
	errTooManyTimes = fault.New(fault.Conflict, "reached_too_often", "The member has reached it as often as can be.")
)

const aboutFeat = "achievement"

// lockFeat locks a member behind the programme, and finds one of its achievements.
func (m *Module) lockFeat(ctx context.Context, u *bus.Unit, who person, key string) (*holder, program, *feat.Achievement, error) {
	h, p, err := lockActive(ctx, u, who)
	if err != nil {
		return nil, p, nil, err
	}
	programs := map[int64]program{who.site: p}
	if err := m.equip(ctx, u, programs); err != nil {
		return nil, p, nil, err
	}
	p = programs[who.site]
	a := p.feats.find(key)
	if a == nil {
		return nil, p, nil, errNoFeat
	}
	return h, p, a, nil
}

// AcceptChallenge lets a member take part in a challenge, or leave it. Who takes part already does so as before.
func (m *Module) AcceptChallenge(ctx context.Context, siteID, personID int64, key string, accept bool, keyID int64, once idempotency.Key) (out loyaltyapi.Challenge, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, once, &out, func() error {
			h, _, a, err := m.lockFeat(ctx, u, person{siteID, personID}, key)
			if err != nil {
				return err
			}
			if a.Enrolment != feat.OptIn {
				return errNoChallenge
			}
			was, err := acceptedBy(ctx, u, column(h.tallied(), func(id int64) featKey { return featKey{siteID, id, key} }))
			if err != nil {
				return err
			}
			now, known := was.of(h, key)
			next, err := now.turn(a, accept, known, u.Now)
			if err != nil {
				return err
			}
			out = next.view(a, true, u.Now)
			if known && next == now {
				return nil
			}
			if !known {
				next.featKey = featKey{siteID, h.MemberID, key}
			}
			if err := saveAccepted(ctx, u, next); err != nil {
				return err
			}
			done := "accepted"
			if !accept {
				done = "left"
			}
			return note(ctx, u, siteID, keyID, done, aboutFeat, next.MemberID, nil, map[string]any{"achievement": key, "challenge": out})
		})
		return err
	})
	return out, replayed, err
}

// of is whether a member takes part, or somebody who was merged into it.
func (t takers) of(h *holder, key string) (accepted, bool) {
	for _, member := range h.tallied() {
		if a, ok := t[featKey{h.SiteID, member, key}]; ok {
			return a, true
		}
	}
	return accepted{}, false
}

// turn accepts or leaves a challenge.
func (a accepted) turn(of *feat.Achievement, accept, known bool, now time.Time) (accepted, error) {
	switch {
	case !accept && !known:
		return a, errNotAccepted
	case !accept && a.Left == nil:
		a.Left = &now
	case accept && known && a.Left != nil:
		return a, errLeft
	case accept && !known && (of.Paused || of.EndsAt != nil && !now.Before(*of.EndsAt)):
		return a, errOver
	case accept && !known:
		if a.At = now; of.AcceptDays > 0 {
			until := now.AddDate(0, 0, of.AcceptDays)
			a.Until = &until
		}
	}
	return a, nil
}

// view is a challenge as it is shown; known: the member accepted it once.
func (a accepted) view(of *feat.Achievement, known bool, now time.Time) loyaltyapi.Challenge {
	out := loyaltyapi.Challenge{Status: "open", Until: of.EndsAt}
	if known {
		at := a.At
		if out.Status, out.AcceptedAt = "accepted", &at; a.Until != nil && (out.Until == nil || a.Until.Before(*out.Until)) {
			out.Until = a.Until
		}
	}
	switch {
	case a.Left != nil:
		out.Status = "left"
	case out.Until != nil && !now.Before(*out.Until):
		out.Status = "over"
	}
	return out
}

// GrantAchievement gives a member a level by hand, as if they had reached it today.
func (m *Module) GrantAchievement(ctx context.Context, siteID, personID int64, key string, in loyaltyapi.AchievementGrant, keyID int64, once idempotency.Key) (loyaltyapi.AchievementReached, bool, error) {
	return m.byHand(ctx, siteID, personID, key, in, keyID, once, "granted", func(b *books, t *stir, had []*reached) (*reached, error) {
		r, err := granted(t.achievement, in.Level, feat.DayOf(b.now, t.by.zone), had)
		if err != nil {
			return nil, err
		}
		r.SiteID, r.MemberID, r.Key, r.Version, r.Source, r.Note, r.At = t.SiteID, t.MemberID, t.Key, t.version, sourceByHand, in.Note, b.now
		b.reach(t.h, t.achievement, r)
		return r, nil
	})
}

// RevokeAchievement takes back the latest time that a member reached a level, with its points. It can't be reached for the same again, but given.
func (m *Module) RevokeAchievement(ctx context.Context, siteID, personID int64, key string, in loyaltyapi.AchievementGrant, keyID int64, once idempotency.Key) (loyaltyapi.AchievementReached, bool, error) {
	return m.byHand(ctx, siteID, personID, key, in, keyID, once, "revoked", func(b *books, t *stir, had []*reached) (*reached, error) {
		for i := len(had) - 1; i >= 0; i-- {
			if r := had[i]; r.Level == in.Level && r.LostBy == "" {
				b.lose(t.h, t.achievement, r, lostByHand)
				return r, nil
			}
		}
		return nil, errNotReached
	})
}

// granted is what is given of a level: for today, or the next time.
func granted(a *feat.Achievement, level int, today feat.Day, had []*reached) (*reached, error) {
	r := &reached{Reach: feat.Reach{Level: level, Since: feat.Ever, Nth: 1, Period: a.Since(today), Goal: a.Goals()[level-1].Goal}, Round: 1}
	switch {
	case a.Repeat == feat.Again && a.Unit() == "ever":
		for _, h := range had {
			r.Nth = max(r.Nth, h.Nth+1)
		}
		r.Goal *= int64(r.Nth)
	case a.Repeat == feat.Again:
		r.Since = r.Period
	}
	times := 0
	for _, h := range had {
		if h.Level == level && h.LostBy == "" {
			times++
		}
		if h.Same(r.Reach) {
			if r.Round = max(r.Round, h.Round+1); h.LostBy == "" {
				return nil, errReachedFeat
			}
		}
	}
	if a.Times > 0 && times >= a.Times || r.Nth > feat.MostEver {
		return nil, errTooManyTimes
	}
	return r, nil
}

const maxFeatNote = 500

// byHand does with a member's achievement what somebody decided.
func (m *Module) byHand(ctx context.Context, siteID, personID int64, key string, in loyaltyapi.AchievementGrant, keyID int64, once idempotency.Key, done string,
	decide func(b *books, t *stir, had []*reached) (*reached, error)) (out loyaltyapi.AchievementReached, replayed bool, err error) {
	if n := utf8.RuneCountInString(in.Note); n < 1 || n > maxFeatNote || !utf8.ValidString(in.Note) || strings.ContainsRune(in.Note, 0) {
		return out, false, fault.New(fault.Invalid, "invalid_grant", "What is to be done is not valid.").At("/note", "must have 1 to 500 characters")
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, once, &out, func() error {
			h, p, a, err := m.lockFeat(ctx, u, person{siteID, personID}, key)
			if err != nil {
				return err
			}
			if in.Level < 1 || in.Level > len(a.Goals()) {
				return fault.New(fault.Invalid, "invalid_grant", "What is to be done is not valid.").At("/level", "must be one of the achievement's levels")
			}
			t := &stir{featKey: featKey{siteID, h.MemberID, key}, h: h, by: p.feats, version: p.Version, achievement: a}
			had, err := reachedBy(ctx, u, []*stir{t})
			if err != nil {
				return err
			}
			b := &books{now: u.Now, programs: map[int64]program{siteID: p}, feats: &featBooks{}}
			r, err := decide(b, t, had[t.featKey])
			if err != nil {
				return err
			}
			out = r.view(a)
			if err := note(ctx, u, siteID, keyID, done, aboutFeat, r.MemberID, nil, map[string]any{"achievement": key, "note": in.Note, "reached": out}); err != nil {
				return err
			}
			return m.save(ctx, u, b, []*holder{h}, nil, 0)
		})
		return err
	})
	return out, replayed, err
}

// view is something that was reached, as it is shown.
func (r *reached) view(a *feat.Achievement) loyaltyapi.AchievementReached {
	return loyaltyapi.AchievementReached{Level: r.Level, LevelName: levelName(a, r.Level), Nth: r.Nth, Period: dayOrEver(r.Period), Goal: r.Goal, Counted: r.Amount, Source: r.Source, Note: r.Note, ReachedAt: r.At}
}

// dayOrEver is the first day of a period; nil: it is ever.
func dayOrEver(d feat.Day) *string {
	if d == feat.Ever {
		return nil
	}
	text := d.String()
	return &text
}
