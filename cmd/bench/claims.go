package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

const claimsDatabase = "claims"

// claims measures what a friend's claim of an offer costs, told by the shop or by the form of the claim page.
func (b *bench) claims(ctx context.Context) error {
	return b.apart(ctx, claimsDatabase, min(b.o.sites, fewSites), nil, func(p *platform) error {
		if err := p.gate(ctx); err != nil {
			return err
		}
		c := claimed{advocates: b.o.people}
		if err := c.introduce(ctx, p); err != nil {
			return err
		}
		var sum weighed
		for n := range b.fewer() {
			many, err := c.measure(ctx, p, connections, b.span(), &claiming{site: p.randomSite})
			if err != nil {
				return err
			}
			few, err := c.measure(ctx, p, 8, b.span(), &claiming{site: p.randomSite})
			if err != nil {
				return err
			}
			form, err := c.measure(ctx, p, connections, b.span(), &claiming{site: p.randomSite, page: true})
			if err != nil {
				return err
			}
			c1, err := b.rival(ctx, "claim.sql")
			if err != nil {
				return err
			}
			sum.add(many, few, form)
			speed := pace()
			b.compare("claims / C1", many.rate(), many, c1, speed)
			b.compare("claims of 8 / C1", few.rate(), few, c1, speed)
			b.compare("claims by page / C1", form.rate(), form, c1, speed)
			progress("claims %d/%d: %.0f/s (settled %.0f/s), of 8 %.0f/s, by page %.0f/s, pgbench %.0f/s at %d clients, others %.0f %%", n+1, b.fewer(), many.rate(), many.settled,
				few.rate(), form.rate(), c1.rate, c1.clients, 100*max(many.others(0), few.others(0), form.others(0), c1.others))
		}
		if err := b.noted(ctx, p, "a claim", &sum); err != nil {
			return err
		}
		return c.verify(ctx, p)
	})
}

// gate lets all claim links show the page that asks for an address.
func (p *platform) gate(ctx context.Context) error {
	for _, s := range p.sites {
		if err := p.call(ctx, s.key, "PUT", fmt.Sprintf("/api/v2/campaigns/%d/links", s.campaign), object{"claim_page": true, "gate": "email"}, nil); err != nil {
			return err
		}
	}
	return nil
}

// randomSite is one of all, each as often.
func (p *platform) randomSite() int { return rand.IntN(len(p.sites)) }

// claimed is what a part's claims came to.
type claimed struct {
	advocates     int // of each site, who are known by their addresses
	told, byPage  int64
	codes         map[string]bool // site and code of each coupon that was answered
	wanted, twice int64           // coupons
}

// introduce makes the advocates of all sites, by a first claim of each one's offer, so that the tables are no longer empty.
func (c *claimed) introduce(ctx context.Context, p *platform) error {
	first := make([]*claiming, connections)
	for i := range first {
		first[i] = &claiming{platform: p, advocates: c.advocates}
	}
	for n := range c.advocates * len(p.sites) {
		j := first[n%connections]
		j.todo = append(j.todo, [2]int{n % len(p.sites), n / len(p.sites)})
	}
	_, err := drive(ctx, p.address, connections, 0, func(i int) job { return first[i] })
	if err != nil {
		return err
	}
	c.take(first)
	if err := p.quiet(ctx); err != nil {
		return err
	}
	return p.ripen(ctx)
}

// measure lets friends claim for a while, as the model does.
func (c *claimed) measure(ctx context.Context, p *platform, conns int, span time.Duration, model *claiming) (bought, error) {
	return p.measured(ctx, func() (tally, error) {
		jobs := make([]*claiming, conns)
		t, err := drive(ctx, p.address, conns, span, func(i int) job {
			one := *model
			one.platform, one.advocates = p, c.advocates
			jobs[i] = &one
			return &one
		})
		c.take(jobs)
		return t, err
	})
}

func (c *claimed) take(jobs []*claiming) {
	if c.codes == nil {
		c.codes = map[string]bool{}
	}
	for _, j := range jobs {
		if j.page {
			c.byPage += j.count
		} else {
			c.told += j.count
		}
		for _, code := range j.codes {
			c.wanted++
			if c.codes[code] {
				c.twice++
			}
			c.codes[code] = true
		}
	}
}

