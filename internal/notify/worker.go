package notify

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/failpoint"
	"github.com/talkable/talkable/internal/notify/notifyevent"
)

const (
	workers  = 2
	deadline = 20 * time.Second       // of connecting, and of each message's transmission
	poll     = 500 * time.Millisecond // between looks at the queue when it was empty
)

// worker sends messages over a connection of its own.
type worker struct {
	*Module
	server SMTP
	sender string
	sms    texter // nil: none is sent
	fails  int    // connections in a row that could not be made
}

func (w *worker) run(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := w.round(ctx)
		if err != nil && ctx.Err() == nil {
			w.Log.Warn().Err(err).Msg("messages wait")
		}
		wait := poll
		switch {
		case w.fails > 0: // the server is away: its messages have their pauses, and so have we
			wait = min(time.Second<<min(w.fails-1, 5), 30*time.Second)
		case err != nil:
			wait = time.Second
		case n == claimAtOnce:
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-w.kick:
		}
		timer.Stop()
	}
	return nil
}

// round claims what is due and sends it. It returns how many messages were due.
func (w *worker) round(ctx context.Context) (int, error) {
	jobs, due, err := w.claim(ctx)
	if err != nil || len(jobs) == 0 {
		return due, err
	}
	// From here on the end of ctx must not lose what is known; every step has a deadline of its own.
	jobs, err = w.vet(context.WithoutCancel(ctx), jobs)
	if err != nil {
		w.Log.Warn().Err(err).Msg("messages wait for the end of their lease")
	}
	rest, err := w.send(context.WithoutCancel(ctx), jobs, ctx.Done())
	if len(rest) > 0 {
		if back := giveBack(context.WithoutCancel(ctx), w.DB, rest, w.Now()); back != nil {
			w.Log.Warn().Err(back).Msg("claimed messages wait for the end of their lease")
		}
	}
	return due, err
}

// claim takes due messages: those to send are returned, the others get their fate at once. due counts both.
func (w *worker) claim(ctx context.Context) (jobs []job, due int, err error) {
	var dropped []fate
	var others []job
	err = w.Outbox.InTx(ctx, func(u *bus.Unit) error {
		jobs, others, dropped = nil, nil, nil
		locked, err := lockDue(ctx, u, u.Now, claimAtOnce)
		if err != nil || len(locked) == 0 {
			return err
		}
		due = len(locked)
		settings, hooks, err := w.mails.all(ctx, u)
		if err != nil {
			return err
		}
		for _, j := range locked {
			j.Texts = w.sms != nil
			if k, ok := kindOf(j.Template); ok {
				j.Setting = settingOf(settings, j.SiteID, k)
				j.Off = !j.Setting.Enabled
			}
			j.Ask = hooks[j.SiteID] && !j.Cleared && !necessary(j.Template)
			f := j.decide(u.Now)
			if f.status == sending {
				if j.Channel = byEmail; j.Email == "" {
					j.Channel = bySMS
				}
				jobs = append(jobs, j)
				continue
			}
			others, dropped = append(others, j), append(dropped, f)
			j.tellEnd(u, f)
		}
		if err := settleJobs(ctx, u, others, dropped, u.Now); err != nil {
			return err
		}
		if len(jobs) == 0 {
			return nil
		}
		return takeJobs(ctx, u, jobs, u.Now.Add(sendLease))
	})
	if err != nil {
		return nil, 0, err
	}
	for i, f := range dropped {
		if f.status != queued {
			w.metrics.Of(ctx).messages.WithLabelValues(others[i].Template, f.status).Inc()
		}
	}
	for i := range jobs {
		jobs[i].Attempts++
		jobs[i].Claim++
	}
	return jobs, due, nil
}

// send hands over claimed messages on one connection. Those that it did not come to are returned.
func (w *worker) send(ctx context.Context, jobs []job, stop <-chan struct{}) (rest []job, err error) {
	var open *line
	defer func() {
		if open != nil {
			open.hangUp()
		}
	}()
	for i, j := range jobs {
		select {
		case <-stop:
			return jobs[i:], nil
		default:
		}
		if j.Channel == bySMS {
			if err := w.transmitText(ctx, j); err != nil {
				return jobs[i+1:], err
			}
			continue
		}
		if open == nil {
			if open, err = w.server.dial(ctx); err != nil {
				w.fails++
				return nil, w.postpone(ctx, jobs[i:], fmt.Sprintf("no connection to the mail server: %v", err)) // an SMS among them waits a moment, too
			}
			w.fails = 0
		}
		broken, err := w.transmit(ctx, open, j)
		if broken {
			open.cut()
			open = nil
		}
		if err != nil {
			return jobs[i+1:], err
		}
	}
	return nil, nil
}

