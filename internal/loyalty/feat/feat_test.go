package feat

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func date(text string) Day {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return DayOf(t, time.UTC)
}

func TestCalendar(t *testing.T) {
	for _, c := range []struct{ unit, day, since, next string }{
		{"day", "2026-03-01", "2026-03-01", "2026-03-02"},
		{"week", "2026-03-01", "2026-02-23", "2026-03-02"}, // a Sunday
		{"week", "2026-03-02", "2026-03-02", "2026-03-09"},
		{"week", "1969-12-31", "1969-12-29", "1970-01-05"},
		{"month", "2024-02-29", "2024-02-01", "2024-03-01"},
		{"month", "2026-12-31", "2026-12-01", "2027-01-01"},
		{"month", "1969-12-31", "1969-12-01", "1970-01-01"},
		{"year", "2026-03-01", "2026-01-01", "2027-01-01"},
		{"ever", "2026-03-01", "0001-01-01", "0001-01-01"},
	} {
		n := number(c.unit, date(c.day))
		if got := first(c.unit, n).String() + " " + first(c.unit, n+1).String(); got != c.since+" "+c.next {
			t.Errorf("%s of %s: %s", c.unit, c.day, got)
		}
	}
	beirut, err := time.LoadLocation("Asia/Beirut")
	if err != nil {
		t.Fatal(err)
	}
	if got := date("2026-03-29").Begins(beirut); !got.Equal(time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC)) { // there is no midnight
		t.Errorf("the day without a midnight begins at %s", got)
	}
}

// TestUnits: every day is in the span that its number says, and spans follow each other without a gap.
func TestUnits(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d, unit := Day(rapid.IntRange(-1000, 40_000).Draw(rt, "day")), rapid.SampledFrom([]string{"day", "week", "month", "year"}).Draw(rt, "unit")
		n := number(unit, d)
		if from, to := first(unit, n), first(unit, n+1); from > d || to <= d || number(unit, from) != n || number(unit, to-1) != n {
			rt.Fatalf("%s %s: %s to %s", unit, d, from, to)
		}
	})
}

// spansAt makes spans of "day amount" texts.
func spansAt(texts string) (out []Span) {
	for _, text := range strings.Fields(texts) {
		day, name, _ := strings.Cut(text, "=")
		s := Span{Since: date("2026-" + day), Amount: 1}
		if _, err := fmt.Sscan(name, &s.Amount); err != nil {
			s.Name = name
		}
		out = append(out, s)
	}
	return out
}

func shown(all []Reach) string {
	var out []string
	for _, r := range all {
		out = append(out, fmt.Sprintf("%d/%s/%d:%d of %d", r.Level, strings.TrimSuffix(r.Since.String(), "0001-01-01"), r.Nth, r.Amount, r.Goal))
	}
	return strings.Join(out, ", ")
}

func TestMet(t *testing.T) {
	for what, c := range map[string]struct {
		a     Achievement
		spans string
		want  string
	}{
		"a goal of a month":       {Achievement{Counts: Orders, Period: "month", Goal: 3}, "03-01=2 04-01=3", "1//1:3 of 3"},
		"in each month":           {Achievement{Counts: Orders, Period: "month", Goal: 3, Repeat: Again}, "03-01=4 04-01=3", "1/2026-03-01/1:4 of 3, 1/2026-04-01/1:3 of 3"},
		"levels":                  {Achievement{Counts: Spend, Period: "year", Levels: []Level{{"Bronze", 10}, {"Silver", 20}, {"Gold", 30}}}, "01-01=25", "1//1:25 of 10, 2//1:25 of 20"},
		"a rolling week":          {Achievement{Counts: Orders, Period: Rolling, Days: 7, Goal: 3}, "03-01=1 03-07=1 03-08=2", "1//1:3 of 3"},
		"not in a rolling week":   {Achievement{Counts: Orders, Period: Rolling, Days: 7, Goal: 3}, "03-01=1 03-07=1 03-08=1", ""},
		"different products":      {Achievement{Counts: Products, Period: "month", Goal: 2}, "03-01=a 03-01=b", "1//1:2 of 2"},
		"the same product":        {Achievement{Counts: Products, Period: "month", Goal: 2}, "03-01=a 04-01=a", ""},
		"different ones, rolling": {Achievement{Counts: Products, Period: Rolling, Days: 2, Goal: 2}, "03-01=a 03-02=a 03-03=b", "1//1:2 of 2"},
		"the same one, rolling":   {Achievement{Counts: Products, Period: Rolling, Days: 2, Goal: 2}, "03-01=a 03-02=a", ""},
		"a streak":                {Achievement{Kind: KindStreak, Period: "day", Levels: []Level{{"3", 3}, {"4", 4}}, Each: 2}, "03-01=2 03-02=2 03-03=5 03-04=1", "1//1:3 of 3"},
		"a streak with a freeze":  {Achievement{Kind: KindStreak, Period: "week", Goal: 3, Each: 1, Freezes: 1}, "03-02=1 03-16=1 03-23=1", "1//1:3 of 3"},
		"each streak":             {Achievement{Kind: KindStreak, Period: "day", Goal: 2, Each: 1, Repeat: Again}, "03-01=1 03-02=1 03-04=1 03-05=1 03-06=1", "1/2026-03-01/1:2 of 2, 1/2026-03-04/1:3 of 2"},
	} {
		if got := shown(c.a.Met(spansAt(c.spans), Ever)); got != c.want {
			t.Errorf("%s: %s", what, got)
		}
	}
	ever := Achievement{Counts: Orders, Period: "ever", Goal: 3, Repeat: Again, Times: 2}
	if got := shown(ever.Met([]Span{{Since: Ever, Amount: 100}}, Ever)); got != "1//1:100 of 3, 1//2:100 of 6" {
		t.Errorf("each third, twice: %s", got)
	}
}

