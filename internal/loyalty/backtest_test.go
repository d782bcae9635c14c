package loyalty

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// clubs are programmes of all kinds, each for a site of its own.
func clubs() (out []settings) {
	club := func(change func(*settings)) {
		s := club()
		s.ExpiresAfterDays, s.PointsPerUnit = days(10), 1
		s.Tiers = []tier{{Name: "Low", Threshold: 15}, {Name: "Mid", Threshold: 40}, {Name: "High", Threshold: 90}}
		change(&s)
		out = append(out, s)
	}
	rules := func(rules ...earnRule) *earnPlan {
		return &earnPlan{EarnTerms: EarnTerms{Stacking: stackAll, Rules: rules}}
	}
	few, some := int64(150), int64(400)
	club(func(*settings) {})
	club(func(s *settings) { s.ExpiresAfterDays = nil })
	club(func(s *settings) { s.ExpiryRule, s.DebtPolicy = inactivity, withinBalance })
	club(func(s *settings) { s.ExpiryRule, s.ExpiresAfterDays, s.RestoreGraceDays = endOfMonth, nil, 5 })
	club(func(s *settings) { s.PendingRule, s.PendingDays, s.DebtPolicy = untilDays, 3, pendingOnly })
	club(func(s *settings) {
		s.PendingRule, s.PendingDays, s.PendingExpiry, s.ExpiryRule = untilDays, 4, fromActivation, inactivity
		s.TierPlan = tierPlan{Window: rollingDays, Length: 14, GraceDays: 3, Downgrade: oneLevel}
	})
	club(func(s *settings) {
		s.TierPlan = tierPlan{Window: rollingDays, Length: 12}
		s.Tiers = []tier{{Name: "Low", Orders: 2}, {Name: "High", Spend: 6000, Orders: 3, Match: matchAny}}
		s.RestoreGraceDays = 3
	})
	club(func(s *settings) { s.TierPlan = tierPlan{Window: rollingMonths, Length: 1, GraceDays: 5} })
	club(func(s *settings) {
		s.TierPlan = tierPlan{Window: rollingDays, Length: 20}
		s.Earning = rules(
			earnRule{Key: "tiers", Kind: kindMultiplier, Multiplier: 15_000, Tiers: []string{"Mid", "High"}},
			earnRule{Key: "hello", Kind: kindFixed, On: onJoin, Points: 7},
			earnRule{Key: "up", Kind: kindFixed, On: onTier, Tiers: []string{"Mid"}, Points: 11},
			earnRule{Key: "large", Kind: kindFixed, Points: 5, When: "origin.subtotal > 2000", Limits: []earnLimit{{Per: "month", Points: 12}}},
			earnRule{Key: "first", Kind: kindFixed, Points: 4, When: "origin.first_purchase"})
	})
	club(func(s *settings) {
		s.Earning = rules(
			earnRule{Key: "vip", Kind: kindFixed, Points: 6, When: `"vip" in person.segments`},
			earnRule{Key: "vip_order", Kind: kindFixed, Points: 3, When: `"vip" in origin.segments`},
			earnRule{Key: "loyal", Kind: kindMultiplier, Multiplier: 20_000, When: `history.orders >= 3 && history.spent > 4000 && now - history.first_at > duration("100h")`},
			earnRule{Key: "back", Kind: kindFixed, Points: 8, When: `history.orders > 0 && now - history.last_at > duration("72h") && history.refunded < 1500`},
			earnRule{Key: "up", Kind: kindFixed, On: onTier, Tiers: []string{"Mid"}, Points: 11, When: `history.orders > 2`},
			earnRule{Key: "since", Kind: kindFixed, Points: 2, When: `member.status == "active" && now - member.joined_at > duration("240h")`})
	})
	club(func(s *settings) {
		s.Earning = rules(
			earnRule{Key: "few", Kind: kindFixed, Points: 9, Budget: &few},
			earnRule{Key: "slow", Kind: kindPerMoney, Points: 2, Cooldown: 3 * 24 * 60, Limits: []earnLimit{{Per: "ever", Times: 5}}},
			earnRule{Key: "double", Kind: kindMultiplier, Multiplier: 20_000, Budget: &some})
		s.RestoreGraceDays = 2
	})
	club(func(s *settings) { // status points beside spending points, and credit that ends
		s.Wallets = []Wallet{{Key: "status", Name: "Status", Spendable: new(bool), CountsForTier: true}, {Key: "credit", Name: "Credit", ExpiresAfter: days(8)}}
		s.Earning = rules(
			earnRule{Key: "status", Kind: kindPerMoney, Points: 1, Wallet: "status"},
			earnRule{Key: "credit", Kind: kindPerMoney, Points: 2, Wallet: "credit", When: "origin.subtotal > 1000"},
			earnRule{Key: "half", Kind: kindMultiplier, Multiplier: 15_000, Wallet: "credit", Tiers: []string{"Mid", "High"}},
			earnRule{Key: "hello", Kind: kindFixed, On: onJoin, Points: 7, Wallet: "credit"},
			earnRule{Key: "few", Kind: kindFixed, Points: 9, Wallet: "status", Budget: &few},
			earnRule{Key: "up", Kind: kindFixed, On: onTier, Tiers: []string{"Mid"}, Points: 11, Limits: []earnLimit{{Per: "ever", Times: 1}}})
	})
	return append(out, gamesClubs()...)
}

