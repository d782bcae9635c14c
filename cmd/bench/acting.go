package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// member is somebody with points.
type member struct {
	site  int // index of platform.sites
	email string
}

const (
	mostMembers = 10_000
	unitPoints  = 10        // points of a redemption, and of an adjustment
	endowment   = 1_000_000 // points that a member has to spend
)

// members gives up to ten thousand people who have bought points to spend, and each site something to spend them on.
func (p *platform) members(ctx context.Context) ([]member, error) {
	at := map[int64]int{}
	for i := range p.sites {
		s := &p.sites[i]
		at[s.id] = i
		var made struct {
			Batch struct {
				ID int64 `json:"id"`
			} `json:"redemption_batch"`
		}
		err := p.call(ctx, s.key, "POST", fmt.Sprintf("/api/v2/loyalty/programs/%d/redemption_batches", s.program), object{"description": "A cup", "points_cost": unitPoints}, &made)
		if err != nil {
			return nil, err
		}
		s.batch = made.Batch.ID
	}
	var rows []struct {
		SiteID int64  `db:"site_id"`
		Email  string `db:"email"`
	}
	err := p.db.SelectContext(ctx, &rows, `
		select p.site_id, p.email from customer.person p join loyalty.member m on (m.site_id, m.person_id) = (p.site_id, p.id)
		where p.email is not null order by md5(p.email) limit $1`, mostMembers)
	if err != nil {
		return nil, err
	}
	all := make([]member, len(rows))
	jobs := make([]*acting, connections)
	for i := range jobs {
		jobs[i] = &acting{platform: p, points: endowment}
	}
	for i, r := range rows {
		all[i] = member{at[r.SiteID], r.Email}
		j := jobs[i%connections]
		j.todo = append(j.todo, all[i])
	}
	if _, err = drive(ctx, p.address, connections, 0, func(i int) job { return jobs[i] }); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		p.took.acted(j)
	}
	return all, p.quiet(ctx)
}

// act lets members' points be adjusted, or be spent by them, for a while.
func (p *platform) act(ctx context.Context, span time.Duration, redeem bool, of []member) (tally, error) {
	jobs := make([]*acting, connections)
	t, err := drive(ctx, p.address, connections, span, func(i int) job {
		jobs[i] = &acting{platform: p, redeem: redeem, points: unitPoints, of: of}
		return jobs[i]
	})
	for _, j := range jobs {
		p.took.acted(j)
	}
	return t, err
}

// acting adjusts points, or spends them: of the members of a list, one after the other, or of any of those.
type acting struct {
	*platform
	redeem bool
	points int64
	todo   []member
	of     []member
	count  int64
}

func (a *acting) next(buf []byte) []byte {
	var m member
	switch {
	case a.of != nil:
		m = a.of[rand.IntN(len(a.of))]
	case len(a.todo) > 0:
		m, a.todo = a.todo[0], a.todo[1:]
	default:
		return nil
	}
	s := &a.sites[m.site]
	if a.redeem {
		return a.postTo(buf, "/api/v2/loyalty/members/"+m.email+"/redeem_actions", s.key, fmt.Appendf(nil, `{"data":{"redemption_batch_id":%d}}`, s.batch))
	}
	return a.postTo(buf, "/api/v2/loyalty/members/"+m.email+"/manual_adjustment_actions", s.key, fmt.Appendf(nil, `{"data":{"points":%d}}`, a.points))
}

func (a *acting) done(r *response) error {
	if r.status != 200 || !bytes.Contains(r.body, []byte(`"ok":true`)) {
		return r.unexpected("a movement of points")
	}
	a.count++
	return nil
}

func (r *recorded) acted(a *acting) {
	if a.redeem {
		r.redeemed, r.spent = r.redeemed+a.count, r.spent+a.count*a.points
	} else {
		r.adjusted, r.given = r.adjusted+a.count, r.given+a.count*a.points
	}
}
