package loyalty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// TestAchievementsAreFoundByIndexes: in a large site each look-up is by an index.
func TestAchievementsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, achieving(regular()))
	w.admin.MustExec(`insert into loyalty.member (site_id, person_id, tiers_version, joined_at) select 1, n, 1, '2026-01-01' from generate_series(1, 20000) n`)
	w.admin.MustExec(`insert into loyalty.account (site_id, owner_id, name, asset) select 1, id, 'member', 'points' from loyalty.member`)
	w.admin.MustExec(`
		insert into loyalty.achievement_part (site_id, source, key, name, member_id, since, at, amount, refunded, money, gone, counts, fades)
		select 1, 'origin:' || m.id * 3 + d, 'regular', '', m.id, date '2026-01-01' + d * 31, timestamptz '2026-01-02' + d * interval '31 days', 1, 0, false, false, 1, date '2028-04-11' + d * 31
		from loyalty.member m, generate_series(0, 2) d`)
	w.admin.MustExec(`insert into loyalty.achievement_span (site_id, member_id, key, since, name, amount, fades) select site_id, member_id, key, since, '', 1, fades from loyalty.achievement_part`)
	w.admin.MustExec(`insert into loyalty.achievement_reached (site_id, member_id, key, level, since, nth, period, round, version, goal, amount, source, reached_at, recorded_at)
		select 1, id, 'regular', 1, '0001-01-01', 1, '2026-01-01', 1, 1, 1, 1, 'origin:1', '2026-01-01', '2026-01-01' from loyalty.member`)
	w.admin.MustExec(`insert into loyalty.achievement_streak (site_id, member_id, key, began, last, length, missed, longest, breaks_at) select 1, id, 'regular', '2026-02-28', '2026-02-28', 1, 0, 1, timestamptz '2026-03-01' + id * interval '1 hour' from loyalty.member`)
	w.admin.MustExec(`analyze loyalty.member, loyalty.achievement_part, loyalty.achievement_span, loyalty.achievement_reached, loyalty.achievement_streak`)
	sites, members, keys := pq.Array([]int64{1}), pq.Array([]int64{7}), pq.Array([]string{"regular"})
	for _, c := range []struct {
		what, query string
		args        []any
		uses        string
	}{
		{"how much counts", featSpans, []any{sites, members, keys, pq.Array([]string{"2026-03-01"})}, "achievement_span_pkey"},
		{"what was reached", featsReached, []any{sites, members, keys}, "achievement_reached_once"},
		{"what counted", things, []any{int64(1), int64(7), "regular", noon, "", "", 25}, "achievement_part_member"},
		{"whose streak breaks", brokenBy, []any{noon.Add(5 * time.Hour), perPass}, "achievement_streak_breaks"},
		{"who is to be looked at", membersCounted, []any{int64(1), int64(0), perReview}, "achievement_span_pkey"},
		{"how many reached it", countingFeats, []any{int64(1)}, "achievement_reached_by"},
	} {
		var lines []string
		if err := w.admin.Select(&lines, "explain (analyze, buffers, costs off) "+c.query, c.args...); err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		t.Logf("%s:\n%s", c.what, plan)
		if !strings.Contains(plan, c.uses) && c.what != "how many reached it" || c.what != "how many reached it" && strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s: not by %s\n%s", c.what, c.uses, plan)
		}
	}
}

// TestAchievementsAreSwept: what counted in days and months is forgotten long after; what counts ever isn't.
func TestAchievementsAreSwept(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, achieving(regular(), feat.Achievement{Key: "ever", Counts: feat.Orders, Goal: 2}))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100), w.bought(1, 7, 2, 100))
	hear(w, w.originsRefunded, 1, w.refund(1, 99, 1, 100, 100))
	left := func() (out string) {
		if err := w.admin.Get(&out, `select (select count(*) from loyalty.achievement_part) || ' ' || (select count(*) from loyalty.achievement_span) || ' ' || (select count(*) from loyalty.achievement_refund)`); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, c := range []struct {
		days int
		want string
	}{{399, "4 2 1"}, {2, "4 2 0"}, {429, "4 2 0"}, {3, "2 1 0"}} { // 31 March and 800 days
		w.clock.Move(time.Duration(c.days) * 24 * time.Hour)
		if w.pass(t.Context()); left() != c.want {
			t.Errorf("%d days later: %s, want %s", c.days, left(), c.want)
		}
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 2, 100, 100))
	if got := w.featsGot(1, 7); got != "ever/1//1" {
		t.Errorf("reached %s", got)
	}
}

