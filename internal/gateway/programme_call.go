package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/web"
)

// asker asks operations of the API in the name of the request that is under way: the same site, the same key in the audit logs.
type asker struct{ api huma.API }

// ask is a call's result, or why it was refused. A failure that is nobody's fault is an error.
func (c asker) ask(ctx context.Context, id string, params map[string]string, query url.Values, body *blueprint.Object) (*blueprint.Object, *web.Problem, error) {
	var raw []byte
	if body != nil {
		raw = body.JSON()
	}
	reply, err := web.Call(ctx, c.api, id, params, query, raw)
	if err != nil {
		return nil, nil, err
	}
	if !reply.OK() {
		refused := &web.Problem{}
		if err := json.Unmarshal(reply.Body, refused); err != nil {
			return nil, nil, fmt.Errorf("%s answered %d, and no problem: %w", id, reply.Status, err)
		}
		return nil, refused, failure(id, refused)
	}
	answer, err := blueprint.ParseJSON(reply.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("read what %s answered: %w", id, err)
	}
	envelope, _ := answer.(*blueprint.Object)
	result, _ := envelope.Get("result")
	out, ok := result.(*blueprint.Object)
	if !ok {
		return nil, nil, fmt.Errorf("%s answered without a result", id)
	}
	return out, nil, nil
}

// failure is what a problem is that says nothing of the request; nil: it does.
func failure(id string, p *web.Problem) error {
	switch {
	case p.Status == http.StatusServiceUnavailable:
		f := fault.New(fault.Unavailable, p.Code, "%s", p.Detail)
		f.Retry = 2 * time.Second
		return f
	case p.Status >= http.StatusInternalServerError:
		return fmt.Errorf("%s failed: %s", id, p.Detail)
	}
	return nil
}

// get is ask for what must be there: that it isn't any more means that somebody changes the site meanwhile.
func (c asker) get(ctx context.Context, id string, params map[string]string, query url.Values) (*blueprint.Object, error) {
	out, refused, err := c.ask(ctx, id, params, query, nil)
	if refused != nil && err == nil {
		err = errSiteChanged.Because(errors.New(id + ": " + refused.Detail))
	}
	return out, err
}

// within is the context of calls that a request makes: they keep no answers for its Idempotency-Key, which stands for all of them. rehearsed
// ones leave nothing.
func within(ctx context.Context, rehearsed bool) context.Context {
	req := *web.From(ctx)
	req.Idempotency, req.Replayed = idempotency.Key{}, nil
	if rehearsed {
		req.DryRun = true
		ctx = postgres.Rehearsal(ctx)
	}
	return web.With(ctx, &req)
}
