package referral

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

const (
	serveBatch = 1000 // who waits, in one transaction
	serveEvery = 5 * time.Second
)

// claim is a right to one coupon of a list: of a reward, or of a redemption.
type claim struct {
	site, list         int64
	reward, redemption int64 // one of them
	person             int64 // 0: only a visitor

	template string // its coupon is made by it, instead of taken
}

// handed is a claim that got its coupon.
type handed struct {
	claim
	coupon takenCoupon
	made   bool // for this claim, so the list has one more
}

// handOut gives each claim a coupon of its list, or lets it wait. Free coupons are locked past each other, so transactions that hand
// out of one list don't wait for one another. Only who finds none takes the list's lock: the one that serves a delivery holds it too,
// so either the delivery is seen here, or the claim is seen there. Who comes while others wait goes behind them. What was
// made for somebody is given with the rest.
func (m *Module) handOut(ctx context.Context, u *bus.Unit, claims []claim, made ...handed) error {
	if len(claims) == 0 {
		return m.give(ctx, u, made)
	}
	byList := map[key][]claim{}
	for _, c := range claims {
		k := key{c.site, c.list}
		byList[k] = append(byList[k], c)
	}
	lists := sortedLists(byList)
	many := make([]int64, len(lists))
	for i, k := range lists {
		many[i] = int64(len(byList[k]))
	}
	taken, err := takeCoupons(ctx, u.Tx, u.Now, lists, many, false)
	if err != nil {
		return err
	}
	given := made
	for _, t := range taken {
		k := key{t.SiteID, t.ListID}
		given = append(given, handed{claim: byList[k][0], coupon: t})
		byList[k] = byList[k][1:]
	}
	var rest []claim
	var short []key
	for _, k := range lists {
		if len(byList[k]) > 0 {
			rest, short = append(rest, byList[k]...), append(short, k)
		}
	}
	if len(rest) == 0 {
		return m.give(ctx, u, given)
	}
	sites, ids := split(short)
	locked, err := lockCouponLists(ctx, u.Tx, sites, ids) // before give counts the stock, as whoever serves does
	if err != nil {
		return err
	}
	if err := m.give(ctx, u, given); err != nil {
		return err
	}
	if err := insertWaits(ctx, u.Tx, u.Now, rest); err != nil {
		return err
	}
	for i := range locked {
		if _, err := m.serveLocked(ctx, u, &locked[i]); err != nil {
			return err
		}
	}
	return nil
}

func sortedLists[V any](m map[key]V) []key {
	out := make([]key, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b key) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.id, b.id)) })
	return out
}

// serveLocked gives a locked list's coupons to those who have waited longest, and says how many got one.
func (m *Module) serveLocked(ctx context.Context, u *bus.Unit, l *couponList) (int, error) {
	if l.Kind != singleUse || !l.open(u.Now) {
		return 0, nil
	}
	k := key{l.SiteID, l.ID}
	free, err := freeCoupons(ctx, u, k, serveBatch)
	if err != nil || free == 0 {
		return 0, err
	}
	waiting, err := lockWaiting(ctx, u.Tx, k, free)
	if err != nil || len(waiting) == 0 {
		return 0, err
	}
	taken, err := takeCoupons(ctx, u.Tx, u.Now, []key{k}, []int64{int64(len(waiting))}, true)
	if err != nil {
		return 0, err
	}
	given := make([]handed, len(taken))
	for i, t := range taken {
		w := waiting[i]
		given[i] = handed{claim: claim{site: w.SiteID, list: w.ListID, reward: w.RewardID, redemption: w.RedemptionID, person: w.PersonID}, coupon: t}
	}
	if err := deleteWaits(ctx, u.Tx, waiting[:len(taken)]); err != nil {
		return 0, err
	}
	return len(taken), m.give(ctx, u, given)
}

// give writes and tells who holds which coupon. A reward that is a coupon has been issued only now, so this is when it is told.
func (m *Module) give(ctx context.Context, u *bus.Unit, list []handed) error {
	if len(list) == 0 {
		return nil
	}
	if err := saveHanded(ctx, u.Tx, u.Now, list); err != nil {
		return err
	}
	issued, added := map[key]int64{}, map[key]int64{}
	var sites, ids []int64
	for _, h := range list {
		issued[key{h.site, h.list}]++
		if h.made {
			added[key{h.site, h.list}]++
		}
		if h.reward != 0 {
			sites, ids = append(sites, h.site), append(ids, h.reward)
		}
	}
	lists := sortedLists(issued)
	counts, fresh := make([]int64, len(lists)), make([]int64, len(lists))
	for i, k := range lists {
		counts[i], fresh[i] = issued[k], added[k]
	}
	if err := addStock(ctx, u.Tx, lists, fresh, counts); err != nil {
		return err
	}
	rewards, err := rewardsByID(ctx, u, sites, ids)
	if err != nil {
		return err
	}
	for _, h := range list {
		told, at, what := referralevent.CouponIssued{SiteID: h.site, CouponID: h.coupon.ID, CouponListID: h.list, Code: h.coupon.Code,
			RewardID: h.reward, RedemptionID: h.redemption, PersonID: h.person, IssuedAt: u.Now}, "redemption:"+itoa(h.redemption), "redemption"
		if h.reward != 0 {
			w := rewards[key{h.site, h.reward}]
			at, what = "reward:"+itoa(h.reward), "reward"
			u.Tell(w.SiteID, w.key(), w.issued())
			m.metrics.Of(ctx).rewards.WithLabelValues(w.Side, w.Kind).Inc()
		}
		u.Tell(h.site, at, told)
		m.metrics.Of(ctx).coupons.WithLabelValues(what).Inc()
	}
	return nil
}

// serve gives a list's coupons to those who wait, until there are no more of the one or the other.
func (m *Module) serve(ctx context.Context, list key) (int, error) {
	for total := 0; ; {
		n := 0
		err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
			locked, err := lockCouponLists(ctx, u.Tx, []int64{list.site}, []int64{list.id})
			if err != nil || len(locked) == 0 {
				return err
			}
			n, err = m.serveLocked(ctx, u, &locked[0])
			return err
		})
		if total += n; err != nil || n < serveBatch {
			return total, err
		}
	}
}

// ServeWaiting gives coupons to those who wait although there are some, and returns how many. A delivery serves them itself; this
// is for what a failure in between has left.
func (m *Module) ServeWaiting(ctx context.Context) (int, error) {
	lists, err := servable(ctx, m.db, m.now())
	total := 0
	for _, l := range lists {
		n, e := m.serve(ctx, l)
		if total += n; e != nil {
			return total, e
		}
	}
	return total, err
}

// dequeue takes rewards out of the queue, and says which were in it: the others have got their coupons meanwhile.
func dequeue(ctx context.Context, u *bus.Unit, rewards []reward) (map[key]bool, error) {
	out := map[key]bool{}
	if len(rewards) == 0 {
		return out, nil
	}
	var sites, ids []int64
	for _, w := range rewards {
		sites, ids = append(sites, w.SiteID), append(ids, w.ID)
	}
	rows, err := lockWaitingRewards(ctx, u.Tx, sites, ids)
	if err != nil {
		return nil, err
	}
	for _, w := range rows {
		out[key{w.SiteID, w.RewardID}] = true
	}
	return out, deleteWaits(ctx, u.Tx, rows)
}
