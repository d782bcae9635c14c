package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

// club is a site beside the twins whose programme has rules of earning with limits and a budget, and whose points are pending until somebody
// says that the order was delivered. Everybody buys a few times at once, and wants a poster; some turn out to be two who are one.
type club struct {
	shop
	poster  int64
	refused atomic.Bool // a poster, to somebody
	mu      sync.Mutex
	members []*clubMember
}

// clubMember is somebody whose orders all came to definite answers.
type clubMember struct {
	email  string
	orders [clubOrders]clubOrder
	poster bool
	also   *clubMember // who turned out to be the same
}

type clubOrder struct {
	number    string
	origin    int64
	refunded  int64 // cents
	activated bool
}

const (
	clubDoors   = 2 // members who come at a time
	clubOrders  = 5 // of each, at once
	clubDollars = 20
	joinPoints  = 10
	visitPoints = 50 // for each of the first orders
	visitTimes  = 3
	spendPoints = 2 // a dollar
	spendMost   = 100
	firstPoints = 40 // for an order, while the budget lasts
	firstBudget = 1010
)

// makeClub makes the site and its programme.
func (w *world) makeClub(ctx context.Context) error {
	s, err := w.makeSite(ctx, "club")
	if err != nil {
		return err
	}
	w.club.shop = s
	programme, err := w.create(ctx, s, "/api/v2/loyalty/programs", "program", object{"name": "Club", "points_per_unit": 1, "pending_rule": "event",
		"earning": object{"rules": []object{
			{"key": "visits", "kind": "fixed", "points": visitPoints, "limits": []object{{"per": "ever", "times": visitTimes}}},
			{"key": "spend", "kind": "per_money", "per_amount": 100, "points": spendPoints, "limits": []object{{"per": "ever", "points": spendMost}}},
			{"key": "first", "kind": "fixed", "points": firstPoints, "budget": firstBudget},
			{"key": "joined", "on": "join", "kind": "fixed", "points": joinPoints}}}})
	if err != nil {
		return err
	}
	return w.printPosters(ctx, programme)
}

// admit lets two members after two others come, until end.
func (w *world) admit(ctx context.Context, end time.Time, door int) {
	for n := 0; time.Now().Before(end) && ctx.Err() == nil; n++ {
		a, b := newClubMember(door, 2*n), newClubMember(door, 2*n+1)
		if w.come(ctx, a, b, n%fates) != nil { // they were cut off: nobody knows what is there of them
			continue
		}
		w.tally.reach("members of the club", 2)
		w.club.mu.Lock()
		w.club.members = append(w.club.members, a, b)
		w.club.mu.Unlock()
		wait(ctx, 100*time.Millisecond)
	}
}

// come has both live, take a poster, and be who they are.
func (w *world) come(ctx context.Context, a, b *clubMember, fate int) error {
	if err := a.live(ctx, w, false); err != nil {
		return err
	}
	if err := b.live(ctx, w, true); err != nil {
		return err
	}
	if err := w.sellPosters(ctx, a, b); err != nil || fate == stayTwo {
		return err
	}
	return w.unite(ctx, a, b, fate == twoAfterAll)
}

func newClubMember(door, n int) *clubMember {
	m := &clubMember{email: fmt.Sprintf("club-%d-%d@shop.example", door, n)}
	for i := range m.orders {
		m.orders[i].number = fmt.Sprintf("c-%d-%d-%d", door, n, i)
	}
	return m
}

