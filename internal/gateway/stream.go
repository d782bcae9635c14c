package gateway

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/web"
)

const (
	streamPause = 30 * time.Second // between two pieces of a streamed body
	streamWork  = time.Hour        // from a streamed body's beginning to its answer
)

// streams are the operations that read their bodies as they arrive, of any size and of other kinds than JSON, and whether they keep an
// Idempotency-Key: they then add what the body says to its fingerprint. Codes that are there are known: to send them again changes nothing.
var streams = map[string]bool{"POST /api/v2/coupon_lists/{id}/codes": false, "POST /api/v2/assets": true}

func streamed(r *http.Request) bool {
	_, is := streams[r.Method+" "+chi.RouteContext(r.Context()).RoutePattern()]
	return is
}

// stream hands a request on with its body unread. Instead of deadlines for the whole there is one for each piece, so that a large
// body may take its time as long as it moves.
func stream(w http.ResponseWriter, r *http.Request, next http.Handler) error {
	for _, e := range r.Header.Values("Content-Encoding") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "identity") {
			return errEncoding
		}
	}
	key, err := idempotencyKey(r, nil, caller{})
	if err != nil {
		return err
	}
	if req := web.From(r.Context()); !req.DryRun {
		req.Idempotency = key
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), streamWork)
	defer cancel()
	r = r.WithContext(ctx)
	r.Body = &pieces{ReadCloser: r.Body, c: http.NewResponseController(w)}
	next.ServeHTTP(w, r)
	return nil
}

// pieces is a body that has time for each piece.
type pieces struct {
	io.ReadCloser
	c *http.ResponseController
}

func (p *pieces) Read(b []byte) (int, error) {
	until := clock.System().Add(streamPause)
	_ = p.c.SetReadDeadline(until) // a writer that has none, in tests, needs none
	_ = p.c.SetWriteDeadline(until.Add(streamPause))
	return p.ReadCloser.Read(b)
}
