package referral

import (
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/web"
)

const (
	supplyBatch    = 100 // codes at a time, where nobody says how many
	supplyMost     = 500
	supplyDeadline = 24 * time.Hour // for one request
	supplyPause    = 5 * time.Second
	supplyPauseMax = time.Hour
	supplyShort    = 5 * time.Minute // until a shop is asked again that gave fewer codes than were asked for
	requestsKept   = 90              // days
)

const requestFailed, requestAnswered, requestWaiting = askFailed, askAnswered, askWaiting

var errNoSupply = fault.New(fault.Unavailable, "no_calls", "This server calls nobody.")

// supply is whom a site asks for codes of a list.
type supply struct {
	SiteID    int64     `db:"site_id"`
	ListID    int64     `db:"list_id"`
	URL       string    `db:"url"`
	Secret    []byte    `db:"secret"` // sealed
	TimeoutMS int64     `db:"timeout_ms"`
	Batch     int       `db:"batch"`
	Template  string    `db:"template"`
	Enabled   bool      `db:"enabled"`
	AskAt     time.Time `db:"ask_at"`
	KeyID     int64     `db:"key_id"`
	At        time.Time `db:"at"`
}

// supplyInput is a supply as the API takes it.
type supplyInput struct {
	web.SiteBody
	URL       string `json:"url" example:"https://shop.example/talkable/codes"`
	TimeoutMS *int64 `json:"timeout_ms,omitempty" nullable:"true" doc:"How long an answer may take: 100 to 10000; 3000 when left out"`
	Batch     *int64 `json:"batch,omitempty" nullable:"true" doc:"How many codes are asked for at a time: 1 to 500; 100 when left out"`
	Template  string `json:"template,omitempty" example:"SAVE-########" doc:"Offer the shop codes that are made up like this, each # a random letter or digit, at least 8; when left out the shop makes them"`
	Enabled   *bool  `json:"enabled,omitempty" nullable:"true" doc:"false: nobody is asked. true when left out"`
	Rotate    bool   `json:"rotate_secret,omitempty" doc:"Make a new secret; it is in the answer, and only there"`
}

func (in supplyInput) check(calls *outcall.Client) error {
	var f findings
	if wrong := calls.Check(in.URL); wrong != "" {
		f.add("/url", "%s", wrong)
	}
	checkNumber(&f, "/timeout_ms", in.TimeoutMS, 100, 10_000)
	checkNumber(&f, "/batch", in.Batch, 1, supplyMost)
	if in.Template != "" {
		if why := checkTemplate(codeOfCoupon(in.Template)); why != "" {
			f.add("/template", "%s", why)
		}
	}
	return f.errManual()
}

// supply is the input over what was set before, nil for nothing; fresh says that it is to have a new secret.
func (in supplyInput) supply(was *supply) (s supply, fresh bool) {
	s = supply{URL: in.URL, TimeoutMS: hookTimeout.Milliseconds(), Batch: supplyBatch, Enabled: in.Enabled == nil || *in.Enabled}
	if in.TimeoutMS != nil {
		s.TimeoutMS = *in.TimeoutMS
	}
	if in.Batch != nil {
		s.Batch = int(*in.Batch)
	}
	if in.Template != "" {
		s.Template = codeOfCoupon(in.Template)
	}
	if fresh = was == nil || in.Rotate; !fresh {
		s.Secret = was.Secret
	}
	return s, fresh
}

// supplyJSON is a supply as the API shows it.
type supplyJSON struct {
	URL       string           `json:"url"`
	TimeoutMS int64            `json:"timeout_ms"`
	Batch     int              `json:"batch"`
	Template  *string          `json:"template"`
	Enabled   bool             `json:"enabled"`
	Secret    *string          `json:"secret" doc:"Of the signature (Standard Webhooks); shown when it is made, null else"`
	KeyID     *int64           `json:"key_id" doc:"The API key that set it"`
	ChangedAt *time.Time       `json:"changed_at"`
	Last      *codeRequestJSON `json:"last_request" doc:"The last time that codes were asked for; null: never"`
}

// codeRequestJSON is a request for codes as the API shows it.
type codeRequestJSON struct {
	ID         string          `json:"id" doc:"The webhook-id of all its tries"`
	Count      int             `json:"count" doc:"How many codes were asked for"`
	State      string          `json:"state" enum:"waiting,answered,failed"`
	Added      int64           `json:"added" doc:"Codes that came into the list"`
	Refused    int64           `json:"refused" doc:"Codes that couldn't be taken"`
	RefusedWhy *string         `json:"refused_because" doc:"Of the first of them"`
	Tries      json.RawMessage `json:"tries" doc:"Each with its moment, how long it took, status, failure and the begin of the answer"`
	AskedAt    time.Time       `json:"asked_at"`
	NextAt     *time.Time      `json:"next_at" doc:"When it is tried again; null: it is settled"`
	SettledAt  *time.Time      `json:"settled_at"`
}

