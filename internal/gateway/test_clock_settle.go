package gateway

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/clock"
)

// outlook is what each module has to do.
type outlook [][]agenda.Line

// look asks all modules at once.
func (t *TestClock) look(ctx context.Context, at time.Time) (outlook, error) {
	out := make(outlook, len(t.Modules))
	group, ctx := errgroup.WithContext(ctx)
	for i, m := range t.Modules {
		group.Go(func() (err error) {
			out[i], err = m.Due(ctx, at)
			return err
		})
	}
	return out, group.Wait()
}

func (o outlook) lines() (all []agenda.Line) {
	for _, lines := range o {
		all = append(all, lines...)
	}
	return all
}

func (o outlook) next(at time.Time) time.Time { return agenda.Next(o.lines(), at) }

// due says whether a module has something to do at a moment; what somebody is at is its again when the lease has ended.
func due(lines []agenda.Line, at time.Time) bool {
	for _, l := range lines {
		if l.Due > 0 && (l.Kind != agenda.Underway || l.Next != nil && !l.Next.After(at)) {
			return true
		}
	}
	return false
}

// left is what is due at a moment, and what somebody is at, in words; "": nothing.
func (o outlook) left() (due, underway string) {
	var dues, others []string
	for _, l := range o.lines() {
		switch what := fmt.Sprintf("%s: %d", l.What, l.Due); {
		case l.Due == 0:
		case l.Kind == agenda.Underway:
			others = append(others, what)
		default:
			dues = append(dues, what)
		}
	}
	return strings.Join(dues, ", "), strings.Join(others, ", ")
}

// settle has everything done that is due at a moment, and all that follows from it, and returns when nothing is left: twice in a row everything
// that was told was heard, nothing is due or under way, and the logs end where they ended. now is what is known to be due; all: the modules work also
// where nothing is. What somebody is at for longer than any call takes is left: whoever it was has died, and the end of the lease is a
// moment like others.
func (t *TestClock) settle(ctx context.Context, at time.Time, now outlook, all bool) (outlook, error) {
	began, before := clock.System(), ""
	for pause := time.Millisecond; ; pause = min(2*pause, 8*time.Millisecond) {
		worked, err := t.work(ctx, now, at, all)
		if err != nil {
			return nil, err
		}
		if worked {
			pause = time.Millisecond
		}
		unheard, ends, err := t.Drained(ctx)
		if err != nil {
			return nil, err
		}
		if now, all = nil, false; unheard == 0 {
			if now, err = t.look(ctx, at); err != nil {
				return nil, err
			}
		}
		passed := clock.System().Sub(began)
		dues, underway := now.left()
		calm := !worked && unheard == 0 && dues == "" && (underway == "" || passed > leasePatience)
		switch {
		case calm && ends == before:
			return now, nil
		case calm:
			before = ends
			continue // nothing to wait for
		case passed > momentPatience:
			return nil, fmt.Errorf("%s after %s there was still something to do: %s; %d events were not heard", momentPatience, at.Format(time.RFC3339), cmp.Or(dues, underway, "nothing due"), unheard)
		}
		before = ""
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// work has the modules do what is due, one after the other, and says whether any of them had something to do. What one of them could not do is
// due still.
func (t *TestClock) work(ctx context.Context, now outlook, at time.Time, all bool) (worked bool, err error) {
	for i, m := range t.Modules {
		if !all && (now == nil || !due(now[i], at)) {
			continue
		}
		worked = true
		if err := m.RunDue(ctx); err != nil {
			if ctx.Err() != nil {
				return true, ctx.Err()
			}
			t.Log.Warn().Err(err).Msg("what is due could not be done; it is tried again")
		}
	}
	return worked, nil
}
