package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"sync"
	"time"
)

// home is a site beside the twins whose programme has pools, a second wallet, an achievement, and guests. Households buy, spend each other's points, and come
// apart; some of them are suspended or leave. Others are invited, or have bought before anybody knew who they are.
type home struct {
	shop
	kettle, cup, star int64 // redemption batches; the last one costs stars
	payment           int64 // another one, of a part of an order
	mu                sync.Mutex
	people            []*homePerson
	forgotten         []string // e-mail addresses of which nothing may be left
}

// What is to be had at home.
const (
	stars        = "stars" // the second wallet
	regular      = "regular"
	regularAfter = 2 // orders
	regularGift  = 25
	homeDollars  = 100 // of an order, each of which earns a point and a star
	allowance    = 60  // that everybody gets by hand
	kettleCost   = 400
	cupCost      = 20
	starCost     = 40
)

// homePerson is somebody all of whose doings came to definite answers, and what they must have.
type homePerson struct {
	email, status string
	points, stars int64
	orders        int    // that count
	regular       string // what became of the achievement
}

const (
	notReached = "not"
	isReached  = "is"
	wasReached = "was"
)

func (p *homePerson) String() string {
	return fmt.Sprintf("%s, %d points, %d stars, %d orders count, %s regular", p.status, p.points, p.stars, p.orders, p.regular)
}

func newHomePerson(name string) *homePerson {
	return &homePerson{email: name + "@shop.example", status: "active", regular: notReached}
}

// at is a path of the person's membership.
func (p *homePerson) at(what string) string {
	return "/api/v2/loyalty/members/" + url.PathEscape(p.email) + what
}

// makeHome makes the site, its programme, and what it sells for points and stars.
func (w *world) makeHome(ctx context.Context) error {
	s, err := w.makeSite(ctx, "home")
	if err != nil {
		return err
	}
	w.home.shop = s
	programme, err := w.create(ctx, s, "/api/v2/loyalty/programs", "program", object{"name": "Home", "points_per_unit": 1, "pool_size": 4, "guest_claim_days": 30,
		"wallets":      []object{{"key": stars, "name": "Stars", "transferable": true}},
		"achievements": []object{{"key": regular, "name": "Regular", "counts": "orders", "goal": regularAfter, "revoke": true}},
		"earning": object{"rules": []object{
			{"key": "starry", "kind": "per_money", "per_amount": 100, "points": 1, "wallet": stars},
			{"key": "loyal", "on": "achievement", "achievement": regular, "kind": "fixed", "points": regularGift}}}})
	if err != nil {
		return err
	}
	for _, b := range []struct {
		into *int64
		name string
		cost int
		of   string
	}{{&w.home.kettle, "Kettle", kettleCost, ""}, {&w.home.cup, "Cup", cupCost, ""}, {&w.home.star, "Star", starCost, stars}} {
		body := object{"description": b.name, "kind": "product", "points_cost": b.cost, "terms": object{"fulfilment": "at_once"}}
		if b.of != "" {
			body["wallet"] = b.of
		}
		if *b.into, err = w.create(ctx, s, fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", programme), "redemption_batch", body); err != nil {
			return err
		}
	}
	if err := w.delayInvitations(ctx); err != nil {
		return err
	}
	return w.makeCheckout(ctx, programme)
}

// homeDoors are what happens at home, each again and again until end.
var homeDoors = []func(ctx context.Context, w *world, n int) ([]*homePerson, error){
	func(ctx context.Context, w *world, n int) ([]*homePerson, error) {
		h := newHousehold(n)
		return h.all[:], h.live(ctx, w, n)
	},
	invites,
	unmasks,
	imports,
	checksOut,
	forgets,
	runsOut,
	plans,
	isPaid,
	owes,
}

// Doors that are closed at half time. Replicas look for guests when they start, and then each minute; a batch whose replica is killed goes on when its
// lease is over, and holds that end by themselves do so within a minute, for which short runs have no time at all.
const guestsDoor, importsDoor, holdsDoor = 2, 3, 6

// openUntil is when a door closes.
func openUntil(door int, began, end time.Time, load time.Duration) time.Time {
	switch {
	case (door == importsDoor || door == holdsDoor) && load < longRun:
		return began
	case door == guestsDoor || door == importsDoor || door == holdsDoor:
		return began.Add(load / 2)
	}
	return end
}

func (w *world) visitHome(ctx context.Context, end time.Time, door int) {
	for n := 0; time.Now().Before(end) && ctx.Err() == nil; n++ {
		people, err := homeDoors[door](ctx, w, n)
		if err != nil { // they were cut off: nobody knows what is there of them
			w.tally.reach("people at home of whom nobody knows", len(people))
			continue
		}
		w.home.mu.Lock()
		w.home.people = append(w.home.people, people...)
		w.home.mu.Unlock()
		w.tally.reach("people at home", len(people))
		wait(ctx, 150*time.Millisecond)
	}
}

// buys has somebody buy, and returns the order's id.
func (p *homePerson) buys(ctx context.Context, w *world, order string) (int64, error) {
	return w.buyAtHome(ctx, order, object{"email": p.email})
}

func (w *world) buyAtHome(ctx context.Context, order string, by object) (int64, error) {
	data := object{"order_number": order, "subtotal": homeDollars}
	for k, v := range by {
		data[k] = v
	}
	got, err := w.done(ctx, w.home.shop, wish{"POST", "/api/v2/origins", object{"type": "Purchase", "data": data}, "buy-" + order})
	if err != nil {
		return 0, err
	}
	var made struct {
		Result struct{ Origin struct{ ID int64 } }
	}
	err = json.Unmarshal(got.body, &made)
	return made.Result.Origin.ID, err
}

// refundAtHome sends so many dollars of an order back.
func (w *world) refundAtHome(ctx context.Context, order string, dollars int) error {
	_, err := w.done(ctx, w.home.shop, wish{"POST", "/api/v2/origins/" + order + "/refund", object{"data": object{"refund_subtotal": dollars}}, "refund-" + order})
	return err
}

// awaits waits until somebody has what they must have.
func (p *homePerson) awaits(ctx context.Context, w *world) error {
	for ctx.Err() == nil {
		var got struct {
			Result struct {
				Member struct {
					Balance int64 `json:"points_balance"`
					Wallets []struct {
						Key     string `json:"key"`
						Balance int64  `json:"balance"`
					} `json:"wallets"`
				} `json:"loyalty_member"`
			}
		}
		r := w.replicas[len(p.email)%len(w.replicas)].send(ctx, w.home.Key, "GET", p.at(""), nil, "")
		if r.err == nil && r.status == 200 && json.Unmarshal(r.body, &got) == nil && got.Result.Member.Balance == p.points {
			for _, x := range got.Result.Member.Wallets {
				if x.Key == stars && x.Balance == p.stars {
					return nil
				}
			}
		}
		wait(ctx, 50*time.Millisecond)
	}
	return ctx.Err()
}

// redeems is the wish for something.
func (p *homePerson) redeems(batch int64, key string) wish {
	return wish{"POST", p.at("/redeem_actions"), object{"data": object{"redemption_batch_id": batch}}, key + "-" + p.email}
}

// gives is the wish to give somebody stars.
func (p *homePerson) gives(to *homePerson, n int64, key string) wish {
	return wish{"POST", p.at("/transfers"), object{"to": to.email, "points": n, "wallet": stars}, key + "-" + p.email}
}

func (p *homePerson) turns(how, key string) wish {
	return wish{"POST", p.at("/" + how), object{"note": "By the checker"}, how + key + "-" + p.email}
}
