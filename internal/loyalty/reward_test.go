package loyalty

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// reward adds a batch with terms.
func (w *world) reward(siteID, programID, cost int64, kind string, t loyaltyapi.RewardTerms) int64 {
	w.t.Helper()
	s := batchSettings{Kind: kind, Status: active, Description: "A mug", PointsCost: cost, Terms: planned(&t, time.UTC)}
	if kind == rewardCoupon || kind == rewardMade {
		s.CouponListID = new(int64(7))
	}
	b, _, err := w.createBatch(context.WithoutCancel(w.t.Context()), siteID, programID, s, 0, noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return b.ID
}

// redeems says what redeeming answers: "" for yes, else the code of why not.
func (w *world) redeems(siteID, personID, batch int64) string {
	w.t.Helper()
	_, err := w.Redeem(context.WithoutCancel(w.t.Context()), siteID, personID, batch, "api", noKey)
	if f, ok := fault.Of(err); ok {
		return f.Code
	}
	if err != nil {
		w.t.Error(err)
	}
	return ""
}

// mine is what a member's list of rewards says of a batch.
func (w *world) mine(siteID, personID, batch int64) loyaltyapi.Reward {
	w.t.Helper()
	all, err := w.Rewards(w.t.Context(), siteID, personID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range all {
		if r.ID == batch {
			return r
		}
	}
	w.t.Fatalf("batch %d is not among %+v", batch, all)
	return loyaltyapi.Reward{}
}

// codes are the reasons why a reward can't be had, in their order.
func codes(r loyaltyapi.Reward) string {
	out := column(r.Refusals, func(r loyaltyapi.RewardRefusal) string { return r.Code })
	return strings.Join(out, " ")
}

func fromNoon(d time.Duration) *time.Time { return new(noon.Add(d)) }

func TestRewardSettings(t *testing.T) {
	t.Parallel()
	worth := loyaltyapi.RewardTerms{Amount: 500, Currency: "USD"}
	with := func(t loyaltyapi.RewardTerms, change func(*loyaltyapi.RewardTerms)) loyaltyapi.RewardTerms {
		change(&t)
		return t
	}
	for name, c := range map[string]struct {
		kind string
		list bool
		t    loyaltyapi.RewardTerms
		want string // pointers of the findings
	}{
		"a coupon":                    {rewardCoupon, true, loyaltyapi.RewardTerms{}, ""},
		"a coupon of no list":         {rewardCoupon, false, loyaltyapi.RewardTerms{}, "/coupon_list_id"},
		"a mug of a list":             {rewardProduct, true, loyaltyapi.RewardTerms{}, "/coupon_list_id"},
		"a generated coupon":          {rewardMade, true, loyaltyapi.RewardTerms{CodeTemplate: "P-########"}, ""},
		"one that can be guessed":     {rewardMade, true, loyaltyapi.RewardTerms{CodeTemplate: "P-#######"}, "/terms/code_template"},
		"a template of a mug":         {rewardProduct, false, loyaltyapi.RewardTerms{CodeTemplate: "P-########"}, "/terms/code_template"},
		"a gift card":                 {rewardGiftCard, false, worth, ""},
		"a gift card of nothing":      {rewardGiftCard, false, loyaltyapi.RewardTerms{}, "/terms/amount /terms/currency"},
		"a payment":                   {rewardPayment, false, with(worth, func(t *loyaltyapi.RewardTerms) { t.MinPoints, t.MaxPoints = 200, 1000 }), ""},
		"a payment between steps":     {rewardPayment, false, with(worth, func(t *loyaltyapi.RewardTerms) { t.MinPoints = 250 }), "/terms/min_points"},
		"a payment that is never":     {rewardPayment, false, with(worth, func(t *loyaltyapi.RewardTerms) { t.MinPoints, t.MaxPoints = 300, 200 }), "/terms/max_points"},
		"a payment that is hooked":    {rewardPayment, false, with(worth, func(t *loyaltyapi.RewardTerms) { t.Fulfilment = byHook }), "/terms/fulfilment"},
		"store credit":                {rewardCredit, false, with(worth, func(t *loyaltyapi.RewardTerms) { t.Fulfilment = byMerchant }), ""},
		"a product":                   {rewardProduct, false, loyaltyapi.RewardTerms{SKU: "MUG", Fulfilment: byMerchant}, ""},
		"a product that is worth":     {rewardProduct, false, worth, "/terms/amount"},
		"no kind":                     {"car", false, loyaltyapi.RewardTerms{}, "/kind"},
		"time that runs backwards":    {rewardCustom, false, loyaltyapi.RewardTerms{StartsAt: fromNoon(time.Hour), EndsAt: fromNoon(time.Hour)}, "/terms/ends_at"},
		"less than nothing":           {rewardCustom, false, loyaltyapi.RewardTerms{MinBalance: -1, Stock: new(int64(-1))}, "/terms/min_balance /terms/stock"},
		"limits":                      {rewardCustom, false, loyaltyapi.RewardTerms{Limits: []loyaltyapi.RewardLimit{{Of: ofMember, Per: "day", Times: 1}, {Of: ofAll, Per: "day", Times: 9}}}, ""},
		"the same limit twice":        {rewardCustom, false, loyaltyapi.RewardTerms{Limits: []loyaltyapi.RewardLimit{{Of: ofMember, Per: "day", Times: 1}, {Of: ofMember, Per: "day", Times: 9}}}, "/terms/limits/1"},
		"limits of nobody and no day": {rewardCustom, false, loyaltyapi.RewardTerms{Limits: []loyaltyapi.RewardLimit{{Of: "us", Per: "week"}}}, "/terms/limits/0/of /terms/limits/0/per /terms/limits/0/times"},
		"a stock by another name":     {rewardCustom, false, loyaltyapi.RewardTerms{Limits: []loyaltyapi.RewardLimit{{Of: ofAll, Per: spanEver, Times: 1}}}, "/terms/limits/0/per"},
	} {
		s := batchSettings{Kind: c.kind, Status: active, Description: "A mug", PointsCost: 100, Terms: planned(&c.t, time.UTC)}
		if c.list {
			s.CouponListID = new(int64(7))
		}
		var got []string
		if f, ok := fault.Of(s.check()); ok {
			for _, f := range f.Fields {
				got = append(got, f.Pointer)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: findings at %v, want %s", name, got, c.want)
		}
	}
}

// TestRewardGates: whatever keeps a member from a reward is said by redeeming and by the list, with the same words.
func TestRewardGates(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var programs [3]programView
	for _, site := range []int64{1, 2} {
		programs[site] = w.start(site, club())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1_000), w.bought(site, 8, 2, 60_000)) // 100 points; 6000: Gold
	}
	once := []loyaltyapi.RewardLimit{{Of: ofMember, Per: "month", Times: 1}}
	for name, c := range map[string]struct {
		cost int64
		t    loyaltyapi.RewardTerms
		want string // of the member with 100 points
		gold string // of the one with 6000
	}{
		"anybody's":          {50, loyaltyapi.RewardTerms{SKU: "MUG"}, "", ""},
		"too dear":           {101, loyaltyapi.RewardTerms{}, "not_enough_points", ""},
		"not yet":            {50, loyaltyapi.RewardTerms{StartsAt: fromNoon(time.Second)}, notStarted, notStarted},
		"from now on":        {10, loyaltyapi.RewardTerms{StartsAt: fromNoon(0)}, "", ""},
		"until now":          {50, loyaltyapi.RewardTerms{EndsAt: fromNoon(0)}, over, over},
		"of Silver":          {50, loyaltyapi.RewardTerms{FromTier: "Silver"}, tierRequired, ""},
		"of Gold":            {50, loyaltyapi.RewardTerms{FromTier: "Gold"}, tierRequired, ""},
		"none is there":      {50, loyaltyapi.RewardTerms{Stock: new(int64(0))}, outOfStock, outOfStock},
		"of the rich":        {10, loyaltyapi.RewardTerms{MinBalance: 1000}, balanceLow, ""},
		"all at once":        {7000, loyaltyapi.RewardTerms{EndsAt: fromNoon(0), FromTier: "Gold", Stock: new(int64(0)), MinBalance: 9000}, over, over},
		"once a month":       {1, loyaltyapi.RewardTerms{Limits: once}, "", ""},
		"the last of its no": {1, loyaltyapi.RewardTerms{Stock: new(int64(1)), FromTier: "Gold"}, tierRequired, ""},
	} {
		batch := w.reward(1, programs[1].ID, c.cost, rewardProduct, c.t)
		for who, want := range map[int64]string{7: c.want, 8: c.gold} {
			mine := w.mine(1, who, batch)
			first, _, _ := strings.Cut(codes(mine), " ")
			if got := w.redeems(1, who, batch); got != want || first != want || mine.Redeemable != (want == "") {
				t.Errorf("%s: member %d is answered %q and shown %+v, want %q", name, who, got, mine, want)
			}
		}
		if name == "all at once" {
			if got := codes(w.mine(1, 7, batch)); got != over+" "+tierRequired+" "+outOfStock+" "+balanceLow+" not_enough_points" {
				t.Errorf("all reasons: %s", got)
			}
		}
	}
	batch := w.reward(1, programs[1].ID, 1, rewardProduct, loyaltyapi.RewardTerms{}) // of which no balance is asked
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1_000, 1_000))
	if got := w.redeems(1, 7, batch); got != "not_enough_points" || codes(w.mine(1, 7, batch)) != got {
		t.Errorf("who is in debt is answered %q and shown %s", got, codes(w.mine(1, 7, batch)))
	}
	if got := w.redeems(2, 7, 1); got != "redemption_batch_not_found" {
		t.Errorf("the twin redeems another site's batch: %q", got)
	}
}

