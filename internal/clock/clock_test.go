package clock_test

import (
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/clock"
)

var _ clock.Clock = clock.System

func TestSystem_is_what_PostgreSQL_keeps(t *testing.T) {
	before := time.Now()
	got := clock.System()
	if got.Location() != time.UTC || got.Nanosecond()%1000 != 0 {
		t.Errorf("got %v", got)
	}
	if got.Before(before.Add(-time.Microsecond)) || got.After(time.Now()) {
		t.Errorf("got %v, asked at %v", got, before)
	}
	if got != got.Round(0) {
		t.Error("it has a monotonic reading, which == sees and the database does not keep")
	}
}

func TestMovable(t *testing.T) {
	zone := time.FixedZone("", 7200)
	m := clock.NewMovable(time.Date(2026, 3, 1, 2, 0, 0, 1234, zone))
	var now clock.Clock = m.Now
	want := time.Date(2026, 3, 1, 0, 0, 0, 1000, time.UTC)
	if got := now(); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { m.Move(time.Hour); now() })
	}
	all.Wait()
	m.Move(-time.Hour)
	if got := now(); got != want.Add(9*time.Hour) {
		t.Errorf("got %v", got)
	}
}

func TestSteered(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	machine := clock.NewMovable(noon)
	s := clock.NewSteered(machine.Now, time.Hour)
	is := func(what string, got, want time.Time) {
		t.Helper()
		if !got.Equal(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	machine.Move(time.Minute)
	is("it runs", s.Now(), noon.Add(61*time.Minute))
	is("it is held", s.Hold(), noon.Add(61*time.Minute))
	machine.Move(time.Minute)
	is("it stands", s.Now(), noon.Add(61*time.Minute))
	s.Put(noon.Add(24 * time.Hour))
	s.Put(noon) // never back
	is("it was put", s.Now(), noon.Add(24*time.Hour))
	machine.Move(time.Minute)
	if got := s.Release(); got != 24*time.Hour-3*time.Minute || s.Ahead(noon) != got {
		t.Errorf("it is %v ahead", got)
	}
	machine.Move(time.Minute)
	is("it runs on", s.Now(), noon.Add(24*time.Hour+time.Minute))
	s.Hold()
	machine.Move(time.Hour)
	s.Release()
	is("it catches up", s.Now(), noon.Add(25*time.Hour+time.Minute)) // a clock that stood isn't behind for it
}
