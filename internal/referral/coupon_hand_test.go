package referral

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/site"
)

// list makes a single-use list with these codes.
func (p *place) list(s site.Site, codes ...string) int64 {
	p.t.Helper()
	l, _, err := p.createCouponList(p.t.Context(), s, 7, couponListInput{Name: "Ten", Kind: singleUse, Percent: "10"}, idempotency.Key{})
	if err != nil {
		p.t.Fatal(err)
	}
	p.stockUp(s, l.ID, codes...)
	return l.ID
}

func (p *place) stockUp(s site.Site, list int64, codes ...string) delivery {
	p.t.Helper()
	d, err := p.deliver(p.t.Context(), s.ID, 7, list, plainText, strings.NewReader(strings.Join(codes, "\n")))
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

// giving makes a campaign whose advocates and friends get a coupon of a list.
func (p *place) giving(s site.Site, list int64, action string) campaignJSON {
	return p.campaign(s, func(c *campaignInput) {
		c.Incentives = []incentiveInput{{Identifier: "coupon", ActionType: action, Kind: "coupon", CouponListID: &list}}
	})
}

// clicks are rewards of friend offers from first on.
func clicks(c *campaign, first, n int) []reward {
	var out []reward
	for i := range n {
		given, _, err := clickRewards(context.Background(), c, friendOffer{ID: int64(first + i), VisitorID: uuidOf(first + i)}, situation{}, 0, epoch)
		if err != nil {
			panic(err) // nothing is asked that could fail
		}
		out = append(out, given...)
	}
	return out
}

func (p *place) issueAll(rewards []reward) error {
	return p.outbox.InTx(p.t.Context(), func(u *bus.Unit) error { return p.issue(p.t.Context(), u, &awards{given: rewards}) })
}

func (p *place) loaded(id int64) *campaign {
	p.t.Helper()
	list, err := campaignsByID(p.t.Context(), p.db, []int64{1}, []int64{id}, p.clock.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	return list[key{1, id}]
}

// books are wrong in these places; "" if they are right.
func (p *place) books() string {
	p.t.Helper()
	var wrong []string
	for what, query := range map[string]string{
		"a coupon with a holder that doesn't know it": `select count(*) from referral.coupon c left join referral.reward w on w.site_id = c.site_id and w.id = c.reward_id
			where c.reward_id is not null and (w.coupon_id is distinct from c.id or w.coupon_code <> c.code or w.status not in ('Paid', 'Voided'))`,
		"a reward with a coupon that is another's": `select count(*) from referral.reward w left join referral.coupon c on c.site_id = w.site_id and c.id = w.coupon_id
			where w.coupon_id is not null and c.reward_id is distinct from w.id`,
		"waiting without a place in the queue": `select count(*) from referral.reward w left join referral.coupon_wait q on q.site_id = w.site_id and q.reward_id = w.id
			where (w.status = 'Waiting for coupon') <> (q.id is not null)`,
		"waiting while there are some": `select count(*) from referral.coupon_wait q join referral.coupon c using (site_id, list_id) where c.issued_at is null`,
		"a coupon of a cancelled redemption that isn't withdrawn, or the other way round": `select count(*) from referral.coupon c
			left join referral.redemption_cancelled x on x.site_id = c.site_id and x.redemption_id = c.redemption_id
			where (c.withdrawn_at is not null) <> (x.redemption_id is not null)`,
		"a cancelled redemption that waits": `select count(*) from referral.coupon_wait w join referral.redemption_cancelled x using (site_id, redemption_id)`,
		"a counter that is off": `select count(*) from referral.coupon_list l
			where (select coalesce(sum(added), 0) from referral.coupon_stock s where s.site_id = l.site_id and s.list_id = l.id)
				<> (select count(*) from referral.coupon c where c.site_id = l.site_id and c.list_id = l.id)
			or (select coalesce(sum(issued), 0) from referral.coupon_stock s where s.site_id = l.site_id and s.list_id = l.id)
				<> (select count(*) from referral.coupon c where c.site_id = l.site_id and c.list_id = l.id and c.issued_at is not null)`,
	} {
		if n := p.count(query); n != 0 {
			wrong = append(wrong, fmt.Sprintf("%s: %d", what, n))
		}
	}
	return strings.Join(wrong, "; ")
}

func TestHandOut_gives_the_last_coupon_to_one_of_eight(t *testing.T) {
	t.Parallel()
	p := setup(t)
	other := open(t, p.url, 8) // another replica
	list := p.list(p.one)
	c := p.loaded(p.giving(p.one, list, "click").ID)
	for round := range 20 {
		before := p.count(`select count(*) from referral.coupon_wait`)
		if _, err := p.root.Exec(`delete from referral.coupon_wait`); err != nil { // who waited would get it first
			t.Fatal(err)
		}
		if _, err := p.root.Exec(`update referral.reward set status = 'Voided' where status = 'Waiting for coupon'`); err != nil {
			t.Fatal(err)
		}
		p.stockUp(p.one, list, fmt.Sprintf("LAST-%d", round))
		var gate, done sync.WaitGroup
		gate.Add(1)
		for n := range 8 {
			at := []*place{p, other}[n%2]
			done.Go(func() {
				gate.Wait()
				if err := at.issueAll(clicks(c, round*8+n+1, 1)); err != nil {
					t.Error(err)
				}
			})
		}
		gate.Done()
		done.Wait()
		if n := p.count(`select count(*) from referral.reward where status = 'Paid'`); n != int64(round+1) {
			t.Fatalf("round %d: %d have a coupon (%d waited before)", round, n, before)
		}
		if n := p.count(`select count(*) from referral.coupon_wait`); n != 7 {
			t.Fatalf("%d wait", n)
		}
		if wrong := p.books(); wrong != "" {
			t.Fatal(wrong)
		}
	}
}

func TestHandOut_gives_ten_thousand_codes_once_each_while_they_are_delivered(t *testing.T) {
	t.Parallel()
	const workers, each, batch = 8, 1250, 25
	p := setup(t)
	other := open(t, p.url, 8)
	list := p.list(p.one)
	c := p.loaded(p.giving(p.one, list, "click").ID)
	codes := draw("X-########", workers*each)
	p.stockUp(p.one, list, codes[:workers*each/4]...)
	p.told()
	var done sync.WaitGroup
	for n := range workers {
		at := []*place{p, other}[n%2]
		done.Go(func() {
			for i := 0; i < each; i += batch {
				if err := at.issueAll(clicks(c, n*each+i+1, batch)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := workers * each / 4; i < len(codes); i += 500 {
		p.stockUp(p.one, list, codes[i:i+500]...)
	}
	done.Wait()
	if n := p.count(`select count(distinct w.coupon_code) from referral.reward w where status = 'Paid'`); n != workers*each {
		t.Errorf("%d have a coupon of their own", n)
	}
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
	told := map[string]int{}
	for _, e := range p.told() {
		told[strings.Fields(e)[0]]++
	}
	if told["reward_issued"] != workers*each || told["coupon_issued"] != workers*each {
		t.Errorf("told %v", told)
	}
}

func TestHandOut_serves_in_the_order_of_waiting(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, "FIRST")
	c := p.loaded(p.giving(p.one, list, "click").ID)
	for n := 1; n <= 5; n++ {
		if err := p.issueAll(clicks(c, n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	p.tell(loyaltyevent.PointsRedeemed{SiteID: 1, RedemptionID: 9, PersonID: 4, CouponListID: list})
	told := p.told()
	if want := []string{"reward_issued reward:1", "coupon_issued reward:1"}; !slices.Equal(told[len(told)-2:], want) {
		t.Errorf("told %q: what waits isn't issued", told)
	}
	if d := p.stockUp(p.one, list, "second", "THIRD", "second"); d.Added != 2 || d.Known != 1 {
		t.Errorf("%+v", d)
	}
	if told, want := p.told(), []string{"reward_issued reward:2", "coupon_issued reward:2", "reward_issued reward:3", "coupon_issued reward:3"}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
	if err := p.issueAll(clicks(c, 6, 1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.generateCodes(t.Context(), p.one, 7, list, generateInput{Template: "gen-########", Count: 4}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if told, want := p.told(), []string{"reward_issued reward:4", "coupon_issued reward:4", "reward_issued reward:5", "coupon_issued reward:5",
		"coupon_issued redemption:9", "reward_issued reward:6", "coupon_issued reward:6"}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
	l, err := readCouponList(t.Context(), p.db, 1, list)
	if err != nil || l.Total != 7 || l.Issued != 7 || l.Available != 0 || l.Waiting != 0 {
		t.Errorf("%+v %v", l, err)
	}
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
}

func TestRefund_ends_waiting_and_keeps_a_coupon_that_was_given(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, "ONE-CODE")
	p.giving(p.one, list, "referrer")
	for n := int64(1); n <= 3; n++ {
		p.touched(uuidOf(int(n)), 10+n)
		p.tell(p.purchase(p.one, n, 20+n, 1000, uuidOf(int(n))))
	}
	p.told()
	full := func(origin int64) customerevent.OriginRefunded {
		return customerevent.OriginRefunded{SiteID: 1, OriginID: origin, Subtotal: 1000, RefundedTotal: 1000, Full: true}
	}
	p.tell(full(1), full(2))
	p.tell(full(1), full(2))
	if told := p.told(); !slices.Equal(told, []string{"reward_clawed_back referral:1"}) {
		t.Errorf("told %q: the second was never issued", told)
	}
	found, err := p.Coupon(t.Context(), p.one, "one-code")
	if err != nil || !found.Expired || found.Coupon.Active || !slices.Equal(found.Owners, []int64{11}) {
		t.Errorf("%+v %v", found, err)
	}
	p.stockUp(p.one, list, "TWO-CODE")
	if told := p.told(); !slices.Equal(told, []string{"reward_issued referral:3", "coupon_issued reward:3"}) {
		t.Errorf("told %q", told)
	}
	r, err := p.Referral(t.Context(), 1, 3)
	if err != nil || len(r.AdvocateRewards) != 1 || *r.AdvocateRewards[0].CouponCode != "TWO-CODE" || !r.AdvocateRewards[0].Coupon.SingleUse {
		t.Errorf("%+v %v", r, err)
	}
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
}

func TestServeWaiting_serves_what_a_failure_left(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one)
	if err := p.issueAll(clicks(p.loaded(p.giving(p.one, list, "click").ID), 1, 3)); err != nil {
		t.Fatal(err)
	}
	err := p.outbox.InTx(t.Context(), func(u *bus.Unit) error { // a delivery that died before it served
		l, err := couponListByID(t.Context(), u, 1, list)
		if err != nil {
			return err
		}
		if _, err = insertCodes(t.Context(), u.Tx, u.Now, l, []string{"AAA", "BBB"}); err != nil {
			return err
		}
		return addStock(t.Context(), u.Tx, []key{{1, list}}, []int64{2}, []int64{0})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := p.ServeWaiting(t.Context()); n != 2 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if n, err := p.ServeWaiting(t.Context()); n != 0 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
}

func TestCheckStock_tells_once_until_refilled(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, draw("A-########", 19)...)
	plenty := int64(2)
	if _, _, err := p.createCouponList(t.Context(), p.one, 7, couponListInput{Name: "Own", Kind: multiUse, Amount: 5}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	own := p.list(p.two, "AAA", "BBB")
	if _, _, err := p.replaceCouponList(t.Context(), p.two, 7, own, couponListInput{Name: "Own", Kind: singleUse, Amount: 5, LowStock: &plenty}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		p.told()
		for range 2 {
			if err := p.CheckStock(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := p.told(); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	low := fmt.Sprintf("coupons_low coupon_list:%d", list)
	check(low)
	p.stockUp(p.one, list, draw("B-########", 30)...) // 49
	check()
	if err := p.issueAll(clicks(p.loaded(p.giving(p.one, list, "click").ID), 1, 24)); err != nil { // 25 left, 24 in 21 days
		t.Fatal(err)
	}
	check()
	if err := p.issueAll(clicks(p.loaded(1), 100, 1)); err != nil { // 24 left, 25 in 21 days
		t.Fatal(err)
	}
	check(low)
	seen := func(issued, below, days any) {
		t.Helper()
		_, out, _ := p.call(p.one, "GET", "/api/v2/coupon_lists/"+itoa(list), nil, "")
		want := map[string]any{"issued_lately": issued, "low_below": below, "days_left": days}
		if got := out["result"].(map[string]any)["forecast"]; !reflect.DeepEqual(got, want) {
			t.Errorf("forecast %v, want %v", got, want)
		}
	}
	seen(25.0, 25.0, 20.0)                       // 24 of 25 in 21 days
	p.clock.Move((lowDays + 1) * 24 * time.Hour) // none in 21 days: 20 would do
	check()
	seen(0.0, 20.0, nil)
	if err := p.issueAll(clicks(p.loaded(1), 200, 5)); err != nil { // 19 left
		t.Fatal(err)
	}
	check(low)
}

// Refunds take rewards out of the queue while deliveries serve it: each ends as given, or as voided and never told.
func TestRefunds_race_with_deliveries(t *testing.T) {
	t.Parallel()
	p := setup(t)
	other := open(t, p.url, 4)
	list := p.list(p.one)
	p.giving(p.one, list, "referrer")
	const n = 40
	for i := int64(1); i <= n; i++ {
		p.touched(uuidOf(int(i)), 100+i)
		p.tell(p.purchase(p.one, i, 200+i, 1000, uuidOf(int(i))))
	}
	p.told()
	var done sync.WaitGroup
	done.Go(func() {
		for i := int64(1); i <= n; i++ {
			if err := other.hear(customerevent.OriginRefunded{SiteID: 1, OriginID: i, Subtotal: 1000, RefundedTotal: 1000, Full: true}); err != nil {
				t.Error(err)
			}
		}
	})
	for _, c := range draw("R-########", n) {
		p.stockUp(p.one, list, c)
	}
	done.Wait()
	if _, err := p.ServeWaiting(t.Context()); err != nil {
		t.Error(err)
	}
	issued, clawed := 0, 0
	for _, e := range p.told() {
		switch {
		case strings.HasPrefix(e, "reward_issued"):
			issued++
		case strings.HasPrefix(e, "reward_clawed_back"):
			clawed++
		}
	}
	given := p.count(`select count(*) from referral.coupon where reward_id is not null`)
	if left := p.count(`select count(*) from referral.reward where status <> 'Voided'`); left != 0 || int64(issued) != given || clawed != issued {
		t.Errorf("%d aren't voided; %d coupons given, %d told, %d told to be taken back", left, given, issued, clawed)
	}
	if wrong := p.books(); wrong != "" {
		t.Error(wrong)
	}
}