// show is nil where none is set.
func (s *supply) show(last *codeRequest) *supplyJSON {
	if s == nil {
		return nil
	}
	at := s.At.UTC()
	out := &supplyJSON{URL: s.URL, TimeoutMS: s.TimeoutMS, Batch: s.Batch, Template: orNull(s.Template), Enabled: s.Enabled, KeyID: orNull(s.KeyID), ChangedAt: &at}
	if last != nil {
		out.Last = &codeRequestJSON{ID: last.name(), Count: last.Count, State: last.State, Added: last.Added, Refused: last.Refused, RefusedWhy: orNull(last.RefusedWhy),
			Tries: json.RawMessage(last.Attempts), AskedAt: last.AskedAt.UTC(), SettledAt: instant(last.SettledAt)}
		if last.State == requestWaiting {
			out.Last.NextAt = instant(&last.NextAt)
		}
	}
	return out
}

// codeRequest is a request for codes of a list.
type codeRequest struct {
	SiteID     int64      `db:"site_id"`
	ID         int64      `db:"id"`
	ListID     int64      `db:"list_id"`
	Count      int        `db:"count"`
	Offered    *string    `db:"offered"` // JSON
	State      string     `db:"state"`
	Tries      int        `db:"tries"` // this one included
	Attempts   string     `db:"attempts"`
	Added      int64      `db:"added"`
	Refused    int64      `db:"refused"`
	RefusedWhy string     `db:"refused_why"`
	AskedAt    time.Time  `db:"asked_at"`
	NextAt     time.Time  `db:"next_at"`
	SettledAt  *time.Time `db:"settled_at"`
}

// name is the request's for the shop, the same at each try, so that who hears it twice gives the same codes.
func (r codeRequest) name() string { return "coupons_" + itoa(r.SiteID) + "_" + itoa(r.ID) }

// codeQuestion is what a shop is asked.
type codeQuestion struct {
	Type    string         `json:"type"`
	ID      string         `json:"id"`
	AskedAt time.Time      `json:"asked_at"`
	List    couponListJSON `json:"coupon_list"`
	Count   int            `json:"count"`
	Codes   []string       `json:"codes,omitempty"` // that are offered
}

// codes takes the codes out of an answer: as many as were asked for. Where codes were offered, an answer without any takes them all.
func (t *attempt) codes(r *codeRequest, a outcall.Answer, err error) (out []string) {
	var said struct {
		Codes []string `json:"codes"`
	}
	switch {
	case !t.note(a, err):
		return nil
	case a.Cut:
		t.Failure = "too long"
		return nil
	case json.Unmarshal(a.Body, &said) != nil && (r.Offered == nil || len(a.Body) > 0):
		t.Failure = "not codes"
		return nil
	}
	if said.Codes == nil && r.Offered != nil {
		said.Codes = r.offered()
	}
	if len(said.Codes) == 0 {
		t.Failure = "no codes"
	}
	return said.Codes[:min(len(said.Codes), r.Count)]
}

func (r *codeRequest) offered() (codes []string) {
	if r.Offered != nil {
		_ = json.Unmarshal([]byte(*r.Offered), &codes) // the column is written by us only
	}
	return codes
}

// settle says what a try makes of a request, and when the list's shop may be asked for more: at once if it gave all.
func (s *supply) settle(r *codeRequest, t attempt, d delivery, now time.Time) (askAt time.Time) {
	r.Added, r.Refused = r.Added+int64(d.Added), int64(d.Refused)
	if len(d.Refusals) > 0 {
		r.RefusedWhy = d.Refusals[0].Reason
	}
	next := now.Add(min(supplyPause<<min(2*max(r.Tries-1, 0), 20), supplyPauseMax))
	switch {
	case d.Added+d.Known > 0:
		r.State, r.SettledAt, r.Offered = requestAnswered, &now, nil
		if d.Added+d.Known < r.Count {
			return now.Add(supplyShort)
		}
		return now
	case s == nil || !s.Enabled || next.After(r.AskedAt.Add(supplyDeadline)):
		r.State, r.SettledAt, r.Offered = requestFailed, &now, nil
	default:
		r.NextAt = next
	}
	return now.Add(supplyPauseMax)
}

// short says whether a list needs codes.
func (r *stockRow) short() bool {
	return r.Waiting > r.available() || r.available() < r.threshold(r.Lately)
}
