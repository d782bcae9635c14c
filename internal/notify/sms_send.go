package notify

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/failpoint"
)

// Channels of a message.
const (
	byEmail = "email"
	bySMS   = "sms"
)

// textable says whether a message can go as an SMS: to who agreed to it, has a number, and gets no mail.
func (j job) textable() bool {
	return j.Texts && j.Agrees && j.Email == "" && e164.MatchString(j.Phone) && templates[j.Template].sms != nil
}

// smsWords are the words of an SMS.
func (j job) smsWords() (letter, error) {
	w := templates[j.Template]
	values, err := j.values()
	if err != nil {
		return letter{}, fmt.Errorf("data of the message: %w", err)
	}
	text, err := w.sms.Render(values)
	if err != nil {
		return letter{}, fmt.Errorf("render %s: %w", j.Template, err)
	}
	return letter{version: w.version, to: j.Phone, text: oneLine(text, smsRunes)}, nil
}

const smsRunes = 480 // three parts of plain letters

// transmitText sends one SMS. As with mail, an error means that the message's state could not be stored: the end of its lease will tell.
func (w *worker) transmitText(ctx context.Context, j job) error {
	l, err := j.smsWords()
	if err != nil {
		return w.finish(ctx, j, fate{status: failed, reason: unrenderable}, readable(err.Error()))
	}
	mine, room, err := w.beginText(ctx, j, l)
	switch {
	case err != nil || !mine:
		return err
	case !room:
		return w.finish(ctx, j, fate{status: failed, reason: capped}, "")
	}
	failpoint.Hit("notify.before_transmit")
	timer := prometheus.NewTimer(w.metrics.Real.seconds)
	o := w.sms.text(ctx, l.to, l.text)
	timer.ObserveDuration()
	failpoint.Hit("notify.after_transmit_before_mark")
	if o.stopped {
		if err := w.stop(ctx, j); err != nil {
			return err
		}
	}
	return w.finish(ctx, j, j.after(o, w.Now(), rand.Float64()), o.detail)
}

// beginText notes that an SMS is about to be handed over, and counts it. Not mine: somebody else has it, or its person has just withdrawn
// the consent; then the end of its lease leads it to its own. No room: the site has had its SMS of the day.
func (w *worker) beginText(ctx context.Context, j job, l letter) (mine, room bool, err error) {
	err = w.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		mine, room = false, false
		if mine, err = stillAgrees(ctx, u, j.SiteID, j.PersonID); err != nil || !mine {
			return err
		}
		if room, err = countSMS(ctx, u, j.SiteID, u.Now, w.SMSDaily); err != nil || !room {
			return err
		}
		mine, err = startTransmission(ctx, u, j, l, u.Now.Add(handLease))
		return err
	})
	return mine, room, err
}

// stop notes that a person answered STOP: the provider told us.
func (w *worker) stop(ctx context.Context, j job) error {
	return w.Outbox.InTx(ctx, func(u *bus.Unit) error {
		_, err := saveConsent(ctx, u, j.SiteID, j.PersonID, false, u.Now)
		return err
	})
}
