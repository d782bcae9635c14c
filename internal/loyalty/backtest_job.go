package loyalty

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// States of a backtest.
const (
	testWaits     = "waiting"
	testPlays     = "running"
	testDone      = "done"
	testFailed    = "failed"
	testCancelled = "cancelled"
)

// Why a backtest failed.
const (
	failedOrders   = "no_orders"
	failedMany     = "too_many_orders"
	failedTime     = "took_too_long"
	failedDays     = "invalid_days"
	failedOnlyThen = "interrupted" // each time that it was tried
)

const (
	mostTested   = 1_000_000 // orders and events of a site; a gibibyte of memory
	mostListed   = 200_000   // people who are listed one by one
	testLimit    = 10 * time.Minute
	testLease    = time.Minute // of who plays; is prolonged while they do
	testBeat     = 5 * time.Second
	testTries    = 3
	keepTests    = 30 // days
	testsOfASite = 50
)

var (
	errTestRunning = fault.New(fault.Conflict, "backtest_running", "A backtest of the site waits or is played already. Read or cancel it.")
	errNoTest      = fault.New(fault.NotFound, "backtest_not_found", "There is no such backtest.")
	errTestNotDone = fault.New(fault.Conflict, "backtest_not_done", "There is no report: the backtest isn't done.")
	errNotListed   = fault.New(fault.Conflict, "too_many_people", "So many people aren't listed one by one: use the command talkable backtest.")
)

// backtest is one that was asked for by the API. It is played in the background by whoever is free, one at a time in a process; whoever plays it
// says so again and again, so that another begins anew when nothing is heard of them. The same is played each time, so the report is the same.
type backtest struct {
	SiteID     int64      `db:"site_id"`
	ID         int64      `db:"id"`
	State      string     `db:"state"`
	Asked      string     `db:"asked"` // asked, as JSON
	Failure    *string    `db:"failure"`
	Done       int64      `db:"done"`
	Total      int64      `db:"total"`
	Attempts   int        `db:"attempts"`
	Listed     bool       `db:"listed"`
	AskedAt    time.Time  `db:"asked_at"`
	StartedAt  *time.Time `db:"started_at"`
	FinishedAt *time.Time `db:"finished_at"`
}

// asked is all that a backtest was asked with. The programme in force is taken down when it is asked for.
type asked struct {
	Slug     string      `json:"slug"`
	Zone     string      `json:"zone"`
	Currency string      `json:"currency"`
	Drafts   []keptDraft `json:"programmes"`
	BacktestAsk
}

type keptDraft struct {
	Label    string   `json:"label"`
	Settings settings `json:"settings"`
}

// shop and drafts are what it is played with.
func (b backtest) input() (shop site.Site, drafts []Draft, a asked, err error) {
	if err = json.Unmarshal([]byte(b.Asked), &a); err != nil {
		return shop, nil, a, fmt.Errorf("what backtest %d was asked with: %w", b.ID, err)
	}
	shop = site.Site{ID: b.SiteID, Slug: a.Slug, Currency: a.Currency}
	if shop.Zone, err = time.LoadLocation(a.Zone); err != nil {
		return shop, nil, a, fmt.Errorf("zone of backtest %d: %w", b.ID, err)
	}
	for _, d := range a.Drafts {
		drafts = append(drafts, Draft{d.Label, d.Settings})
	}
	return shop, drafts, a, nil
}

// backtestView is a backtest as it is answered.
type backtestView struct {
	ID         int64               `json:"id"`
	State      string              `json:"state" enum:"waiting,running,done,failed,cancelled"`
	Failure    *string             `json:"failure" doc:"Why it failed: no_orders, too_many_orders, took_too_long, invalid_days, or interrupted, three times; it may be asked for again"`
	Programmes []backtestProgramme `json:"programmes"`
	Terms      BacktestAsk         `json:"terms" doc:"As they were asked for"`
	Progress   int                 `json:"progress" doc:"Of the people who are played, in percent"`
	People     bool                `json:"people_listed" doc:"The report has people one by one"`
	AskedAt    time.Time           `json:"asked_at"`
	StartedAt  *time.Time          `json:"started_at"`
	FinishedAt *time.Time          `json:"finished_at"`
}

type backtestProgramme struct {
	Label string `json:"label" doc:"in force, new, first or second" example:"new"`
	Name  string `json:"name"`
}

