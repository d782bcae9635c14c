package referral

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/web"
)

// Answers of a decision hook, and what stands for one when there is none.
const (
	hookApprove = "approve" // nothing against it: it goes on as without a hook
	hookHold    = "hold"    // a person has to look at it
	hookVoid    = "void"
)

// States of a question.
const (
	askWaiting  = "waiting"
	askAnswered = "answered"
	askFailed   = "failed" // nobody answered, so what the hook has for that counts
	askMoot     = "moot"   // the referral was decided meanwhile
)

const (
	causeHook = "hook"

	hookTries   = 3
	hookLease   = 30 * time.Second // longer than a call can take
	hookTimeout = 3 * time.Second  // of a hook that says none
	answerKept  = 500              // bytes of each answer
)

// hookPauses are between the tries.
var hookPauses = []time.Duration{time.Second, 5 * time.Second}

// hook is whom a site or a campaign asks before a referral is approved.
type hook struct {
	SiteID     int64     `db:"site_id"`
	CampaignID int64     `db:"campaign_id"` // 0: the site's
	URL        string    `db:"url"`
	Secret     []byte    `db:"secret"` // sealed
	TimeoutMS  int64     `db:"timeout_ms"`
	OnFailure  string    `db:"on_failure"`
	Enabled    bool      `db:"enabled"`
	Clicks     bool      `db:"clicks"` // it is asked about friends' rewards for coming, too
	KeyID      int64     `db:"key_id"`
	At         time.Time `db:"at"`
}

// hookInput is a hook as the API takes it.
type hookInput struct {
	web.SiteBody
	URL       string `json:"url" example:"https://shop.example/talkable/decide"`
	TimeoutMS *int64 `json:"timeout_ms,omitempty" nullable:"true" doc:"How long an answer may take: 100 to 10000; 3000 when left out"`
	OnFailure string `json:"on_failure" doc:"What counts when three tries bring no answer: approve, hold or void"`
	Enabled   *bool  `json:"enabled,omitempty" nullable:"true" doc:"false: nobody is asked. true when left out"`
	Clicks    bool   `json:"clicks,omitempty" doc:"Ask, too, before a friend gets something for coming (\"click.decision\"): approve gives it, hold and void don't. It waits for the answer, not the friend"`
	Rotate    bool   `json:"rotate_secret,omitempty" doc:"Make a new secret; it is in the answer, and only there"`
}

func (in hookInput) check(calls *outcall.Client) error {
	var f findings
	if wrong := calls.Check(in.URL); wrong != "" {
		f.add("/url", "%s", wrong)
	}
	checkNumber(&f, "/timeout_ms", in.TimeoutMS, 100, 10_000)
	if in.OnFailure != hookApprove && in.OnFailure != hookHold && in.OnFailure != hookVoid {
		f.add("/on_failure", "must be approve, hold or void")
	}
	return f.errManual()
}

// hook is the input over what was set before, nil for nothing; fresh says that it is to have a new secret.
func (in hookInput) hook(was *hook) (h hook, fresh bool) {
	h = hook{URL: in.URL, TimeoutMS: hookTimeout.Milliseconds(), OnFailure: in.OnFailure, Enabled: in.Enabled == nil || *in.Enabled, Clicks: in.Clicks}
	if in.TimeoutMS != nil {
		h.TimeoutMS = *in.TimeoutMS
	}
	if fresh = was == nil || in.Rotate; !fresh {
		h.Secret = was.Secret
	}
	return h, fresh
}

// hookJSON is a hook as the API shows it.
type hookJSON struct {
	CampaignID *int64     `json:"campaign_id" doc:"null: the site's"`
	URL        string     `json:"url"`
	TimeoutMS  int64      `json:"timeout_ms"`
	OnFailure  string     `json:"on_failure"`
	Enabled    bool       `json:"enabled"`
	Clicks     bool       `json:"clicks" doc:"It is asked about friends' rewards for coming, too"`
	Secret     *string    `json:"secret" doc:"Of the signature (Standard Webhooks); shown when it is made, null else"`
	KeyID      *int64     `json:"key_id" doc:"The API key that set it"`
	ChangedAt  *time.Time `json:"changed_at"`
}

