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
		jobs[i] = &joining{platform: p, links: map[int][]string{}}
	}
	for n := range people * len(p.sites) {
		j := jobs[n%connections]
		j.todo = append(j.todo, n%len(p.sites))
	}
	t, err := drive(ctx, p.address, connections, 0, func(i int) job { return jobs[i] })
	if err != nil {
		return err
	}
	p.took.advocates += t.count
	for _, j := range jobs {
		for site, links := range j.links {
			p.sites[site].links = append(p.sites[site].links, links...)
		}
	}
	return p.quiet(ctx)
}

// visit lets visitors come for a while, to links of the sites that site names, and adds them to the pool.
func (p *platform) visit(ctx context.Context, span time.Duration, site func() int, to *pool) (tally, error) {
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

// stock lets visitors come until so many are in the pool.
func (p *platform) stock(ctx context.Context, n int, site func() int, to *pool) error {
	for to.size() < n {
		if _, err := p.visit(ctx, 500*time.Millisecond, site, to); err != nil {
			return err
		}
	}
	return p.quiet(ctx)
}

var errNoFriends = errors.New("more was bought than there were visitors to buy")

// buy lets friends buy for a while.
func (p *platform) buy(ctx context.Context, span time.Duration) (tally, error) {
	jobs := make([]*buying, connections)
	t, err := drive(ctx, p.address, connections, span, func(i int) job {
		jobs[i] = &buying{platform: p, from: &p.pool, n: i} // not all of them begin with a friend
		return jobs[i]
	})
	if err == nil && p.pool.size() == 0 {
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
