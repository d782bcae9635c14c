package loyalty

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/finance"
	"github.com/talkable/talkable/internal/site"
)

func located(t testing.TB, id int64, zone string) site.Site {
	t.Helper()
	s := shop(id)
	var err error
	if s.Zone, err = time.LoadLocation(zone); err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) program(site int64) (id int64) {
	w.t.Helper()
	if err := w.admin.Get(&id, `select id from loyalty.program where site_id = $1`, site); err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) valued(s site.Site, from string, points, amount int64) {
	w.t.Helper()
	if _, _, err := w.setPointValue(w.t.Context(), s, w.program(s.ID), finance.Value{From: from, Points: points, Amount: amount}, 0, noKey); err != nil {
		w.t.Fatal(err)
	}
}

// valuedIn says what points of a wallet are worth, if the programme has it.
func (w *world) valuedIn(s site.Site, wallet, from string, points, amount int64) {
	w.t.Helper()
	v := finance.Value{Wallet: wallet, From: from, Points: points, Amount: amount}
	if _, _, err := w.setPointValue(w.t.Context(), s, w.program(s.ID), v, 0, noKey); err != nil && !errors.Is(err, errNoWallet) {
		w.t.Fatal(err)
	}
}

// financeBySQL is what the entries themselves say of a day. It shares nothing with the reports.
const financeBySQL = `
	with e as (
		select a.name, t.kind, e.amount, (t.recorded_at at time zone $2)::date as day
		from loyalty.entry e join loyalty.account a on a.site_id = e.site_id and a.id = e.account_id join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
		where e.site_id = $3 and e.asset = $4)
	select coalesce(-sum(amount) filter (where name = 'issued' and kind = 'earn' and day = $1::date), 0) as issued,
		coalesce(sum(amount) filter (where name = 'issued' and kind = 'claw_back' and day = $1::date), 0) as clawedback,
		coalesce(sum(amount) filter (where name = 'redeemed' and day = $1::date), 0) as redeemed,
		coalesce(sum(amount) filter (where name = 'expired' and amount > 0 and day = $1::date), 0) as expired,
		coalesce(-sum(amount) filter (where name = 'expired' and amount < 0 and day = $1::date), 0) as reinstated,
		coalesce(-sum(amount) filter (where name = 'adjusted' and day = $1::date), 0) as adjusted,
		coalesce(sum(amount) filter (where name = 'transferred' and kind = 'transfer_out' and day = $1::date), 0) as transferred,
		coalesce(sum(amount) filter (where name in ('member', 'held') and day <= $1::date), 0) as liability,
		coalesce(sum(amount) filter (where name = 'pending' and day <= $1::date), 0) as pending
	from e`

// bySQL compares the days of a site's wallets with its entries.
func (w *world) bySQL(t testing.TB, s site.Site, days []finance.Day) {
	t.Helper()
	for _, d := range days {
		var want finance.Day
		if err := w.admin.Get(&want, financeBySQL, d.Day, s.Zone.String(), s.ID, d.Wallet); err != nil {
			t.Fatal(err)
		}
		got := finance.Day{Issued: d.Issued, ClawedBack: d.ClawedBack, Redeemed: d.Redeemed, Expired: d.Expired, Reinstated: d.Reinstated, Adjusted: d.Adjusted,
			Transferred: d.Transferred, Liability: d.Liability, Pending: d.Pending}
		if got != want || d.Breakage != want.Expired-want.Reinstated {
			t.Errorf("site %d %s, %s: %+v, want %+v", s.ID, d.Wallet, s.Zone, d, want)
		}
	}
}