// shopping is people of a site who buy, return, spend and cancel, really and in a history.
type shopping struct {
	*world
	site    int64
	rnd     *rand.Rand
	history hindsight.History
	batches []int64
	orders  []*shopped
	spent   map[int64][]int64 // redemptions that stand, by person
	left    []int64           // what all had at the ends of days
	calm    bool              // without refunds and cancellations: what was before can't reach into it
	games   bool              // there are achievements
}

type shopped struct {
	who, id, subtotal, refunded int64
}

// day is what happens on a day at noon.
func (s *shopping) day(ids *int64) {
	now, ctx := s.clock.Now(), s.t.Context()
	decide := func() {
		if _, err := s.decideDue(ctx); err != nil {
			s.t.Fatal(err)
		}
		if _, err := s.takeBackLost(ctx); err != nil {
			s.t.Fatal(err)
		}
	}
	for range s.rnd.IntN(4) {
		*ids++
		o := &shopped{who: 1 + s.rnd.Int64N(5), id: *ids, subtotal: s.rnd.Int64N(4000)}
		s.orders = append(s.orders, o)
		e := s.bought(s.site, o.who, o.id, o.subtotal)
		p := s.history.Of(o.who)
		e.FirstPurchase = !slices.ContainsFunc(p.Orders, func(o hindsight.Order) bool { return !o.Event })
		if s.games {
			e.Items = append(e.Items, customerevent.Item{ProductID: strconv.Itoa(s.rnd.IntN(6)), Price: o.subtotal, Quantity: 1})
		}
		if s.rnd.IntN(3) == 0 {
			e.Segments = []string{[]string{"vip", "web"}[s.rnd.IntN(2)]}
		}
		s.history.Take(e)
		hear(s.world, s.originsRecorded, s.site, e)
		decide()
	}
	s.review(ids, decide)
	if len(s.orders) == 0 {
		return
	}
	for range s.rnd.IntN(3) {
		if s.calm {
			break
		}
		o := s.orders[s.rnd.IntN(len(s.orders))]
		part := min(1+s.rnd.Int64N(2000), o.subtotal-o.refunded)
		if part <= 0 {
			continue
		}
		*ids++
		o.refunded += part
		e := s.refund(s.site, o.id, *ids, o.refunded, o.subtotal)
		e.PersonID, e.Refunded = o.who, part
		s.history.TakeRefund(e)
		hear(s.world, s.originsRefunded, s.site, e)
		decide()
	}
	s.spend(now)
	decide()
}

// spend has somebody redeem, and sometimes somebody cancel. What is refused has no place in a history.
func (s *shopping) spend(now time.Time) {
	act := func(a action) *hindsight.Redemption {
		a.site, a.key = s.site, noKey
		out, err := s.act(s.t.Context(), []action{a})
		if err != nil {
			s.t.Fatal(err)
		}
		if out[0].Err != nil {
			return nil
		}
		r := out[0].Value.Redemption
		return &hindsight.Redemption{ID: r.ID, At: now, Points: r.Points}
	}
	for range s.rnd.IntN(3) {
		who := 1 + s.rnd.Int64N(5)
		if r := act(action{kind: kindRedeem, person: who, id: s.batches[s.rnd.IntN(len(s.batches))]}); r != nil {
			s.history.Of(who).Redemptions = append(s.history.Of(who).Redemptions, *r)
			s.spent[who] = append(s.spent[who], r.ID)
		}
	}
	who := 1 + s.rnd.Int64N(5)
	if n := len(s.spent[who]); n > 0 && s.rnd.IntN(3) == 0 && !s.calm {
		i := s.rnd.IntN(n)
		id := s.spent[who][i]
		s.spent[who] = slices.Delete(s.spent[who], i, i+1)
		act(action{kind: kindCancel, id: id})
		for j := range s.history.Of(who).Redemptions {
			if x := &s.history.Of(who).Redemptions[j]; x.ID == id {
				x.CancelledAt = now
			}
		}
	}
}

