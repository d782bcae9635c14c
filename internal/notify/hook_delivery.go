package notify

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/outcall"
)

// States of a delivery, beside sending.
const (
	waiting   = "waiting"
	delivered = "delivered"
)

// Reasons of a delivery that failed, and of an endpoint that is told no more.
const (
	gone     = "gone"     // the endpoint answered 410
	disabled = "disabled" // of a delivery: its endpoint is told no more
	merchant = "merchant" // of an endpoint: by the API
	failing  = "failing"  // of an endpoint: nothing but failures for days
)

const (
	callDeadline  = 15 * time.Second
	callLease     = 30 * time.Second    // well beyond the deadline, and what storing takes
	contactWait   = 10 * time.Minute    // for the people of a delivery to become known
	failingFor    = 5 * 24 * time.Hour  // until an endpoint that only fails is disabled
	longestPause  = 24 * time.Hour      // that a receiver may ask for
	answerKept    = 1024                // bytes of an answer
	deliveryStays = 30 * 24 * time.Hour // after it was made
	slots         = 128                 // calls at a time, of a process
	lane          = 8                   // of them to one endpoint, over all processes
	doubtfulLane  = 1                   // to one that failed last time
)

// hookPauses lie between attempts: a few soon, then those that the Standard Webhooks propose; three days in all.
var hookPauses = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// hookPause is how long to wait after so many failed attempts; false: give up. luck in [0,1) spreads it by a tenth either way.
func hookPause(attempts int, luck float64) (time.Duration, bool) {
	if attempts > len(hookPauses) {
		return 0, false
	}
	d := hookPauses[max(attempts, 1)-1]
	return time.Duration(float64(d) * (0.9 + luck/5)), true
}

// tried is what an attempt came to.
type tried struct {
	answer outcall.Answer
	err    error
}

// verdict is what becomes of a delivery after an attempt.
type verdict struct {
	state  string
	reason string    // of failed
	next   time.Time // of waiting
	err    string    // why it failed, in a word or a few
}

// judge reads an attempt: any 2xx is success, 410 is for good, and everything else is tried again, unless it was a sample.
func (t tried) judge(e errand, now time.Time, luck float64) verdict {
	status := t.answer.Status
	v := verdict{state: waiting}
	switch {
	case t.err != nil:
		v.err = outcall.Reason(t.err)
	case status >= 200 && status < 300:
		return verdict{state: delivered}
	case status == http.StatusGone:
		return verdict{state: failed, reason: gone, err: "the endpoint is gone"}
	case status >= 300 && status < 400:
		v.err = "redirects are not followed"
	default:
		v.err = "the answer was " + strconv.Itoa(status)
	}
	d, ok := hookPause(e.Attempts, luck)
	if !ok || e.sample() {
		v.state, v.reason = failed, gaveUp
		return v
	}
	v.next = now.Add(max(d, t.retryAfter(now)))
	return v
}

// retryAfter is how long the receiver asks us to wait.
func (t tried) retryAfter(now time.Time) time.Duration {
	if t.answer.Status != http.StatusTooManyRequests && t.answer.Status != http.StatusServiceUnavailable {
		return 0
	}
	text := t.answer.Header.Get("Retry-After")
	var d time.Duration
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		d = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), longestPause)
}

// interrupted says that this process ended the call: nothing is known of the receiver.
func (t tried) interrupted() bool { return errors.Is(t.err, errInterrupted) }

var errInterrupted = errors.New("the server is stopping")
