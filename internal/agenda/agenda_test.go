package agenda_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/pgtest"
)

var things = agenda.Agenda{
	{What: "things", Kind: agenda.Timed, SQL: `select due as at from thing where kind = 'timed' and due is not null`},
	{What: "asked", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from thing where kind = 'asked' and (due is null or due > $1)`},
	{What: "away", Kind: agenda.Underway, SQL: `select due as at from thing where kind = 'away'`},
}

func TestLook(t *testing.T) {
	url := pgtest.Database(t, "agenda", func(context.Context, string) error { return nil })
	db, err := postgres.Open(t.Context(), postgres.Pool{URL: url, Application: "test", Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if _, err := db.Exec(`create temp table thing (kind text, due timestamptz)`); err != nil {
		t.Fatal(err)
	}
	add := func(kind string, hours int) {
		if _, err := db.Exec(`insert into thing values ($1, $2)`, kind, noon.Add(time.Duration(hours)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	look := func(hours int) string {
		lines, err := things.Look(t.Context(), db, noon.Add(time.Duration(hours)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, l := range lines {
			out += fmt.Sprintf("%s %d", l.What, l.Due)
			for _, at := range []*time.Time{l.First, l.Next} {
				if at != nil {
					out += fmt.Sprintf(" %v", at.Sub(noon).Hours())
				} else {
					out += " -"
				}
			}
			out += "; "
		}
		if next := agenda.Next(lines, noon.Add(time.Duration(hours)*time.Hour)); !next.IsZero() {
			out += fmt.Sprint("next ", next.Sub(noon).Hours())
		}
		return out
	}
	is := func(hours int, want string) {
		t.Helper()
		if got := look(hours); got != want {
			t.Errorf("at %d: %q, want %q", hours, got, want)
		}
	}
	is(0, "things 0 - -; asked 0 - -; away 0 - -; ")
	for _, hours := range []int{3, 1, 2, 5} {
		add("timed", hours)
	}
	is(0, "things 0 - 1; asked 0 - -; away 0 - -; next 1")
	is(1, "things 1 1 2; asked 0 - -; away 0 - -; next 2") // at its moment it is due
	is(4, "things 3 1 5; asked 0 - -; away 0 - -; next 5")
	add("asked", 9)
	add("away", 4)
	is(2, "things 2 1 3; asked 1 - -; away 1 - 4; next 3")
	is(3, "things 3 1 5; asked 1 - -; away 1 - 4; next 4")
	is(9, "things 4 1 -; asked 0 - -; away 1 - 4; ") // who died is nothing that comes
	var n int
	if err := db.Get(&n, things[0].Left(`timestamptz '2026-03-01 14:00Z'`)); err != nil || n != 1 {
		t.Errorf("%d left (%v), want 1", n, err)
	}
	if err := db.Get(&n, things[1].Left(`timestamptz '2026-03-01 14:00Z'`)); err != nil || n != 1 {
		t.Errorf("%d asked (%v), want 1", n, err)
	}
}

// TestTimers: who takes the timers' place has it alone, as soon as what they had begun is done.
func TestTimers(t *testing.T) {
	var timers agenda.Timers
	ran := 0
	timers.Tick(func() { ran++ })
	inside, goOn := make(chan bool), make(chan bool)
	go timers.Tick(func() { inside <- true; <-goOn })
	<-inside
	taken := make(chan func())
	go func() { taken <- timers.TakeTimers() }()
	select {
	case <-taken:
		t.Error("the timers' place was taken while one of them was at work")
	case <-time.After(20 * time.Millisecond):
	}
	goOn <- true
	giveBack := <-taken
	timers.Tick(func() { ran++ })
	giveBack()
	timers.Tick(func() { ran++ })
	if ran != 2 {
		t.Errorf("the timers worked %d times, want 2", ran)
	}
}