// TestFinanceDays are what the entries of each day say, in zones whose days begin at odd hours and have 23 or 25 of them.
func TestFinanceDays(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.clock.Move(5*time.Hour + 40*time.Minute)
	w.movements()
	for i := range int64(40) {
		w.earns(7, 100+i, 1000+i)
		w.clock.Move(97 * time.Minute)
	}
	w.sealed()
	for _, zone := range []string{"UTC", "Asia/Kathmandu", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"} {
		for _, id := range []int64{1, 2} {
			s := located(t, id, zone)
			w.valued(s, "2026-03-15", 10, 5)
			from, to := time.Date(2026, 2, 27, 0, 0, 0, 0, s.Zone), time.Date(2026, 4, 9, 0, 0, 0, 0, s.Zone)
			days, err := w.financeOf(t.Context(), s, mainWallet, from, to)
			if err != nil || len(days) != 41 {
				t.Fatalf("%d days, %v", len(days), err)
			}
			w.bySQL(t, s, days)
			for _, d := range days {
				if (d.LiabilityValue != nil) != (d.Day >= "2026-03-15") || d.LiabilityValue != nil && *d.LiabilityValue != (d.Liability+1)/2 {
					t.Errorf("%s: %+v", zone, d)
				}
			}
		}
	}
}

