package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

// Problem is how every failure looks: RFC 9457, with the members that Talkable's clients read at its side.
type Problem struct {
	Type         string        `json:"type" example:"urn:talkable:problem:invalid_request"`
	Title        string        `json:"title" example:"Bad Request"`
	Status       int           `json:"status" example:"400"`
	Detail       string        `json:"detail" example:"The subtotal is not a plain decimal number."`
	Instance     string        `json:"instance,omitempty" doc:"The request's id"`
	Code         string        `json:"code" example:"invalid_request"`
	Errors       []fault.Field `json:"errors,omitempty" doc:"What is wrong, place by place; a hundred places at most" maxItems:"100"`
	OK           bool          `json:"ok" doc:"Always false"`
	ErrorMessage string        `json:"error_message" doc:"The same as detail, under Talkable's name"`
	retry        time.Duration
}

// mostPlaces is how many of the places that are wrong are told: a body has room for a hundred thousand, and the answer shall not be longer than it.
const mostPlaces = 100

// Error, GetStatus and ContentType make it huma's error.
func (p *Problem) Error() string             { return p.Code + ": " + p.Detail }
func (p *Problem) GetStatus() int            { return p.Status }
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders lets huma send Retry-After.
func (p *Problem) GetHeaders() http.Header {
	if p.retry <= 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(p.retry.Seconds())))}}
}

var statusOf = map[fault.Kind]int{
	fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404, fault.Conflict: 409,
	fault.TooLarge: 413, fault.Unsupported: 415, fault.Unprocessable: 422, fault.TooMany: 429, fault.Unavailable: 503,
}

// ProblemOf turns any error into what the caller may see. What isn't a fault is logged here, once, and answered with a fixed text.
func ProblemOf(ctx context.Context, err error) *Problem {
	f, known := fault.Of(err)
	err = postgres.Ended(ctx, err)
	switch {
	case known:
	case postgres.Away(err):
		f = fault.New(fault.Unavailable, "unavailable", "A part of the service is away; please repeat the request.").Because(err)
		f.Retry = 2 * time.Second
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		f = fault.New(fault.Unavailable, "client_gone", "The client closed the request.")
	default:
		Log(ctx).Error().Err(err).Str("event.outcome", "failure").Msg("request failed")
		return problem(ctx, http.StatusInternalServerError, "internal", "Something went wrong here. The request's id leads us to it.")
	}
	if f.Kind == fault.Unavailable && f.Code != "client_gone" {
		Log(ctx).Warn().Err(err).Msg("answered with 503")
	}
	p := problem(ctx, cmp.Or(statusOf[f.Kind], http.StatusInternalServerError), f.Code, pointed(f.Detail, f.Fields))
	p.Errors, p.retry = f.Fields[:min(len(f.Fields), mostPlaces)], f.Retry
	return p
}

// misfits is what a request is told that an operation can't read; errors says where.
const misfits = "The request doesn't fit this operation."

// pointed puts the first place into the sentence, for clients that show nobody but error_message.
func pointed(detail string, fields []fault.Field) string {
	if detail != misfits || len(fields) == 0 {
		return detail
	}
	detail = strings.TrimSuffix(misfits, ".") + ": " + strings.TrimPrefix(fields[0].Pointer+": ", ": ") + fields[0].Detail
	if more := len(fields) - 1; more > 0 {
		detail += fmt.Sprintf(" (and %d more)", more)
	}
	return detail + "."
}

func problem(ctx context.Context, status int, code, detail string) *Problem {
	return &Problem{Type: "urn:talkable:problem:" + code, Title: http.StatusText(status), Status: status, Detail: detail,
		Instance: From(ctx).ID, Code: code, ErrorMessage: detail}
}

// Fail answers outside huma: the edge's middlewares and the plain chi paths.
func Fail(w http.ResponseWriter, r *http.Request, err error) {
	answer(w, ProblemOf(r.Context(), err))
}

// Refuse answers with a status that no outcome of the work has, only HTTP itself: 405.
func Refuse(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	answer(w, problem(r.Context(), status, code, detail))
}

func answer(w http.ResponseWriter, p *Problem) {
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client may be gone; the access log tells
}

var once sync.Once

// useProblems makes huma speak our problems. huma keeps this in package variables, so it is done once for the process.
func useProblems() {
	once.Do(func() {
		huma.ValidateStrictCasing = true
		huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
			return fromHuma(context.Background(), status, msg, errs) //nolint:forbidigo // huma has none to give here
		}
		huma.NewErrorWithContext = func(c huma.Context, status int, msg string, errs ...error) huma.StatusError {
			p := fromHuma(c.Context(), status, msg, errs)
			for k := range p.GetHeaders() {
				c.SetHeader(k, p.GetHeaders().Get(k))
			}
			return p
		}
	})
}

func fromHuma(ctx context.Context, status int, msg string, errs []error) *Problem {
	if status >= 500 && len(errs) > 0 {
		return ProblemOf(ctx, errors.Join(errs...))
	}
	code := "invalid_request"
	switch status {
	case http.StatusUnprocessableEntity: // huma's word for a body that doesn't fit its schema; ours is 400
		status, msg = http.StatusBadRequest, misfits
	case http.StatusUnsupportedMediaType:
		code = "unsupported_media_type"
	case http.StatusRequestEntityTooLarge:
		code = "too_large"
	case http.StatusNotAcceptable:
		code = "not_acceptable"
	}
	p := problem(ctx, status, code, msg)
	for _, err := range errs[:min(len(errs), mostPlaces)] {
		if d, ok := err.(huma.ErrorDetailer); ok { // its value is left out: it echoes what was sent
			detail := d.ErrorDetail()
			f := fault.Field{Pointer: pointer(detail.Location), Detail: detail.Message}
			if i := strings.LastIndexByte(f.Detail, '\n'); i >= 0 && f.Pointer == "" { // misfit's
				f.Pointer, f.Detail = f.Detail[:i], f.Detail[i+1:]
			}
			p.Errors = append(p.Errors, f)
		}
	}
	if len(p.Errors) == 1 {
		msg = misfits // huma has other words for it
	}
	p.Detail = pointed(msg, p.Errors)
	p.ErrorMessage = p.Detail
	return p
}

// pointer turns huma's "body.data.items[0].price" into the JSON pointer "/data/items/0/price" and leaves "query.limit" alone.
func pointer(location string) string {
	rest, ok := strings.CutPrefix(location, "body")
	if !ok {
		return location
	}
	return strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(rest)
}
