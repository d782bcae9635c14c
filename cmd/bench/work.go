package main

import (
	"context"
	"errors"
	"time"
)

// join signs up the advocates of all sites.
func (p *platform) join(ctx context.Context, people int) error {
	jobs := make([]*joining, connections)
	for i := range jobs {
		jobs[i] = &joining{platform: p, links: map[int][]string{}, offers: map[int][]string{}}
	}
	for n := range people * len(p.sites) {
		j := jobs[n%connections]
		j.todo = append(j.todo, n%len(p.sites))
	}
	t, err := drive(ctx, p.address, connections, 0, func(i int) job { return jobs[i] })
	if err != nil {
		return err
	}
	p.took.signUps += t.count
	for _, j := range jobs {
		for site, links := range j.links {
			p.sites[site].links = append(p.sites[site].links, links...)
			p.sites[site].offers = append(p.sites[site].offers, j.offers[site]...)
		}
	}
	return p.quiet(ctx)
}

// visit lets visitors come for a while, to links of the sites that site names, and adds them to the crowd.
func (p *platform) visit(ctx context.Context, span time.Duration, site func() int, to *crowd) (tally, error) {
	jobs := make([]*visiting, connections)
	t, err := drive(ctx, p.address, connections, span, func(i int) job {
		jobs[i] = &visiting{platform: p, site: site}
		return jobs[i]
	})
	if err != nil {
		return t, err
	}
	for _, j := range jobs {
		to.add(j.made)
	}
	p.took.visits += t.count
	return t, nil
}

// stock lets visitors come, and some of them sign up, until there are enough for n purchases.
func (p *platform) stock(ctx context.Context, n int, site func() int, to *pool) error {
	people := n/16 + connections // one purchase in twenty is theirs
	for to.visitors.size()+to.people.size() < n+people {
		if _, err := p.visit(ctx, 500*time.Millisecond, site, &to.visitors); err != nil {
			return err
		}
	}
	if err := p.quiet(ctx); err != nil {
		return err
	}
	missing := people - to.people.size()
	if missing <= 0 {
		return nil
	}
	const conns = 32
	jobs := make([]*introducing, conns)
	t, err := drive(ctx, p.address, conns, 0, func(i int) job {
		jobs[i] = &introducing{platform: p, from: &to.visitors, left: (missing + conns - 1) / conns}
		return jobs[i]
	})
	if err != nil {
		return err
	}
	for _, j := range jobs {
		to.people.add(j.made)
	}
	p.took.signUps += t.count
	return p.quiet(ctx)
}

var errNoFriends = errors.New("more was bought than there were visitors to buy")

// load is a load of purchases.
type load struct {
	conns int
	span  time.Duration
	site  func() int
	from  *pool
	begin func() // called when all is prepared, if not nil
}

// all is a load of all sites.
func (p *platform) all(conns int, span time.Duration) load {
	return load{conns: conns, span: span, site: p.anySite, from: &p.pool}
}

// buy lets friends buy for a while.
func (p *platform) buy(ctx context.Context, l load) (tally, error) {
	jobs := make([]*buying, l.conns)
	t, err := drive(ctx, p.address, l.conns, l.span, func(i int) job {
		jobs[i] = &buying{platform: p, site: l.site, from: l.from, n: i} // not all of them begin with a friend
		return jobs[i]
	})
	if err == nil && (l.from.visitors.size() == 0 || l.from.people.size() == 0) {
		err = errNoFriends
	}
	for _, j := range jobs {
		p.took.bought(j)
	}
	return t, err
}

func (r *recorded) bought(j *buying) {
	r.purchases += j.origins
	r.matched += j.matched
	r.revenue += j.revenue
}

// bought is one measurement of purchases.
type bought struct {
	tally
	usage
	settled float64 // a second, all that follows included
}

// purchase measures once; if there were too few visitors to buy, it starts over with more.
func (p *platform) purchase(ctx context.Context, l load) (r bought, err error) {
	for {
		if err := p.stock(ctx, int(2*p.rate*l.span.Seconds())+2000, l.site, l.from); err != nil {
			return r, err
		}
		if l.begin != nil {
			l.begin()
		}
		before, err := p.used(ctx)
		if err != nil {
			return r, err
		}
		r.tally, err = p.buy(ctx, l)
		if err != nil && !errors.Is(err, errNoFriends) {
			return r, err
		}
		if l.conns >= connections {
			p.rate = r.rate()
		}
		done, failed := p.settle(ctx)
		if failed != nil {
			return r, failed
		}
		if err != nil {
			p.rate *= 2
			continue
		}
		after, err := p.used(ctx)
		if err != nil {
			return r, err
		}
		r.usage, r.settled = after.minus(before), float64(r.count)/done.Sub(r.began).Seconds()
		return r, p.quiet(ctx)
	}
}

// warm lets a first crowd come and buy, so that the tables hold what makes the planner take them seriously, and the pages are in
// memory. It also finds the rate of purchases.
func (p *platform) warm(ctx context.Context) error {
	for range 2 {
		if _, err := p.purchase(ctx, p.all(connections, time.Second)); err != nil {
			return err
		}
		if kept(p.name) { // analyzed, and its pages not to be logged in full again
			continue
		}
		if err := p.ripen(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ripen gives the planner the statistics that it would have a minute later by itself: of a table that was empty when it was last
// looked at, it takes any index for as good as another.
func (p *platform) ripen(ctx context.Context) error {
	for _, step := range []string{"vacuum analyze", "checkpoint"} {
		if _, err := p.db.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	return nil
}