// TestBacktestIsTheEngine: random lives under programmes of all kinds are lived by the module on a database, with its timers, and then played in
// memory. Everybody ends with the same points and tier, and what is owed at the end of each month is the same.
func TestBacktestIsTheEngine(t *testing.T) {
	t.Parallel()
	w := setup(t)
	from := time.Date(2026, 2, 22, 0, 0, 0, 0, time.UTC)
	const length = 45
	var shops []*shopping
	var ids int64
	w.to(from)
	told := histories{}
	w.people = told
	for i, s := range clubs() {
		x := &shopping{world: w, site: int64(i) + 1, rnd: rand.New(rand.NewPCG(7, uint64(i))), spent: map[int64][]int64{}}
		p := w.start(x.site, s)
		x.games = s.Feats != nil
		for _, cost := range []int64{3, 8, 20} {
			x.batches = append(x.batches, w.offer(x.site, p.ID, cost, 0))
		}
		shops, told[x.site] = append(shops, x), &x.history
	}
	for day := range length {
		for _, hours := range []int{24 * day, 24*day + 12} {
			w.to(from.Add(time.Duration(hours) * time.Hour))
			w.timers()
			for _, s := range shops {
				if hours%24 == 0 {
					s.left = append(s.left, s.owed())
					s.challenge()
				} else {
					s.day(&ids)
				}
			}
		}
	}
	until := from.AddDate(0, 0, length)
	w.to(until.Add(-time.Second))
	var all hindsight.Totals
	for _, s := range shops {
		r := s.compare(from, until)
		for _, m := range r.Months {
			all.Debt = max(all.Debt, m.Debt)
		}
		x := r.Totals
		all.Issued, all.ClawedBack, all.Activated, all.Restored, all.Expired = all.Issued+x.Issued, all.ClawedBack+x.ClawedBack, all.Activated+x.Activated,
			all.Restored+x.Restored, all.Expired+x.Expired
		if len(r.Moves) < 2 {
			t.Errorf("site %d: hardly anybody moved between tiers: %v", s.site, r.Moves)
		}
	}
	if all.ClawedBack == 0 || all.Activated == 0 || all.Restored == 0 || all.Expired == 0 || all.Debt == 0 {
		t.Errorf("lives so dull that they show nothing: %+v", all)
	}
}

func (w *world) to(t time.Time) { w.clock.Move(t.Sub(w.clock.Now())) }

