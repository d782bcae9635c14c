package loyalty

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const (
	maxTryItems    = 500
	maxTryCoupons  = 50
	maxTryQuantity = 1_000_000_000
	maxTrySegments = 3
)

// trialBody is an order or event that rules are tried on.
type trialBody struct {
	web.SiteBody
	Earning       *EarnTerms  `json:"earning,omitempty" doc:"Other rules to try; the programme's own when left out"`
	On            string      `json:"on,omitempty" default:"purchase" doc:"purchase, event or share" example:"purchase"`
	Category      string      `json:"category,omitempty" doc:"Of an event" example:""`
	Channel       string      `json:"channel,omitempty" doc:"Of a share" example:""`
	Subtotal      int64       `json:"subtotal,omitempty" doc:"In minor units" example:"8500"`
	Currency      string      `json:"currency,omitempty" doc:"The site's when left out" example:""`
	Items         []trialItem `json:"items,omitempty" doc:"At most 500"`
	CouponCodes   []string    `json:"coupon_codes,omitempty" doc:"At most 50"`
	FirstPurchase bool        `json:"first_purchase,omitempty"`
	OccurredAt    *time.Time  `json:"occurred_at,omitempty" nullable:"true" doc:"Now when left out"`
	Segments      []string    `json:"segments,omitempty" doc:"That the order is in; at most 3"`
	Tier          string      `json:"tier,omitempty" doc:"Of the member; empty: none" example:""`
	Earned        int64       `json:"earned,omitempty" doc:"By the member in their life"`
	History       *trialPast  `json:"history,omitempty" doc:"What the person bought before; nothing when left out"`

	MemberDates map[string]string `json:"member_dates,omitempty" doc:"Of the member, by their names: birthday, for example; at most 50"`
}

type trialItem struct {
	ProductID string `json:"product_id,omitempty" example:"chair"`
	Category  string `json:"category,omitempty" example:"seats"`
	Price     int64  `json:"price" doc:"Of a piece, in minor units; below zero: a discount" example:"2000"`
	Quantity  int64  `json:"quantity" example:"2"`
}

// trial is what rules say of it.
type trial struct {
	Points  int64   `json:"points"`
	Refused *string `json:"refused" doc:"Why nothing: currency, below_one_point, paused, too_many_points, no_rule"`
	Trace   trace   `json:"trace"`

	Wallets []walletTrial `json:"wallets,omitempty" doc:"What it would earn in other wallets; left out: no rule of theirs speaks of it"`
}

// walletTrial is what the rules of a wallet beside the main one say.
type walletTrial struct {
	Wallet  string  `json:"wallet"`
	Points  int64   `json:"points"`
	Refused *string `json:"refused"`
	Trace   trace   `json:"trace"`
}

type trialAnswer struct {
	Trial trial `json:"trial"`
}