// rush has fifty redemptions at once, by whom who says, and returns how many won; the others are refused for one of the reasons.
func (w *world) rush(batch int64, who func(i int64) int64, refused ...string) int64 {
	w.t.Helper()
	var wins atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range int64(50) {
		wg.Go(func() {
			<-gate
			if got := w.redeems(1, who(i), batch); got == "" {
				wins.Add(1)
			} else if !slices.Contains(refused, got) {
				w.t.Errorf("answered %q", got)
			}
		})
	}
	close(gate)
	wg.Wait()
	return wins.Load()
}

// A balance that allows one redemption allows one of fifty.
func TestOneBalanceUnderParallelRedemptions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	batch := w.offer(1, w.start(1, club()).ID, 60, 0)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000))
	if won := w.rush(batch, func(int64) int64 { return 7 }, errTooFew.Code); won != 1 || w.balance(1, 7) != 40 {
		t.Errorf("%d won, %d points are left", won, w.balance(1, 7))
	}
}

// Fifty members want the last seven at once.
func TestStockUnderParallelRedemptions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var batch [3]int64
	for _, site := range []int64{1, 2} {
		p := w.start(site, club())
		batch[site] = w.reward(site, p.ID, 10, rewardProduct, loyaltyapi.RewardTerms{Stock: new(int64(7)), Limits: []loyaltyapi.RewardLimit{{Of: ofMember, Per: "day", Times: 2}}})
		for who := range int64(50) {
			hear(w, w.originsRecorded, site, w.bought(site, 100+who, 1+who, 1000))
		}
	}
	rush := func(who func(i int64) int64) int64 { return w.rush(batch[1], who, outOfStock, limitReached) }
	if won := rush(func(int64) int64 { return 100 }); won != 2 {
		t.Errorf("one member of two a day won %d", won)
	}
	if won := rush(func(i int64) int64 { return 100 + i }); won != 5 {
		t.Errorf("%d of fifty won the last five", won)
	}
	if r := w.mine(1, 149, batch[1]); *r.StockLeft != 0 || codes(r) != outOfStock {
		t.Errorf("shown %+v", r)
	}
	if r := w.mine(2, 100, batch[2]); *r.StockLeft != 7 || !r.Redeemable || r.Rooms[0].Left != 2 {
		t.Errorf("the twin's is shown as %+v", r)
	}

	// What is cancelled is there again: once, however often it is asked for.
	var id int64
	if err := w.admin.Get(&id, `select min(r.id) from loyalty.redemption r join loyalty.member m on m.site_id = r.site_id and m.id = r.member_id where r.site_id = 1 and m.person_id = 100`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if _, err := w.Cancel(context.WithoutCancel(t.Context()), 1, id, "Broken", noKey); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if r := w.mine(1, 100, batch[1]); *r.StockLeft != 1 || r.Rooms[0].Left != 1 || !r.Redeemable || r.Rooms[0].AnewAt.Sub(noon) != 12*time.Hour {
		t.Errorf("after a cancellation: %+v", r)
	}
	if won := rush(func(int64) int64 { return 100 }); won != 1 {
		t.Errorf("%d won the one that was cancelled", won)
	}
	if _, err := w.admin.Exec(`update loyalty.redemption_count set taken = taken + 1 where span = 'ever'`); err == nil {
		t.Error("the database lets a count pass its limit")
	}
}

