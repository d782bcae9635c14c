package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lib/pq"
)

// linksOfSite are how many claim links of a site the visitors of a filled database open, drawn from all.
const linksOfSite = 1000

// reopen serves the filled database.
func reopen(ctx context.Context, pg *database, o options) (p *platform, err error) {
	if p, err = startPlatform(ctx, pg, filledDatabase, o.binary, "grouped"); err != nil {
		return nil, err
	}
	var rows []struct {
		SiteID  int64          `db:"site_id"`
		Slug    string         `db:"slug"`
		Key     string         `db:"key"`
		Program int64          `db:"program"`
		Links   pq.StringArray `db:"links"`
	}
	err = p.db.SelectContext(ctx, &rows, `
		select s.site_id, s.slug, s.key, (select min(id) from loyalty.program where site_id = s.site_id) as program, (
			select array_agg('/x/' || bench.code('h', s.first + 1 + floor(random() * s.advocates)::bigint + 0 * g)) from generate_series(1, $1) g) as links
		from bench.site s order by s.n`, linksOfSite)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	for _, r := range rows {
		p.sites = append(p.sites, shop{slug: r.Slug, key: r.Key, id: r.SiteID, program: r.Program, links: r.Links})
	}
	return p, p.remember(ctx)
}

// filled compares with the database that holds much.
func (b *bench) filled(ctx context.Context) (err error) {
	p, err := reopen(ctx, b.pg, b.o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.warm(ctx); err != nil {
		return err
	}
	if b.o.statements {
		if err := p.forgetStatements(ctx); err != nil {
			return err
		}
	}
	before := p.took.purchases
	var members [2][]member
	var sum bought
	for n := range b.o.pairs {
		var both [2]bought
		var visits, adjusted, redeemed [2]tally
		var others [2]float64
		for i, side := range []*platform{p, b.platform} {
			if both[i], err = side.purchase(ctx, side.all(connections, b.span())); err != nil {
				return err
			}
			var u usage
			if visits[i], u, err = b.visited(ctx, side); err != nil {
				return err
			}
			if members[i] == nil { // who has bought is a member
				if members[i], err = side.members(ctx); err != nil {
					return err
				}
			}
			start, err := side.used(ctx)
			if err != nil {
				return err
			}
			if adjusted[i], err = side.act(ctx, b.span(), false, members[i]); err != nil {
				return err
			}
			if redeemed[i], err = side.act(ctx, b.span(), true, members[i]); err != nil {
				return err
			}
			end, err := side.used(ctx)
			if err != nil {
				return err
			}
			if err := side.quiet(ctx); err != nil {
				return err
			}
			others[i] = max(both[i].others(0), u.others(0), end.minus(start).others(0))
		}
		busy, speed := max(others[0], others[1]), pace()
		b.report.add("filled / empty", pair{both[0].rate(), both[1].rate(), 0, busy, speed})
		b.report.add("filled / empty settled", pair{both[0].settled, both[1].settled, 0, busy, speed})
		b.report.add("filled / empty visits", pair{visits[0].rate(), visits[1].rate(), 0, busy, speed})
		b.report.add("filled / empty adjusted", pair{adjusted[0].rate(), adjusted[1].rate(), 0, busy, speed})
		b.report.add("filled / empty redeemed", pair{redeemed[0].rate(), redeemed[1].rate(), 0, busy, speed})
		sum.count, sum.usage = sum.count+both[0].count, sum.plus(both[0].usage)
		progress("filled %d/%d: purchases %.0f/s and %.0f/s, settled %.0f/s and %.0f/s, visits %.0f/s and %.0f/s, others %.0f %%", n+1, b.o.pairs,
			both[0].rate(), both[1].rate(), both[0].settled, both[1].settled, visits[0].rate(), visits[1].rate(), 100*busy)
	}
	b.report.note("a filled database", "%s", b.o.scale)
	b.report.note("a purchase there", "%s", cost(sum.usage, sum.count))
	if b.o.statements {
		if err := p.showStatements(ctx, &b.report, "a purchase", p.took.purchases-before); err != nil {
			return err
		}
	}
	if err := b.rollup(ctx, p); err != nil {
		return err
	}
	if err := b.lateness(ctx, p, "filled "); err != nil {
		return err
	}
	return p.verify(ctx)
}

// The reports of a year but two weeks: older visits are dropped some day, while rollups stay.
const (
	rolledUp = `select coalesce(sum(n), 0)::bigint as n, md5(string_agg(day || '=' || n, ',' order by day)) as digest from (
		select r.day, sum(r.count)::bigint as n from analytics.site s cross join lateral (select day, count from analytics.daily
			where site_id = s.site_id and metric = 'visits' and day >= (now() at time zone 'UTC')::date - 350 offset 0) r group by 1) d`
	rawVisits = `select coalesce(sum(n), 0)::bigint as n, md5(string_agg(day || '=' || n, ',' order by day)) as digest from (
		select (visited_at at time zone 'UTC')::date as day, count(*) as n from referral.visit
		where visited_at >= ((now() at time zone 'UTC')::date - 350)::timestamp at time zone 'UTC' group by 1) d`
)

// rollup compares the visits by day out of the rollups with those that were counted; both must be the same.
func (b *bench) rollup(ctx context.Context, p *platform) error {
	type answer struct {
		N      int64  `db:"n"`
		Digest string `db:"digest"`
	}
	for range min(b.o.pairs, 3) {
		before, err := p.used(ctx)
		if err != nil {
			return err
		}
		var got [2]answer
		var took [2]time.Duration
		for i, query := range []string{rolledUp, rawVisits} {
			began := time.Now()
			if err := p.db.GetContext(ctx, &got[i], query); err != nil {
				return err
			}
			took[i] = time.Since(began)
		}
		if got[0] != got[1] {
			return fmt.Errorf("the rollups say %d visits, and there are %d, or on other days", got[0].N, got[1].N)
		}
		after, err := p.used(ctx)
		if err != nil {
			return err
		}
		l := b.report.add("rollup / raw", pair{ms(took[0]), ms(took[1]), 0, after.minus(before).others(0), 0})
		l.scaled(float64(b.o.scale.visits) / float64(scales[len(scales)-1].visits))
		progress("rollup %.1f ms, raw %.0f ms over %d visits", ms(took[0]), ms(took[1]), got[1].N)
	}
	began := time.Now()
	var series struct{}
	last := began.UTC().Format(time.DateOnly)
	path := "/api/v2/metrics/visits?start_date=" + began.UTC().AddDate(-1, 0, 0).Format(time.DateOnly) + "&end_date=" + last
	if err := p.call(ctx, p.sites[0].key, "GET", path, nil, &series); err != nil {
		return err
	}
	b.report.note("a year of visits", "answered by the API in %s, for the site that has a seventh of all", milliseconds(time.Since(began)))
	return nil
}