// facts are what all modules have to hold of the claims.
func (c *claimed) facts(p *platform) []fact {
	all := c.told + c.byPage
	return []fact{
		{"claims", `select count(*) from referral.offer_claim`, all},
		{"claims by page", `select count(*) from referral.page_claim where friend_offer_id is not null`, c.byPage},
		{"friend offers of claims", `select count(*) from referral.offer_claim c join referral.friend_offer f on (f.site_id, f.offer_id, f.id) = (c.site_id, c.offer_id, c.friend_offer_id)`, all},
		{"claims whose friend isn't the friend offer's", `select count(*) from referral.offer_claim c join referral.friend_offer f on (f.site_id, f.id) = (c.site_id, c.friend_offer_id)
			where not exists (select from referral.identity i where (i.site_id, i.visitor_id, i.person_id) = (f.site_id, f.visitor_id, c.friend_id))`, 0},
		{"friends who claimed", `select count(*) from customer.person where email like 'c%@bench.example'`, all},
		{"advocates", `select count(*) from customer.person where email like 'a%@bench.example'`, int64(c.advocates * len(p.sites))},
		{"contacts of people with an address", `select (select count(*) from customer.person where email is not null) - (select count(*) from notify.contact where email <> '')`, 0},
		{"claims that analytics counted", `select coalesce(sum(count), 0)::bigint from analytics.daily where metric = 'emails_collected_on_claim'`, all},
	}
}

func (c *claimed) verify(ctx context.Context, p *platform) error { return p.holds(ctx, c.facts(p)...) }

// claiming lets friends who are new claim offers: of the advocates of a list, or of any.
type claiming struct {
	*platform
	site      func() int
	advocates int
	todo      [][2]int // site and advocate
	page      bool     // by the form of the claim page
	coupons   bool     // each gets a code
	at        int      // site of the last one
	count     int64
	codes     []string
}

func (c *claiming) next(buf []byte) []byte {
	who := 0
	switch {
	case c.site != nil:
		c.at, who = c.site(), rand.IntN(c.advocates)
	case len(c.todo) > 0:
		c.at, who, c.todo = c.todo[0][0], c.todo[0][1], c.todo[1:]
	default:
		return nil
	}
	s := &c.sites[c.at]
	if c.page {
		return c.form(buf, s.links[rand.IntN(len(s.links))], fmt.Appendf(nil, "email=c%x%%40bench.example", rand.Uint64()))
	}
	return c.postTo(buf, "/api/v2/offer_claims", s.key, fmt.Appendf(nil, `{"advocate_email":"a%d@bench.example","friend_email":"c%x@bench.example"}`, who, rand.Uint64()))
}

// form is what a browser sends that was asked for an address.
func (c *claiming) form(buf []byte, path string, body []byte) []byte {
	visitor, ip := newVisitor(), rand.Uint32()
	buf = append(buf, "POST "...)
	buf = append(buf, path...)
	buf = append(buf, "/claim HTTP/1.1\r\nHost: "...)
	buf = append(buf, c.address...)
	buf = append(buf, "\r\nUser-Agent: "+browser+"\r\nSec-Fetch-Site: same-origin\r\nCookie: tkbl_session="...)
	buf = append(buf, visitor[:]...)
	buf = fmt.Appendf(buf, "\r\nX-Forwarded-For: 100.%d.%d.%d", 64|ip>>16&63, ip>>8&255, ip&255)
	buf = append(buf, "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
	buf = strconv.AppendInt(buf, int64(len(body)), 10)
	buf = append(buf, "\r\n\r\n"...)
	return append(buf, body...)
}

func (c *claiming) done(r *response) error {
	switch {
	case c.page && (r.status != 303 || !bytes.HasSuffix(r.location, []byte("/claim"))):
		return r.unexpected("the form of a claim page")
	case !c.page && (r.status != 200 || !bytes.Contains(r.body, []byte(`"ok":true`)) || !bytes.Contains(r.body, []byte(`"friend_unredeem_reason":null`))):
		return r.unexpected("a claim")
	}
	if c.coupons {
		_, rest, _ := bytes.Cut(r.body, []byte(`"coupon_code":"`))
		code, _, ok := bytes.Cut(rest, []byte(`"`))
		if !ok || len(code) == 0 {
			return r.unexpected("a claim that brings a coupon")
		}
		c.codes = append(c.codes, fmt.Sprintf("%d %s", c.at, code))
	}
	c.count++
	return nil
}
