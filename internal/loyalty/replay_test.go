package loyalty

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// tape is all that a module hears and is told to do, in its order: nothing else gets into the ledger.
type tape []func(p *deck)

// deck plays a tape in an empty database, as if events came in batches of a size.
type deck struct {
	*world
	size  int
	offer int64
	spent []int64 // redemptions and holds, in their order
	calls int
}

// hears gives a handler what came at one moment, in batches.
func hears[T bus.Payload](p *deck, h bus.Handler[T], all []T) {
	for batch := range slices.Chunk(all, p.size) {
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

// recorded makes a tape of some two hundred steps.
func recorded(seed uint64) (out tape) {
	dice := rand.New(rand.NewPCG(seed, 1))
	n := func(most int64) int64 { return 1 + dice.Int64N(most) }
	several := func(make func()) {
		for range n(12) {
			make()
		}
	}
	merges := int64(0)
	for range 200 {
		switch dice.IntN(12) {
		case 0, 1, 2:
			var of [][3]int64
			several(func() { id := n(80); of = append(of, [3]int64{id%7 + 1, id, 100 * id}) }) // some of them again
			out = append(out, func(p *deck) {
				var batch []customerevent.OriginRecorded
				for _, o := range of {
					batch = append(batch, p.bought(1, o[0], o[1], o[2]))
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
			}
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

func (t tape) play(w *world, s settings, size int) {
	p := &deck{world: w, size: size}
	p.offer = w.offer(1, w.start(1, s).ID, 7, 0)
	for _, step := range t {
		step(p)
	}
}

// TestReplay plays what loyalty heard and was told to do again, in an empty database, at the same moments and in the same batches: every byte of every
// table is the same, with its ids, and so is the hash of the chain.
func TestReplay(t *testing.T) {
	t.Parallel()
	pending, idle, ruled := club(), club(), ruled(stackAll, ten(earnLimit{Per: "month", Times: 2}), earnRule{Key: "rate", Kind: kindPerMoney, Points: 2, Budget: points64(900)})
	pending.PendingRule, pending.PendingDays = untilDays, 3
	pending.ExpiresAfterDays, pending.Tiers, pending.TierPlan = days(9), yearly().Tiers, yearly().TierPlan
	idle.ExpiryRule, idle.ExpiresAfterDays = inactivity, days(6)
	for name, s := range map[string]settings{"pending": pending, "by activity": idle, "rules": ruled} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tape := recorded(uint64(len(name)))
			first := setup(t)
			tape.play(first, s, 500)
			again := setup(t)
			tape.play(again, s, 500)
			first.sealed()
			again.sealed()
			sameLines(t, "again", first.rows(), again.rows())
		})
	}
}

func sameLines(t *testing.T, what string, want, got []string) {
	t.Helper()
	if len(want) < 500 {
		t.Errorf("%s: only %d rows", what, len(want))
	}
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("%s: row %d is\n%s\nand was\n%s", what, i, line(got, i), line(want, i))
		}
	}
}

func line(of []string, i int) string {
	if i < len(of) {
		return of[i]
	}
	return "missing"
}

// noState are tables that say when and how something was done rather than what came of it.
var noState = []string{"log", "head", "outbox", "goose_db_version", "horizon", "idempotency"}

// rows are all rows of all tables, and what was told, but for times at which the sealer came by.
func (w *world) rows() (out []string) {
	w.t.Helper()
	var tables []string
	if err := w.admin.Select(&tables, `select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where n.nspname = 'loyalty' and c.relkind in ('r', 'p') and not c.relispartition order by 1`); err != nil {
		w.t.Fatal(err)
	}
	for _, name := range append(tables, "waiting") {
		if slices.Contains(noState, name) {
			continue
		}
		var rows []string
		if err := w.admin.Select(&rows, `select (to_jsonb(x) - 'sealed_at')::text from loyalty.`+name+` x order by 1`); err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rows {
			out = append(out, name+" "+r)
		}
	}
	return out
}
