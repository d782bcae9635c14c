package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// got is a request that a receiver took.
type got struct {
	header http.Header
	body   string
}

// receiver is a merchant's server.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	all    []got
	answer func(n int, w http.ResponseWriter) // nil: 204
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.all = append(r.all, got{req.Header, string(body)})
		n, answer := len(r.all), r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(n, w)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(f func(n int, w http.ResponseWriter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func (r *receiver) took() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]got(nil), r.all...)
}

// status answers every request alike.
func status(code int) func(int, http.ResponseWriter) {
	return func(_ int, w http.ResponseWriter) { w.WriteHeader(code) }
}

// carryAll calls what is due, as a worker does, and returns how many calls there were.
func (b *bench) carryAll() int {
	b.t.Helper()
	c := newCourier(b.Module)
	n := 0
	for {
		taken, err := c.claim(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if len(taken) == 0 {
			return n
		}
		n += len(taken)
		batch := make([]finished, len(taken))
		for i, e := range taken {
			batch[i] = c.carry(b.t.Context(), e)
		}
		if err := c.finishOnce(b.t.Context(), batch); err != nil {
			b.t.Fatal(err)
		}
		c.busy.Store(0)
	}
}

// endpoint makes a webhook.
func (b *bench) endpoint(siteID int64, style, url string, kinds ...string) endpoint {
	b.t.Helper()
	e, err := b.tryEndpoint(siteID, style, url, kinds...)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *bench) tryEndpoint(siteID int64, style, url string, kinds ...string) (endpoint, error) {
	e, _, err := b.createEndpoint(b.t.Context(), siteID, style, "", EndpointInput{URL: url, Types: kinds}, 0, noKey)
	return e, err
}

func approved(siteID, id int64) referralevent.ReferralApproved {
	return referralevent.ReferralApproved{SiteID: siteID, ReferralID: id, CampaignID: 3, OfferID: 5, OriginID: 11, AdvocateID: 7, FriendID: 8, Subtotal: 8000,
		Currency: "USD", Cause: "automatic", OccurredAt: start, ApprovedAt: start}
}

func (b *bench) approve(all ...referralevent.ReferralApproved) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return announce(ctx, b.Module, u, events(all...), fromApproval)
	})
}

// hookStates are the deliveries of a site, oldest first: "type state attempts".
func (b *bench) hookStates(siteID int64) string {
	b.t.Helper()
	found, err := deliveries(b.t.Context(), b.DB, siteID, hookFilter{}, 1000)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for i := len(found) - 1; i >= 0; i-- {
		d := found[i]
		text := fmt.Sprintf("%s %s %d", d.Type, d.State, d.Attempts)
		if d.Reason != nil {
			text += " " + *d.Reason
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func (b *bench) wantHooks(siteID int64, want ...string) {
	b.t.Helper()
	if have := b.hookStates(siteID); have != strings.Join(want, ", ") {
		b.t.Fatalf("deliveries of site %d: %s; want %s", siteID, have, strings.Join(want, ", "))
	}
}

func (b *bench) secretOf(e endpoint) string {
	b.t.Helper()
	all, err := b.secrets(b.t.Context(), e.SiteID, e.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return all[0]
}

// signed says whether a request of the standard style is signed with a secret.
func (b *bench) signed(g got, secret string) bool {
	return outcall.Verify(secret, g.header, []byte(g.body), b.clock.Now(), 0)
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

func sampleTier(siteID int64) loyaltyevent.TierChanged {
	return loyaltyevent.TierChanged{SiteID: siteID, MemberID: 51, PersonID: 7, From: "Silver", To: "Gold", ChangedAt: start}
}
