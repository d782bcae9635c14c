package notify

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/web"
)

// What becomes of a mail about which the shop said nothing.
const (
	failureSends = "send"
	failureDrops = "drop"
)

// States of a question about a mail.
const (
	askWaiting  = "waiting"
	askAnswered = "answered"
	askFailed   = "failed" // nobody answered, so what the hook has for that counts
	askMoot     = "moot"   // the message ended meanwhile
)

const (
	mailAskTries   = 3
	mailAskTimeout = 3 * time.Second  // of a hook that says none
	mailAskLease   = 30 * time.Second // longer than a call can take
	mailAskWait    = 15 * time.Minute // until a message whose question is lost is looked at again
	mailAsksKept   = 90 * 24 * time.Hour
)

// mailAskPauses are between the tries.
var mailAskPauses = []time.Duration{time.Second, 5 * time.Second}

// mailHook is whom a site asks before a mail is sent.
type mailHook struct {
	SiteID    int64     `db:"site_id"`
	URL       string    `db:"url"`
	Secret    []byte    `db:"secret"` // sealed
	TimeoutMS int       `db:"timeout_ms"`
	OnFailure string    `db:"on_failure"`
	Enabled   bool      `db:"enabled"`
	KeyID     int64     `db:"key_id"`
	At        time.Time `db:"at"`
}

// MailHookInput is a mail hook as the API takes it.
type MailHookInput struct {
	web.SiteBody
	URL       string `json:"url" maxLength:"2000" example:"https://shop.example/talkable/mail"`
	TimeoutMS int    `json:"timeout_ms,omitempty" doc:"How long an answer may take: 100 to 10000; 3000 when left out"`
	OnFailure string `json:"on_failure" doc:"What becomes of a mail when three tries bring no answer: send or drop"`
	Enabled   *bool  `json:"enabled,omitempty" nullable:"true" doc:"false: nobody is asked. true when left out"`
	Rotate    bool   `json:"rotate_secret,omitempty" doc:"Make a new secret; it is in the answer, and only there"`
}

// hook is the input as it is kept, without its secret, or what is wrong with it.
func (in MailHookInput) hook(calls *outcall.Client) (mailHook, error) {
	h := mailHook{URL: in.URL, TimeoutMS: in.TimeoutMS, OnFailure: in.OnFailure, Enabled: in.Enabled == nil || *in.Enabled}
	bad := fault.New(fault.Invalid, "invalid_mail_hook", "The mail hook is not valid.")
	if wrong := calls.Check(h.URL); wrong != "" {
		bad = bad.At("/url", wrong)
	}
	if h.TimeoutMS == 0 {
		h.TimeoutMS = int(mailAskTimeout.Milliseconds())
	}
	if h.TimeoutMS < 100 || h.TimeoutMS > 10_000 {
		bad = bad.At("/timeout_ms", "must be 100 to 10000")
	}
	if h.OnFailure != failureSends && h.OnFailure != failureDrops {
		bad = bad.At("/on_failure", "must be send or drop")
	}
	return h, bad.Pointed()
}

// mailHookJSON is a mail hook as the API shows it.
type mailHookJSON struct {
	URL       string    `json:"url"`
	TimeoutMS int       `json:"timeout_ms"`
	OnFailure string    `json:"on_failure" enum:"send,drop"`
	Enabled   bool      `json:"enabled"`
	Secret    *string   `json:"secret" doc:"Of the signature (Standard Webhooks); shown when it is made, null else"`
	ChangedAt time.Time `json:"changed_at"`
}

func (h *mailHook) show() *mailHookJSON {
	if h == nil {
		return nil
	}
	return &mailHookJSON{URL: h.URL, TimeoutMS: h.TimeoutMS, OnFailure: h.OnFailure, Enabled: h.Enabled, ChangedAt: h.At.UTC()}
}

// mailAsk is a question about a message.
type mailAsk struct {
	SiteID    int64     `db:"site_id"`
	MessageID int64     `db:"message_id"`
	State     string    `db:"state"`
	Send      *bool     `db:"send"`
	Reason    *string   `db:"reason"`
	Tries     int       `db:"tries"` // this one included
	AskedAt   time.Time `db:"asked_at"`
}

// id is the question's, the same at each try.
func (a mailAsk) id() string { return "mail_" + itoa(a.SiteID) + "_" + itoa(a.MessageID) }

// mailQuestion is what a shop is asked.
type mailQuestion struct {
	Type    string    `json:"type"`
	ID      string    `json:"id"`
	AskedAt time.Time `json:"asked_at"`
	Mail    struct {
		MessageID int64  `json:"message_id" db:"id"`
		Template  string `json:"template" db:"template"`
		Channel   string `json:"channel" db:"channel"`
		PersonID  int64  `json:"person_id" db:"person_id"`
		Email     string `json:"email" db:"email"`
		Phone     string `json:"phone_number" db:"phone"`
	} `json:"mail"`
}

// mailAttempt is one try, as it is kept.
type mailAttempt struct {
	At      time.Time `json:"at"`
	MS      int64     `json:"ms"`
	Status  int       `json:"status,omitempty"`
	Failure string    `json:"failure,omitempty"`

	send   *bool // nil: there is no answer
	reason string
}

// read takes the answer out of what came back: ours, or that of Talkable's check_unsubscribe. Whatever is neither is a failure.
func (t *mailAttempt) read(a outcall.Answer, err error) {
	t.MS, t.Status = a.Took.Milliseconds(), a.Status
	var said struct {
		Send   *bool  `json:"send"`
		Reason string `json:"reason"`
		Result *struct {
			Unsubscribed *bool `json:"unsubscribed"`
		} `json:"result"`
	}
	switch {
	case err != nil:
		t.Failure = outcall.Reason(err)
	case a.Status != 200:
		t.Failure = "status"
	case a.Cut || json.Unmarshal(a.Body, &said) != nil:
		t.Failure = "not an answer"
	case said.Send != nil:
		t.send, t.reason = said.Send, readable(said.Reason)
	case said.Result != nil && said.Result.Unsubscribed != nil:
		send := !*said.Result.Unsubscribed
		if t.send = &send; !send {
			t.reason = "unsubscribed"
		}
	default:
		t.Failure = "not an answer"
	}
}

// settle says what a try makes of a question, and when it is asked again.
func (h *mailHook) settle(a *mailAsk, t mailAttempt, now time.Time) (next time.Time) {
	yes, no := true, false
	reason := func(text string) *string {
		if text = strings.TrimSpace(text); text == "" {
			return nil
		}
		return &text
	}
	switch {
	case h == nil || !h.Enabled:
		a.State, a.Send, a.Reason = askAnswered, &yes, reason("Nobody is asked any more.")
	case t.send != nil:
		a.State, a.Send, a.Reason = askAnswered, t.send, reason(t.reason)
	case a.Tries >= mailAskTries:
		a.State, a.Send, a.Reason = askFailed, &no, reason("The mail hook gave no answer.")
		if h.OnFailure == failureSends {
			a.Send = &yes
		}
	default:
		return now.Add(mailAskPauses[min(max(a.Tries, 1), len(mailAskPauses))-1])
	}
	return now
}