// A new day begins in the site's zone; what was redeemed before it counts no more, and its cancellation gives back its own day.
func TestLimitsBeginAnew(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 10_000))
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	s := batchSettings{Kind: rewardCustom, Status: active, Description: "Coffee", PointsCost: 10,
		Terms: planned(&loyaltyapi.RewardTerms{Limits: []loyaltyapi.RewardLimit{{Of: ofMember, Per: "day", Times: 1}, {Of: ofAll, Per: "month", Times: 3}}}, zone)}
	b, _, err := w.createBatch(t.Context(), 1, p.ID, s, 0, noKey)
	if err != nil {
		t.Fatal(err)
	}
	redeem := func(want string) {
		t.Helper()
		if got := w.redeems(1, 7, b.ID); got != want {
			t.Errorf("at %s: answered %q, want %q", w.clock.Now(), got, want)
		}
	}
	redeem("")
	redeem(limitReached)
	if r := w.mine(1, 7, b.ID); !r.Rooms[0].AnewAt.Equal(time.Date(2026, 3, 2, 5, 0, 0, 0, time.UTC)) {
		t.Errorf("anew at %s", r.Rooms[0].AnewAt)
	}
	w.clock.Move(15 * time.Hour) // 22:00 in New York
	redeem(limitReached)
	w.clock.Move(2 * time.Hour)
	redeem("")
	var first int64
	if err := w.admin.Get(&first, `select min(id) from loyalty.redemption`); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Cancel(t.Context(), 1, first, "Cold", noKey); err != nil {
		t.Fatal(err)
	}
	redeem(limitReached) // today's stands
	w.days(1)
	redeem("")
	w.days(1)
	redeem("")
	w.days(1)
	redeem(limitReached) // three live ones of the month
	w.days(28)           // April
	redeem("")
	w.days(500)
	if err := w.sweepCounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n, other int
	if err := w.admin.QueryRow(`select count(*) filter (where span = 'day'), count(*) filter (where span <> 'day') from loyalty.redemption_count`).Scan(&n, &other); err != nil || n != 0 || other != 2 {
		t.Errorf("%d days and %d others are left; %v", n, other, err)
	}
	var last int64
	if err := w.admin.Get(&last, `select max(id) from loyalty.redemption`); err != nil {
		t.Fatal(err)
	}
	if a, err := w.Cancel(t.Context(), 1, last, "Cold", noKey); err != nil || a.Redemption.Status != cancelled {
		t.Errorf("of a day that was swept: %+v, %v", a, err)
	}
}

