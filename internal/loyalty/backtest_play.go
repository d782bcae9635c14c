package loyalty

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// keepPlaying plays backtests that were asked for until ctx ends.
func (m *Module) keepPlaying(ctx context.Context) {
	agenda.Every(ctx, look, func() {
		m.Tick(func() {
			if _, err := m.PlayBacktests(ctx); err != nil && ctx.Err() == nil {
				m.log.Error().Err(err).Msg("playing a backtest failed; it is tried again")
			}
		})
	})
}

// PlayBacktests plays what waits, one after the other, and returns how many it played.
func (m *Module) PlayBacktests(ctx context.Context) (n int, err error) {
	for ; ; n++ {
		b, some, err := claimBacktest(ctx, m.db, m.now(), testLease)
		if err != nil || !some {
			return n, err
		}
		if err := m.playBacktest(ctx, b); err != nil {
			return n, err
		}
	}
}

// errLost says that a backtest is nobody's business here any more: it was cancelled, or somebody else plays it.
var errLost = errors.New("the backtest is no longer ours")

// playBacktest plays one that was claimed, and keeps what comes of it. An error leaves it to whoever claims it next, three times.
func (m *Module) playBacktest(ctx context.Context, b backtest) error {
	if b.Attempts > testTries {
		return m.endTest(ctx, b, failedOnlyThen, nil)
	}
	limited, stop := context.WithTimeoutCause(ctx, testLimit, context.DeadlineExceeded)
	defer stop()
	playing, lose := context.WithCancelCause(limited)
	defer lose(nil)
	var done, total atomic.Int64
	beaten := make(chan struct{})
	go func() {
		defer close(beaten)
		m.beat(playing, b, &done, &total, lose)
	}()
	files, err := m.reportOf(playing, b, func(n, all int64) { done.Store(n); total.Store(all) })
	cause := context.Cause(playing)
	lose(nil)
	<-beaten
	f, refused := fault.Of(err)
	switch {
	case err == nil:
		return m.endTest(ctx, b, "", files)
	case errors.Is(cause, errLost):
		return nil
	case ctx.Err() != nil: // the process ends; whoever is next begins anew at once
		after, free := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer free()
		return errors.Join(ctx.Err(), releaseBacktest(after, m.db, b))
	case errors.Is(cause, context.DeadlineExceeded):
		return m.endTest(ctx, b, failedTime, nil)
	case refused && f.Kind == fault.Invalid:
		return m.endTest(ctx, b, failedDays, nil)
	case refused && (f.Code == failedOrders || f.Code == failedMany):
		return m.endTest(ctx, b, f.Code, nil)
	}
	return err
}

// beat says that a backtest is played, and how far it is, until ctx ends. When it isn't ours any more, it is lost.
func (m *Module) beat(ctx context.Context, b backtest, done, total *atomic.Int64, lose func(error)) {
	tick := time.NewTicker(testBeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.Done, b.Total = done.Load(), total.Load()
			if ours, err := prolongBacktest(ctx, m.db, b, m.now().Add(testLease)); err != nil && ctx.Err() == nil {
				m.log.Warn().Err(err).Int64("backtest", b.ID).Msg("say that a backtest is played")
			} else if err == nil && !ours {
				lose(errLost)
				return
			}
		}
	}
}

var errManyOrders = fault.New(fault.Conflict, failedMany, "The site has more orders and events than a backtest takes.")

// reportOf reads what people did and plays it. Orders are counted first: all of them are in memory at once.
func (m *Module) reportOf(ctx context.Context, b backtest, progress func(done, all int64)) (map[string][]byte, error) {
	shop, drafts, a, err := b.input()
	if err != nil {
		return nil, err
	}
	_, until, err := a.days(shop.Zone)
	if err != nil {
		return nil, err
	}
	if until.IsZero() {
		until = forEver
	}
	if m.past != nil {
		n, err := m.past.CountPast(ctx, shop.ID, until, mostTested+1)
		if err != nil {
			return nil, err
		}
		if n > mostTested {
			return nil, errManyOrders
		}
	}
	in, err := m.InputOf(ctx, shop, drafts, a.BacktestAsk)
	if err != nil {
		return nil, err
	}
	in.Progress, in.Workers = progress, max(runtime.GOMAXPROCS(0)/2, 1) // requests go first
	r, err := Backtest(ctx, in)
	if err != nil {
		return nil, err
	}
	return filesOf(r, len(in.History.People) <= mostListed)
}

// Parts of a kept report.
const (
	partJSON   = "report.json"
	partHTML   = "report.html"
	partMonths = "months.csv"
	partPeople = "people.csv"
)

// filesOf writes a report as the command does.
func filesOf(r *hindsight.Report, listed bool) (map[string][]byte, error) {
	out := map[string][]byte{}
	for name, write := range map[string]func(io.Writer) error{partJSON: r.JSON, partHTML: r.HTML, partMonths: r.MonthsCSV, partPeople: r.PeopleCSV} {
		if name == partPeople && !listed {
			continue
		}
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return nil, err
		}
		out[name] = b.Bytes()
	}
	return out, nil
}

// endTest keeps what came of a backtest, unless it was cancelled meanwhile, or somebody else plays it.
func (m *Module) endTest(ctx context.Context, b backtest, failure string, files map[string][]byte) error {
	_, b.Listed = files[partPeople]
	if b.State = testDone; failure != "" {
		b.State, b.Failure = testFailed, &failure
	}
	err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
		now, err := backtestOf(ctx, u, b.SiteID, b.ID, "for update")
		if f, ok := fault.Of(err); ok && f.Kind == fault.NotFound {
			return errLost
		}
		if err != nil {
			return err
		}
		if now.State != testPlays || now.Attempts != b.Attempts {
			return errLost
		}
		b.FinishedAt = &u.Now
		if err := endBacktest(ctx, u, b); err != nil {
			return err
		}
		return keepReport(ctx, u, b, files)
	})
	if errors.Is(err, errLost) {
		return nil
	}
	if err == nil {
		m.m.Real.tested.WithLabelValues(b.State).Inc()
		m.log.Info().Int64("site", b.SiteID).Int64("backtest", b.ID).Str("state", b.State).Str("failure", failure).Msg("a backtest is over")
	}
	return err
}
