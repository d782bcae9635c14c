package loyalty

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// TestBacktestOpening: lives are lived to the end, and the second half of them is played from what everybody had in the middle, as it is known in the end.
// Everybody ends with what they really have.
func TestBacktestOpening(t *testing.T) {
	t.Parallel()
	w := setup(t)
	from := time.Date(2026, 2, 22, 0, 0, 0, 0, time.UTC)
	const half, length = 24, 44
	middle, until := from.AddDate(0, 0, half), from.AddDate(0, 0, length)
	var shops []*shopping
	var ids int64
	w.to(from)
	all := clubs()
	for i, s := range slices.Concat(all[:8], all[12:14]) { // those without limits and budgets, which would begin anew
		x := &shopping{world: w, site: int64(i) + 1, rnd: rand.New(rand.NewPCG(11, uint64(i))), spent: map[int64][]int64{}}
		p := w.start(x.site, s)
		x.games = s.Feats != nil
		for _, cost := range []int64{3, 8, 20} {
			x.batches = append(x.batches, w.offer(x.site, p.ID, cost, 0))
		}
		shops = append(shops, x)
	}
	for day := range length {
		for _, hours := range []int{24 * day, 24*day + 12} {
			w.to(from.Add(time.Duration(hours) * time.Hour))
			w.timers()
			for _, s := range shops {
				if hours%24 != 0 {
					s.calm = day >= half
					s.day(&ids)
				} else {
					s.challenge()
				}
			}
		}
	}
	w.to(until.Add(-time.Second))
	w.timers()
	var opened hindsight.OpeningSum
	for _, s := range shops {
		draft, err := s.DraftInForce(t.Context(), shop(s.site))
		if err != nil {
			t.Fatal(err)
		}
		before := w.dump()
		if err := w.openings(t.Context(), shop(s.site), middle, &s.history); err != nil {
			t.Fatal(err)
		}
		if w.dump() != before {
			t.Error("to read it changed something")
		}
		if err := s.PastChallenges(t.Context(), s.site, &s.history); err != nil {
			t.Fatal(err)
		}
		s.history.Keep(middle, until)
		r, err := Backtest(t.Context(), BacktestInput{Shop: shop(s.site), Drafts: []Draft{draft}, History: &s.history, From: middle, Until: until, Workers: 2,
			Terms: hindsight.Terms{Redeem: hindsight.Redeem{Kind: hindsight.Historic}, Worth: hindsight.Worth{Points: 1, Amount: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		s.ends(r)
		for _, w := range r.Programmes[0].Wallets {
			if got, want := fmt.Sprint(w.Totals.Outstanding, w.Totals.Debt), s.holds(w.Key); got != want || w.Opening == nil || w.Opening.Outstanding == 0 {
				t.Errorf("site %d: played %s ends with %s, lived with %s; at first %+v", s.site, w.Key, got, want, w.Opening)
			}
			if m, had := w.Totals, w.Opening; had != nil && had.Outstanding-had.Debt+m.Issued-m.ClawedBack != m.Redeemed-m.Restored+m.Expired+m.Outstanding-m.Debt {
				t.Errorf("site %d: %s doesn't add up: %+v, %+v", s.site, w.Key, had, m)
			}
		}
		x := r.Programmes[0]
		if x.Opening == nil || !strings.HasPrefix(r.Assumptions[0], "Members start with the points") {
			t.Fatalf("site %d: %+v, %v", s.site, x.Opening, r.Assumptions)
		}
		if m := x.Totals; x.Opening.Outstanding+x.Opening.Pending-x.Opening.Debt+m.Issued-m.ClawedBack != m.Redeemed-m.Restored+m.Expired+m.Outstanding-m.Debt+m.Pending {
			t.Errorf("site %d doesn't add up: %+v, %+v", s.site, x.Opening, m)
		}
		opened.Members, opened.Outstanding, opened.Pending = opened.Members+x.Opening.Members, opened.Outstanding+x.Opening.Outstanding, opened.Pending+x.Opening.Pending
		for _, tier := range x.Opening.Tiers[1:] {
			opened.Debt += tier.Members // in a tier at all
		}
	}
	if opened.Members < 20 || opened.Outstanding == 0 || opened.Pending == 0 || opened.Debt == 0 {
		t.Errorf("so little was there that it shows nothing: %+v", opened)
	}
}

// holds is what all have in a wallet, and owe in it.
func (s *shopping) holds(key string) (line string) {
	s.t.Helper()
	err := s.admin.Get(&line, `
		select concat_ws(' ', coalesce(sum(greatest(balance, 0)), 0), coalesce(sum(greatest(-balance, 0)), 0)) from loyalty.account where site_id = $1 and asset = $2 and owner_id is not null`, s.site, key)
	if err != nil {
		s.t.Fatal(err)
	}
	return line
}

// ends compares what everybody ends with, and in which tier, with what they really have.
func (s *shopping) ends(r *hindsight.Report) {
	s.t.Helper()
	var people bytes.Buffer
	if err := r.PeopleCSV(&people); err != nil {
		s.t.Fatal(err)
	}
	lines := strings.Split(people.String(), "\n")
	for i, p := range s.history.People {
		played, lived := strings.Split(lines[i+1], ","), strings.Split(strings.TrimSpace(s.line(p.ID)), ",")
		got, want := strings.Join(played[6:9], " "), strings.Join(lived[6:9], " ")
		if got != want || played[0] != strconv.FormatInt(p.ID, 10) {
			s.t.Errorf("site %d, person %d: played balance, pending and tier %q, lived %q", s.site, p.ID, got, want)
		}
	}
	if n := r.Programmes[0].Totals.Impossible; n > 0 {
		s.t.Errorf("site %d: %d redemptions were made and can't be", s.site, n)
	}
}
