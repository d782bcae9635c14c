package gateway

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/fault"
)

const dryRunParameter = "dry_run"

var (
	errDryRun      = fault.New(fault.Invalid, "invalid_dry_run", "`dry_run` must be true or false, once.").At("query.dry_run", "is neither")
	errNoRehearsal = fault.New(fault.Invalid, "dry_run_not_possible", "This operation takes no dry run; nothing was done.").At("query.dry_run", "not possible here")
)

// rehearsable says whether an operation takes dry_run: each write of our own does. Talkable's don't: one of them goes through several
// modules, and none could see what another only rehearses. Nor does an upload, whose pieces are final as they arrive. An operation
// without a body says by itself that it is Talkable's.
func rehearsable(op *huma.Operation, all huma.Registry) bool {
	if !writes(op.Method) || streams[op.Method+" "+op.Path] || op.Metadata["talkable"] == true {
		return false
	}
	if op.RequestBody == nil {
		return true
	}
	_, talkables := formOf(op, all)
	return !talkables
}

// dryRun says whether a request wants to know only what would be. A write that can't be rehearsed is refused then, instead of done.
func dryRun(r *http.Request, known *shapes) (bool, error) {
	sent, given := r.URL.Query()[dryRunParameter]
	if !given || !writes(r.Method) {
		return false, nil
	}
	switch {
	case len(sent) != 1 || sent[0] != "true" && sent[0] != "false":
		return false, errDryRun
	case sent[0] == "false":
		return false, nil
	case !known.dry[r.Method+" "+chi.RouteContext(r.Context()).RoutePattern()]:
		return false, errNoRehearsal
	}
	return true, nil
}