// audited keeps the books of sites whose ledgers are random: some days are what their entries say, and months that are closed one after the other, in whatever
// zone the site is then, have all there is.
func (w *world) audited(sites int64) {
	w.t.Helper()
	w.sealed()
	zones := []string{"UTC", "America/St_Johns", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"}
	for id := max(sites-5, 1); id <= sites; id++ {
		s := located(w.t, id, zones[id%int64(len(zones))])
		w.valued(s, "2026-01-01", 3, 2)
		w.valuedIn(s, "stars", "2026-02-01", 7, 3)
		var at []time.Time
		if err := w.admin.Select(&at, `select distinct recorded_at from loyalty.txn where site_id = $1 order by 1`, id); err != nil {
			w.t.Fatal(err)
		}
		for _, t := range at[:min(len(at), 8)] {
			begins, ends, _ := dayOfRun(t.In(s.Zone).Format(time.DateOnly), s.Zone)
			days, err := w.financeOf(w.t.Context(), s, "", begins, ends)
			if err != nil {
				w.t.Fatal(err)
			}
			w.bySQL(w.t, s, days)
		}
		if len(at) == 0 {
			continue
		}
		w.clock.Move(62 * 24 * time.Hour)
		for month, n := at[0].AddDate(0, 0, 1-at[0].Day()), 0; month.Before(at[len(at)-1].AddDate(0, 1, 0)); month, n = month.AddDate(0, 1, 0), n+1 {
			w.closed(located(w.t, id, zones[n%len(zones)]), month.Format("2006-01"))
		}
	}
	var wrong []string
	if err := w.admin.Select(&wrong, journalBySQL); err != nil || len(wrong) > 0 {
		w.t.Errorf("closings are wrong: %v, %v", wrong, err)
	}
	var left int64
	if err := w.admin.Get(&left, `select count(*) from loyalty.closing k where not exists (select from loyalty.closing n where n.site_id = k.site_id and n.follows = k.ends_at)
		and exists (select from loyalty.chain c where c.site_id = k.site_id and c.txn_id <> k.txn_id)`); err != nil || left > 0 {
		w.t.Errorf("%d sites are not closed to their end, %v", left, err)
	}
}

// journalBySQL is what a closing promises, by entries alone: those in the chain by then that were written before its end, less what earlier ones had.
const journalBySQL = `
	select k.month || ' ' || w || ' ' || n from loyalty.closing k cross join unnest(array['member', 'held', 'pending', 'transferred', 'issued', 'redeemed', 'expired', 'adjusted']) n
	cross join lateral (select distinct asset as w from loyalty.account x where x.site_id = k.site_id) w
	left join audit.closing_account_v2 a on a.site_id = k.site_id and a.month = k.month and a.wallet = w and a.account = n
	left join lateral (
		select sum(e.amount) as points from loyalty.entry e join loyalty.account x on x.site_id = e.site_id and x.id = e.account_id and x.name = n
		join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
		where e.site_id = k.site_id and e.asset = w and t.id <= k.txn_id and t.recorded_at < k.ends_at) s on true
	where coalesce(a.closing, 0) <> coalesce(s.points, 0)`

// closed closes a month that can be closed.
func (w *world) closed(s site.Site, month string) finance.Journal {
	w.t.Helper()
	j, _, err := w.closeMonth(w.t.Context(), s, month, 3, noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

func refused(t testing.TB, err error, code string) {
	t.Helper()
	if f, ok := fault.Of(err); !ok || f.Code != code {
		t.Errorf("%v, want %s", err, code)
	}
}

// TestCloseMonth: what was closed stays, also in the days; what comes late is booked in the next month; all months together are all there is.
func TestCloseMonth(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	_, _, err := w.closeMonth(ctx, located(t, 1, "Europe/Berlin"), "2026-01", 0, noKey)
	refused(t, err, "program_not_found")
	w.movements() // in March, and a little in April
	s, twin := located(t, 1, "Europe/Berlin"), located(t, 2, "Europe/Berlin")
	_, _, err = w.closeMonth(ctx, s, "2026-03", 0, noKey)
	refused(t, err, "ledger_not_sealed")
	w.sealed()
	w.valued(s, "2026-03-10", 100, 250)
	for month, code := range map[string]string{"2026-04": "month_not_over", "2026-13": "invalid_period", "1999-12": "invalid_period", "x": "invalid_period"} {
		_, _, err := w.closeMonth(ctx, s, month, 0, noKey)
		refused(t, err, code)
	}
	march := w.closed(s, "2026-03")
	if len(march.Lines) < 6 || march.Currency == nil || march.Liability <= 0 || *march.LiabilityValue != (march.Liability*5+1)/2 || march.BeginsAt.Format(time.RFC3339) != "2026-02-28T23:00:00Z" ||
		march.EndsAt.Format(time.RFC3339) != "2026-03-31T22:00:00Z" || march.Zone != "Europe/Berlin" {
		t.Fatalf("%+v", march)
	}
	for month, code := range map[string]string{"2026-03": "month_closed", "2025-07": "month_closed", "2026-05": "month_not_over"} {
		_, _, err := w.closeMonth(ctx, s, month, 0, noKey)
		refused(t, err, code)
	}
	_, _, err = w.setPointValue(ctx, s, w.program(1), finance.Value{From: "2026-03-31", Points: 1, Amount: 1}, 0, noKey)
	refused(t, err, "month_closed")
	w.valued(s, "2026-04-01", 100, 100)
	of := func(month time.Month) []finance.Day {
		days, err := w.financeOf(ctx, s, mainWallet, time.Date(2026, month, 1, 0, 0, 0, 0, s.Zone), time.Date(2026, month+1, 1, 0, 0, 0, 0, s.Zone))
		if err != nil {
			t.Fatal(err)
		}
		return days
	}
	before := text(of(time.March))

	now := w.clock.Now()
	w.clock.Move(-10 * 24 * time.Hour) // another process's clock is behind: this is written in March
	w.earns(7, 50, 300)
	w.clock.Move(now.Sub(w.clock.Now()) + 70*24*time.Hour)
	w.sealed()
	if after := text(of(time.March)); after != before {
		t.Errorf("days of a closed month changed from %s to %s", before, after)
	}
	_, _, err = w.closeMonth(ctx, s, "2026-05", 0, noKey)
	refused(t, err, "month_out_of_order")
	april := w.closed(s, "2026-04")
	if d := of(time.April); d[0].Issued != 30 || d[29].Liability != april.Liability || *d[29].LiabilityValue != *april.LiabilityValue {
		t.Errorf("April has %+v and %+v", d[0], april)
	}
	if kept, err := closingsOf(ctx, w.db, 1, "2026-03-31", 9); err != nil || len(kept) != 1 || text(kept[0]) != text(march) {
		t.Errorf("March is %+v, %v", kept, err)
	}
	w.closed(twin, "2026-04") // the first may be any month: what was before is its opening
	c, err := chainOf(ctx, w.db, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range april.Accounts {
		if a.Account != "revaluation" && a.Closing != c.Sums[a.Account] {
			t.Errorf("%+v is closed of %d", a, c.Sums[a.Account])
		}
	}
	var wrong []string
	if err := w.admin.Select(&wrong, journalBySQL); err != nil || len(wrong) > 0 {
		t.Errorf("%v, %v", wrong, err)
	}
	var notes int
	if err := w.admin.Get(&notes, `select count(*) from loyalty.audit where site_id = 1 and action = 'finance_month.closed' and key_id = 3 and subject_id in (202603, 202604)`); err != nil || notes != 2 {
		t.Errorf("%d notes, %v", notes, err)
	}
}

// TestCloseRace: of many that close a month at once, while points are sealed, one does.
func TestCloseRace(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.movements()
	w.sealed()
	w.earns(7, 60, 500)
	s := located(t, 1, "UTC")
	w.valued(s, "2026-01-01", 1, 1)
	gate := make(chan struct{})
	var all sync.WaitGroup
	won := make(chan struct{}, 8)
	for range cap(won) {
		all.Go(func() {
			<-gate
			if _, _, err := w.closeMonth(t.Context(), s, "2026-03", 0, noKey); err == nil {
				won <- struct{}{}
			} else if !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
			_, _ = w.Seal(t.Context())
		})
	}
	close(gate)
	all.Wait()
	w.sealed()
	if len(won) != 1 {
		t.Errorf("%d have closed it", len(won))
	}
	if _, err := w.db.Exec(`update loyalty.closing set place = 0`); err == nil {
		t.Error("a closing can be changed")
	}
}

// TestFinanceForms: JSON, CSV, Parquet and pages of the same, by format or by what the client accepts, each site its own.
func TestFinanceForms(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.movements()
	w.sealed()
	call, twin := w.serve(1), w.serve(2)
	program := w.program(1)
	value := fmt.Sprintf("/api/v2/loyalty/programs/%d/point_values", program)
	for body, want := range map[string]int{`{"from":"2026-02-01","points":100,"amount":100,"expected_breakage_bp":2000}`: 201, `{"from":"2026-02-30","points":1,"amount":1}`: 400, `{"from":"2026-02-01","points":0,"amount":1}`: 400,
		`{"from":"2026-02-01","points":1,"amount":1,"expected_breakage_bp":10001}`: 400} {
		if code, text, _ := call("POST", value, "", body); code != want {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	if code, text, _ := twin("POST", value, "", `{"from":"2026-02-01","points":1,"amount":1}`); code != 404 {
		t.Errorf("the twin sets a value: %d %s", code, text)
	}
	const closings = "/api/v2/loyalty/finance/closings"
	first, text, _ := call("POST", closings, "key", `{"month":"2026-03"}`)
	again, same, replayed := call("POST", closings, "key", `{"month":"2026-03"}`)
	if first != 201 || again != 201 || !replayed || text != same {
		t.Errorf("%d %s; %d %v %s", first, text, again, replayed, same)
	}
	const days = "/api/v2/loyalty/finance/days?from=2026-03-01&to=2026-03-31"
	for path, want := range map[string]string{days: `"expected_breakage_value":`, days + "&format=csv": "day,issued,clawed_back,", days + "&format=parquet": "PAR1", closings + "?limit=1": `"next_cursor":null`,
		closings + "/2026-03": `"closing":{"month":"2026-03"`, closings + "/2026-03?format=csv": "account,kind,entries,debit,credit,", closings + "/2026-03?format=parquet": "PAR1",
		closings + "/2026-03?format=html": "<h1>Journal of points, 2026-03</h1>", value: `"point_values":[{"version":1`} {
		if code, text, _ := call("GET", path, "", ""); code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %.99s", path, code, text)
		}
	}
	for path, want := range map[string]int{days + "&format=html": 400, days + "&format=x": 400, closings + "/2026-02": 404, closings + "/x": 404, closings + "/0000-00": 404, "/api/v2/loyalty/finance/days?from=2026-03-01&to=2029-03-31": 400} {
		if code, text, _ := call("GET", path, "", ""); code != want {
			t.Errorf("%s: %d %.99s", path, code, text)
		}
	}
	if code, text, _ := twin("GET", closings+"/2026-03?format=csv", "", ""); code != 404 {
		t.Errorf("the twin reads %d %s", code, text)
	}
	accepted, err := in(Form{Accept: "text/csv, */*"}, "x", []finance.Line{{Account: "member"}}, closingAnswer{}, nil)
	if err != nil || !bytes.HasPrefix(accepted.Body.([]byte), []byte("account,")) || accepted.Disposition != `attachment; filename="x.csv"` {
		t.Errorf("%+v %v", accepted, err)
	}
}