// transmit sends one message and says whether the connection broke. An error means that the message's state could not be
// stored: the end of its lease will tell.
func (w *worker) transmit(ctx context.Context, open *line, j job) (broken bool, err error) {
	j.Unsubscribe = w.unsubscribeURL(j)
	l, err := j.render(w.sender)
	if err != nil {
		return false, w.finish(ctx, j, fate{status: failed, reason: unrenderable}, readable(err.Error()))
	}
	msg, err := l.msg()
	if err != nil {
		return false, w.finish(ctx, j, fate{status: failed, reason: noAddress}, readable(err.Error()))
	}
	mine, err := startTransmission(ctx, w.DB, j, l, w.Now().Add(handLease))
	if err != nil || !mine {
		return false, err
	}
	failpoint.Hit("notify.before_transmit")
	timer := prometheus.NewTimer(w.metrics.Real.seconds)
	o := open.hand(msg)
	timer.ObserveDuration()
	failpoint.Hit("notify.after_transmit_before_mark")
	return o.broken, w.finish(ctx, j, j.after(o, w.Now(), rand.Float64()), o.detail)
}

// finish stores what became of an attempt and tells it. What was sent must not be forgotten, so it tries for a while.
func (w *worker) finish(ctx context.Context, j job, f fate, detail string) error {
	var err error
	for try := range 5 {
		if try > 0 {
			time.Sleep(time.Duration(try) * 500 * time.Millisecond)
		}
		var mine bool
		err = w.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
			var doubted sql.NullTime
			if doubted, mine, err = finishAttempt(ctx, u, j, f, detail, u.Now); err != nil || !mine {
				return err
			}
			switch {
			case f.status == sent:
				u.Tell(j.SiteID, j.key(), notifyevent.MessageSent{SiteID: j.SiteID, MessageID: j.ID, PersonID: j.PersonID,
					Template: j.Template, Channel: j.Channel, SentAt: u.Now, UncertainAt: doubted.Time})
			case f.status == suppressed:
				j.Doubted = doubted
				j.tellEnd(u, f)
			case f.status == failed, f.status == uncertain && !doubted.Valid: // a doubt is told once
				e := j.failed(f.status, u.Now)
				e.UncertainAt = doubted.Time
				u.Tell(j.SiteID, j.key(), e)
			}
			return nil
		})
		if err == nil {
			if mine {
				w.metrics.Of(ctx).messages.WithLabelValues(j.Template, label(f.status)).Inc()
			}
			return nil
		}
	}
	return fmt.Errorf("store the outcome of message %d of site %d: %w", j.ID, j.SiteID, err)
}

// postpone ends the attempt of messages for which there was no connection.
func (w *worker) postpone(ctx context.Context, jobs []job, detail string) error {
	for _, j := range jobs {
		if err := w.finish(ctx, j, j.after(outcome{kind: notNow}, w.Now(), rand.Float64()), readable(detail)); err != nil {
			return err
		}
	}
	return nil
}

func label(status string) string {
	if status == queued {
		return "retried"
	}
	return status
}

// tellEnd tells of a message that ends without an attempt.
func (j job) tellEnd(u *bus.Unit, f fate) {
	switch f.status {
	case failed:
		e := j.failed(failed, u.Now)
		e.UncertainAt = j.Doubted.Time
		u.Tell(j.SiteID, j.key(), e)
	case suppressed:
		u.Tell(j.SiteID, j.key(), notifyevent.MessageSuppressed{SiteID: j.SiteID, MessageID: j.ID, PersonID: j.PersonID, Template: j.Template,
			Channel: j.Channel, Reason: f.reason, SuppressedAt: u.Now, UncertainAt: j.Doubted.Time})
	}
}

func (j job) key() string { return fmt.Sprintf("message:%d", j.ID) }

func (j job) failed(status string, now time.Time) notifyevent.MessageFailed {
	return notifyevent.MessageFailed{SiteID: j.SiteID, MessageID: j.ID, PersonID: j.PersonID, Template: j.Template,
		Channel: j.Channel, Status: status, FailedAt: now}
}
