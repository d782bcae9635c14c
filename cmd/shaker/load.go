package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

const workers = 8

// load tells stories to the replicas until its time is over. Both twins are told the same stories with the same names, and other
// amounts, so that whatever strays from one to the other shows as a wrong sum.
type load struct {
	*world
	seed uint64
	end  time.Time // of new stories
	must []gate    // what they have to reach; on a slow machine they go on for it, until last
	last time.Time

	mu        sync.Mutex
	advocates [2]map[string][]advocate // of each site, by campaign
	rewarded  [2][]op                  // orders of each site that a budget was spent on
}

// advocate is somebody who has a link.
type advocate struct{ email, code, share, offer string }

// tale is a story as one site is told it.
type tale struct {
	*load
	site      int
	base      string // "3-17": worker, number
	worker, n int
	rng       *rand.Rand
	duel      string
	early     bool // of those by which every story and duel is told once, so that no run depends on luck for what it must reach
}

func newLoad(w *world, seed uint64) *load {
	return &load{world: w, seed: seed, advocates: [2]map[string][]advocate{{}, {}}}
}

// begin signs up the advocates whose accounts everybody's stories meet in.
func (l *load) begin(ctx context.Context) error {
	for site := range l.sites {
		t := l.tale(-1, 0, site)
		for i := range 4 {
			for _, tag := range []string{tagAuto, tagManual, tagGift, tagClaim, tagCap, tagBudget, tagPartner, tagRepeat, tagCode} {
				a := t.advocate(ctx, fmt.Sprintf("ann-%s-%d@shop.example", tag, i), tag)
				if a.code == "" {
					return fmt.Errorf("an advocate of site %d got no link", site)
				}
				if tag == tagCode && t.do(ctx, t.ownCode(a, i), 0).Outcome != yes {
					return fmt.Errorf("an advocate of site %d got no code", site)
				}
			}
		}
	}
	return nil
}

// run tells stories until end, and returns when every op of them has a definite answer or ctx is over.
func (l *load) run(ctx context.Context) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for n := 0; l.goesOn() && ctx.Err() == nil; n++ {
				l.tell(ctx, worker, n)
			}
		})
	}
	all.Wait()
}

// goesOn says whether there is time for another story, or need of one.
func (l *load) goesOn() bool {
	now := time.Now()
	return now.Before(l.end) || now.Before(l.last) && len(l.tally.missing(l.must)) > 0
}

func (l *load) tale(worker, n, site int) *tale {
	return &tale{load: l, site: site, worker: worker, n: n, early: worker >= 0 && n*workers+worker < len(stories)+len(duels), base: fmt.Sprintf("%d-%d", worker, n), rng: rand.New(rand.NewPCG(l.seed, uint64(worker+1)<<32|uint64(n)))}
}

// tell tells one story to both sites: at once, or one after the other.
func (l *load) tell(ctx context.Context, worker, n int) {
	if l.tale(worker, n, 0).rng.IntN(3) == 0 {
		var both sync.WaitGroup
		for site := range l.sites {
			both.Go(func() { l.tale(worker, n, site).tell(ctx) })
		}
		both.Wait()
		return
	}
	for site := range l.sites {
		l.tale(worker, n, site).tell(ctx)
	}
}

// do tells an op, first to one replica and then to the other in turns, until the answer is definite.
func (l *load) do(ctx context.Context, o op, replica int) attempt {
	for try := 0; ; try++ {
		r := (replica + try) % len(l.replicas)
		a, _, err := l.replicas[r].once(ctx, l.history, l.sites[o.Site], r, o)
		if err != nil {
			l.tally.violate("history", err.Error())
			return a
		}
		l.note(a, try)
		if a.Outcome == yes || a.Outcome == no || ctx.Err() != nil {
			return a
		}
		select {
		case <-ctx.Done():
			return a
		case <-time.After(min(10*time.Millisecond<<min(try, 6), 300*time.Millisecond)):
		}
	}
}

