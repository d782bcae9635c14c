package loyalty

import (
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

func TestWhenPointsExpire(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, day, zone string
		days            *int
		at, want        string
	}{
		{rolling, "", "", nil, "2026-03-01T12:00:00Z", ""},
		{rolling, "", "", days(30), "2026-03-01T12:00:00Z", "2026-03-31T12:00:00Z"},
		{inactivity, "", "", days(30), "2026-03-01T12:00:00Z", ""},
		{endOfMonth, "", "UTC", nil, "2026-03-01T12:00:00Z", "2026-04-01T00:00:00Z"},
		{endOfMonth, "", "UTC", days(365), "2026-02-28T12:00:00Z", "2027-03-01T00:00:00Z"},
		{endOfMonth, "", "UTC", nil, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		{endOfMonth, "", "America/New_York", nil, "2026-04-01T03:00:00Z", "2026-04-01T04:00:00Z"}, // still March there
		{endOfMonth, "", "Europe/Berlin", nil, "2026-03-31T22:30:00Z", "2026-04-30T22:00:00Z"},    // April there
		{endOfYear, "", "UTC", days(365), "2026-12-31T12:00:00Z", "2028-01-01T00:00:00Z"},
		{endOfYear, "", "Asia/Tokyo", nil, "2026-12-31T15:00:00Z", "2027-12-31T15:00:00Z"},
		{fixedDate, "06-30", "UTC", nil, "2026-06-30T23:59:59Z", "2026-07-01T00:00:00Z"},
		{fixedDate, "06-30", "UTC", nil, "2026-07-01T00:00:00Z", "2027-07-01T00:00:00Z"},
		{fixedDate, "12-31", "Europe/Berlin", days(10), "2026-12-25T00:00:00Z", "2027-12-31T23:00:00Z"},
		{fixedDate, "03-29", "Europe/Berlin", nil, "2026-03-29T00:30:00Z", "2026-03-29T22:00:00Z"}, // an hour short
		{endOfMonth, "", "No/Where", nil, "2026-03-01T12:00:00Z", "2026-04-01T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		s := settings{ExpiresAfterDays: c.days, policy: policy{ExpiryRule: c.rule, ExpiryDay: c.day, Zone: c.zone}}
		got := ""
		if ends := s.expiry(at); ends != nil {
			got = ends.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s %s in %q, of %s: %s, want %s", c.rule, c.day, c.zone, c.at, got, c.want)
		}
	}
}

func TestPolicyIsChecked(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*settings){
		"/expiry_rule":         func(s *settings) { s.ExpiryRule = "sometimes" },
		"/expiry_day":          func(s *settings) { s.ExpiryRule, s.ExpiryDay = fixedDate, "02-29" },
		"/expiry_day ":         func(s *settings) { s.ExpiryDay = "06-30" },
		"/expiry_day  ":        func(s *settings) { s.ExpiryRule, s.ExpiryDay = fixedDate, "6-3" },
		"/expires_after_days":  func(s *settings) { s.ExpiryRule, s.ExpiresAfterDays = inactivity, nil },
		"/restore_grace_days":  func(s *settings) { s.RestoreGraceDays = maxGrace + 1 },
		"/restore_grace_days ": func(s *settings) { s.RestoreGraceDays = -1 },
		"/remind_days":         func(s *settings) { s.RemindDays = 365 },
		"/remind_days ":        func(s *settings) { s.RemindDays = -1 },
	} {
		s := club()
		spoil(&s)
		f, ok := fault.Of(s.check())
		if !ok || len(f.Fields) != 1 || f.Fields[0].Pointer != strings.TrimSpace(want) {
			t.Errorf("want a finding at %s: %+v", want, f)
		}
	}
}

// earns has the same purchase on twin sites.
func (w *world) earns(person, origin, subtotal int64) {
	w.t.Helper()
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, w.bought(site, person, origin, subtotal))
	}
}

