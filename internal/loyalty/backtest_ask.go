package loyalty

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/finance"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

// BacktestAsk is a backtest in the words of who asks for it, by the API or as flags of the command. An empty one is as usual.
type BacktestAsk struct {
	From    string `json:"from,omitempty" maxLength:"10" doc:"The first day, in the site's zone; that of the first order when left out" example:"2025-11-01"`
	To      string `json:"to,omitempty" maxLength:"10" doc:"The last day; that of the last order when left out" example:"2026-10-31"`
	Redeem  string `json:"redeem,omitempty" maxLength:"30" doc:"How members are taken to spend points: historic, as they really did; when N, all whole multiples of N as soon as they have them; or never. historic when left out" example:"when 500"`
	Worth   string `json:"point_value,omitempty" maxLength:"60" doc:"What points cost when they are spent: so many, so much. What the site's books say for the last day when left out, else 100=1.00" example:"100=1.00"`
	Opening bool   `json:"opening,omitempty" doc:"Members begin with the points and what counts towards tiers that they had on the first day, instead of nothing" example:"true"`
	GoAhead *int   `json:"go_ahead_days,omitempty" nullable:"true" minimum:"0" maximum:"3650" doc:"After an order, when points that wait for an event are taken to get it; 14 when left out" example:"14"`
}

const (
	usualWorth   = "100=1.00"
	usualGoAhead = 14
	mostGoAhead  = 3650
	mostYears    = 100
)

// forEver is later than any order.
var forEver = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// ErrNoOrders says that there is nothing to play.
var ErrNoOrders = fault.New(fault.Conflict, "no_orders", "There are no orders to play.")

var errBacktest = fault.New(fault.Invalid, "invalid_backtest", "The backtest is not valid.")

// Past is who knows what people of a site did.
type Past interface {
	PastOrders(ctx context.Context, siteID int64, until time.Time, take func(customerevent.OriginRecorded)) error
	PastRefunds(ctx context.Context, siteID int64, until time.Time, take func(customerevent.OriginRefunded)) error
	// CountPast counts what PastOrders would hand over, up to a number.
	CountPast(ctx context.Context, siteID int64, until time.Time, most int64) (int64, error)
}

// terms are what is assumed. What is wrong is a fault that names the member.
func (a BacktestAsk) terms(currency string) (t hindsight.Terms, err error) {
	bad := errBacktest
	if t.Redeem, err = hindsight.ParseRedeem(cmp.Or(a.Redeem, hindsight.Historic)); err != nil {
		bad = bad.At("/redeem", err.Error())
	}
	if t.Worth, err = hindsight.ParseWorth(cmp.Or(a.Worth, usualWorth), currency); err != nil {
		bad = bad.At("/point_value", err.Error())
	}
	if t.GoAhead = usualGoAhead; a.GoAhead != nil {
		t.GoAhead = *a.GoAhead
	}
	if t.GoAhead < 0 || t.GoAhead > mostGoAhead {
		bad = bad.At("/go_ahead_days", fmt.Sprintf("must be 0 to %d", mostGoAhead))
	}
	if len(bad.Fields) > 0 {
		return t, bad
	}
	return t, nil
}

// days are the beginning of the first day and the end of the last one, where they are said.
func (a BacktestAsk) days(zone *time.Location) (from, until time.Time, err error) {
	bad := errBacktest
	day := func(place, text string) (t time.Time) {
		if text == "" {
			return t
		}
		if t, err = time.ParseInLocation(time.DateOnly, text, zone); err != nil || t.Year() < 1900 {
			bad = bad.At(place, "must be a day, as 2026-01-31")
		}
		return t
	}
	from, until = day("/from", a.From), day("/to", a.To)
	if !until.IsZero() {
		until = until.AddDate(0, 0, 1)
	}
	switch {
	case len(bad.Fields) > 0:
		return from, until, bad
	case !from.IsZero() && !until.IsZero() && !until.After(from):
		return from, until, bad.At("/to", "is before the first day")
	}
	return from, until, nil
}

