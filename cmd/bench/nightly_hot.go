package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// hotFloor is what one account has to take, a second.
const hotFloor = 200

// oneAccount measures what everybody at once does to one row: purchases of one member, who is new or has a long history; and redemptions of one reward, of
// which so many are there.
func (b *bench) oneAccount(ctx context.Context, sides [2]*platform) error {
	p := sides[0]
	reward, err := p.stocked(ctx)
	if err != nil {
		return err
	}
	for n := range b.o.pairs {
		before, err := p.used(ctx)
		if err != nil {
			return err
		}
		var rates [3]float64
		for i, load := range []func() (float64, error){
			func() (float64, error) { return p.buyAs(ctx, fmt.Sprintf("hot%x", rand.Uint32()), b.span()) },
			func() (float64, error) { return p.buyAs(ctx, hotMember, b.span()) },
			func() (float64, error) { return p.redeemOf(ctx, reward, b.span()) },
		} {
			if rates[i], err = load(); err != nil {
				return err
			}
		}
		after, err := p.used(ctx)
		if err != nil {
			return err
		}
		for i, name := range []string{"one new account", "one old account", "one reward"} {
			b.report.add(name+" / 200 a second", pair{rates[i], hotFloor, 0, after.minus(before).others(0), pace()})
		}
		progress("one account %d/%d: %.0f postings/s of a new member, %.0f/s of one with a long history; %.0f redemptions/s of one reward", n+1, b.o.pairs, rates[0], rates[1], rates[2])
	}
	return nil
}

// buyAs lets somebody buy on many connections at once, and says how many postings a second came of it, until the last was there.
func (p *platform) buyAs(ctx context.Context, who string, span time.Duration) (float64, error) {
	t, err := drive(ctx, p.address, connections, span, func(int) job { return &shopping{platform: p, who: who} })
	if err != nil {
		return 0, err
	}
	done, err := p.settle(ctx)
	if err != nil {
		return 0, err
	}
	var posted int64
	err = p.db.GetContext(ctx, &posted, `select count(*) from loyalty.txn t where t.site_id = $1 and t.kind = 'earn' and t.recorded_at >= $2 and t.member_id =
		(select m.id from loyalty.member m join customer.person c on c.site_id = m.site_id and c.id = m.person_id where c.site_id = $1 and c.customer_id = $3)`, p.sites[0].id, t.began, who)
	if err == nil && posted != t.count {
		err = fmt.Errorf("%d purchases of %s led to %d postings", t.count, who, posted)
	}
	return float64(posted) / done.Sub(t.began).Seconds(), err
}

// shopping tells of purchases of one person.
type shopping struct {
	*platform
	who string
}

func (o *shopping) next(buf []byte) []byte {
	return o.post(buf, o.sites[0].key, fmt.Appendf(nil, `{"type":"Purchase","data":{"customer_id":"%s","order_number":"H%x","subtotal":%d.00}}`, o.who, rand.Uint64(), 5+rand.IntN(20)))
}

func (o *shopping) done(r *response) error {
	if r.status != 201 {
		return r.unexpected("a purchase")
	}
	return nil
}

// stocked makes a reward that there are many of, and that a member may have often.
func (p *platform) stocked(ctx context.Context) (int64, error) {
	var made struct {
		Batch struct {
			ID int64 `json:"id"`
		} `json:"redemption_batch"`
	}
	err := p.call(ctx, p.sites[0].key, "POST", fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", p.sites[0].program),
		object{"description": "A pin", "points_cost": 1, "terms": object{"stock": 100_000_000}}, &made)
	return made.Batch.ID, err
}

// redeemOf lets many members redeem one reward.
func (p *platform) redeemOf(ctx context.Context, reward int64, span time.Duration) (float64, error) {
	t, err := drive(ctx, p.address, connections, span, func(int) job { return &pinning{platform: p, reward: reward} })
	return t.rate(), err
}

// pinning redeems a reward by members who have points.
type pinning struct {
	*platform
	reward int64
}

func (r *pinning) next(buf []byte) []byte {
	return r.postTo(buf, fmt.Sprintf("/api/v2/loyalty/members/a%d/redemptions", 10_002+rand.Int64N(min(mostMembers, r.sites[0].members-1))), r.sites[0].key, fmt.Appendf(nil, `{"redemption_batch_id":%d}`, r.reward))
}

func (r *pinning) done(a *response) error {
	if a.status != 201 && a.status != 200 || !bytes.Contains(a.body, []byte(`"ok":true`)) {
		return a.unexpected("a redemption")
	}
	return nil
}
