package gateway

import (
	"context"
	"net/http"
	"sort"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/web"
)

const (
	advanceWait = 15 * time.Second           // how long a request waits for the clock to arrive
	mostAhead   = 3660 * 24 * time.Hour      // of one advance
	mostSpan    = 200 * 365 * 24 * time.Hour // that is understood
	lastYear    = 2200
)

var (
	errLive = fault.New(fault.Conflict, "not_a_test_platform", "This is a live platform: its clock is the machine's and can't be moved. Start a test platform with "+
		"`talkable serve --test-clock` on a data directory or database of its own.")
	errMoving  = &fault.Error{Kind: fault.Conflict, Code: "test_clock_moving", Retry: 2 * time.Second, Detail: "The clock is being moved; please wait until it has arrived."}
	errAdvance = fault.New(fault.Invalid, "invalid_advance", "How far the clock is to be moved is said by `to` or by `by`, one of them.").At("/to", "give it, or /by").Pointed()
	errBy      = fault.New(fault.Invalid, "invalid_advance", "`by` is days, hours, minutes and seconds, as 40d or 1d12h30m.").At("/by", "must be like 40d or 1d12h30m").Pointed()
)

// Routes lists the operations of the test clock.
func (t *TestClock) Routes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getTestClock", Method: http.MethodGet, Path: "/api/v2/test_clock", Tags: []string{"Test clock"},
		Summary: "Read a test platform's clock", Description: "What time it is there, whether the clock is being moved, and the last time that this site moved it. " +
			"409 `not_a_test_platform` on a live platform."}, t.get)
	huma.Register(api, huma.Operation{OperationID: "advanceTestClock", Method: http.MethodPost, Path: "/api/v2/test_clock/advance", Tags: []string{"Test clock"},
		Summary: "Move a test platform's clock forward",
		Description: "Goes to a moment (`to`), or so far (`by`, as 40d), at most ten years at once. All that is due until then is done in its order, each at its own time: the clock stands at each moment until " +
			"all that follows from it is done. It is the clock of the whole platform, of all its sites. Answers when it has arrived, or after 15 seconds with the state `running`: GET /test_clock " +
			"tells how far it is. With `dry_run=true` it says what is known to be due. Takes an `Idempotency-Key`. 400 if it would go back or nowhere; 409 `test_clock_moving` while it is being moved, and " +
			"`not_a_test_platform` on a live platform."}, t.post)
}

// jobCount is how much of a kind there is.
type jobCount struct {
	What  string `json:"what" example:"points that expire"`
	Count int64  `json:"count"`
}

type dueJSON struct {
	What  string    `json:"what" example:"points that expire"`
	Count int64     `json:"count"`
	First time.Time `json:"first_at"`
}

type advanceJSON struct {
	ID      int64      `json:"id"`
	State   string     `json:"state" enum:"running,done,stopped,failed" doc:"stopped: before its end, see detail; failed: what was due did not come to an end"`
	From    time.Time  `json:"from"`
	To      time.Time  `json:"to"`
	At      time.Time  `json:"at" doc:"How far it is"`
	Moments int64      `json:"moments" doc:"At which something was due"`
	Jobs    []jobCount `json:"jobs" doc:"What had waited for them, by kind; what followed at once is not in it"`
	Detail  *string    `json:"detail"`
}

func (a advance) show() advanceJSON {
	out := advanceJSON{ID: a.ID, State: a.State, From: a.From.UTC(), To: a.To.UTC(), At: a.At.UTC(), Moments: a.Moments, Jobs: []jobCount{}, Detail: a.Detail}
	for what, n := range a.Jobs {
		out.Jobs = append(out.Jobs, jobCount{what, n})
	}
	sort.Slice(out.Jobs, func(i, j int) bool { return out.Jobs[i].What < out.Jobs[j].What })
	return out
}

type clockAnswer struct {
	Now     time.Time    `json:"now"`
	Ahead   int64        `json:"ahead_seconds" doc:"Of the machine's clock"`
	Advance *advanceJSON `json:"advance" doc:"The last that this site asked for; null: it never did"`
}