// TestOnlyWhatChanged: a lower goal is no reason to reach what is over; what goes on counts.
func TestOnlyWhatChanged(t *testing.T) {
	a := Achievement{Counts: Orders, Period: "month", Goal: 2, Repeat: Again}
	spans := spansAt("01-01=2 02-01=1 03-01=2")
	if got := shown(a.Met(spans, date("2026-02-01"))) + "; " + shown(a.MetOn(spans, date("2026-03-31"))) + "; " + shown(a.MetOn(spans, date("2026-04-01"))); got != "1/2026-03-01/1:2 of 2; 1/2026-03-01/1:2 of 2; " {
		t.Error(got)
	}
	s := Achievement{Kind: KindStreak, Period: "day", Goal: 2, Each: 1, Repeat: Again}
	spans = spansAt("03-01=1 03-02=1 03-04=1 03-05=1")
	if got := shown(s.Met(spans, date("2026-03-04"))) + "; " + shown(s.MetOn(spans, date("2026-03-06"))) + "; " + shown(s.MetOn(spans, date("2026-03-07"))); got != "1/2026-03-04/1:2 of 2; 1/2026-03-04/1:2 of 2; " {
		t.Error(got)
	}
	r := Achievement{Counts: Orders, Period: Rolling, Days: 3, Goal: 2}
	spans = spansAt("03-01=1 03-03=1")
	if got := shown(r.MetOn(spans, date("2026-03-03"))) + "; " + shown(r.MetOn(spans, date("2026-03-04"))); got != "1//1:2 of 2; " {
		t.Error(got)
	}
}

func TestFreshAndMissed(t *testing.T) {
	a := Achievement{Counts: Orders, Period: "month", Goal: 2, Repeat: Again, Times: 2, Revoke: true}
	met := a.Met(spansAt("01-01=2 02-01=2 03-01=2"), Ever)
	if got := shown(a.Fresh(met, nil)); got != "1/2026-01-01/1:2 of 2, 1/2026-02-01/1:2 of 2" {
		t.Errorf("twice at most: %s", got)
	}
	had := []Had{{Reach: met[0]}, {Reach: met[1], Lost: true}}
	if got := shown(a.Fresh(met, had)); got != "1/2026-02-01/1:2 of 2" {
		t.Errorf("again what was lost: %s", got)
	}
	had[1].Gone = true
	if got := shown(a.Fresh(met, had)); got != "1/2026-03-01/1:2 of 2" {
		t.Errorf("not what somebody took back: %s", got)
	}
	left := spansAt("02-01=2")
	if got := shown(a.Missed(left, []Had{{Reach: met[0]}, {Reach: met[1]}}, date("2026-01-01"))); got != "1/2026-01-01/1:2 of 2" {
		t.Errorf("missed: %s", got)
	}
	if a.Goal = 9; a.Missed(left, []Had{{Reach: met[1]}, {Reach: met[0], Given: true}}, Ever) != nil {
		t.Error("by the goal of then, and what was given")
	}
	if a.Revoke = false; a.Missed(nil, []Had{{Reach: met[0]}}, Ever) != nil {
		t.Error("who reached it keeps it")
	}
}

// TestStreaksAreLivedDayByDay: the streak of a day, and the longest, are those of somebody who looks each day.
func TestStreaksAreLivedDayByDay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := Achievement{Kind: KindStreak, Period: rapid.SampledFrom([]string{"day", "week", "month"}).Draw(rt, "period"), Each: rapid.Int64Range(1, 2).Draw(rt, "each"),
			Goal: 3, Freezes: rapid.IntRange(0, 3).Draw(rt, "freezes")}
		begin := number(a.Unit(), date("2026-01-01"))
		amounts := rapid.SliceOfN(rapid.Int64Range(0, 2), 1, 30).Draw(rt, "amounts")
		var spans []Span
		for i, n := range amounts {
			if n > 0 {
				spans = append(spans, Span{Since: first(a.Unit(), begin+i), Amount: n})
			}
		}
		slices.Reverse(spans) // any order will do
		runs := a.Runs(spans)
		length, missed, longest := 0, 0, 0
		for i, n := range amounts {
			switch {
			case n >= a.Each:
				if missed > a.Freezes {
					length, missed = 0, 0
				}
				length++
			case length > 0:
				missed++
			}
			longest = max(longest, length)
			today := first(a.Unit(), begin+i)
			r, alive := a.Alive(a.Runs(untilDay(spans, today)), today)
			pending := 0 // a period that isn't over yet is not missed yet
			if n < a.Each && length > 0 {
				pending = 1
			}
			if want := length > 0 && missed-pending <= a.Freezes; alive != want || alive && r.Length != length {
				rt.Fatalf("period %d of %v: %+v %v, want %d %v", i, amounts, r, alive, length, want)
			}
		}
		if Longest(runs) != longest {
			rt.Fatalf("%v: longest %d, want %d", amounts, Longest(runs), longest)
		}
	})
}