// check says what is wrong with the order that rules are tried on.
func (b trialBody) check() error {
	bad := fault.New(fault.Invalid, "invalid_trial", "The order is not valid.")
	at := func(pointer, format string, args ...any) { bad = bad.At(pointer, fmt.Sprintf(format, args...)) }
	if b.On != "" && b.On != onPurchase && b.On != onEvent && b.On != onShare {
		at("/on", "must be purchase, event or share")
	}
	if b.Subtotal < 0 || b.Subtotal > money.Max {
		at("/subtotal", "must be 0 to %d", money.Max)
	}
	if b.Earned < 0 || b.Earned > maxPoints {
		at("/earned", "must be 0 to %d", int64(maxPoints))
	}
	optional := func(place, s string) {
		if s != "" {
			checkNames(place, []string{s}, func(_, format string, args ...any) { at(place, format, args...) })
		}
	}
	optional("/category", b.Category)
	optional("/channel", b.Channel)
	optional("/currency", b.Currency)
	optional("/tier", b.Tier)
	if len(b.Segments) > maxTrySegments {
		at("/segments", "must be at most %d", maxTrySegments)
	} else {
		checkNames("/segments", b.Segments, at)
	}
	b.History.check(at)
	if len(b.MemberDates) > maxDates {
		at("/member_dates", "must be at most %d", maxDates)
	} else {
		for name, day := range b.MemberDates {
			if !identifier.MatchString(name) || criteria.ParseDate(day) == (criteria.Date{}) {
				at("/member_dates", "must be dates like 1990-05-17 by names of the form [a-z_][a-z0-9_]*")
				break
			}
		}
	}
	if len(b.CouponCodes) > maxTryCoupons {
		at("/coupon_codes", "must be at most %d", maxTryCoupons)
	} else {
		checkNames("/coupon_codes", b.CouponCodes, at)
	}
	if len(b.Items) > maxTryItems {
		at("/items", "must be at most %d", maxTryItems)
		b.Items = nil
	}
	for i, item := range b.Items {
		place := "/items/" + strconv.Itoa(i)
		optional(place+"/product_id", item.ProductID)
		optional(place+"/category", item.Category)
		if item.Price < -money.Max || item.Price > money.Max {
			at(place+"/price", "must be %d to %d", -money.Max, money.Max)
		}
		if item.Quantity < 0 || item.Quantity > maxTryQuantity {
			at(place+"/quantity", "must be 0 to %d", maxTryQuantity)
		}
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// order is what was sent as customer would tell it.
func (b trialBody) order(shop site.Site, now time.Time) customerevent.OriginRecorded {
	o := customerevent.OriginRecorded{SiteID: shop.ID, Type: customerevent.Purchase, Subtotal: b.Subtotal, Currency: b.Currency, CouponCodes: b.CouponCodes,
		FirstPurchase: b.FirstPurchase, Segments: b.Segments, Verified: true, OccurredAt: now}
	if b.On == onEvent {
		o.Type, o.Category = customerevent.Event, b.Category
	}
	if o.Currency == "" {
		o.Currency = shop.Currency
	}
	if b.OccurredAt != nil {
		o.OccurredAt = *b.OccurredAt
	}
	for _, i := range b.Items {
		o.Items = append(o.Items, customerevent.Item{ProductID: i.ProductID, Category: i.Category, Price: i.Price, Quantity: i.Quantity})
	}
	return o
}

// occasion is what was sent as rules see it.
func (b trialBody) occasion(shop site.Site, now time.Time) *occasion {
	if b.On != onShare {
		return ofOrigin(b.order(shop, now))
	}
	s := referralevent.OfferShared{SiteID: shop.ID, Channel: b.Channel, SharedAt: now}
	if b.OccurredAt != nil {
		s.SharedAt = *b.OccurredAt
	}
	if b.Channel == referralevent.Email {
		s.Kind = referralevent.Email
	}
	return ofShare(s)
}

// member is who it is tried on.
func (b trialBody) member() criteria.Member {
	dates := map[string]criteria.Date{}
	for name, day := range b.MemberDates {
		dates[name] = criteria.ParseDate(day)
	}
	return criteria.Member{Tier: b.Tier, Earned: b.Earned, Birthday: dates[birthday], Dates: dates}
}

// ready is the programme with the rules to be tried.
func (b trialBody) ready(p program, shop site.Site) (program, error) {
	if b.Earning != nil {
		p.Earning = b.Earning.plan()
		var err error
		if p.settings, err = p.of(shop); err != nil {
			return p, err
		}
		if err := p.check(); err != nil {
			return p, err
		}
	}
	if p.Earning == nil {
		p.Earning = &earnPlan{EarnTerms: EarnTerms{Stacking: stackAll}, Zone: "UTC"}
	}
	var err error
	p.earner, err = newEarner(p.Earning)
	return p, err
}

// try says what an order would earn. It keeps nothing but its answer for an Idempotency-Key.
func (m *Module) try(ctx context.Context, s site.Site, id int64, b trialBody, key idempotency.Key) (out trial, replayed bool, err error) {
	if err := b.check(); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			p, err := findProgram(ctx, u, s.ID, id)
			if err == nil {
				p, err = complete(ctx, u, p)
			}
			if err == nil {
				p, err = b.ready(p, s)
			}
			if err != nil {
				return err
			}
			o := b.occasion(s, u.Now)
			o.facts.Now = u.Now
			o.recall(b.History.past(b.Segments))
			v, err := p.decide(ctx, o, b.member(), unbounded)
			if err != nil {
				return err
			}
			if out = (trial{Points: v.Points, Refused: named(v.Refused), Trace: v.Trace}); p.Status != active {
				paused := refusedPaused
				out.Points, out.Refused = 0, &paused
				return nil
			}
			for _, w := range p.Wallets {
				in := p.forWallet(w.Key)
				if in.earner == nil || !in.spoken(o) {
					continue
				}
				v, err := in.decide(ctx, o, b.member(), unbounded)
				if err != nil {
					return err
				}
				out.Wallets = append(out.Wallets, walletTrial{w.Key, v.Points, named(v.Refused), v.Trace})
			}
			return nil
		})
		return err
	})
	return out, replayed, err
}

func (m *Module) postTrial(ctx context.Context, in *struct {
	ID   int64 `path:"id" minimum:"1"`
	Body trialBody
}) (*web.OK[trialAnswer], error) {
	req := web.From(ctx)
	out, replayed, err := m.try(ctx, req.Site, in.ID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(trialAnswer{out}), nil
}

// sweepTallies forgets what rules gave members on days so long ago that nothing is told of them any more.
func (m *Module) sweepTallies(ctx context.Context) error {
	_, err := m.db.ExecContext(ctx, `
		delete from loyalty.rule_tally where ctid = any (array(
			select ctid from loyalty.rule_tally where span = 'day' and since < $1::date order by since limit $2))`, m.now().Add(-keepTallies), 2*perPass)
	if err != nil {
		return fmt.Errorf("sweep what rules gave: %w", err)
	}
	return nil
}
