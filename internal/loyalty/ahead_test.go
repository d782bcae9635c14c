package loyalty

import (
	"context"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// TestLockAhead: a consumer's transaction that is to post for a member whom a request has locked waits before it has the site's own accounts, which
// that request is about to want.
func TestLockAhead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000), w.bought(1, 8, 2, 1_000))
	bought, back := w.bought(1, 7, 3, 1_000), w.refund(1, 2, 1, 500, 1_000)
	back.PersonID = 8
	var records []bus.Record
	for _, e := range []bus.Payload{bought, back} {
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, bus.Record{Site: 1, Type: e.EventType(), Payload: body})
	}
	request := w.admin.MustBegin()
	defer func() { _ = request.Rollback() }()
	if _, err := lockHolders(t.Context(), request, []person{{1, 8}}); err != nil {
		t.Fatal(err)
	}
	heard := make(chan error, 1)
	go func() {
		heard <- w.outbox.InTx(context.WithoutCancel(t.Context()), func(u *bus.Unit) error {
			if err := lockAhead(t.Context(), u, records); err != nil {
				return err
			}
			if err := w.originsRecorded(t.Context(), u, []bus.Event[customerevent.OriginRecorded]{{Seq: 1, Site: 1, Body: bought}}); err != nil {
				return err
			}
			return w.originsRefunded(t.Context(), u, []bus.Event[customerevent.OriginRefunded]{{Seq: 2, Site: 1, Body: back}})
		})
	}()
	for waits := 0; waits == 0; time.Sleep(5 * time.Millisecond) {
		if err := w.admin.Get(&waits, `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`); err != nil {
			t.Fatal(err)
		}
	}
	var free int
	if err := request.Get(&free, `select count(*) from (select from loyalty.account where site_id = 1 and owner_id is null for update nowait) a`); err != nil || free == 0 {
		t.Errorf("the site's own accounts, %d of them, are not free: %v", free, err)
	}
	if err := request.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-heard; err != nil {
		t.Error(err)
	}
	if seven, eight := w.balance(1, 7), w.balance(1, 8); seven != 200 || eight != 50 {
		t.Errorf("balances of %d and %d", seven, eight)
	}
}
