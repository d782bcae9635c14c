package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

func newJobs(h *house) *Jobs {
	return NewJobs(JobsDeps{DB: h.db, Outbox: bus.NewOutbox("gateway", h.db, h.clock.Now, nil), Log: zerolog.Nop(), Reg: prometheus.NewRegistry(), Now: h.clock.Now,
		Cursors: web.NewCursors([]byte("secret"))})
}

func (h *house) batch(b *Jobs, siteID int64, rows int, key idempotency.Key) jobState {
	h.t.Helper()
	out, _, err := b.take(h.t.Context(), job{SiteID: siteID, Kind: "events", State: "waiting", Total: rows, Body: "[" + strings.TrimSuffix(strings.Repeat("{},", rows), ",") + "]"}, key)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// TestJobsTakeTurns: whose turn it is longest goes next, nobody gets what another has, and a lease that ended frees it.
func TestJobsTakeTurns(t *testing.T) {
	h := newHouse(t)
	b := newJobs(h)
	claim := func() (job, bool) {
		t.Helper()
		j, found, err := claimJob(t.Context(), h.db, h.clock.Now(), h.clock.Now().Add(jobLease))
		if err != nil {
			t.Fatal(err)
		}
		return j, found
	}
	advance := func(j job, p piece) bool {
		t.Helper()
		moved := false
		if err := b.Outbox.InTx(t.Context(), func(u *bus.Unit) (err error) {
			moved, err = advanceJob(t.Context(), u.Tx, j, p, u.Now)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return moved
	}
	if _, found := claim(); found {
		t.Error("there is a job")
	}
	first := h.batch(b, h.shop.ID, 400, idempotency.Key{})
	h.clock.Move(time.Second)
	second := h.batch(b, h.other.ID, 3, idempotency.Key{})
	one, _ := claim()
	two, _ := claim()
	if _, found := claim(); one.ID != first.ID || two.ID != second.ID || found {
		t.Fatalf("claimed %d and %d (a third: %v), want %d and %d", one.ID, two.ID, found, first.ID, second.ID)
	}
	h.clock.Move(time.Second)
	if !advance(one, piece{recorded: 199, errors: []jobError{{Row: 7, Code: "c", Detail: "d", Pointer: "/data/7"}}}) {
		t.Error("the piece was not counted")
	}
	if advance(one, piece{recorded: 200}) {
		t.Error("a piece was counted twice")
	}
	again, _ := claim()
	if again.ID != first.ID || again.Done != 200 || again.Body == "" {
		t.Fatalf("%+v", again)
	}
	h.clock.Move(jobLease) // both are late
	late, _ := claim()
	if late.ID != second.ID {
		t.Errorf("job %d goes next, want %d", late.ID, second.ID)
	}
	if !advance(late, piece{recorded: 3, offers: 1}) || advance(two, piece{recorded: 3}) {
		t.Error("who came second was counted too, or the first was not")
	}
	for _, c := range []struct {
		site int64
		id   int64
		want string
	}{{h.shop.ID, first.ID, "running 200/400 199 1"}, {h.other.ID, second.ID, "done 3/3 3 0"}} {
		j, err := jobByID(t.Context(), h.db, c.site, c.id)
		if err != nil {
			t.Fatal(err)
		}
		a := j.answer(h.clock.Now())
		if got := fmt.Sprintf("%s %d/%d %d %d", a.State, a.Done, a.Total, a.Recorded, a.Failed); got != c.want || (a.FinishedAt != nil) != (a.State == "done") {
			t.Errorf("job %d is %s, want %s", c.id, got, c.want)
		}
	}
	if _, err := jobByID(t.Context(), h.db, h.other.ID, first.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("another site's job: %v", err)
	}
	if found, err := jobErrors(t.Context(), h.db, h.shop.ID, first.ID, -1, 10); err != nil || len(found) != 1 || found[0].Row != 7 {
		t.Errorf("errors %+v (%v)", found, err)
	}
	if found, err := jobErrors(t.Context(), h.db, h.other.ID, first.ID, -1, 10); err != nil || len(found) != 0 {
		t.Errorf("another site's errors %+v (%v)", found, err)
	}
}

// TestJobsEnd: a piece that can't be done for no row's fault is tried a bounded number of times, and what has ended goes after its days.
func TestJobsEnd(t *testing.T) {
	h := newHouse(t)
	b := newJobs(h)
	bad := h.batch(b, h.shop.ID, 1, idempotency.Key{})
	for range jobTries {
		j, found, err := claimJob(t.Context(), h.db, h.clock.Now(), h.clock.Now().Add(jobLease))
		if err != nil || !found {
			t.Fatalf("not claimed (%v)", err)
		}
		if err := deferJob(t.Context(), h.db, j, h.clock.Now(), h.clock.Now(), false, jobTries); err != nil { // as when the database is away
			t.Fatal(err)
		}
		if err := deferJob(t.Context(), h.db, j, h.clock.Now(), h.clock.Now(), true, jobTries); err != nil {
			t.Fatal(err)
		}
	}
	j, err := jobByID(t.Context(), h.db, h.shop.ID, bad.ID)
	if err != nil || j.State != "failed" || j.FinishedAt == nil {
		t.Errorf("%+v (%v)", j, err)
	}
	h.clock.Move(jobKept*24*time.Hour - time.Minute)
	waits := h.batch(b, h.shop.ID, 1, idempotency.Key{})
	for _, want := range []int64{0, 1} {
		if n, err := dropJobs(t.Context(), h.db, h.clock.Now().AddDate(0, 0, -jobKept), 10); err != nil || n != want {
			t.Errorf("%d went (%v), want %d", n, err, want)
		}
		h.clock.Move(time.Hour)
	}
	if _, err := jobByID(t.Context(), h.db, h.shop.ID, waits.ID); err != nil {
		t.Error(err)
	}
}

// TestBatchesAreTakenOnce: a key keeps its answer, and a site has no more than its share waiting.
func TestBatchesAreTakenOnce(t *testing.T) {
	h := newHouse(t)
	b := newJobs(h)
	key := idempotency.Key{Value: "k", Fingerprint: "f"}
	first := h.batch(b, h.shop.ID, 2, key)
	again := h.batch(b, h.shop.ID, 2, key)
	if fmt.Sprint(first) != fmt.Sprint(again) {
		t.Errorf("%+v, then %+v", first, again)
	}
	if other := h.batch(b, h.other.ID, 2, key); other.ID == first.ID {
		t.Error("another site's batch")
	}
	for range jobsWaiting - 1 {
		h.batch(b, h.shop.ID, 1, idempotency.Key{})
	}
	if _, _, err := b.take(t.Context(), job{SiteID: h.shop.ID, Kind: "events", Total: 1, Body: "[{}]"}, idempotency.Key{}); !fault.Is(err, fault.TooMany) {
		t.Errorf("one more: %v", err)
	}
	h.batch(b, h.other.ID, 1, idempotency.Key{})
}

// TestRowErrors: a row's fault is named as the request has it.
func TestRowErrors(t *testing.T) {
	tenant, err := Site{ID: 1, Currency: "USD", TimeZone: "UTC"}.Tenant()
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range map[string]string{
		`{"subtotal":"ten"}`:                               `/data/4/subtotal "ten" is not a plain decimal number`,
		`{"items":[{},{"price":true}],"subtotal":1}`:       `/data/4/items/1/price`,
		`{"email":1,"email":2}`:                            `/data/4/email a name twice in one object`,
		`{"subtotal":1,"created_at":"never"}`:              `/data/4/created_at not a date and time`,
		`{"subtotal":1,"custom_properties":{"a":{"b":1}}}`: `/data/4/custom_properties the custom property "a" must be`,
	} {
		_, _, err := readRow(json.RawMessage(row), "Purchase", &web.Request{Site: tenant})
		if err == nil {
			t.Errorf("%s was read", row)
			continue
		}
		e := rowError(4, err)
		if got := e.Pointer + " " + e.Detail; !strings.HasPrefix(got, want) || e.Row != 4 {
			t.Errorf("%s: %s, want %s", row, got, want)
		}
	}
	if e := rowError(2, fmt.Errorf("secret")); strings.Contains(fmt.Sprint(e), "secret") {
		t.Errorf("%+v", e)
	}
}
