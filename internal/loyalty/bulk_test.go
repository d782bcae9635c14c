package loyalty

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/postgres"
)

// said is what became of rows, in short.
func said(b loyaltyapi.Bulk) string {
	out := []string{fmt.Sprintf("%d applied to %d, %d known, %d refused, +%d -%d", b.Applied, b.Members, b.Known, b.Refused, b.Given, b.Taken)}
	for _, r := range b.Rows {
		text := r.Status
		if r.Balance != nil {
			text += fmt.Sprint(" ", *r.Balance)
		}
		out = append(out, strings.TrimSpace(text+" "+r.Code))
	}
	return strings.Join(out, "; ")
}

// TestAdjustMany: a preview says what applying does, rows are applied once, and those that can't be stop no other.
func TestAdjustMany(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	w.earns(7, 1, 1_000)
	w.earns(8, 2, 1_000)
	ends := noon.AddDate(0, 0, 10)
	late := noon.AddDate(0, 0, -1)
	rows := []loyaltyapi.BulkRow{
		{PersonID: 7, Points: 900, Reference: "a-1", Note: "Easter", ForTier: true, ExpiresAt: &ends},
		{PersonID: 8, Points: -101, Reference: "a-2"},
		{PersonID: 8, Points: -40, Reference: "a-3"},
		{PersonID: 7, Points: 1, Reference: "a-3"},
		{PersonID: 99, Points: 1, Reference: "a-4"}, {PersonID: 0, Points: 1, Reference: "a-5"},
		{PersonID: 7, Points: 0, Reference: "a-6"}, {PersonID: 7, Points: 1, Reference: ""}, {PersonID: 7, Points: 1, Reference: "a-7", Note: "\x01"},
		{PersonID: 7, Points: -1, Reference: "a-8", ExpiresAt: &ends}, {PersonID: 7, Points: 1, Reference: "a-9", ExpiresAt: &late},
		{PersonID: 7, Points: -100, Reference: "a-10"},
	}
	const want = "3 applied to 2, 0 known, 9 refused, +900 -140; applied 1000; refused invalid_adjustment; applied 60; refused reference_repeated; refused member_not_found; " +
		"refused member_not_found; refused invalid_adjustment; refused invalid_adjustment; refused invalid_adjustment; refused invalid_adjustment; refused invalid_adjustment; applied 900"
	before := w.dump()
	preview, _, err := w.AdjustAll(postgres.Rehearsal(t.Context()), 1, rows, "", 0, noKey)
	if got := said(preview); err != nil || got != want {
		t.Errorf("%s\nwant %s; %v", got, want, err)
	}
	if w.dump() != before {
		t.Error("a preview left something")
	}
	key := idempotency.Key{Value: "k", Fingerprint: "f"}
	for i := range 2 {
		out, replayed, err := w.AdjustAll(t.Context(), 1, rows, preview.Preview, 5, key)
		if got := said(out); err != nil || got != want || replayed != (i == 1) || out.Preview != preview.Preview {
			t.Errorf("%s; %v, %v", got, replayed, err)
		}
	}
	w.expect(1, 7, `900, 0 pending, 1000 earned, tier "Silver"`)
	w.expect(1, 8, `60, 0 pending, 100 earned, tier ""`)
	w.expect(2, 7, `100, 0 pending, 100 earned, tier ""`)
	if _, _, err := w.AdjustAll(t.Context(), 1, rows, preview.Preview, 0, noKey); w.code(err) != "preview_stale" {
		t.Error(err)
	}
	rows = append(rows[:3], loyaltyapi.BulkRow{PersonID: 7, Points: 901, Reference: "a-1"}, loyaltyapi.BulkRow{PersonID: 8, Points: 5, Reference: "a-11"})
	rows[0].Reference = "a-10"
	again, _, err := w.AdjustAll(t.Context(), 1, rows, "", 0, noKey)
	if got := said(again); err != nil || got != "1 applied to 1, 1 known, 3 refused, +5 -0; refused reference_used; refused invalid_adjustment; known; refused reference_used; applied 65" {
		t.Errorf("%s; %v", got, err)
	}
	for _, n := range []int{0, maxBulk + 1} {
		if _, _, err := w.AdjustAll(t.Context(), 1, make([]loyaltyapi.BulkRow, n), "", 0, noKey); w.code(err) != "invalid_adjustment" {
			t.Errorf("%d rows: %v", n, err)
		}
	}
}

// TestAdjustManyRaces: the same thousand rows, sent by several at once in other orders, are applied once.
func TestAdjustManyRaces(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	for who := range int64(5) {
		w.earns(who+1, who+1, 1_000)
	}
	rows := make([]loyaltyapi.BulkRow, maxBulk)
	for i := range rows {
		rows[i] = loyaltyapi.BulkRow{PersonID: int64(i%5 + 1), Points: 2, Reference: fmt.Sprint("row ", i)}
	}
	gate := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	applied := 0
	for i := range 4 {
		wg.Go(func() {
			<-gate
			out, _, err := w.AdjustAll(t.Context(), 1, append(append([]loyaltyapi.BulkRow{}, rows[i*100:]...), rows[:i*100]...), "", 0, noKey)
			mu.Lock()
			defer mu.Unlock()
			if applied += out.Applied; err != nil || out.Refused != 0 || out.Applied+out.Known != maxBulk {
				t.Errorf("%d applied, %d known; %v", out.Applied, out.Known, err)
			}
		})
	}
	began := time.Now()
	close(gate)
	wg.Wait()
	t.Logf("4 × %d rows took %s", maxBulk, time.Since(began))
	for who := range int64(5) {
		if got := w.balance(1, who+1); got != 500 || applied != maxBulk {
			t.Errorf("%d has %d; %d were applied", who+1, got, applied)
		}
	}
}
