// Package fault is the vocabulary of outcomes that a caller may be told about. An error that is not a *fault.Error is ours
// alone: the edge answers it with a fixed text and logs it once.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind decides the HTTP status (see web) and whether repeating can help.
type Kind int

const (
	Invalid         Kind = iota + 1 // 400: the request is wrong and stays wrong
	Unauthenticated                 // 401
	Forbidden                       // 403
	NotFound                        // 404
	Conflict                        // 409: the state of things forbids it
	TooLarge                        // 413
	Unsupported                     // 415
	Unprocessable                   // 422: understood, but refused (validation of Talkable's kind, reused idempotency key)
	TooMany                         // 429
	Unavailable                     // 503: a part that we need is away; repeat after Retry
)

// Field is one finding about one place of the request.
type Field struct {
	Pointer string `json:"pointer"` // JSON pointer into the body ("/data/subtotal") or "query.limit"
	Detail  string `json:"detail"`
}

// Error is an outcome that the caller may be told about.
type Error struct {
	Kind   Kind
	Code   string // stable, documented, snake_case: "referral_already_voided"
	Detail string // one sentence for a human, safe to show
	Fields []Field
	Retry  time.Duration // after which repeating may help; zero means unsaid
	cause  error
}

func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Detail, e.cause)
	}
	return e.Code + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.cause }

// Because keeps the cause for the log; it is never shown to the caller.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// At adds a finding about one place of the request.
func (e *Error) At(pointer, detail string) *Error {
	c := *e
	c.Fields = append(c.Fields[:len(c.Fields):len(c.Fields)], Field{Pointer: pointer, Detail: detail})
	return &c
}

// Pointed puts the first of its places into the sentence, for clients that show nobody but that; nil without any.
func (e *Error) Pointed() error {
	if len(e.Fields) == 0 {
		return nil
	}
	c := *e
	c.Detail = fmt.Sprintf("%s: %s %s.", strings.TrimSuffix(e.Detail, "."), e.Fields[0].Pointer, e.Fields[0].Detail)
	return &c
}

// New makes a fault; detail may hold fmt verbs.
func New(kind Kind, code, detail string, args ...any) *Error {
	if len(args) > 0 {
		detail = fmt.Sprintf(detail, args...)
	}
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// Of finds the fault in err's chain.
func Of(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// Is says whether err is a fault of this kind.
func Is(err error, kind Kind) bool {
	f, ok := Of(err)
	return ok && f.Kind == kind
}
