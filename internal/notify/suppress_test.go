package notify

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// receipt is a kind of mail that nobody can unsubscribe from.
const receipt = "test_receipt"

func init() {
	w := templates[pointsEarned]
	w.necessary = true
	templates[receipt] = w
}

func (b *bench) unsubscribes(siteID, id int64, email string) {
	b.t.Helper()
	b.clock.Move(time.Second)
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onPerson(ctx, u, events(customerevent.PersonChanged{SiteID: siteID, PersonID: id, Email: email, FirstName: "Anna", ChangedAt: b.clock.Now(), UnsubscribedAt: b.clock.Now()}))
	})
}

func (b *bench) anonymizes(siteID, id int64) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onPerson(ctx, u, events(customerevent.PersonChanged{SiteID: siteID, PersonID: id, Email: "x@anonymized.email", ChangedAt: u.Now, UnsubscribedAt: u.Now}))
	})
	for range 2 { // the handler may see it again
		b.do(func(ctx context.Context, u *bus.Unit) error {
			e := customerevent.PersonAnonymized{SiteID: siteID, PersonID: id, AnonymizedAt: u.Now}
			return b.onAnonymized(ctx, u, events(e, e))
		})
	}
}

func TestSuppress(t *testing.T) {
	t.Parallel()

	t.Run("who has unsubscribed gets nothing that was queued, nor what comes, on this site only", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.site(2, "Other")
		b.person(2, 7, "anna@example.com", "Anna")
		b.earn(earned(1, 41, 7), earned(2, 41, 7))
		b.unsubscribes(1, 7, "anna@example.com")
		b.earn(earned(1, 42, 7))
		b.want(1, "queued - 0", "suppressed unsubscribed 0")
		b.round()
		b.want(1, "suppressed unsubscribed 0", "suppressed unsubscribed 0")
		b.want(2, "sent - 1")
		if got := b.arrived(); len(got) != 1 {
			t.Errorf("%d mails", len(got))
		}
		if got := fmt.Sprint(b.told()); got != "[notify.message_suppressed.v1 message:3 notify.message_suppressed.v1 message:1 notify.message_sent.v1 message:2]" {
			t.Errorf("told %s", got)
		}
		status, body := call(t, b.server(1), http.MethodGet, "/api/v2/messages?status=suppressed")
		if status != 200 || strings.Count(body, `"reason":"unsubscribed"`) != 2 || strings.Count(body, `"suppressed_at":"2026-03-01T12:00:01Z"`) != 2 {
			t.Errorf("%d %s", status, body)
		}
		if status, body := call(t, b.server(1), http.MethodPost, "/api/v2/messages/1/resend"); status != 409 {
			t.Errorf("%d %s", status, body)
		}
		b.clock.Move(time.Second)
		b.person(1, 7, "anna@example.com", "Anna") // subscribed again
		b.earn(earned(1, 43, 7))
		b.round()
		b.want(1, "suppressed unsubscribed 0", "suppressed unsubscribed 0", "sent - 1")
	})

	t.Run("necessary mail goes out all the same, to nobody who is anonymized", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.unsubscribes(1, 7, "anna@example.com")
		order := func(key string) {
			b.do(func(ctx context.Context, u *bus.Unit) error {
				_, ends, err := insertOrders(ctx, u, receipt, u.Now, []order{{siteID: 1, personID: 7, dedupeKey: key, data: `{"points":1}`}})
				b.tellEnds(ctx, u, ends)
				return err
			})
		}
		order("a")
		b.round()
		b.want(1, "sent - 1")
		b.anonymizes(1, 7)
		order("b")
		b.round()
		b.want(1, "sent - 1", "suppressed anonymized 0")
	})

	t.Run("who unsubscribes between the claim and the hand-over gets nothing", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.earn(earned(1, 41, 7))
		w := b.worker(b.Module)
		jobs, _, err := w.claim(t.Context())
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		b.unsubscribes(1, 7, "anna@example.com")
		if _, err := w.send(t.Context(), jobs, nil); err != nil {
			t.Fatal(err)
		}
		b.want(1, "sending - 1")
		b.clock.Move(time.Minute)
		if err := b.endLeases(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.round()
		b.want(1, "suppressed unsubscribed 1")
		if got := b.arrived(); len(got) != 0 {
			t.Errorf("%d mails", len(got))
		}
	})

	t.Run("nothing is left of who is anonymized, and nothing comes back", func(t *testing.T) {
		t.Parallel()
		b := ready(t)
		b.site(2, "Other")
		b.person(2, 7, "anna@example.com", "Anna")
		b.earn(earned(1, 41, 7), earned(2, 41, 7))
		b.round()
		if _, err := b.DB.Exec(`insert into notify.idempotency (site_id, key, fingerprint, answer, created_at)
			values (1, 'k', '/', '{"id":1,"person_id":7,"recipient":"anna@example.com","text":"Anna"}', now()), (2, 'k', '/', '{"id":2,"person_id":7,"recipient":"anna@example.com"}', now())`); err != nil {
			t.Fatal(err)
		}
		b.earn(earned(1, 42, 7))
		w := b.worker(b.Module)
		claimed, _, err := w.claim(t.Context())
		if err != nil || len(claimed) != 1 {
			t.Fatal(claimed, err)
		}
		b.earn(earned(1, 43, 7))
		b.anonymizes(1, 7)
		if _, err := w.send(t.Context(), claimed, nil); err != nil { // a worker had it in hand
			t.Fatal(err)
		}
		b.earn(earned(1, 44, 7))
		b.person(1, 7, "anna@example.com", "Anna") // an old word that comes late
		b.round()
		b.want(1, "sent - 1", "suppressed anonymized 1", "suppressed anonymized 0", "suppressed anonymized 0")
		if got := b.arrived(); len(got) != 2 {
			t.Errorf("%d mails", len(got))
		}
		for _, table := range []string{"contact", "message", "idempotency"} {
			var rows []string
			if err := b.DB.Select(&rows, `select x::text from notify.`+table+` x where site_id = 1`); err != nil {
				t.Fatal(err)
			}
			if all := strings.ToLower(strings.Join(rows, "\n")); strings.Contains(all, "anna") || len(rows) == 0 {
				t.Errorf("%s: %s", table, all)
			}
		}
		_, body := call(t, b.server(1), http.MethodGet, "/api/v2/messages/1")
		if !strings.Contains(body, `"recipient":null`) || !strings.Contains(body, `"body_dropped_at":"`) {
			t.Errorf("%s", body)
		}
		if _, body := call(t, b.server(2), http.MethodGet, "/api/v2/messages/2"); !strings.Contains(body, `"recipient":"anna@example.com"`) {
			t.Errorf("the twin: %s", body)
		}
	})
}

func TestDecide_suppressed(t *testing.T) {
	t.Parallel()
	for want, j := range map[string]job{
		"suppressed unsubscribed": {ContactKnown: true, Unsubscribed: true, Template: pointsEarned},
		"suppressed anonymized":   {ContactKnown: true, Unsubscribed: true, Anonymized: true, Template: receipt, Email: "a@b.cd", SiteKnown: true},
		"sending ":                {ContactKnown: true, Unsubscribed: true, Template: receipt, Email: "a@b.cd", SiteKnown: true},
		"failed no_address":       {ContactKnown: true, Unsubscribed: true, Template: receipt},
	} {
		if f := j.decide(start); f.status+" "+f.reason != want {
			t.Errorf("%+v: %s %s, want %s", j, f.status, f.reason, want)
		}
	}
}