func untilDay(spans []Span, d Day) (out []Span) {
	for _, s := range spans {
		if s.Since <= d {
			out = append(out, s)
		}
	}
	return out
}

// TestFromIsEnough: what lies before it changes nothing of what is fresh.
func TestFromIsEnough(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := Achievement{Counts: Orders, Period: rapid.SampledFrom([]string{"day", "week", "month", Rolling}).Draw(rt, "period"), Goal: rapid.Int64Range(1, 4).Draw(rt, "goal"),
			Repeat: Once}.Full()
		if a.Period == Rolling {
			a.Days = rapid.IntRange(1, 10).Draw(rt, "days")
		} else if rapid.Bool().Draw(rt, "again") {
			a.Repeat = Again
		}
		sums := map[Day]int64{}
		var had []Had
		for range rapid.IntRange(1, 20).Draw(rt, "things") {
			since := a.Since(date("2026-01-01") + Day(rapid.IntRange(0, 60).Draw(rt, "on")))
			sums[since]++
			all, near := spansFrom(sums, Ever), spansFrom(sums, a.From(since, false))
			want, got := a.Fresh(a.Met(all, since), had), a.Fresh(a.Met(near, since), had)
			if names(want) != names(got) {
				rt.Fatalf("%+v: %s of all, %s of what is near", a, shown(want), shown(got))
			}
			for _, r := range got {
				had = append(had, Had{Reach: r})
			}
		}
	})
}

func spansFrom(sums map[Day]int64, from Day) (out []Span) {
	for d, n := range sums {
		if d >= from {
			out = append(out, Span{Since: d, Amount: n})
		}
	}
	return out
}

func names(all []Reach) string {
	var out []string
	for _, r := range all {
		out = append(out, fmt.Sprint(r.Level, r.Since, r.Nth))
	}
	return strings.Join(out, ", ")
}

func TestCheck(t *testing.T) {
	good := Achievement{Key: "a", Name: "A", Counts: Orders, Goal: 5}
	for what, c := range map[string]struct {
		change func(a *Achievement)
		want   string
	}{
		"nothing":             {func(*Achievement) {}, ""},
		"a key":               {func(a *Achievement) { a.Key = "A b" }, "/0/key"},
		"no name":             {func(a *Achievement) { a.Name = "" }, "/0/name"},
		"http":                {func(a *Achievement) { a.ImageURL = "http://shop.example/a.png" }, "/0/image_url"},
		"what":                {func(a *Achievement) { a.Counts = "smiles" }, "/0/counts"},
		"of orders":           {func(a *Achievement) { a.Of = "review" }, "/0/of"},
		"goal and levels":     {func(a *Achievement) { a.Levels = []Level{{"Gold", 3}} }, "/0/goal"},
		"falling levels":      {func(a *Achievement) { a.Goal, a.Levels = 0, []Level{{"Gold", 3}, {"Silver", 2}} }, "/0/levels/1/goal"},
		"no days":             {func(a *Achievement) { a.Period = Rolling }, "/0/days"},
		"days of a month":     {func(a *Achievement) { a.Period, a.Days = "month", 3 }, "/0/days"},
		"a streak ever":       {func(a *Achievement) { a.Kind = KindStreak }, "/0/period"},
		"freezes":             {func(a *Achievement) { a.Freezes = 1 }, "/0/each"},
		"rolling again":       {func(a *Achievement) { a.Period, a.Days, a.Repeat = Rolling, 3, Again }, "/0/repeat"},
		"times of once":       {func(a *Achievement) { a.Times = 3 }, "/0/times"},
		"ends":                {func(a *Achievement) { now := time.Now(); a.StartsAt, a.EndsAt = &now, &now }, "/0/ends_at"},
		"a deadline for all":  {func(a *Achievement) { a.AcceptDays = 3 }, "/0/accept_days"},
		"a condition of none": {func(a *Achievement) { a.Counts, a.When = Actions, "true" }, "/0/when"},
	} {
		a := good
		c.change(&a)
		var got []string
		Check([]Achievement{a.Full()}, func(pointer, _ string, _ ...any) { got = append(got, pointer) })
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
	twice := 0
	Check([]Achievement{good.Full(), good.Full()}, func(string, string, ...any) { twice++ })
	Check(make([]Achievement, maxKeyed+1), func(string, string, ...any) { twice++ })
	if twice != 2 {
		t.Errorf("%d findings", twice)
	}
}