// TestInactivity: points live as long as something is done; what is told late counts for when it was.
func TestInactivity(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiryRule, s.ExpiresAfterDays = inactivity, days(30)
	rolls := club()
	batch := w.offer(1, w.start(1, s).ID, 50, 0)
	w.start(2, rolls)
	w.earns(7, 1, 1000)
	w.days(20)
	w.earns(7, 2, 1000) // lives on until day 50
	w.days(20)
	if w.expireAll() != 0 || w.balance(1, 7) != 200 {
		t.Fatalf("day 40: balance %d", w.balance(1, 7))
	}
	if _, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey); err != nil { // until day 70
		t.Fatal(err)
	}
	w.days(25)
	m, err := w.Member(t.Context(), 1, 7)
	if err != nil || m.Balance != 150 || m.Expiring == nil || m.Expiring.Points != 150 || !m.Expiring.At.Equal(noon.AddDate(0, 0, 70)) {
		t.Errorf("day 65: %+v %+v, %v", m, m.Expiring, err)
	}
	w.days(5) // day 70: over, though nobody came by yet
	if _, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey); err == nil {
		t.Error("spent what was over")
	}
	late := w.bought(1, 7, 3, 500)
	hear(w, w.originsRecorded, 1, late) // at day 70: too late for the others
	if got := w.balance(1, 7); got != 50 {
		t.Errorf("day 70: balance %d, want 50", got)
	}
	early := w.bought(1, 8, 4, 1000)
	hear(w, w.originsRecorded, 1, early)
	w.days(31)
	saved := w.bought(1, 8, 5, 100)
	saved.OccurredAt = w.clock.Now().AddDate(0, 0, -2) // in time
	hear(w, w.originsRecorded, 1, saved)
	if got := w.balance(1, 8); got != 110 {
		t.Errorf("what was done in time, told late: balance %d, want 110", got)
	}
	if n := w.expireAll(); n != 2 || w.balance(1, 7) != 0 { // the lot, and the member who has no more
		t.Errorf("%d were ended, balance %d", n, w.balance(1, 7))
	}
	if w.expireAll() != 0 {
		t.Error("ended twice")
	}
	w.days(28)
	if w.expireAll(); w.balance(1, 8) != 0 || w.balance(2, 7) != 200 {
		t.Errorf("balances %d, the twin's %d", w.balance(1, 8), w.balance(2, 7))
	}
	var left int
	if err := w.admin.Get(&left, `select count(*) from loyalty.member where lapses_at is not null or wake_at is not null`); err != nil || left != 0 {
		t.Errorf("%d are still looked at, %v", left, err)
	}
}

// TestInactivityOfManyLots: what does not fit into one pass is not forgotten, nor counted as done.
func TestInactivityOfManyLots(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiryRule, s.ExpiresAfterDays = inactivity, days(30)
	w.start(1, s)
	batch := make([]customerevent.OriginRecorded, perPass+20)
	for i := range batch {
		batch[i] = w.bought(1, 7, int64(i+1), 100)
	}
	hear(w, w.originsRecorded, 1, batch...)
	w.days(30)
	if n := w.expireAll(); n != len(batch)+1 || w.balance(1, 7) != 0 {
		t.Errorf("%d were ended, balance %d", n, w.balance(1, 7))
	}
}

