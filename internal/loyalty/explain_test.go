package loyalty

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// TestBalanceAtAnyMoment is what the entries by then add up to.
func TestBalanceAtAnyMoment(t *testing.T) {
	t.Parallel()
	w := setup(t)
	batch := w.offer(1, w.start(1, club()).ID, 30, 0)
	w.start(2, club())
	type at struct {
		when time.Time
		want int64
	}
	was := []at{{w.clock.Now().Add(-time.Second), 0}}
	note := func() {
		was = append(was, at{w.clock.Now(), w.balance(1, 7)}, at{w.clock.Now().Add(59 * time.Second), w.balance(1, 7)})
		w.clock.Move(time.Minute)
	}
	w.earns(7, 1, 1000)
	note()
	if _, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey); err != nil {
		t.Fatal(err)
	}
	note()
	k := w.hold(1, 7, 20, time.Hour)
	note()
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 1000, 1000))
	note()
	if _, err := w.endHold(t.Context(), 1, k.ID, kindRelease, 0, noKey); err != nil {
		t.Fatal(err)
	}
	note()
	for _, c := range was {
		if got, err := w.BalanceAt(t.Context(), 1, 7, c.when); err != nil || got.Points != c.want || (got.Seq == 0) != (c.when.Before(noon)) {
			t.Errorf("at %s: %+v, %v; want %d", c.when, got, err, c.want)
		}
	}
	if got, err := w.BalanceAt(t.Context(), 2, 7, w.clock.Now()); err != nil || got.Points != 100 {
		t.Errorf("the twin: %+v, %v", got, err)
	}
	if _, err := w.BalanceAt(t.Context(), 1, 8, w.clock.Now()); !fault.Is(err, fault.NotFound) {
		t.Errorf("a stranger: %v", err)
	}
}

func TestExplainOverHTTP(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays, s.RestoreGraceDays = days(30), 5
	w.start(1, s)
	w.start(2, s)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	k := w.hold(1, 7, 60, time.Hour)
	if _, err := w.endHold(t.Context(), 1, k.ID, kindCommit, 0, noKey); err != nil {
		t.Fatal(err)
	}
	w.days(31)
	if _, err := w.endHold(t.Context(), 1, k.ID, kindRestore, 20, noKey); err != nil {
		t.Fatal(err)
	}
	var ids []int64
	if err := w.admin.Select(&ids, `select id from loyalty.txn where site_id = 1 order by id`); err != nil {
		t.Fatal(err)
	}
	call, twin := w.serve(1), w.serve(2)
	var kinds []string
	var lots, against string
	for _, id := range ids {
		path := "/api/v2/loyalty/transactions/" + strconv.FormatInt(id, 10)
		if code, body, _ := twin("GET", path, "", ""); code != 404 {
			t.Errorf("the twin reads %d %s", code, body)
		}
		code, body, _ := call("GET", path, "", "")
		var got struct {
			Result struct {
				Transaction struct {
					Kind, Against string
					Entry         *loyaltyapi.Posting
					Used          []loyaltyapi.LotUse
					Lot           *loyaltyapi.Lot
				}
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Fatalf("%d %s, %v", code, body, err)
		}
		x := got.Result.Transaction
		kinds, against = append(kinds, x.Kind), against+x.Against+" "
		if (x.Entry == nil) != (x.Kind == kindCommit) || x.Kind == kindRestore && (len(x.Used) != 1 || x.Used[0].Points != -20) {
			t.Errorf("%s: %s", x.Kind, body)
		}
		if x.Lot != nil {
			lots += strconv.FormatInt(x.Lot.Remaining, 10) + " of " + strconv.FormatInt(x.Lot.Granted, 10) + ", dates " + strconv.Itoa(len(x.Lot.Dates)) + ";"
		}
	}
	if len(kinds) != 5 || lots != "20 of 100, dates 1;" || against != "issued held redeemed redeemed expired " && against != "issued held redeemed expired redeemed " {
		t.Errorf("%v, %q, %q", kinds, lots, against)
	}
	if code, body, _ := call("GET", "/api/v2/loyalty/transactions/987654321", "", ""); code != 404 {
		t.Errorf("%d %s", code, body)
	}
}