// note counts what an attempt reached.
func (l *load) note(a attempt, try int) {
	l.tally.reach("attempts "+string(a.Outcome), 1)
	l.tally.reach(fmt.Sprintf("answers of replica %d", a.Replica), 1)
	switch {
	case a.Outcome == no:
		l.tally.reach("refused "+a.Fault, 1)
	case a.Outcome == yes && a.Replayed && try > 0:
		l.tally.reach("unknown found committed", 1)
	case a.Outcome == yes && a.Replayed:
		l.tally.reach("replays", 1)
	}
	if a.Kind == kindClaim && try > 0 && a.Outcome == yes {
		l.tally.reach("claims told again after an unknown answer", 1)
	}
	if a.Page && (a.Outcome == unknown || a.Outcome == unsent) {
		l.tally.reach("pages that could not be shown", 1)
	}
	if a.Page && (a.Outcome == no || a.HTTP >= 500 && a.HTTP != 503) {
		l.tally.violate("pages are there, or say clearly that they cannot be", "an answer of another kind", a.String())
	}
	if strings.HasSuffix(a.Note, " and no problem+json") {
		l.tally.violate("every refusal is a problem", "its content has another type", a.String())
	}
	if a.HTTP == 500 {
		l.tally.violate("no answer is 500", "an answer that says nothing", a.String())
	}
}

// twice tells the same op to both replicas at once.
func (l *load) twice(ctx context.Context, o op) attempt {
	var other sync.WaitGroup
	other.Go(func() { l.do(ctx, o, 1) })
	a := l.do(ctx, o, 0)
	other.Wait()
	return a
}

// at is a replica by the story's dice.
func (t *tale) at() int { return t.rng.IntN(len(t.replicas)) }

func (t *tale) op(kind, what string) op {
	return op{ID: fmt.Sprintf("%s/%d/%s", t.base, t.site, what), Site: t.site, Kind: kind, Duel: t.duel}
}

// keyed gives an op an Idempotency-Key, the same in both sites.
func (t *tale) keyed(o op, what string) op {
	o.Key = fmt.Sprintf("%x-%s-%s", t.seed, t.base, what)
	return o
}

// amount is another one in each site.
func (t *tale) amount(a int64) int64 { return a*int64(1+t.site) + 11*int64(t.site) }

// visitor is a uuid that follows from the seed.
func (t *tale) visitor(what string) string {
	s := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", t.seed, t.base, what))
	s[6], s[8] = s[6]&0x0f|0x40, s[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", s[:4], s[4:6], s[6:8], s[8:10], s[10:16])
}

// tellOnce tells an op as stories do: mostly once, sometimes to both replicas at once, sometimes again later.
func (t *tale) tellOnce(ctx context.Context, o op) attempt {
	dice, at := t.rng.IntN(100), t.at()
	if dice < 10 {
		return t.twice(ctx, o)
	}
	a := t.do(ctx, o, at)
	if dice < 30 && a.Outcome == yes {
		t.do(ctx, o, 1-at)
	}
	return a
}

// advocate signs somebody up and lets others share the link.
func (t *tale) advocate(ctx context.Context, email, tag string) advocate {
	o := t.keyed(t.op(kindSignUp, "sign-up "+email), "sign-up-"+email)
	o.Email, o.Campaign = email, tag
	got := t.do(ctx, o, t.at())
	a := advocate{email, got.Link, got.Share, got.Short}
	if a.code != "" {
		t.mu.Lock()
		t.advocates[t.site][tag] = append(t.advocates[t.site][tag], a)
		t.mu.Unlock()
	}
	return a
}

// link is one of the advocates whom all stories share, the same in both sites.
func (t *tale) link(tag string) advocate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.advocates[t.site][tag][t.rng.IntN(4)]
}

// friend opens a link; the purchase that follows is returned, and not told yet.
func (t *tale) friend(ctx context.Context, a advocate, tag, what string) op {
	v := t.visit(a, tag, what)
	t.do(ctx, v, t.at())
	p := t.purchase(what)
	p.Visitor = v.Visitor
	return p
}

func (t *tale) visit(a advocate, tag, what string) op {
	v := t.op(kindVisit, "visit "+what)
	v.Visitor, v.Advocate, v.Code, v.Campaign = t.visitor(what), a.email, a.code, tag
	return v
}

// purchase is one of somebody new.
func (t *tale) purchase(what string) op {
	o := t.keyed(t.op(kindPurchase, "purchase "+what), "purchase-"+what)
	o.Email, o.Order = fmt.Sprintf("bob-%s-%s@shop.example", t.base, what), "o-"+t.base+"-"+what
	o.Amount = t.amount(100 + t.rng.Int64N(30_000))
	return o
}

func (t *tale) refund(of op, amount int64, what string) op {
	o := t.keyed(t.op(kindRefund, "refund "+what), "refund-"+what)
	o.Order, o.Email, o.Amount = of.Order, of.Email, amount
	return o
}

func (t *tale) status(of op, status string) op {
	o := t.op(kindStatus, "status "+status)
	o.Order, o.Email, o.Status = of.Order, of.Email, status
	return o
}