// live has a member buy, get some of it delivered, and send some of it back, if returns says so.
func (m *clubMember) live(ctx context.Context, w *world, returns bool) error {
	var failed [clubOrders]error
	var all sync.WaitGroup
	for i := range m.orders {
		o := &m.orders[i]
		all.Go(func() { failed[i] = o.buy(ctx, w, m.email) })
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	waiting, err := w.club.pending(ctx, w, m.email)
	if err != nil {
		return err
	}
	if err := m.awaitJoined(ctx, w); err != nil {
		return err
	}
	if err := m.orders[0].activate(ctx, w, waiting); err != nil || !returns {
		return err
	}
	if err := m.orders[1].refund(ctx, w, 100*clubDollars); err != nil {
		return err
	}
	if err := m.orders[2].refund(ctx, w, 735); err != nil {
		return err
	}
	var refund error
	all.Go(func() { refund = m.orders[3].refund(ctx, w, 500) }) // while it is activated
	err = m.orders[3].activate(ctx, w, waiting)
	all.Wait()
	if err == nil {
		err = refund
	}
	return err
}

// awaitJoined waits for the points of joining, the only ones that aren't pending: what is heard of after a merge is the survivor's for good.
func (m *clubMember) awaitJoined(ctx context.Context, w *world) error {
	for {
		var got struct{ Result readMember }
		err := w.ask(ctx, w.club.shop, "GET", "/api/v2/loyalty/members/"+url.PathEscape(m.email), nil, "", &got)
		if err != nil || got.Result.Member.Balance >= joinPoints {
			return err
		}
		wait(ctx, 50*time.Millisecond)
	}
}

func (o *clubOrder) buy(ctx context.Context, w *world, email string) error {
	var got struct {
		Result struct{ Origin struct{ ID int64 } }
	}
	err := w.ask(ctx, w.club.shop, "POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": email, "order_number": o.number,
		"subtotal": clubDollars}}, "", &got)
	o.origin = got.Result.Origin.ID
	return err
}

func (o *clubOrder) refund(ctx context.Context, w *world, cents int64) error {
	o.refunded = cents
	return w.ask(ctx, w.club.shop, "POST", "/api/v2/origins/"+o.number+"/refund", object{"data": object{"refund_subtotal": json.RawMessage(fmt.Sprintf("%d.%02d", cents/100, cents%100))}},
		"refund-"+o.number, nil)
}

// activate has an order's points no longer wait.
func (o *clubOrder) activate(ctx context.Context, w *world, waiting map[int64]int64) error {
	o.activated = true
	err := w.ask(ctx, w.club.shop, "POST", fmt.Sprintf("/api/v2/loyalty/transactions/%d/activate", waiting[o.origin]), object{}, "activate-"+o.number, nil)
	if err == nil {
		w.tally.reach("pending points activated", 1)
	}
	return err
}

