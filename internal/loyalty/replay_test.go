package loyalty

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// tape is all that a module hears and is told to do, in its order: nothing else gets into the ledger.
type tape []func(p *deck)

// deck plays a tape in an empty database, as if events came in batches of at most so many.
type deck struct {
	*world
	most  func() int
	offer int64
	pool  int64   // the last one
	spent []int64 // redemptions and holds, in their order
	calls int
}

// hears gives a handler what came at one moment, in batches.
func hears[T bus.Payload](p *deck, h bus.Handler[T], all []T) {
	for _, batch := range bustest.Chunks(all, p.most) {
		hear(p.world, h, 1, batch...)
	}
}

// asks is a call of the API. What is refused is refused each time.
func (p *deck) asks(a action) {
	p.t.Helper()
	p.calls++
	a.site, a.text, a.key = 1, "replay", idempotency.Key{Value: fmt.Sprint(p.calls), Fingerprint: "f"}
	out, err := p.act(p.t.Context(), []action{a})
	if err != nil {
		p.t.Fatal(err)
	}
	if r := out[0].Value.Redemption; out[0].Err == nil && r != nil && a.kind == kindRedeem {
		p.spent = append(p.spent, r.ID)
	} else if k := out[0].Value.Hold; out[0].Err == nil && k != nil && a.kind == kindHold {
		p.spent = append(p.spent, k.ID)
	}
}

// recorded makes a tape of some two hundred and fifty steps.
func recorded(seed uint64) (out tape) {
	dice := rand.New(rand.NewPCG(seed, 1))
	n := func(most int64) int64 { return 1 + dice.Int64N(most) }
	several := func(make func()) {
		for range n(12) {
			make()
		}
	}
	merges := int64(0)
	for range 250 {
		switch dice.IntN(18) {
		case 0, 1, 2:
			var of [][3]int64
			several(func() { id := n(80); of = append(of, [3]int64{id%7 + 1, id, 100 * id}) }) // some of them again
			out = append(out, func(p *deck) {
				var batch []customerevent.OriginRecorded
				for _, o := range of {
					e := p.bought(1, o[0], o[1], o[2])
					if o[1]%9 == 0 {
						e.Type, e.Category, e.Subtotal = customerevent.Event, "quiz", 0
					}
					e.OccurredAt = e.OccurredAt.Add(-time.Duration(o[1]*o[1]%17) * time.Hour) // told late
					batch = append(batch, e)
				}
				hears(p, p.originsRecorded, batch)
			})
		case 3:
			var of [][2]int64
			several(func() { id := n(80); of = append(of, [2]int64{id, n(100 * id)}) }) // some before their purchases
			out = append(out, func(p *deck) {
				var batch []customerevent.OriginRefunded
				for _, o := range of {
					batch = append(batch, p.refund(1, o[0], o[1], o[1], 100*o[0]))
				}
				hears(p, p.originsRefunded, batch)
			})
		case 4:
			var of []int64
			several(func() { of = append(of, n(40)) })
			out = append(out, func(p *deck) {
				var batch []referralevent.RewardIssued
				for _, id := range of {
					batch = append(batch, p.rewarded(1, id%7+1, id, 5*id))
				}
				hears(p, p.rewardsIssued, batch)
			})
		case 5:
			id := n(40)
			out = append(out, func(p *deck) {
				hears(p, p.rewardsClawedBack, []referralevent.RewardClawedBack{{SiteID: 1, RewardID: id, ReferralID: id, Kind: referralevent.Points, PointsTotal: 2 * id, ClawedAt: p.clock.Now()}})
			})
		case 6:
			hours := n(100)
			out = append(out, func(p *deck) { p.clock.Move(time.Duration(hours) * time.Hour) })
		case 7:
			out = append(out, func(p *deck) {
				p.timers()
				if _, err := p.releaseDue(p.t.Context()); err != nil {
					p.t.Fatal(err)
				}
			})
		case 8:
			if merges < 2 && dice.IntN(3) == 0 {
				merges++
				id := merges
				out = append(out, func(p *deck) { p.merges(1, id, 7, id) })
			} else if merges == 2 && dice.IntN(3) == 0 {
				merges++
				out = append(out, func(p *deck) { p.parts(1, 2, 7, 2) })
			}
		case 9:
			var of [][2]int64
			several(func() { id := n(40); of = append(of, [2]int64{id%7 + 1, id}) })
			out = append(out, func(p *deck) {
				var batch []referralevent.ReferralApproved
				for _, id := range of {
					batch = append(batch, p.approved(1, id[0], id[1]))
				}
				hears(p, p.referralsApproved, batch)
			})
		case 10:
			var of []int64
			several(func() { of = append(of, n(40)) })
			out = append(out, func(p *deck) {
				var batch []referralevent.ReferralVoided
				for _, id := range of {
					batch = append(batch, p.voided(1, id%7+1, id))
				}
				hears(p, p.referralsVoided, batch)
			})
		case 11:
			var of []int64
			several(func() { of = append(of, n(7)) })
			out = append(out, func(p *deck) {
				var batch []referralevent.OfferShared
				for i, id := range of {
					batch = append(batch, referralevent.OfferShared{SiteID: 1, ShareID: int64(i + 1), OfferID: id, AdvocateID: id, Kind: referralevent.Social, Channel: "facebook", SharedAt: p.clock.Now()})
				}
				hears(p, p.offersShared, batch)
			})
		case 12:
			out = append(out, among(n(7), n(7), n(30), dice.IntN(8)))
		default:
			drawn := action{kind: []string{kindAdjust, kindRedeem, kindHold, kindCancel, kindRelease, kindCommit}[dice.IntN(6)], person: n(4) + 2, points: n(40) - 10, lasts: time.Duration(n(100)) * time.Hour}
			which := dice.Int()
			out = append(out, func(p *deck) {
				a := drawn
				switch a.kind {
				case kindAdjust:
				case kindRedeem:
					a.id = p.offer
				case kindHold:
					a.points = max(a.points, 1)
				default: // ends something
					if len(p.spent) == 0 {
						return
					}
					a.id, a.person = p.spent[which%len(p.spent)], 0
				}
				p.asks(a)
			})
		}
	}
	return out
}

func (t tape) play(w *world, s settings, most func() int) {
	p := &deck{world: w, most: most}
	p.offer = w.offer(1, w.start(1, s).ID, 7, 0)
	for _, step := range t {
		step(p)
	}
}

// among is something that members do with each other, or that is done to one. Much of it is refused, in the same way each time.
func among(one, other, points int64, what int) func(p *deck) {
	return func(p *deck) {
		ctx := p.t.Context()
		switch what {
		case 0, 1:
			_, _, _ = p.TransferIn(ctx, 1, mainWallet, one, other, points, "", noKey)
		case 2:
			if made, _, err := p.CreatePool(ctx, 1, loyaltyapi.NewPool{Name: "Home", Spending: spendAll, Owner: one, Members: []int64{other}}, 0, noKey); err == nil {
				p.pool = made.ID
			}
		case 3:
			_, _, _ = p.JoinPool(ctx, 1, p.pool, one, 0, noKey)
		case 4:
			_, _, _ = p.LeavePool(ctx, 1, p.pool, one, 0, noKey)
		case 5:
			_ = p.become(1, one, turnSuspend)
		case 6:
			_ = p.become(1, one, turnReactivate)
		default:
			_, _, _ = p.ExtendIn(ctx, 1, one, mainWallet, nil, new(p.clock.Now().AddDate(0, 0, int(points))), "", noKey)
		}
	}
}
