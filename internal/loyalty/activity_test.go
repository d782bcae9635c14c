package loyalty

import (
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// TestLapsedMeanwhile: what was over before the next thing happened is over, though both are heard of, or come due, at once.
func TestLapsedMeanwhile(t *testing.T) {
	t.Parallel()
	w := setup(t)
	day := func(n int) time.Time { return noon.AddDate(0, 0, n-30) }
	s := club()
	s.ExpiryRule, s.ExpiresAfterDays = inactivity, days(10)
	waiting := s
	waiting.PendingRule, waiting.PendingDays = untilDays, 3
	for site := int64(1); site <= 2; site++ {
		w.start(site, s)
		w.start(site+2, waiting)
	}
	// Ten days after the first, on the very moment, it is too late; the third keeps the second alive.
	old := func(site int64) (all []customerevent.OriginRecorded) {
		for i, on := range []int{0, 10, 19} {
			o := w.bought(site, 7, int64(i+1), 10_000)
			o.OccurredAt = day(on)
			all = append(all, o)
		}
		return all
	}
	for site, want := range map[int64]string{1: "0 1000 1000", 3: "1000 1000 1000"} { // days 0, 10 and 19; those that wait three days keep alive what is there then
		hear(w, w.originsRecorded, site, old(site)...)
		for _, o := range old(site + 1) {
			hear(w, w.originsRecorded, site+1, o)
		}
		if together, alone := w.lots(site, 7), w.lots(site+1, 7); together != want || alone != together {
			t.Errorf("site %d: lots %s, one by one %s", site, together, alone)
		}
	}
	for _, on := range []int{0, 12} { // the first to be spent from day 3 to 13, the second from day 15
		w.clock.Move(time.Duration(on) * 24 * time.Hour)
		hear(w, w.originsRecorded, 3, w.bought(3, 8, int64(10+on), 10_000))
	}
	w.days(8)
	w.activates(2) // together: nobody came by for twenty days
	if got := w.lots(3, 8); got != "0 1000" || w.balance(3, 8) != 1000 {
		t.Errorf("lots %s, balance %d", got, w.balance(3, 8))
	}
}
