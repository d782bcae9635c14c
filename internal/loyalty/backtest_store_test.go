package loyalty

import (
	"fmt"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// TestPastRedemptions: what was really spent is redemptions, also cancelled ones, and holds that were committed, less what came back of them.
func TestPastRedemptions(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var want []string
	for _, site := range []int64{1, 2} {
		batch := w.offer(site, w.start(site, club()).ID, 30, 0)
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 10_000))
		redeem := func() int64 {
			a, err := w.Redeem(t.Context(), site, 7, batch, "", noKey)
			if err != nil {
				t.Fatal(err)
			}
			return a.Redemption.ID
		}
		stands, taken := redeem(), redeem()
		w.clock.Move(time.Hour)
		if _, err := w.Cancel(t.Context(), site, taken, "", noKey); err != nil {
			t.Fatal(err)
		}
		paid, left, whole := w.hold(site, 7, 100, time.Hour), w.hold(site, 7, 50, time.Hour), w.hold(site, 7, 20, time.Hour)
		w.clock.Move(time.Minute)
		for _, x := range []struct {
			id     int64
			kind   string
			points int64
		}{{paid.ID, kindCommit, 0}, {paid.ID, kindRestore, 40}, {left.ID, kindRelease, 0}, {whole.ID, kindCommit, 0}, {whole.ID, kindRestore, 20}} {
			if _, err := w.endHold(t.Context(), site, x.id, x.kind, x.points, noKey); err != nil {
				t.Fatal(err)
			}
		}
		want = append(want, fmt.Sprintf("%d 7 %d 30 0s false, %d 7 %d 30 0s true, %d 7 %d 60 1h0m0s false", site, stands, site, taken, site, paid.ID))
		w.clock.Move(-time.Hour - time.Minute)
	}
	read := func(site int64, until time.Time) (text string) {
		err := w.PastRedemptions(t.Context(), site, until, func(who int64, r hindsight.Redemption) {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %d %d %d %v %v", site, who, r.ID, r.Points, r.At.Sub(noon), !r.CancelledAt.IsZero())
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for i, site := range []int64{1, 2} {
		if got := read(site, noon.AddDate(0, 0, 1)); got != want[i] {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
	if got := read(1, noon); got != "" {
		t.Errorf("before the first: %s", got)
	}
}

// TestReadDraft: a programme is read as the API reads it, and refused as the API refuses it.
func TestReadDraft(t *testing.T) {
	t.Parallel()
	d, err := ReadDraft("x", []byte(`{"name":"Club","points_per_unit":2,"expiry_rule":"rolling","pending_rule":"none","debt_policy":"arrears","tier_plan":{"window":"lifetime"}}`), shop(1))
	if err != nil || d.Status != active || d.AdjustmentLimit != maxPoints || d.ExpiryRule != rolling || d.Currency != "USD" || d.TierPlan != (tierPlan{}) {
		t.Errorf("%+v, %v", d, err)
	}
	for _, text := range []string{`{"name":"Club","points_per_unit":2,"colour":"red"}`, `{"Name":"Club","points_per_unit":2}`, `{"name":"Club","points_per_unit":"2"}`, `{"name":"","points_per_unit":2}`,
		`{"name":"Club","points_per_unit":2,"earning":{"rules":[{"key":"a","kind":"fixed","points":1,"when":"nonsense +"}]}}`, `[]`, ``} {
		if d, err := ReadDraft("x", []byte(text), shop(1)); err == nil {
			t.Errorf("%s is %+v", text, d)
		}
	}
}

// TestBacktest_gives_back_to_lots_long_gone: what is spent of many lots and given back after their end goes back to each of them, and expires.
func TestBacktest_gives_back_to_lots_long_gone(t *testing.T) {
	t.Parallel()
	draft, err := ReadDraft("x", []byte(`{"name":"Club","points_per_unit":1,"expires_after_days":100}`), shop(1))
	if err != nil {
		t.Fatal(err)
	}
	h := &hindsight.History{}
	for i := range int64(90) {
		o := customerevent.OriginRecorded{OriginID: i + 1, Type: customerevent.Purchase, PersonID: 7, Subtotal: 100, Currency: "USD", Verified: true, OccurredAt: noon.AddDate(0, 0, int(i))}
		h.Take(o)
	}
	h.TakeRedemption(7, hindsight.Redemption{ID: 1, At: noon.AddDate(0, 0, 90), Points: 90, CancelledAt: noon.AddDate(1, 0, 0)})
	until := noon.AddDate(2, 0, 0)
	h.Keep(noon, until)
	r, err := Backtest(t.Context(), BacktestInput{Shop: shop(1), Drafts: []Draft{draft}, History: h, From: noon, Until: until,
		Terms: hindsight.Terms{Redeem: hindsight.Redeem{Kind: hindsight.Historic}, Worth: hindsight.Worth{Points: 1, Amount: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if x := r.Programmes[0].Totals; x.Issued != 90 || x.Redeemed != 90 || x.Restored != 90 || x.Expired != 90 || x.Outstanding != 0 || x.Cost != 0 {
		t.Errorf("%+v", x)
	}
}
