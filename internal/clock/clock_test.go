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
