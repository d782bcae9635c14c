package customer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// request is an origin that a site tells of.
type request struct {
	site   site.Site
	origin customerapi.Origin
}

type answer = postgres.Result[customerapi.Recorded]

// Record records an origin together with whatever others are being recorded at this moment, and answers after the commit. An
// origin that is there already with the same data is answered as Existing; with other data it is a fault.
func (m *Module) Record(ctx context.Context, s site.Site, in customerapi.Origin) (customerapi.Recorded, error) {
	return m.group.Do(ctx, request{s, in})
}

// RecordAll records many origins in one transaction, each with its own result. The end is as if they had come one by one. When
// the transaction fails for a reason of one of them, they are recorded one by one. An error means that nothing was done, or
// that the outcome is unknown; to repeat the call is safe.
func (m *Module) RecordAll(ctx context.Context, s site.Site, in []customerapi.Origin) ([]answer, error) {
	return m.ImportOrigins(ctx, s, in, nil)
}

// ImportOrigins is RecordAll that moves the checkpoint in the same transaction.
func (m *Module) ImportOrigins(ctx context.Context, s site.Site, in []customerapi.Origin, at *Checkpoint) ([]answer, error) {
	requests := make([]request, len(in))
	for i, o := range in {
		requests[i] = request{s, o}
	}
	return inOne(requests, at, func(part []request, at *Checkpoint) ([]answer, error) {
		return m.record(ctx, part, s.ID, at)
	})
}

// inOne runs a batch at once, or, when it fails for a reason of its own, one by one; the checkpoint goes with the last.
func inOne[In, Out any](in []In, at *Checkpoint, run func([]In, *Checkpoint) ([]postgres.Result[Out], error)) ([]postgres.Result[Out], error) {
	out, err := run(in, at)
	if err == nil || len(in) < 2 || postgres.Away(err) || errors.Is(err, errMoved) || errors.Is(err, context.Canceled) {
		return out, err
	}
	out = make([]postgres.Result[Out], len(in))
	for i := range in {
		var mark *Checkpoint
		if i == len(in)-1 {
			mark = at
		}
		one, err := run(in[i:i+1], mark)
		if err != nil {
			return nil, fmt.Errorf("request %d of %d, alone: %w", i+1, len(in), err)
		}
		out[i] = one[0]
	}
	return out, nil
}

// record is what all of them come to: check, then lock, decide, save, tell for the whole set.
func (m *Module) record(ctx context.Context, in []request, siteID int64, at *Checkpoint) ([]answer, error) {
	out := make([]answer, len(in))
	results := make([]result, len(in))
	entries := make([]entry, 0, len(in))
	index := make([]int, 0, len(in)) // of each entry among the requests
	now := m.now()
	for i, r := range in {
		e, err := check(r.origin, r.site, now)
		if err != nil {
			out[i].Err, results[i] = err, resultInvalid
			continue
		}
		entries, index = append(entries, e), append(index, i)
	}
	if len(entries) > 0 || at != nil {
		err := m.inTx(ctx, func(u *bus.Unit) error {
			answers, decided, err := recordIn(ctx, u, entries)
			if err != nil {
				return err
			}
			for k, i := range index {
				out[i], results[i] = answers[k], decided[k]
			}
			return moveCheckpoint(ctx, u, siteID, at)
		})
		if err != nil {
			return nil, err
		}
	}
	for i, r := range results {
		if r != "" {
			m.metrics.Of(ctx).origins.WithLabelValues(kindLabel(in[i].origin.Type), string(r)).Inc()
		}
	}
	return out, nil
}

// errRaced says that another transaction changed what this one had read.
var errRaced = errors.New("customer: another transaction was quicker")

// inTx runs a unit of work that reads, decides and writes. What it reads it locks; what isn't there can't be locked, so when
// another replica creates the same meanwhile a unique constraint says so, and the work is done again upon the new state.
func (m *Module) inTx(ctx context.Context, work func(u *bus.Unit) error) error {
	for try := 1; ; try++ {
		err := m.outbox.InTx(ctx, work)
		if !raced(err) {
			return err
		}
		m.metrics.Of(ctx).races.Inc()
		if try == 5 {
			f := fault.New(fault.Unavailable, "busy", "Others change the same at this moment; please repeat the request.").Because(err)
			f.Retry = time.Second
			return f
		}
	}
}

func raced(err error) bool {
	if errors.Is(err, errRaced) {
		return true
	}
	return slices.ContainsFunc([]string{"person_email_norm", "person_customer_id", "person_phone", "person_username_norm", "origin_number"},
		func(constraint string) bool { return postgres.Violates(err, constraint) })
}

func recordIn(ctx context.Context, u *bus.Unit, entries []entry) ([]answer, []result, error) {
	out := make([]answer, len(entries))
	results := make([]result, len(entries))
	claims := make([]idempotency.Claim, len(entries))
	for i, e := range entries {
		claims[i] = idempotency.Claim{SiteID: e.site, Key: e.in.Idempotency}
	}
	claimed, err := idempotency.Take(ctx, u.Tx, "customer", u.Now, claims)
	if err != nil {
		return nil, nil, err
	}
	var work []entry
	var index []int
	for i, c := range claimed {
		switch {
		case c.Err != nil:
			out[i].Err = c.Err
		case !c.Replayed:
			work, index = append(work, entries[i]), append(index, i)
		}
	}
	b, err := readBook(ctx, u, work)
	if err != nil {
		return nil, nil, err
	}
	fill := make([]func(), 0, len(work))
	for k, e := range work {
		i := index[k]
		var o *origin
		if o, results[i], out[i].Err = b.record(e); out[i].Err != nil {
			continue
		}
		p := o.person // the answer is as things are now; a later request of the batch may change them
		out[i].Value = answerTo(e, o)
		out[i].Value.Existing = results[i] == resultExisting
		fill = append(fill, func() {
			if out[i].Value.ID = o.ID; p != nil {
				out[i].Value.PersonID = p.ID
			}
		})
	}
	if err := b.save(ctx, u); err != nil {
		return nil, nil, err
	}
	answers := make([][]byte, len(entries))
	for _, ids := range fill {
		ids()
	}
	for k, e := range work {
		i := index[k]
		if e.in.Idempotency.Value != "" {
			if answers[i], err = idempotency.Encode(out[i].Value, out[i].Err); err != nil {
				return nil, nil, err
			}
		}
	}
	if err := idempotency.Keep(ctx, u.Tx, "customer", claims, answers); err != nil {
		return nil, nil, err
	}
	return out, results, idempotency.Repeat(claims, claimed, answers, func(i int, first customerapi.Recorded, refused error) {
		first.Replayed = refused == nil
		out[i] = answer{Value: first, Err: refused}
	})
}

// answerTo is the origin as the request may know it: who asks with a public key learns nothing about others that he didn't say.
func answerTo(e entry, o *origin) customerapi.Recorded {
	r := o.recorded(o.person)
	if !e.in.Verified {
		r.Email, r.CustomerID, r.IP = e.in.Person.Email, e.in.Person.CustomerID, e.in.IP
		r.Segments, r.UTM = e.in.Segments, e.in.UTM
	}
	return r
}
