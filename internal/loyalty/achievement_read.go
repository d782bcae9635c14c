package loyalty

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/money"
)

const shownReached = 20

// Achievements reads how far a member is with each achievement, in their order. Hidden ones are there once they are reached, unless all are asked for.
func (m *Module) Achievements(ctx context.Context, siteID, personID int64, hidden bool) (out []loyaltyapi.MemberAchievement, err error) {
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		out, err = m.achievements(ctx, tx, siteID, personID, hidden)
		return err
	})
	return out, err
}

func (m *Module) achievements(ctx context.Context, tx *sqlx.Tx, siteID, personID int64, hidden bool) ([]loyaltyapi.MemberAchievement, error) {
	r, p, err := m.featsFor(ctx, tx, siteID, personID)
	if err != nil || p.feats == nil {
		return []loyaltyapi.MemberAchievement{}, err
	}
	h := &holder{account: account{SiteID: siteID}, MemberID: r.ID}
	b := &books{now: m.now()}
	list := p.reviewed([]*holder{h}, b)
	spans, err := spansOf(ctx, tx, list)
	if err != nil {
		return nil, err
	}
	had, err := reachedShown(ctx, tx, list)
	if err != nil {
		return nil, err
	}
	part, err := acceptedShown(ctx, tx, list)
	if err != nil {
		return nil, err
	}
	byKey := map[string][]feat.Span{}
	for k, s := range spans {
		byKey[k.Key] = append(byKey[k.Key], feat.Span{Since: s.since, Name: s.name, Amount: s.amount})
	}
	out := []loyaltyapi.MemberAchievement{}
	for _, t := range list {
		if of := had[t.Key]; !t.achievement.Hidden || hidden || of.times > 0 {
			out = append(out, shownFeat(t, p.Currency, byKey[t.Key], of, part, b.now))
		}
	}
	return out, nil
}

// featsFor reads a member and the programme's achievements.
func (m *Module) featsFor(ctx context.Context, db sqlx.QueryerContext, siteID, personID int64) (memberRow, program, error) {
	r, err := memberOf(ctx, db, siteID, personID)
	if err != nil {
		return r, program{}, err
	}
	programs, err := programsOf(ctx, db, siteID)
	if err != nil || len(programs) == 0 {
		return r, program{}, err
	}
	with := map[int64]program{siteID: programs[0]}
	err = m.equip(ctx, db, with)
	return r, with[siteID], err
}

// reachedOf is what a member reached of an achievement.
type reachedOf struct {
	times  int
	latest []*reached // the newest first
	all    []feat.Had
}

// shownFeat is how far a member is.
func shownFeat(t *stir, currency string, spans []feat.Span, had reachedOf, part map[string]accepted, now time.Time) loyaltyapi.MemberAchievement {
	a, today := t.achievement, feat.DayOf(now, t.by.zone)
	out := loyaltyapi.MemberAchievement{Achievement: a.Key, Name: a.Name, Description: a.Description, ImageURL: a.ImageURL, Kind: a.Kind, Counts: a.Counts, Period: a.Period,
		Reached: []loyaltyapi.AchievementReached{}, Times: had.times}
	counted := a.Total(spans, today)
	if a.Kind == feat.KindStreak {
		runs := a.Runs(spans)
		out.Streak = &loyaltyapi.AchievementStreak{Longest: feat.Longest(runs), FreezesLeft: a.Freezes}
		counted = 0
		if r, alive := a.Alive(runs, today); alive {
			counted = int64(r.Length)
			breaks := a.Breaks(r).Begins(t.by.zone)
			out.Streak.Length, out.Streak.Began, out.Streak.BreaksAt, out.Streak.FreezesLeft = r.Length, dayOrEver(r.First), &breaks, a.Left(r)
		}
	}
	out.Progress = progressOf(a, currency, counted, today, a.Next(a.MetOn(spans, today), had.all, counted))
	if a.Enrolment == feat.OptIn {
		of, known := part[a.Key]
		c := of.view(a, known, now)
		out.Challenge = &c
	}
	for _, r := range had.latest {
		out.Reached = append(out.Reached, r.view(a))
	}
	return out
}

var (
	spanWords = map[string]string{"day": " today", "week": " this week", "month": " this month", "year": " this year"}
	unitWords = map[string]string{"day": "days", "week": "weeks", "month": "months"}
)

// progressOf is what counts, and what is next, with words for a page.
func progressOf(a *feat.Achievement, currency string, counted int64, today feat.Day, next *feat.Level) loyaltyapi.AchievementProgress {
	out := loyaltyapi.AchievementProgress{Counted: counted}
	if from, to, some := a.PeriodOf(today); some && a.Kind != feat.KindStreak {
		out.From, out.To = dayOrEver(from), dayOrEver(to)
	}
	what := a.Counts
	switch {
	case a.Counts == feat.Events && a.Of != "":
		what = a.Of + " events"
	case a.Counts == feat.Actions && a.Of != "":
		what = a.Of + " actions"
	case a.Counts == feat.Points && a.Of != "":
		what = a.Of
	}
	when := spanWords[a.Period]
	if a.Period == feat.Rolling {
		when = fmt.Sprintf(" in %d days", a.Days)
	}
	if a.Kind == feat.KindStreak {
		what, when = unitWords[a.Period], " in a row"
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	if a.Counts == feat.Spend && a.Kind == feat.KindCount {
		what, number = currency, func(n int64) string { return money.Format(n, currency) }
	}
	out.Text = fmt.Sprintf("%s %s%s", number(counted), what, when)
	if next == nil {
		return out
	}
	goal := next.Goal
	if out.Goal = &goal; next.Name != "" {
		out.Level = &next.Name
	}
	out.Text = fmt.Sprintf("%s of %s %s%s", number(counted), number(goal), what, when)
	return out
}

// Things reads what counts for an achievement of a member, the latest first, and says whether earlier things follow.
func (m *Module) Things(ctx context.Context, siteID, personID int64, key string, after loyaltyapi.AfterThing, limit int) ([]loyaltyapi.AchievementThing, bool, error) {
	r, p, err := m.featsFor(ctx, m.db, siteID, personID)
	if err != nil {
		return nil, false, err
	}
	if p.feats.find(key) == nil {
		return nil, false, errNoFeat
	}
	all, err := thingsOf(ctx, m.db, siteID, r.ID, key, after, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}