// pending waits until all of somebody's orders have earned, and returns the transactions by the orders.
func (c *club) pending(ctx context.Context, w *world, email string) (map[int64]int64, error) {
	for {
		var got struct {
			Result struct {
				Points []struct {
					ID     int64 `json:"transaction_id"`
					Origin int64 `json:"origin_id"`
				} `json:"pending_points"`
			}
		}
		if err := w.ask(ctx, c.shop, "GET", "/api/v2/loyalty/members/"+url.PathEscape(email)+"/pending_points?limit=100", nil, "", &got); err != nil {
			return nil, err
		}
		if len(got.Result.Points) == clubOrders {
			out := map[int64]int64{}
			for _, p := range got.Result.Points {
				out[p.Origin] = p.ID
			}
			return out, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// clubLine is what the ledger has of an order.
type clubLine struct {
	Number  string `db:"number"`
	Granted int64  `db:"granted"`
	Clawed  int64  `db:"clawed"`
	Pending bool   `db:"pending"`
	Visits  int64  `db:"visits"` // what each rule gave
	Spend   int64  `db:"spend"`
	First   int64  `db:"first"`
	Default int64  `db:"plain"`
}

const (
	clubSQL = `
		select o.number, l.granted, l.clawed, coalesce(l.pending, false) as pending, r.*
		from loyalty.txn t
		join loyalty.lot l on l.site_id = t.site_id and l.id = t.id
		join customer.origin o on o.site_id = t.site_id and o.id = t.origin_id
		cross join lateral (
			select coalesce(sum(p) filter (where k = 'visits'), 0)::bigint as visits, coalesce(sum(p) filter (where k = 'spend'), 0)::bigint as spend,
				coalesce(sum(p) filter (where k = 'first'), 0)::bigint as first, coalesce(sum(p) filter (where k = 'default'), 0)::bigint as plain
			from jsonb_to_recordset(t.rule::jsonb #> '{trace,rules}') x (rule text, points bigint) cross join lateral (select x.rule, x.points) y (k, p)) r
		where t.site_id = $1 and t.kind = 'earn' and t.reason = 'purchase'`
	clubMembersSQL = `
		select p.email as name, a.balance || ' to spend, ' || coalesce(w.balance, 0) || ' pending' as value from loyalty.member m
		join customer.person p on p.site_id = m.site_id and p.id = m.person_id
		join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points'
		left join loyalty.account w on w.site_id = m.site_id and w.pending_of = m.id where m.site_id = $1`
)

// check compares what the club's members earned with what the rules say, as far as the limits and the budget of others leave no choice.
func (c *club) check(ctx context.Context, db *sqlx.DB) (*checks, error) {
	made := &checks{}
	var lines []clubLine
	if err := db.SelectContext(ctx, &lines, clubSQL, c.ID); err != nil {
		return made, fmt.Errorf("read what the club's orders earned: %w", err)
	}
	members, err := pairs(ctx, db, clubMembersSQL, c.ID)
	if err != nil {
		return made, fmt.Errorf("read the club's members: %w", err)
	}
	byNumber, first := map[string]clubLine{}, int64(0)
	for _, l := range lines {
		byNumber[l.Number] = l
		first += l.First
	}
	var orders, people []string
	for _, m := range c.members {
		orders = append(orders, m.wrongOrders(byNumber)...)
	}
	for email, want := range c.want(byNumber) {
		if members[email] != want.String() {
			people = append(people, fmt.Sprintf("%s: %s; want %s", email, members[email], want))
		}
	}
	scarce, err := c.wrongPosters(ctx, db)
	if err != nil {
		return made, err
	}
	if n := min(firstBudget, firstPoints*int64(len(lines))); first < n { // what goes back makes room again
		orders = append(orders, fmt.Sprintf("the rule with a budget of %d gave %d for %d orders", firstBudget, first, len(lines)))
	}
	made.add("club: what orders earned", fmt.Sprintf("%d orders", len(lines)), orders)
	made.add("club: what members have", fmt.Sprintf("%d members", len(c.members)), people)
	made.add("club: who got what is scarce", fmt.Sprintf("%d posters", posters), scarce)
	return made, nil
}

// wrongOrders says what of a member's orders isn't as the rules, the refunds and the activations say.
func (m *clubMember) wrongOrders(lines map[string]clubLine) (rows []string) {
	var visits, spend, refunds int64
	for _, o := range m.orders {
		l, ok := lines[o.number]
		visits, spend, refunds = visits+l.Visits, spend+l.Spend, refunds+o.refunded
		switch {
		case !ok:
			rows = append(rows, o.number+" earned nothing")
		case l.Granted != l.Visits+l.Spend+l.First+l.Default || l.Default != clubDollars:
			rows = append(rows, fmt.Sprintf("%s: the rules gave %+v", o.number, l))
		case l.Clawed != share(l.Granted, o.refunded, 100*clubDollars):
			rows = append(rows, fmt.Sprintf("%s: %d of %d were taken back, of a refund of %d cents", o.number, l.Clawed, l.Granted, o.refunded))
		case l.Pending == o.activated:
			rows = append(rows, fmt.Sprintf("%s: activated %v, pending %v", o.number, o.activated, l.Pending))
		}
	}
	if refunds == 0 && (visits != visitTimes*visitPoints || spend != spendMost) {
		rows = append(rows, fmt.Sprintf("%s: a rule with a limit gave %d of %d, another one %d of %d", m.email, visits, visitTimes*visitPoints, spend, spendMost))
	}
	return rows
}

// clubPoints is what a member has.
type clubPoints struct{ spendable, pending int64 }

func (p clubPoints) String() string {
	return fmt.Sprintf("%d to spend, %d pending", p.spendable, p.pending)
}

// want is what members have, by e-mail address, given what was granted.
func (c *club) want(lines map[string]clubLine) map[string]clubPoints {
	out := map[string]clubPoints{}
	for _, m := range c.members {
		out[m.email] = m.points(lines)
	}
	for _, m := range c.members {
		if m.also != nil {
			a, b := out[m.email], out[m.also.email]
			out[m.email], out[m.also.email] = clubPoints{a.spendable + b.spendable, a.pending + b.pending}, clubPoints{}
		}
	}
	return out
}

// points are what a member made for itself.
func (m *clubMember) points(lines map[string]clubLine) clubPoints {
	p := clubPoints{spendable: joinPoints}
	if m.poster {
		p.spendable -= posterCost
	}
	for _, o := range m.orders {
		left := lines[o.number].Granted - share(lines[o.number].Granted, o.refunded, 100*clubDollars)
		if o.activated {
			p.spendable += left
		} else {
			p.pending += left
		}
	}
	return p
}
