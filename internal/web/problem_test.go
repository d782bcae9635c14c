package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// secret stands in every error that is ours alone.
const secret = "10.1.2.3 password select"

func TestProblemOf(t *testing.T) {
	t.Parallel()
	cause := errors.New(secret)
	slow := fault.New(fault.TooMany, "rate_limited", "Slow down.")
	slow.Retry = 1200 * time.Millisecond
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	cancelled := &pq.Error{Code: "57014", Message: secret}
	tests := map[string]struct {
		ctx         context.Context
		err         error
		status      int
		code, retry string
		log         string // the level that it is logged at
	}{
		"invalid":           {nil, fault.New(fault.Invalid, "a", "A.").Because(cause), 400, "a", "", ""},
		"unauthenticated":   {nil, fault.New(fault.Unauthenticated, "a", "A."), 401, "a", "", ""},
		"forbidden":         {nil, fault.New(fault.Forbidden, "a", "A."), 403, "a", "", ""},
		"not found":         {nil, fault.New(fault.NotFound, "a", "A."), 404, "a", "", ""},
		"conflict":          {nil, fault.New(fault.Conflict, "a", "A."), 409, "a", "", ""},
		"too large":         {nil, fault.New(fault.TooLarge, "a", "A."), 413, "a", "", ""},
		"unsupported":       {nil, fault.New(fault.Unsupported, "a", "A."), 415, "a", "", ""},
		"unprocessable":     {nil, fault.New(fault.Unprocessable, "a", "A."), 422, "a", "", ""},
		"too many":          {nil, slow, 429, "rate_limited", "2", ""},
		"unavailable":       {nil, fault.New(fault.Unavailable, "a", "A.").Because(cause), 503, "a", "", "warn"},
		"wrapped":           {nil, fmt.Errorf("%s: %w", secret, fault.New(fault.Conflict, "a", "A.")), 409, "a", "", ""},
		"joined":            {nil, errors.Join(cause, fault.New(fault.Conflict, "a", "A.")), 409, "a", "", ""},
		"a kind of none":    {nil, fault.New(0, "a", "A."), 500, "a", "", ""},
		"unknown":           {nil, cause, 500, "internal", "", "error"},
		"a broken query":    {nil, &pq.Error{Code: "42P01", Message: secret}, 500, "internal", "", "error"},
		"database away":     {nil, fmt.Errorf("save: %w", &pq.Error{Code: "57P01", Message: secret}), 503, "unavailable", "2", "warn"},
		"network":           {nil, &net.OpError{Op: "dial", Err: cause}, 503, "unavailable", "2", "warn"},
		"too slow":          {late, fmt.Errorf("read: %w", cancelled), 503, "unavailable", "2", "warn"},
		"client gone":       {gone, fmt.Errorf("read: %w", context.Canceled), 503, "client_gone", "", ""},
		"gone in a query":   {gone, fmt.Errorf("read: %w", cancelled), 503, "client_gone", "", ""},
		"cancelled by us":   {nil, context.Canceled, 500, "internal", "", "error"},
		"statement timeout": {nil, cancelled, 500, "internal", "", "error"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			ctx = web.With(zerolog.New(&log).WithContext(ctx), &web.Request{ID: "req-1"})
			w := httptest.NewRecorder()
			web.Fail(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), tt.err)

			var got web.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if w.Code != tt.status || got.Status != tt.status || got.Code != tt.code || w.Header().Get("Retry-After") != tt.retry {
				t.Errorf("got %d, Retry-After %q, %s", w.Code, w.Header().Get("Retry-After"), w.Body)
			}
			if got.Title != http.StatusText(tt.status) || got.Type != "urn:talkable:problem:"+tt.code || got.Instance != "req-1" || got.OK ||
				got.Detail == "" || got.ErrorMessage != got.Detail || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("got %v, %s", w.Header(), w.Body)
			}
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("tells our secrets: %s", w.Body)
			}
			var line struct{ Level, Error string }
			if log.Len() > 0 {
				if err := json.Unmarshal(log.Bytes(), &line); err != nil {
					t.Fatalf("not one line: %s", &log)
				}
			}
			if line.Level != tt.log || tt.log != "" && line.Error == "" {
				t.Errorf("logged %q, want level %q", &log, tt.log)
			}
		})
	}
}

func TestProblem_has_Talkables_members(t *testing.T) {
	w := httptest.NewRecorder()
	err := fault.New(fault.Invalid, "invalid_request", "Wrong.").At("/data/email", "not an address")
	web.Fail(w, httptest.NewRequest(http.MethodGet, "/", nil), err)
	want := `{"type":"urn:talkable:problem:invalid_request","title":"Bad Request","status":400,"detail":"Wrong.","code":"invalid_request",` +
		`"errors":[{"pointer":"/data/email","detail":"not an address"}],"ok":false,"error_message":"Wrong."}` + "\n"
	if got := w.Body.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w = httptest.NewRecorder()
	web.Refuse(w, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusMethodNotAllowed, "method_not_allowed", "No.")
	if w.Code != 405 || !strings.Contains(w.Body.String(), `"method_not_allowed"`) {
		t.Errorf("got %d, %s", w.Code, w.Body)
	}
}

func TestProblem_names_a_hundred_places_at_most(t *testing.T) {
	err := fault.New(fault.Invalid, "invalid_request", "Wrong.")
	for range 1000 {
		err = err.At("/data/email", "not an address")
	}
	if p := web.ProblemOf(t.Context(), err); len(p.Errors) != 100 {
		t.Errorf("%d places", len(p.Errors))
	}
}

func TestTalkable(t *testing.T) {
	at := time.Date(2026, 3, 1, 23, 4, 5, 678_912_345, time.UTC)
	india := time.FixedZone("IST", 5*3600+1800)
	for _, tt := range []struct {
		at   time.Time
		zone *time.Location
		want string
	}{
		{at, nil, "2026-03-01T23:04:05.678+00:00"},
		{at, time.UTC, "2026-03-01T23:04:05.678+00:00"},
		{at, time.FixedZone("EST", -5*3600), "2026-03-01T18:04:05.678-05:00"},
		{at, india, "2026-03-02T04:34:05.678+05:30"},
		{at.Truncate(time.Second).In(india), nil, "2026-03-01T23:04:05.000+00:00"},
	} {
		if got := web.Talkable(tt.at, tt.zone); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
		if got := web.TalkablePtr(&tt.at, tt.zone); got == nil || *got != tt.want {
			t.Errorf("got %v, want %s", got, tt.want)
		}
	}
	if web.TalkablePtr(nil, time.UTC) != nil {
		t.Error("a moment that never was")
	}
}

func TestFrom(t *testing.T) {
	if r := web.From(t.Context()); r.ID != "" || r.Site.ID != 0 {
		t.Errorf("outside the edge: %v", r)
	} else {
		r.MarkReplayed(true) // nobody listens
	}
	var replayed bool
	r := web.From(web.With(t.Context(), &web.Request{Replayed: &replayed}))
	if r.MarkReplayed(false); replayed {
		t.Error("marked")
	}
	r.MarkReplayed(true)
	if r.MarkReplayed(false); !replayed {
		t.Error("not marked, or unmarked")
	}
}
