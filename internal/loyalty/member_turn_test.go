package loyalty

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// TestMergesOfStates: the survivor is what both are together, and undoing it takes that back unless it has changed since.
func TestMergesOfStates(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	reach := map[string][]string{active: nil, suspended: {turnSuspend}, closed: {turnClose}, prospect: nil}
	make1 := func(person int64, state string) {
		hear(w, w.originsRecorded, 1, w.bought(1, person, person, 1_000))
		if state == prospect {
			w.admin.MustExec(`update loyalty.member set status = 'candidate' where person_id = $1`, person)
		}
		for _, turn := range reach[state] {
			if err := w.become(1, person, turn); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := int64(10)
	for _, one := range []string{prospect, active, suspended, closed} {
		for _, two := range []string{prospect, active, suspended, closed} {
			s, d := next, next+1
			next += 2
			make1(s, one)
			make1(d, two)
			w.merges(1, s, s, d)
			if got := w.status(1, s); got != together(one, two) {
				t.Errorf("%s and %s: %s", one, two, got)
			}
			w.expectStart(1, s, "200, 0 pending")
			w.parts(1, s, s, d)
			if a, b := w.status(1, s), w.status(1, d); a != one || b != two {
				t.Errorf("%s and %s: parted they are %s and %s", one, two, a, b)
			}
			w.expectStart(1, s, "100, 0 pending")
			w.expectStart(1, d, "100, 0 pending")
		}
	}
	make1(5, active)
	make1(6, suspended)
	w.merges(1, 1, 5, 6)
	if err := w.become(1, 5, turnReactivate); err != nil {
		t.Fatal(err)
	}
	w.parts(1, 1, 5, 6)
	if got := w.status(1, 5); got != active {
		t.Errorf("reactivated meanwhile: %s", got)
	}
}

// TestCloseWhileSpending: of twenty who spend and one who closes, whoever comes after the closing spends nothing.
func TestCloseWhileSpending(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ClosedPoints = closedForfeit
	p := w.start(1, s)
	mug := w.offer(1, p.ID, 40, 0)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 9_000))
	gate, results := make(chan struct{}), make([]error, 21)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			<-gate
			if i == 10 {
				_, _, results[i] = w.Turn(t.Context(), 1, 7, loyaltyapi.Turn{Turn: turnClose}, noKey)
				return
			}
			_, results[i] = w.Redeem(t.Context(), 1, 7, mug, "api", noKey)
		})
	}
	close(gate)
	all.Wait()
	spent := int64(0)
	for i, err := range results {
		switch {
		case err == nil && i != 10:
			spent += 40
		case i == 10 && err != nil || err != nil && !errors.Is(err, errInactive):
			t.Errorf("%d: %v", i, err)
		}
	}
	w.pass(t.Context())
	w.expectStart(1, 7, "0, 0 pending")
	var gone int64
	if err := w.admin.Get(&gone, `select sum(points) from loyalty.txn where kind = 'expire' and rule::jsonb ->> 'member_status' = 'closed'`); err != nil || gone != 900-spent {
		t.Errorf("%d forfeited, %d spent, %v", gone, spent, err)
	}
}

// TestTurnsAtOnce: of twenty who suspend a member at once one does, and nobody is refused.
func TestTurnsAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000))
	gate, results := make(chan struct{}), make([]error, 20)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			<-gate
			_, _, results[i] = w.Turn(t.Context(), 1, 7, loyaltyapi.Turn{Turn: turnSuspend}, noKey)
		})
	}
	close(gate)
	all.Wait()
	if slices.ContainsFunc(results, func(err error) bool { return err != nil }) || w.told(1)["loyalty.member_status_changed.v1"] != 1 {
		t.Errorf("%v, told %v", results, w.told(1))
	}
}

// TestStatusIsTold: with what its readers need.
func TestStatusIsTold(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ClosedPoints, s.ClosedDays = closedForfeit, 3
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000))
	if err := w.become(1, 7, turnClose); err != nil {
		t.Fatal(err)
	}
	var body string
	if err := w.admin.Get(&body, `select payload::text from loyalty.waiting where type = 'loyalty.member_status_changed.v1'`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"from":"active"`, `"to":"closed"`, `"cause":"closed"`, `2026-03-04T12:00:00Z`} {
		if !strings.Contains(strings.ReplaceAll(body, ": ", ":"), want) {
			t.Errorf("%s isn't in %s", want, body)
		}
	}
}

// TestWalletsForfeited: who leaves forfeits the points of every wallet, and who is suspended earns in none.
func TestWalletsForfeited(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := twoWallets()
	s.ClosedPoints = closedForfeit
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6_000), w.bought(1, 8, 2, 6_000))
	if err := w.become(1, 8, turnSuspend); err != nil {
		t.Fatal(err)
	}
	if err := w.become(1, 7, turnClose); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 6_000), w.bought(1, 8, 4, 6_000))
	w.wantPurses(1, 7, `0, stars 0, credit 0, 60 earned, tier "Silver"`)
	w.wantPurses(1, 8, `600, stars 60, credit 5, 60 earned, tier "Silver"`)
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 6_000, 6_000), w.refund(1, 3, 2, 6_000, 6_000))
	w.wantPurses(1, 7, `0, stars 0, credit 0, 0 earned, tier ""`)
}