func (b backtest) view() (backtestView, error) {
	_, drafts, a, err := b.input()
	v := backtestView{ID: b.ID, State: b.State, Failure: b.Failure, Terms: a.BacktestAsk, People: b.Listed, AskedAt: b.AskedAt.UTC(), StartedAt: inUTC(b.StartedAt), FinishedAt: inUTC(b.FinishedAt)}
	for _, d := range drafts {
		v.Programmes = append(v.Programmes, backtestProgramme{d.Label, d.Name})
	}
	switch {
	case b.State == testDone:
		v.Progress = 100
	case b.Total > 0:
		v.Progress = int(min(b.Done*100/b.Total, 99))
	}
	return v, err
}

// askedWith makes drafts of programmes as they are sent, and says what is wrong with any of them.
func askedWith(bodies []programBody, ask BacktestAsk, shop site.Site) ([]Draft, error) {
	bad := errBacktest
	var drafts []Draft
	for i, body := range bodies {
		place := fmt.Sprintf("/programmes/%d", i)
		if body.EffectiveAt != nil {
			bad = bad.At(place+"/effective_at", "has no place here: a programme is played all the time")
		}
		if body.SiteSlug != "" && body.SiteSlug != shop.Slug {
			bad = bad.At(place+"/site_slug", "is not this site")
		}
		body.Status, body.AdjustmentLimit = cmp.Or(body.Status, active), cmp.Or(body.AdjustmentLimit, maxPoints)
		s, err := body.settings().of(shop)
		if err == nil {
			err = s.check()
		}
		if f, ok := fault.Of(err); ok && f.Kind == fault.Invalid {
			for _, x := range f.Fields {
				bad = bad.At(place+x.Pointer, x.Detail)
			}
		} else if err != nil {
			return nil, err
		}
		drafts = append(drafts, Draft{[]string{"first", "second"}[i], s})
	}
	if len(drafts) == 1 {
		drafts[0].Label = "new"
	}
	_, wrongTerms := ask.terms(shop.Currency)
	_, _, wrongDays := ask.days(shop.Zone)
	for _, err := range []error{wrongTerms, wrongDays} {
		if f, ok := fault.Of(err); ok {
			for _, x := range f.Fields {
				bad = bad.At(x.Pointer, x.Detail)
			}
		}
	}
	if len(bad.Fields) > 0 {
		return nil, bad
	}
	return drafts, nil
}

// askBacktest keeps a backtest to be played.
func (m *Module) askBacktest(ctx context.Context, shop site.Site, drafts []Draft, ask BacktestAsk, keyID int64, key idempotency.Key) (out backtestView, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, shop.ID, key, &out, func() error {
			drafts, err := beside(ctx, u, shop, drafts)
			if err != nil {
				return err
			}
			a := asked{Slug: shop.Slug, Zone: shop.Zone.String(), Currency: shop.Currency, BacktestAsk: ask}
			for _, d := range drafts {
				a.Drafts = append(a.Drafts, keptDraft{d.Label, d.settings})
			}
			b := backtest{SiteID: shop.ID, State: testWaits, Asked: text(a), AskedAt: u.Now}
			if b.ID, err = addBacktest(ctx, u, b); err != nil {
				return err
			}
			if out, err = b.view(); err != nil {
				return err
			}
			return note(ctx, u, shop.ID, keyID, "asked", aboutBacktest, b.ID, nil, map[string]any{"programmes": out.Programmes, "terms": out.Terms})
		})
		return err
	})
	return out, replayed, err
}

// cancelBacktest ends one that isn't over; of one that is, nothing changes: who cancels can't know whether it has just ended. Who plays it notices when they next say that they do.
func (m *Module) cancelBacktest(ctx context.Context, siteID, id, keyID int64, key idempotency.Key) (out backtestView, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			b, err := backtestOf(ctx, u, siteID, id, "for update")
			if err != nil {
				return err
			}
			over := b.FinishedAt != nil
			if !over {
				b.State, b.FinishedAt = testCancelled, &u.Now
			}
			if out, err = b.view(); err != nil || over {
				return err
			}
			if err := endBacktest(ctx, u, b); err != nil {
				return err
			}
			m.m.Of(ctx).tested.WithLabelValues(testCancelled).Inc()
			return note(ctx, u, siteID, keyID, "cancelled", aboutBacktest, id, nil, nil)
		})
		return err
	})
	return out, replayed, err
}

func inUTC(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC()
	return &at
}