// timers come by.
func (w *world) timers() {
	w.t.Helper()
	ctx := w.t.Context()
	for _, work := range []func() (int, error){func() (int, error) { return w.activateDue(ctx) }, func() (int, error) { return w.ExpireDue(ctx) },
		func() (int, error) { return w.decideDue(ctx) }, func() (int, error) { return w.TiersDue(ctx) }, func() (int, error) { return w.decideDue(ctx) },
		func() (int, error) { return w.takeBackLost(ctx) }} {
		if _, err := work(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// owed is what all members of the site have, less their debts, with what is pending.
func (s *shopping) owed() (n int64) {
	s.t.Helper()
	if err := s.admin.Get(&n, `select coalesce(sum(balance), 0) from loyalty.account where site_id = $1 and asset = 'points' and (owner_id is not null or pending_of is not null)`, s.site); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// compare plays what was lived, and returns what came of it.
func (s *shopping) compare(from, until time.Time) hindsight.Outcome {
	s.t.Helper()
	ctx := s.t.Context()
	draft, err := s.DraftInForce(ctx, shop(s.site))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.PastChallenges(ctx, s.site, &s.history); err != nil {
		s.t.Fatal(err)
	}
	s.history.Keep(from, until)
	in := BacktestInput{Shop: shop(s.site), Drafts: []Draft{draft}, History: &s.history, From: from, Until: until, Workers: 3,
		Terms: hindsight.Terms{Redeem: hindsight.Redeem{Kind: hindsight.Historic}, Worth: hindsight.Worth{Points: 1, Amount: 1}}}
	r, err := Backtest(ctx, in)
	if err != nil {
		s.t.Fatal(err)
	}
	var people bytes.Buffer
	if err := r.PeopleCSV(&people); err != nil {
		s.t.Fatal(err)
	}
	want := "person,name,member_1,earned_1,redeemed_1,expired_1,balance_1,pending_1,tier_1\n"
	for _, p := range s.history.People {
		want += s.line(p.ID)
	}
	if people.String() != want {
		s.t.Errorf("site %d: played\n%swas lived\n%s", s.site, people.String(), want)
	}
	if n := r.Programmes[0].Totals.Impossible; n > 0 {
		s.t.Errorf("site %d: %d redemptions were made and can't be", s.site, n)
	}
	for _, m := range r.Programmes[0].Months[:2] {
		end, err := time.Parse("2006-01", m.Month)
		if err != nil {
			s.t.Fatal(err)
		}
		day := int(end.AddDate(0, 1, 0).Sub(from).Hours() / 24)
		// At midnight what ends with the month has ended; a month of the report ends before.
		if got := m.Outstanding - m.Debt + m.Pending; draft.ExpiryRule != endOfMonth && got != s.left[day] {
			s.t.Errorf("site %d: at the end of %s %d points are owed, want %d", s.site, m.Month, got, s.left[day])
		}
	}
	for _, w := range r.Programmes[0].Wallets {
		got := fmt.Sprint(w.Totals.Issued, w.Totals.ClawedBack, w.Totals.Redeemed-w.Totals.Restored, w.Totals.Expired, w.Totals.Outstanding, w.Totals.Debt, w.Totals.Joined)
		if want := s.inWallet(w.Key); got != want || w.Totals.Issued == 0 || w.Totals.ClawedBack == 0 || (w.Key != "status") != (w.Totals.Expired > 0) {
			s.t.Errorf("site %d: in %s were played %s, and lived %s", s.site, w.Key, got, want)
		}
	}
	s.compareFeats(r.Programmes[0])
	if s.left[len(s.left)-1] == 0 {
		s.t.Errorf("site %d: nothing is owed in the end, so little is shown", s.site)
	}
	return r.Programmes[0]
}

// inWallet is what was really issued in a wallet, taken back, redeemed and expired, what is left and owed, and how many ever had any.
func (s *shopping) inWallet(key string) (line string) {
	s.t.Helper()
	err := s.admin.Get(&line, `
		select concat_ws(' ', t.earned, t.clawed, t.redeemed, t.expired, (select coalesce(sum(greatest(balance, 0)), 0) from loyalty.account where site_id = $1 and asset = $2 and owner_id is not null),
			(select coalesce(sum(greatest(-balance, 0)), 0) from loyalty.account where site_id = $1 and asset = $2 and owner_id is not null), t.members)
		from (select coalesce(sum(points) filter (where kind = 'earn'), 0) as earned, coalesce(sum(points) filter (where kind = 'claw_back'), 0) as clawed,
			coalesce(sum(case kind when 'redeem' then points when 'cancel' then -points end), 0) as redeemed, coalesce(sum(points) filter (where kind = 'expire'), 0) as expired,
			count(distinct member_id) filter (where kind = 'earn') as members
			from loyalty.txn where site_id = $1 and wallet = $2) t`, s.site, key)
	if err != nil {
		s.t.Fatal(err)
	}
	return line
}

// line is what a person really has, as the report's table of people says it.
func (s *shopping) line(who int64) (line string) {
	s.t.Helper()
	err := s.admin.Get(&line, `
		select coalesce(max(concat_ws(',', $2::text, '', 'true', t.earned, t.redeemed, t.expired, a.balance, coalesce(w.balance, 0), m.tier)), concat($2::text, ',,false,0,0,0,0,0,')) || E'\n'
		from loyalty.member m
		join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points'
		left join loyalty.account w on w.site_id = m.site_id and w.pending_of = m.id
		cross join lateral (select coalesce(sum(case kind when 'earn' then points when 'claw_back' then -points end), 0) as earned,
			coalesce(sum(case kind when 'redeem' then points when 'cancel' then -points end), 0) as redeemed,
			coalesce(sum(points) filter (where kind = 'expire'), 0) as expired
			from loyalty.txn t where t.site_id = m.site_id and t.member_id = m.id and t.wallet is null) t
		where m.site_id = $1 and m.person_id = $3`, s.site, strconv.FormatInt(who, 10), who)
	if err != nil {
		s.t.Fatal(err)
	}
	return line
}