// TestAchievementsByHand: given and taken back with their points, and not reached again for what somebody took back.
func TestAchievementsByHand(t *testing.T) {
	t.Parallel()
	w := setup(t)
	monthly := regular()
	monthly.Key, monthly.Repeat = "monthly", feat.Again
	w.start(1, achieving(regular(), monthly))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100), w.bought(1, 7, 2, 100))
	do := func(give bool, key string, level int) string {
		f := w.RevokeAchievement
		if give {
			f = w.GrantAchievement
		}
		_, _, err := f(t.Context(), 1, 7, key, loyaltyapi.AchievementGrant{Level: level, Note: "By hand"}, 0, noKey)
		if f, ok := fault.Of(err); ok {
			return f.Code
		}
		return fmt.Sprint(err)
	}
	for _, c := range []struct {
		give   bool
		key    string
		level  int
		code   string
		points int64
	}{
		{false, "regular", 1, "not_reached", 0}, {true, "none", 1, "achievement_not_found", 0}, {true, "regular", 2, "invalid_grant", 0},
		{true, "regular", 1, "<nil>", 100}, {true, "regular", 1, "already_reached", 100}, {false, "regular", 1, "<nil>", 0}, {true, "monthly", 1, "<nil>", 100},
		{false, "regular", 1, "not_reached", 100}, {true, "regular", 1, "<nil>", 200}, {false, "regular", 1, "<nil>", 100},
	} {
		if got, points := do(c.give, c.key, c.level), w.asked(1, 7); got != c.code || points != c.points {
			t.Errorf("%+v: %s, %d points", c, got, points)
		}
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 100), w.bought(1, 7, 4, 100))
	if got, points := w.featsGot(1, 7), w.asked(1, 7); got != "monthly/1/2026-03-01/1, regular/1//1 lost by hand" || points != 100 {
		t.Errorf("in the end %s, %d points", got, points)
	}
}

// TestMembersAchievements: what a member sees of each achievement, and of what counts.
func TestMembersAchievements(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, achieving(
		regular(),
		feat.Achievement{Key: "spender", Counts: feat.Spend, Levels: []feat.Level{{Name: "Bronze", Goal: 200}, {Name: "Silver", Goal: 1000}}},
		feat.Achievement{Key: "daily", Kind: feat.KindStreak, Counts: feat.Events, Of: "login", Period: "day", Goal: 3, Freezes: 1},
		feat.Achievement{Key: "busy", Counts: feat.Orders, Period: feat.Rolling, Days: 7, Goal: 9, Enrolment: feat.OptIn},
		feat.Achievement{Key: "again", Counts: feat.Orders, Goal: 2, Repeat: feat.Again},
		feat.Achievement{Key: "secret", Counts: feat.Orders, Goal: 99, Hidden: true},
	))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 150), w.bought(1, 7, 2, 150), w.did(1, 7, 3, "login"))
	seen := func(hidden bool) (out []string) {
		all, err := w.Module.Achievements(t.Context(), 1, 7, hidden)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			text := a.Achievement + ": " + a.Progress.Text
			for _, r := range a.Reached {
				text += fmt.Sprintf("; %d%s by %s", r.Level, r.LevelName, r.Source)
			}
			if a.Challenge != nil {
				text += "; " + a.Challenge.Status
			}
			if a.Streak != nil {
				text += fmt.Sprintf("; %d, %d left, until %s", a.Streak.Length, a.Streak.FreezesLeft, a.Streak.BreaksAt.Format(time.DateTime))
			}
			out = append(out, text)
		}
		return out
	}
	want := []string{"regular: 2 of 3 orders this month", "spender: 3.00 of 10.00 USD; 1Bronze by origin:2", "daily: 1 of 3 days in a row; 1, 1 left, until 2026-03-04 00:00:00",
		"busy: 0 of 9 orders in 7 days; open", "again: 2 of 4 orders; 1 by origin:2"}
	if got := seen(false); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if got := seen(true); len(got) != 6 {
		t.Errorf("%d with hidden ones", len(got))
	}
	page, more, err := w.Things(t.Context(), 1, 7, "spender", loyaltyapi.AfterThing{}, 1)
	if err != nil || !more || len(page) != 1 || page[0].Source != "origin:2" || page[0].Counts != 150 || page[0].Period != nil {
		t.Fatalf("%+v, %v, %v", page, more, err)
	}
	page, more, err = w.Things(t.Context(), 1, 7, "spender", loyaltyapi.AfterThing{At: page[0].At, Source: page[0].Source}, 5)
	if err != nil || more || len(page) != 1 || page[0].Source != "origin:1" {
		t.Errorf("%+v, %v, %v", page, more, err)
	}
	if _, _, err := w.Things(t.Context(), 1, 7, "none", loyaltyapi.AfterThing{}, 5); fmt.Sprint(err) != fmt.Sprint(errNoFeat) {
		t.Errorf("of none: %v", err)
	}
	counts, err := countFeats(t.Context(), w.db, 1)
	if err != nil || counts[featLevel{"spender", 1}].Members != 1 || counts[featLevel{"again", 1}].Times != 1 {
		t.Errorf("%+v, %v", counts, err)
	}
}

// TestLevelsThatAreGone: a refund takes back by the goals of then, also of a level that there isn't any more; what was given it leaves.
func TestLevelsThatAreGone(t *testing.T) {
	t.Parallel()
	w := setup(t)
	steps := feat.Achievement{Key: "steps", Counts: feat.Orders, Revoke: true, Levels: []feat.Level{{Name: "One", Goal: 1}, {Name: "Two", Goal: 2}}}
	p := w.start(1, achieving(steps))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100), w.bought(1, 7, 2, 100), w.bought(1, 8, 3, 100))
	if _, _, err := w.GrantAchievement(t.Context(), 1, 8, "steps", loyaltyapi.AchievementGrant{Level: 2, Note: "For her"}, 0, noKey); err != nil {
		t.Fatal(err)
	}
	steps.Levels = []feat.Level{{Name: "Five", Goal: 5}}
	w.configured(1, p.ID, achieving(steps))
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 100, 100), w.refund(1, 3, 2, 100, 100))
	if got := w.featsGot(1, 7) + "; " + w.featsGot(1, 8); got != "steps/1//1, steps/2//1 lost by refund; steps/1//1 lost by refund, steps/2//1" {
		t.Errorf("reached %s", got)
	}
}
