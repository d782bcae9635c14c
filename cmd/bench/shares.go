package main

import (
	"bytes"
	"context"
	"math/rand/v2"
)

const sharesDatabase = "shares"

// shares measures what it costs that an advocate has shared an offer, as the shop's page tells it.
func (b *bench) shares(ctx context.Context) error {
	return b.apart(ctx, sharesDatabase, min(b.o.sites, fewSites), nil, func(p *platform) error {
		var all int64
		measure := func(conns int) (bought, error) {
			jobs := make([]*sharing, conns)
			r, err := p.measured(ctx, func() (tally, error) {
				return drive(ctx, p.address, conns, b.span(), func(i int) job {
					jobs[i] = &sharing{platform: p}
					return jobs[i]
				})
			})
			all += r.count
			return r, err
		}
		if _, err := measure(connections); err != nil { // the first ones, so that the tables are no longer empty
			return err
		}
		if err := p.ripen(ctx); err != nil {
			return err
		}
		var sum weighed
		for n := range b.fewer() {
			many, err := measure(connections)
			if err != nil {
				return err
			}
			few, err := measure(8)
			if err != nil {
				return err
			}
			s1, err := b.rival(ctx, "share.sql")
			if err != nil {
				return err
			}
			sum.add(many, few)
			speed := pace()
			b.compare("shares / S1", many.rate(), many, s1, speed)
			b.compare("shares of 8 / S1", few.rate(), few, s1, speed)
			progress("shares %d/%d: %.0f/s (settled %.0f/s), of 8 %.0f/s, pgbench %.0f/s at %d clients, others %.0f %%", n+1, b.fewer(), many.rate(), many.settled,
				few.rate(), s1.rate, s1.clients, 100*max(many.others(0), few.others(0), s1.others))
		}
		if err := b.noted(ctx, p, "a share", &sum); err != nil {
			return err
		}
		return p.holds(ctx, sharesOf(all)...)
	})
}

// sharesOf are what all modules have to hold of so many shares.
func sharesOf(all int64) []fact {
	return []fact{
		{"shares", `select count(*) from referral.share`, all},
		{"links of shares", `select count(*) from referral.link l join referral.share s on (s.site_id, s.code, s.offer_id) = (l.site_id, l.code, l.offer_id) where l.kind = 'shared'`, all},
		{"shares that analytics counted", `select coalesce(sum(count), 0)::bigint from analytics.daily where metric = 'shares'`, all},
		{"offers whose first share isn't one", `select (select count(distinct (site_id, offer_id)) from referral.share)
			- (select coalesce(sum(count), 0)::bigint from analytics.daily where metric = 'sharers')`, 0},
	}
}

// sharing shares offers of any advocates.
type sharing struct{ *platform }

func (s *sharing) next(buf []byte) []byte {
	at := &s.sites[s.randomSite()]
	return s.postTo(buf, "/api/v2/offers/"+at.offers[rand.IntN(len(at.offers))]+"/shares/social", at.key, []byte(`{"channel":"sms"}`))
}

func (s *sharing) done(r *response) error {
	if r.status != 200 || !bytes.Contains(r.body, []byte(`"type":"SocialOfferShare"`)) {
		return r.unexpected("a share")
	}
	return nil
}