func (t *TestClock) get(ctx context.Context, _ *struct {
	SiteSlug string `query:"site_slug"`
}) (*web.OK[clockAnswer], error) {
	if t.Time == nil {
		return nil, errLive
	}
	last, err := lastAdvance(ctx, t.DB, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	now := t.Now()
	out := clockAnswer{Now: now, Ahead: int64(t.Time.Clock.Ahead(now).Round(time.Second).Seconds())}
	if last != nil {
		shown := last.show()
		out.Advance = &shown
	}
	return web.Answer(out), nil
}

type advanceInput struct {
	web.SiteBody
	To *time.Time `json:"to,omitempty" doc:"A moment, RFC 3339" example:"2027-12-28T00:00:00Z"`
	By *string    `json:"by,omitempty" maxLength:"40" doc:"Days (of 24 hours), hours, minutes, seconds" example:"40d"`
}

// until is where the clock is to be put.
func (in advanceInput) until(now time.Time) (to time.Time, err error) {
	switch {
	case (in.To == nil) == (in.By == nil):
		return to, errAdvance
	case in.To != nil:
		to = in.To.UTC().Truncate(time.Microsecond)
	default:
		d, err := ParseSpan(*in.By)
		if err != nil {
			return to, err
		}
		to = now.Add(d)
	}
	switch {
	case !to.After(now):
		return to, fault.New(fault.Invalid, "clock_goes_forward", "The clock only goes forward; it is %s there.", now.Format(time.RFC3339)).At("/to", "is not later than that").Pointed()
	case to.Year() >= lastYear || to.Sub(now) > mostAhead:
		return to, fault.New(fault.Invalid, "too_far", "The clock goes at most ten years at once, and not beyond the year %d.", lastYear-1).At("/to", "is too far").Pointed()
	}
	return to, nil
}

// ParseSpan reads days, hours, minutes and seconds, each at most once and in this order, as 40d or 1d12h30m.
func ParseSpan(s string) (d time.Duration, err error) {
	units, rest := []struct {
		name byte
		long time.Duration
	}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}, s
	for _, u := range units {
		digits := 0
		for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits == len(rest) || rest[digits] != u.name {
			continue
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil || n > int64((mostSpan-d)/u.long) {
			return 0, errBy
		}
		d, rest = d+time.Duration(n)*u.long, rest[digits+1:]
	}
	if s == "" || rest != "" {
		return 0, errBy
	}
	return d, nil
}

type advanceAnswer struct {
	Advance advanceJSON `json:"advance"`
	Due     []dueJSON   `json:"due" doc:"With dry_run: what is known to be due until then, the earliest first. More may follow from it. Empty else"`
}

func (t *TestClock) post(ctx context.Context, in *struct {
	Body advanceInput
}) (*web.OK[advanceAnswer], error) {
	if t.Time == nil {
		return nil, errLive
	}
	req := web.From(ctx)
	a, replayed, err := t.begin(ctx, req.Site.ID, req.KeyID, in.Body, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	out := advanceAnswer{Due: []dueJSON{}}
	if postgres.Rehearsing(ctx) {
		out.Advance = a.show()
		out.Due, err = t.known(ctx, a.To)
		return web.Answer(out), err
	}
	if !replayed {
		t.start(a)
	}
	if a, err = t.arrived(ctx, a); err != nil {
		return nil, err
	}
	out.Advance = a.show()
	return web.Answer(out), nil
}

// begin plans an advance, if nobody moves the clock.
func (t *TestClock) begin(ctx context.Context, siteID, keyID int64, in advanceInput, k idempotency.Key) (a advance, replayed bool, err error) {
	err = t.Outbox.InTx(ctx, func(u *bus.Unit) error {
		replayed, err = idempotency.Once(ctx, u.Tx, "gateway", u.Now, siteID, k, &a, func() error {
			to, err := in.until(u.Now)
			if err != nil {
				return err
			}
			if free, err := startMoving(ctx, u.Tx); err != nil {
				return err
			} else if !free {
				return errMoving
			}
			a = advance{SiteID: siteID, KeyID: keyID, State: advanceRunning, From: u.Now, To: to, At: u.Now, Jobs: counts{}}
			if a.ID, err = insertAdvance(ctx, u.Tx, a); err != nil {
				return err
			}
			return audit.Write(ctx, u.Tx, "gateway", u.Now, siteID, audit.Change{KeyID: keyID, Action: "test_clock.advanced", Subject: "site", Before: a.From, After: a.To})
		})
		return err
	})
	return a, replayed, err
}

// start hands an advance to the mover.
func (t *TestClock) start(a advance) {
	m := &move{advance: a, done: make(chan struct{})}
	t.mu.Lock()
	t.moves[a.ID] = m
	t.mu.Unlock()
	t.wanted <- m // there is room: nobody else moves the clock
}

// arrived waits a while for an advance to end, and returns how far it is.
func (t *TestClock) arrived(ctx context.Context, a advance) (advance, error) {
	t.mu.Lock()
	m := t.moves[a.ID]
	t.mu.Unlock()
	if m != nil {
		timer := time.NewTimer(advanceWait)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-m.done:
		}
	}
	return advanceByID(ctx, t.DB, a.SiteID, a.ID)
}

// known is what is known to be due until a moment, the earliest first.
func (t *TestClock) known(ctx context.Context, to time.Time) ([]dueJSON, error) {
	all, err := t.look(ctx, to)
	out := []dueJSON{}
	for _, l := range all.lines() {
		if l.Due > 0 && l.First != nil {
			out = append(out, dueJSON{l.What, l.Due, l.First.UTC()})
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].First.Before(out[j].First) })
	return out, err
}