// A condition sees the member as of that moment, and the person as the shop describes them.
func TestRewardConditions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.people = known{7: {ID: 7, Email: "ann@shop.example", CustomProperties: map[string]string{"vip": "yes"}}, 8: {ID: 8, Email: "bob@shop.example"}}
	p := w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 5_000), w.bought(1, 8, 2, 60_000)) // 500 points; 6000: Gold
	for when, want := range map[string][2]string{                                      // of Ann and Bob
		`'vip' in person.custom_properties`:                                 {"", conditionUnmet},
		`person.email_domain == 'shop.example' && member.tier == 'Gold'`:    {conditionUnmet, ""},
		`member.earned >= 500`:                                              {"", ""},
		`member.earned > 500 ? '' : 'Only for those who earned much more.'`: {conditionUnmet, ""},
	} {
		batch := w.reward(1, p.ID, 10, rewardCustom, loyaltyapi.RewardTerms{When: when})
		for range 2 { // the second time it is known that the person is looked at
			for i, who := range []int64{7, 8} {
				mine := w.mine(1, who, batch)
				if got := w.redeems(1, who, batch); got != want[i] || codes(mine) != want[i] {
					t.Errorf("%s: member %d is answered %q and shown %+v, want %q", when, who, got, mine.Refusals, want[i])
				}
			}
		}
	}
	s := batchSettings{Kind: rewardCustom, Status: active, Description: "A mug", PointsCost: 1, Terms: planned(&loyaltyapi.RewardTerms{When: "member.colour"}, nil)}
	if f, ok := fault.Of(s.check()); !ok || f.Fields[0].Pointer != "/terms/when" {
		t.Errorf("a condition that can't be: %v", s.check())
	}
}

// What a merged member redeemed counts for the survivor's limits, until it is cancelled.
func TestLimitsOfMergedMembers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000))
	batch := w.reward(1, p.ID, 10, rewardCustom, loyaltyapi.RewardTerms{Limits: []loyaltyapi.RewardLimit{{Of: ofMember, Per: spanEver, Times: 2}}})
	a, err := w.Redeem(t.Context(), 1, 8, batch, "api", noKey)
	if got := w.redeems(1, 7, batch); got != "" || err != nil {
		t.Fatal(got, err)
	}
	w.merges(1, 5, 7, 8)
	if got, r := w.redeems(1, 7, batch), w.mine(1, 7, batch); got != limitReached || codes(r) != limitReached || r.Rooms[0].Left != 0 {
		t.Errorf("answered %q, shown %+v", got, r)
	}
	if _, err := w.Cancel(t.Context(), 1, a.Redemption.ID, "Sorry", noKey); err != nil {
		t.Fatal(err)
	}
	if got := w.redeems(1, 7, batch); got != "" {
		t.Errorf("answered %q", got)
	}
}
