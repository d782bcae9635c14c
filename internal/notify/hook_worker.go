package notify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/failpoint"
	"github.com/talkable/talkable/internal/notify/notifyevent"
)

const (
	hookPoll  = 250 * time.Millisecond // between looks for what is due
	hookGrace = 2 * time.Second        // for calls under way when the server stops
	hookBatch = 100                    // outcomes that are stored at once
)

// courier calls endpoints: it claims what is due, calls many at a time, and stores what came of it in sets.
type courier struct {
	*Module
	busy    atomic.Int64  // claimed deliveries that aren't stored yet
	freed   chan struct{} // something was stored
	results chan finished
}

func newCourier(m *Module) *courier {
	return &courier{Module: m, freed: make(chan struct{}, 1), results: make(chan finished, slots)}
}

// run delivers until ctx ends. Calls that are under way then have a moment; those that take longer are given back.
func (c *courier) run(ctx context.Context) error {
	calls, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(hookGrace, hangUp) })
	defer stop()
	var storing, calling sync.WaitGroup
	storing.Go(func() { c.store(context.WithoutCancel(ctx)) })
	for ctx.Err() == nil {
		claimed, err := c.claim(ctx)
		for _, e := range claimed {
			calling.Go(func() { c.results <- c.carry(calls, e) })
		}
		pause := hookPoll
		if err != nil && ctx.Err() == nil {
			c.Log.Warn().Err(err).Msg("webhooks wait")
			pause = time.Second
		}
		c.rest(ctx, pause)
	}
	calling.Wait()
	close(c.results)
	storing.Wait()
	return nil
}

// rest waits until there may be something to do.
func (c *courier) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-c.freed:
	case <-c.hooked:
	}
}

// claim takes due deliveries, as many as there is room for.
func (c *courier) claim(ctx context.Context) (take []errand, err error) {
	room := slots - int(c.busy.Load())
	if room <= 0 {
		return nil, nil
	}
	err = c.Outbox.InTx(ctx, func(u *bus.Unit) error {
		take = nil
		sites, endpoints, err := lockLanes(ctx, u, u.Now)
		if err != nil || len(sites) == 0 {
			return err
		}
		due, err := lockErrands(ctx, u, sites, endpoints, u.Now, room)
		if err != nil {
			return err
		}
		var early, broken []errand
		for _, e := range due {
			if e.Body == "" && e.waits(u.Now) {
				early = append(early, e)
				continue
			}
			if e.Body == "" {
				if e.Body, err = e.write(); err != nil { // our mistake: it must not hold up the others
					c.Log.Error().Err(err).Msg("a webhook cannot be written")
					broken = append(broken, e)
					continue
				}
			}
			take = append(take, e)
		}
		if err := failErrands(ctx, u, broken, unrenderable, u.Now); err != nil {
			return err
		}
		if err := postponeErrands(ctx, u, early, u.Now.Add(time.Second)); err != nil || len(take) == 0 {
			return err
		}
		return takeErrands(ctx, u, take, u.Now.Add(callLease))
	})
	if err != nil {
		return nil, err
	}
	for i := range take {
		take[i].Attempts++
		take[i].Claim++
	}
	c.busy.Add(int64(len(take)))
	return take, nil
}

// carry makes one call.
func (c *courier) carry(ctx context.Context, e errand) finished {
	f := finished{errand: e, began: c.Now()}
	f.tried = c.attempt(ctx, e)
	failpoint.Hit("notify.after_call_before_mark")
	c.metrics.Real.hookSeconds.Observe(f.answer.Took.Seconds())
	f.verdict = f.judge(e, c.Now(), rand.Float64())
	return f
}

// store keeps what came of calls, as many at once as there are.
func (c *courier) store(ctx context.Context) {
	for first := range c.results {
		batch := []finished{first}
	gather:
		for len(batch) < hookBatch {
			select {
			case f, ok := <-c.results:
				if !ok {
					break gather
				}
				batch = append(batch, f)
			default:
				break gather
			}
		}
		if err := c.finish(ctx, batch); err != nil {
			c.Log.Warn().Err(err).Int("deliveries", len(batch)).Msg("what came of webhooks could not be stored; they are sent again after their lease")
		}
		c.busy.Add(-int64(len(batch)))
		select {
		case c.freed <- struct{}{}:
		default:
		}
	}
}

// finish stores the outcomes of a set of calls, and what they say of their endpoints. It tries for a while.
func (c *courier) finish(ctx context.Context, batch []finished) (err error) {
	for try := range 5 {
		if try > 0 {
			time.Sleep(time.Duration(try) * 500 * time.Millisecond)
		}
		if err = c.finishOnce(ctx, batch); err == nil {
			return nil
		}
	}
	return err
}

func (c *courier) finishOnce(ctx context.Context, batch []finished) error {
	var done, back []finished
	for _, f := range batch {
		if f.interrupted() {
			back = append(back, f)
		} else {
			done = append(done, f)
		}
	}
	var ours []int
	var ended []endpoint
	err := c.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		if err := returnErrands(ctx, u, back, u.Now); err != nil || len(done) == 0 {
			return err
		}
		if ours, err = finishErrands(ctx, u, done, u.Now); err != nil {
			return err
		}
		well, ill, goneOnes := conditions(done)
		if err := healths(ctx, u, well, ill, u.Now); err != nil || len(ill) == 0 {
			return err
		}
		if ended, err = disableEndpoints(ctx, u, goneOnes, ill, u.Now.Add(-failingFor), u.Now); err != nil {
			return err
		}
		for _, e := range ended {
			u.Tell(e.SiteID, fmt.Sprintf("endpoint:%d", e.ID), notifyevent.EndpointDisabled{SiteID: e.SiteID, EndpointID: e.ID, Reason: *e.DisabledReason, DisabledAt: u.Now})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, i := range ours {
		c.metrics.Of(ctx).deliveries.WithLabelValues(done[i].Type, outcomeOf(done[i].state)).Inc()
	}
	for _, e := range ended {
		c.metrics.Of(ctx).endpointsDisabled.WithLabelValues(*e.DisabledReason).Inc()
		c.Log.Warn().Int64("site", e.SiteID).Int64("endpoint", e.ID).Str("reason", *e.DisabledReason).Msg("a webhook was disabled")
	}
	return nil
}

// conditions says of each endpoint of a batch whether it answered well, failed throughout, or is gone; who is gone has failed, too.
func conditions(done []finished) (well, ill, goneOnes []endpointPlace) {
	good, isGone := map[endpointPlace]bool{}, map[endpointPlace]bool{}
	for _, f := range done {
		p := endpointPlace{f.SiteID, f.EndpointID}
		good[p] = good[p] || f.state == delivered
		isGone[p] = isGone[p] || f.reason == gone
	}
	for p, ok := range good {
		if ok {
			well = append(well, p)
		} else {
			ill = append(ill, p)
		}
		if isGone[p] && !ok {
			goneOnes = append(goneOnes, p)
		}
	}
	sortPlaces(well)
	sortPlaces(ill)
	return well, ill, goneOnes
}

// printable is the beginning of an answer as text.
func printable(body []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(body[:min(len(body), answerKept)]), "?"), "\x00", "?")
}

const (
	hookQueued  = "queued"
	hookRetried = "retried"
)

func outcomeOf(state string) string {
	if state == waiting {
		return hookRetried
	}
	return state
}