func (w *world) wakes() int {
	w.t.Helper()
	if _, err := w.rewakeAll(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	n, err := w.wakeDue(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// TestReminders: each lot is told of once before it ends, also when the programme changes its mind.
func TestReminders(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays, s.RemindDays = days(30), 10
	id := w.start(1, s).ID
	w.start(2, club())
	w.earns(7, 1, 1000)
	told := func(want int) {
		t.Helper()
		w.wakes()
		w.wakes()
		if got := w.told(1)["loyalty.points_expiring.v1"]; got != want || w.told(2)["loyalty.points_expiring.v1"] != 0 {
			t.Errorf("%s: told %d times, want %d", w.clock.Now().Format(time.DateOnly), got, want)
		}
	}
	change := func(remind int) {
		t.Helper()
		s.RemindDays = remind
		if _, _, err := w.configure(t.Context(), shop(1), id, s, 0, noKey); err != nil {
			t.Fatal(err)
		}
	}
	told(0)
	w.days(20)
	told(1)
	change(15)
	w.earns(7, 2, 1000)
	told(1) // the first is not told of again
	w.days(5)
	w.earns(7, 3, 1000) // until day 55
	change(25)          // the second, until day 50, is due now
	told(2)
	change(0)
	w.days(24)
	told(2)
	change(29)
	told(3) // the third
	if e, _, err := w.Extend(t.Context(), 1, 7, nil, ptr(w.clock.Now().AddDate(0, 0, 60)), "Closed", noKey); err != nil || e.Lots != 2 {
		t.Fatalf("%+v, %v", e, err)
	}
	told(3)
	w.days(31)
	told(5) // two lots have a new date
	spent := w.bought(1, 9, 9, 1000)
	hear(w, w.originsRecorded, 1, spent)
	hear(w, w.originsRefunded, 1, w.refund(1, 9, 1, 1000, 1000))
	w.days(10)
	told(5) // nothing is left of it
}

func TestRemindersOfInactivity(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiryRule, s.ExpiresAfterDays, s.RemindDays = inactivity, days(30), 10
	w.start(1, s)
	w.start(2, s)
	w.earns(7, 1, 1000)
	w.earns(7, 2, 1000)
	w.days(20)
	if n := w.wakes(); n != 2 || w.told(1)["loyalty.points_expiring.v1"] != 1 {
		t.Errorf("%d woken, told %v", n, w.told(1))
	}
	w.earns(7, 3, 1000)
	w.days(19)
	if n := w.wakes(); n != 0 {
		t.Errorf("%d were woken too early", n)
	}
	w.days(1)
	if n := w.wakes(); n != 2 || w.told(2)["loyalty.points_expiring.v1"] != 2 {
		t.Errorf("%d woken, told %v", n, w.told(2))
	}
}

func TestExtendByHand(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	w.start(1, s)
	w.start(2, s)
	w.earns(7, 1, 1000)
	w.days(10)
	w.earns(7, 2, 500)
	all, more, err := w.Expirations(t.Context(), 1, 7, loyaltyapi.AfterExpiration{}, 1)
	if err != nil || !more || len(all) != 1 || all[0].Points != 100 || !all[0].ExpiresAt.Equal(noon.AddDate(0, 0, 30)) || all[0].Reason != "purchase" {
		t.Fatalf("%+v %v, %v", all, more, err)
	}
	first := all[0]
	all, more, err = w.Expirations(t.Context(), 1, 7, loyaltyapi.AfterExpiration{At: first.SortsAt, LotID: first.LotID}, 1)
	if err != nil || more || len(all) != 1 || all[0].Points != 50 {
		t.Fatalf("%+v %v, %v", all, more, err)
	}
	key := idempotency.Key{Value: "k", Fingerprint: "f"}
	for i := range 2 {
		e, replayed, err := w.Extend(t.Context(), 1, 7, []int64{first.LotID, first.LotID}, nil, "Loyal for years", key)
		if err != nil || e.Points != 100 || e.ExpiresAt != nil || replayed != (i == 1) {
			t.Fatalf("%+v %v, %v", e, replayed, err)
		}
	}
	for _, c := range []struct {
		site, person int64
		lots         []int64
		ends         *time.Time
		note, want   string
	}{
		{1, 7, []int64{first.LotID, 99}, nil, "x", "lot_not_found"}, {2, 7, []int64{first.LotID}, nil, "x", "lot_not_found"},
		{1, 8, nil, nil, "x", "member_not_found"}, {3, 7, nil, nil, "x", "member_not_found"},
		{1, 7, nil, ptr(w.clock.Now()), "x", "invalid_extension"}, {1, 7, nil, ptr(noon.AddDate(2000, 0, 0)), "x", "invalid_extension"},
		{1, 7, nil, nil, "", "invalid_extension"}, {1, 7, nil, nil, "a\x00", "invalid_extension"},
	} {
		_, _, err := w.Extend(t.Context(), c.site, c.person, c.lots, c.ends, c.note, noKey)
		if f, ok := fault.Of(err); !ok || f.Code != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	w.days(400)
	w.expireAll()
	if w.balance(1, 7) != 100 || w.balance(2, 7) != 0 {
		t.Errorf("balances %d, %d", w.balance(1, 7), w.balance(2, 7))
	}
}

func ptr[T any](v T) *T { return &v }
