package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// operations is an adapter that remembers what it is given, so that one operation can be made of others; see Call.
type operations struct {
	huma.Adapter
	byID map[string]operation
}

type operation struct {
	*huma.Operation
	handle func(huma.Context)
}

func (o *operations) Handle(op *huma.Operation, handle func(huma.Context)) {
	o.byID[op.OperationID] = operation{op, handle}
	o.Adapter.Handle(op, handle)
}

// Reply is what a call came to.
type Reply struct {
	Status int
	Body   []byte // JSON: an envelope, or a problem
}

// OK says whether the operation did what it was asked for.
func (r Reply) OK() bool { return r.Status/100 == 2 }

// Call has an operation of the API answer as if a request had come: its body is read as strictly, its module decides, and its answer is the same. It
// stands behind the edge: who asks is the Request in ctx. params are the values of its path, and body is nil where it takes none.
func Call(ctx context.Context, api huma.API, id string, params map[string]string, query url.Values, body []byte) (Reply, error) {
	all, _ := api.Adapter().(*operations)
	if all == nil || all.byID[id].handle == nil {
		return Reply{}, fmt.Errorf("the API has no operation %s", id)
	}
	op := all.byID[id]
	r, err := http.NewRequestWithContext(ctx, op.Method, "/?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return Reply{}, fmt.Errorf("call %s: %w", id, err)
	}
	for name, value := range params {
		r.SetPathValue(name, value)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	op.handle(humachi.NewContext(op.Operation, r, w))
	return Reply{w.status, w.body.Bytes()}, nil
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