// show is nil where none is set.
func (h *hook) show() *hookJSON {
	if h == nil {
		return nil
	}
	at := h.At.UTC()
	return &hookJSON{CampaignID: orNull(h.CampaignID), URL: h.URL, TimeoutMS: h.TimeoutMS, OnFailure: h.OnFailure, Enabled: h.Enabled, Clicks: h.Clicks, KeyID: orNull(h.KeyID), ChangedAt: &at}
}

// hookOf is who is asked about a campaign's referrals; nil: nobody.
func (b *book) hookOf(campaignID int64) *hook {
	h := b.hooks[campaignID]
	if h == nil {
		h = b.hooks[0]
	}
	if h == nil || !h.Enabled {
		return nil
	}
	return h
}

// askable says whether the hook has a say about a referral: what is blocked, or decided, isn't asked about.
func askable(status string) bool {
	return status == referralevent.Pending || status == referralevent.Flagged
}

// ask is a question about a referral, or about a friend offer.
type ask struct {
	SiteID     int64     `db:"site_id"`
	SubjectID  int64     `db:"subject_id"`
	CampaignID int64     `db:"campaign_id"`
	State      string    `db:"state"`
	Decision   *string   `db:"decision"`
	Reason     *string   `db:"reason"`
	Tries      int       `db:"tries"` // this one included
	Attempts   string    `db:"attempts"`
	AskedAt    time.Time `db:"asked_at"`
}

// id is the question's, the same at each try.
func (a ask) id(kind string) string { return kind + "_" + itoa(a.SiteID) + "_" + itoa(a.SubjectID) }

// attempt is one try, as it is kept.
type attempt struct {
	At      time.Time `json:"at"`
	MS      int64     `json:"ms"`
	Status  int       `json:"status,omitempty"`
	Failure string    `json:"failure,omitempty"`
	Answer  string    `json:"answer,omitempty"`

	decision, reason string // "": there is none
}

// question is what a hook is asked.
type question struct {
	Type     string       `json:"type"`
	ID       string       `json:"id"`
	AskedAt  time.Time    `json:"asked_at"`
	Referral referralJSON `json:"referral"`
	Verdict  string       `json:"verdict"`
	Rules    []finding    `json:"rules"`
}

// note keeps what came back; ok says that it may hold an answer.
func (t *attempt) note(a outcall.Answer, err error) (ok bool) {
	t.MS, t.Status = a.Took.Milliseconds(), a.Status
	t.Answer = strings.ReplaceAll(strings.ToValidUTF8(string(a.Body[:min(len(a.Body), answerKept)]), "\uFFFD"), "\x00", "")
	switch {
	case err != nil:
		t.Failure = outcall.Reason(err)
	case a.Status != 200:
		t.Failure = "status"
	}
	return t.Failure == ""
}

// read takes the decision out of an answer. Whatever isn't one is a failure: a shop's error page must not approve anything.
func (t *attempt) read(a outcall.Answer, err error) {
	var said struct {
		Decision string `json:"decision"`
		Reason   string `json:"reason"`
	}
	switch {
	case !t.note(a, err):
	case a.Cut || json.Unmarshal(a.Body, &said) != nil || said.Decision != hookApprove && said.Decision != hookHold && said.Decision != hookVoid:
		t.Failure = "not a decision"
	default:
		t.decision, t.reason = said.Decision, sane(said.Reason)
	}
}

// sane is a reason in the words of somebody else's program, as it may be kept.
func sane(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if runes := []rune(s); len(runes) > 1000 {
		s = string(runes[:1000])
	}
	return strings.TrimSpace(s)
}

// verdictOf says what a try comes to: a decision, or when it is tried again.
func (h *hook) verdictOf(a ask, t attempt, now time.Time) (state, decision, reason string, next time.Time) {
	switch {
	case h == nil:
		return askAnswered, hookApprove, "Nobody is asked any more.", now
	case t.decision != "":
		return askAnswered, t.decision, t.reason, now
	case a.Tries >= hookTries:
		return askFailed, h.OnFailure, "The decision hook gave no decision.", now
	default:
		return askWaiting, "", "", now.Add(hookPauses[min(max(a.Tries, 1), len(hookPauses))-1])
	}
}