// span is from the beginning of the first day to the end of the last one: what isn't said is as the orders are.
func (a BacktestAsk) span(h *hindsight.History, zone *time.Location) (from, until time.Time, err error) {
	if from, until, err = a.days(zone); err != nil {
		return from, until, err
	}
	first, last, some := h.Span()
	if !some {
		return from, until, ErrNoOrders
	}
	begin := func(t time.Time, days int) time.Time {
		year, month, day := t.In(zone).Date()
		return time.Date(year, month, day+days, 0, 0, 0, 0, zone)
	}
	if from.IsZero() {
		from = begin(first, 0)
	}
	if until.IsZero() {
		until = begin(last, 1)
	}
	switch {
	case !until.After(from):
		return from, until, errBacktest.At("/to", "is before the first day")
	case until.After(from.AddDate(mostYears, 0, 1)):
		return from, until, errBacktest.At("/from", fmt.Sprintf("%s to %s is more than %d years: choose from and to", from.Format(time.DateOnly),
			until.AddDate(0, 0, -1).Format(time.DateOnly), mostYears))
	}
	return from, until, nil
}

// Input is what is played of a history, which is cut to the days that count.
func (a BacktestAsk) Input(shop site.Site, drafts []Draft, h *hindsight.History) (in BacktestInput, err error) {
	in = BacktestInput{Shop: shop, Drafts: drafts, History: h}
	if in.Terms, err = a.terms(shop.Currency); err != nil {
		return in, err
	}
	if in.From, in.Until, err = a.span(h, shop.Zone); err != nil {
		return in, err
	}
	if h.Keep(in.From, in.Until); len(h.People) == 0 {
		return in, ErrNoOrders
	}
	return in, nil
}

// InputOf is what is played of a site's books.
func (m *Module) InputOf(ctx context.Context, shop site.Site, drafts []Draft, a BacktestAsk) (in BacktestInput, err error) {
	if m.past == nil {
		return in, ErrNoOrders
	}
	_, until, err := a.days(shop.Zone)
	if err != nil {
		return in, err
	}
	if until.IsZero() {
		until = forEver
	}
	h := &hindsight.History{Source: "the site's books"}
	if err := m.past.PastOrders(ctx, shop.ID, until, h.Take); err != nil {
		return in, err
	}
	if err := m.past.PastRefunds(ctx, shop.ID, until, h.TakeRefund); err != nil {
		return in, err
	}
	if err := m.PastRedemptions(ctx, shop.ID, until, h.TakeRedemption); err != nil {
		return in, err
	}
	if err := m.PastChallenges(ctx, shop.ID, h); err != nil {
		return in, err
	}
	if err := m.pastDates(ctx, shop.ID, drafts, h); err != nil {
		return in, err
	}
	if a.Opening {
		from, _, err := a.span(h, shop.Zone)
		if err != nil {
			return in, err
		}
		if err := m.openings(ctx, shop, from, h); err != nil {
			return in, err
		}
	}
	if a.Worth == "" {
		if a.Worth, err = m.worthOf(ctx, shop, a, h); err != nil {
			return in, err
		}
	}
	in, err = a.Input(shop, drafts, h)
	in.People = m.people
	return in, err
}

// worthOf is what points are worth in a site's books on the last day; "": nobody has said.
func (m *Module) worthOf(ctx context.Context, shop site.Site, a BacktestAsk, h *hindsight.History) (string, error) {
	_, until, err := a.span(h, shop.Zone)
	if err != nil {
		return "", err
	}
	values, err := pointValues(ctx, m.db, shop.ID)
	v := finance.On(finance.ValuesOf(values, mainWallet), until.Add(-1).Format(time.DateOnly))
	if err != nil || v == nil || v.Currency != shop.Currency {
		return "", err
	}
	return fmt.Sprintf("%d=%s", v.Points, money.Format(v.Amount, v.Currency)), nil
}

// Beside the programme in force a single one is compared.
func (m *Module) Beside(ctx context.Context, shop site.Site, drafts []Draft) ([]Draft, error) {
	return beside(ctx, m.db, shop, drafts)
}

func beside(ctx context.Context, db sqlx.QueryerContext, shop site.Site, drafts []Draft) ([]Draft, error) {
	if len(drafts) != 1 {
		return drafts, nil
	}
	now, err := draftInForce(ctx, db, shop.ID)
	if _, none := fault.Of(err); none {
		return drafts, nil
	}
	return []Draft{now, drafts[0]}, err
}
