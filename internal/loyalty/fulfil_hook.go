package loyalty

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/outcall"
)

// Answers of a fulfilment hook.
const (
	saysFulfilled = "fulfilled"
	saysRefused   = "refused" // the points go back
	saysLater     = "later"   // the merchant will say
)

// What becomes of a redemption that the hook said nothing about until its deadline.
const (
	onFailureWait   = "wait" // the merchant decides
	onFailureCancel = "cancel"
)

// States of a question.
const (
	askWaiting  = "waiting"
	askAsking   = "asking" // a call is under way
	askAnswered = "answered"
	askFailed   = "failed" // nobody answered in time
	askMoot     = "moot"   // the redemption was fulfilled or cancelled meanwhile
)

const (
	hookTimeout  = 5 * time.Second // of a hook that says none
	hookDeadline = 24 * 60         // minutes
	hookLease    = 30 * time.Second
	hookPause    = 5 * time.Second // after the first try; doubled each time
	hookPauseMax = time.Hour
	attemptsKept = 20
	answerKept   = 500 // bytes
)

// fulfilHook is whom a site asks to fulfil redemptions.
type fulfilHook struct {
	SiteID    int64     `db:"site_id"`
	URL       string    `db:"url"`
	Secret    []byte    `db:"secret"` // sealed
	TimeoutMS int       `db:"timeout_ms"`
	Deadline  int       `db:"deadline_minutes"`
	OnFailure string    `db:"on_failure"`
	Enabled   bool      `db:"enabled"`
	KeyID     int64     `db:"key_id"`
	At        time.Time `db:"at"`
}

func (h fulfilHook) check(calls *outcall.Client) error {
	bad := fault.New(fault.Invalid, "invalid_fulfilment_hook", "The fulfilment hook is not valid.")
	if wrong := calls.Check(h.URL); wrong != "" {
		bad = bad.At("/url", wrong)
	}
	if h.TimeoutMS < 100 || h.TimeoutMS > 10_000 {
		bad = bad.At("/timeout_ms", "must be 100 to 10000")
	}
	if h.Deadline < 1 || h.Deadline > 10_080 {
		bad = bad.At("/deadline_minutes", "must be 1 to 10080")
	}
	if h.OnFailure != onFailureWait && h.OnFailure != onFailureCancel {
		bad = bad.At("/on_failure", "must be wait or cancel")
	}
	return bad.Pointed()
}

// show is the hook as the API shows it, without its secret.
func (h *fulfilHook) show() loyaltyapi.FulfilmentHook {
	if h == nil {
		return loyaltyapi.FulfilmentHook{}
	}
	return loyaltyapi.FulfilmentHook{URL: &h.URL, TimeoutMS: h.TimeoutMS, Deadline: h.Deadline, OnFailure: h.OnFailure, Enabled: h.Enabled, ChangedAt: &h.At}
}

// fulfilAsk is a question about a redemption.
type fulfilAsk struct {
	SiteID       int64      `db:"site_id"`
	RedemptionID int64      `db:"redemption_id"`
	State        string     `db:"state"`
	Answer       *string    `db:"answer"`
	Tries        int        `db:"tries"` // the one under way included
	Attempts     string     `db:"attempts"`
	AskedAt      time.Time  `db:"asked_at"`
	NextAt       time.Time  `db:"next_at"`
	SettledAt    *time.Time `db:"settled_at"`
}

// id is the question's, the same at each try, so that who hears it twice knows.
func (a fulfilAsk) id() string {
	return "fulfilment_" + strconv.FormatInt(a.SiteID, 10) + "_" + strconv.FormatInt(a.RedemptionID, 10)
}

// calling says that somebody is on the line at a moment.
func (a *fulfilAsk) calling(now time.Time) bool {
	return a != nil && a.State == askAsking && a.NextAt.After(now)
}

// fulfilAttempt is one try, as it is kept.
type fulfilAttempt struct {
	At      time.Time `json:"at"`
	MS      int64     `json:"ms"`
	Status  int       `json:"status,omitempty"`
	Failure string    `json:"failure,omitempty"`
	Answer  string    `json:"answer,omitempty"`

	says, note string // "": it says nothing
}

// read takes the answer out of what came back. Whatever isn't one is a failure: a shop's error page must not give anything away.
func (t *fulfilAttempt) read(a outcall.Answer, err error) {
	t.MS, t.Status = a.Took.Milliseconds(), a.Status
	t.Answer = strings.ReplaceAll(strings.ToValidUTF8(string(a.Body[:min(len(a.Body), answerKept)]), "\uFFFD"), "\x00", "")
	var said struct {
		Status string `json:"status"`
		Note   string `json:"note"`
	}
	switch {
	case err != nil:
		t.Failure = outcall.Reason(err)
	case a.Status != 200:
		t.Failure = "status"
	case a.Cut || json.Unmarshal(a.Body, &said) != nil || said.Status != saysFulfilled && said.Status != saysRefused && said.Status != saysLater:
		t.Failure = "not an answer"
	default:
		t.says, t.note = said.Status, remarkOf(said.Note)
	}
}

// remarkOf is a remark in the words of somebody else's program, as it may be kept.
func remarkOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == ' ' || strconv.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if runes := []rune(s); len(runes) > 500 {
		s = string(runes[:500])
	}
	return strings.TrimSpace(s)
}

// settle says what a try makes of a question: it is answered, asked again, or given up. cancel is why the redemption is to be cancelled; "": it
// isn't.
func (h *fulfilHook) settle(a *fulfilAsk, t fulfilAttempt, now time.Time) (cancel string) {
	a.State, a.SettledAt = askFailed, &now
	switch {
	case h == nil || !h.Enabled: // the merchant decides
	case t.says == saysRefused && t.note == "":
		cancel = "The shop refused it."
	case t.says == saysRefused:
		cancel = t.note
	case t.says != "":
	case now.Before(a.AskedAt.Add(time.Duration(h.Deadline) * time.Minute)):
		a.State, a.SettledAt, a.NextAt = askWaiting, nil, now.Add(pauseAfter(a.Tries))
	case h.OnFailure == onFailureCancel:
		cancel = "The shop did not answer in time."
	}
	if t.says != "" {
		a.State, a.Answer = askAnswered, &t.says
	}
	return cancel
}

// pauseAfter is how long nobody is asked after so many tries.
func pauseAfter(tries int) time.Duration {
	return min(hookPause<<min(max(tries-1, 0), 20), hookPauseMax)
}
