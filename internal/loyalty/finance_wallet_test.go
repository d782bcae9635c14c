package loyalty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/loyalty/finance"
)

// TestFinanceOfWallets: each wallet has days, values and a book of its own; a month is closed of all of them, and freezes it for all; sites with the same ids of
// everything know nothing of each other.
func TestFinanceOfWallets(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ctx := t.Context()
	s, twin := located(t, 1, "Europe/Berlin"), located(t, 2, "Europe/Berlin")
	w.start(1, twoWallets())
	w.start(2, twoWallets())
	for id := range int64(2) {
		hear(w, w.originsRecorded, id+1, w.bought(id+1, 7, 1, 6000)) // 600 points, 60 stars and 5 of credit, which end after ten days
	}
	w.days(12)
	w.expireAll()
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 3000, 6000))
	w.sealed()
	w.valued(s, "2026-03-01", 100, 100)
	w.valuedIn(s, "credit", "2026-03-05", 1, 10)
	w.valuedIn(s, "stars", "2026-03-01", 1, 0) // nobody can spend them
	_, _, err := w.setPointValue(ctx, s, w.program(1), finance.Value{Wallet: "gems", From: "2026-03-01", Points: 1, Amount: 1}, 0, noKey)
	refused(t, err, "wallet_not_found")
	of := func(id int64, wallet string, month time.Month) []finance.Day {
		where := s
		where.ID = id
		days, err := w.financeOf(ctx, where, wallet, time.Date(2026, month, 1, 0, 0, 0, 0, s.Zone), time.Date(2026, month+1, 1, 0, 0, 0, 0, s.Zone))
		if err != nil {
			t.Fatal(err)
		}
		return days
	}
	shown := func(d finance.Day) string {
		worth := func(n *int64) string {
			if n == nil {
				return "-"
			}
			return fmt.Sprint(*n)
		}
		return fmt.Sprint(d.Day, " ", d.Wallet, ": ", d.Issued, " ", d.ClawedBack, " ", d.Expired, ", owed ", d.Liability, " worth ", worth(d.LiabilityValue))
	}
	all := of(1, "", time.March)
	w.bySQL(t, s, all)
	if len(all) != 3*31 {
		t.Fatalf("%d rows", len(all))
	}
	for i, want := range map[int]string{0: "2026-03-01 points: 600 0 0, owed 600 worth 600", 1: "2026-03-01 stars: 60 0 0, owed 60 worth 0", 2: "2026-03-01 credit: 5 0 0, owed 5 worth -",
		14: "2026-03-05 credit: 0 0 0, owed 5 worth 50", 38: "2026-03-13 credit: 0 0 5, owed 0 worth 0", 36: "2026-03-13 points: 0 300 0, owed 300 worth 300", 37: "2026-03-13 stars: 0 30 0, owed 30 worth 0"} {
		if got := shown(all[i]); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
	for n, wallet := range []string{mainWallet, "stars", "credit"} {
		for i, d := range of(1, wallet, time.March) {
			if text(d) != text(all[3*i+n]) {
				t.Errorf("of %s alone: %+v, of all: %+v", wallet, d, all[3*i+n])
			}
		}
	}
	others := of(2, "", time.March)
	w.bySQL(t, twin, others)
	if d := others[37]; d.LiabilityValue != nil || d.Liability != 60 {
		t.Errorf("the twin has %+v", d)
	}

	w.days(30)
	march := w.closed(s, "2026-03")
	if len(march.Wallets) != 2 || march.Liability != 300 || march.Of("stars").Liability != 30 || march.Of("credit").Liability != 0 || *march.Of("credit").Currency != "USD" ||
		len(march.Totals) != 1 || march.Totals[0].LiabilityValue != 300 || len(march.Of("credit").Lines) != 6 {
		t.Fatalf("%s", text(march))
	}
	for _, wallet := range []string{"", "stars", "credit"} {
		_, _, err := w.setPointValue(ctx, s, w.program(1), finance.Value{Wallet: wallet, From: "2026-03-31", Points: 1, Amount: 1}, 0, noKey)
		refused(t, err, "month_closed")
	}
	before, now := text(of(1, "", time.March)), w.clock.Now()
	w.clock.Move(-20 * 24 * time.Hour) // another process's clock is behind: this is written in March, and booked in April
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 2, 6000))
	w.clock.Move(now.Sub(w.clock.Now()) + 25*24*time.Hour)
	w.sealed()
	if after := text(of(1, "", time.March)); after != before {
		t.Errorf("days of a closed month changed from %s to %s", before, after)
	}
	april := w.closed(s, "2026-04")
	if april.Of("stars").Liability != 90 || april.Of("stars").Accounts[0].Wallet != "stars" {
		t.Errorf("%s", text(april))
	}
	if kept, err := closingsOf(ctx, w.db, 1, "2026-03-31", 9); err != nil || len(kept) != 1 || text(kept[0]) != text(march) {
		t.Errorf("March is %+v, %v", kept, err)
	}
	w.closed(twin, "2026-04")
	var wrong []string
	if err := w.admin.Select(&wrong, journalBySQL); err != nil || len(wrong) > 0 {
		t.Errorf("%v, %v", wrong, err)
	}
	var unbalanced int
	if err := w.admin.Get(&unbalanced, `select count(*) from (select from audit.closing_line_v2 group by site_id, month, wallet
		having sum(debit) <> sum(credit) or sum(debit_value) <> sum(credit_value)) x`); err != nil || unbalanced > 0 {
		t.Errorf("%d books are out of balance, %v", unbalanced, err)
	}
}

// TestClosingFromBefore: a month that was closed when journals had the main wallet only stays as it is; the next one begins with what was in the others.
func TestClosingFromBefore(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := located(t, 1, "UTC")
	w.start(1, twoWallets())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000))
	w.days(65)
	w.expireAll()
	w.sealed()
	w.closed(s, "2026-03")
	w.admin.MustExec(`update loyalty.closing set journal = journal - 'wallets' - 'totals' - 'wallet'`)
	march, err := closingsOf(t.Context(), w.db, 1, "", 1)
	if err != nil || march[0].All() || march[0].Wallet != mainWallet || len(march[0].Wallets) != 0 || march[0].Liability != 600 {
		t.Fatalf("%+v, %v", march, err)
	}
	april := w.closed(s, "2026-04")
	stars := april.Of("stars")
	if april.Accounts[1].Opening != 600 || len(stars.Accounts) != 2 || stars.Accounts[1].Opening != 60 || stars.Liability != 60 || len(stars.Lines) != 0 {
		t.Errorf("%s", text(april))
	}
	w.admin.MustExec(`truncate loyalty.closing`) // whose journal is not what the others have
}

// TestFinanceFormsOfWallets: reports of all wallets say whose each row is, and are had of one.
func TestFinanceFormsOfWallets(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, twoWallets())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6000))
	w.days(31)
	w.sealed()
	call := w.serve(1)
	value := fmt.Sprintf("/api/v2/loyalty/programs/%d/point_values", w.program(1))
	for body, want := range map[string]int{`{"wallet":"credit","from":"2026-02-01","points":1,"amount":10}`: 201, `{"from":"2026-02-01","points":100,"amount":100}`: 201,
		`{"wallet":"points","from":"2026-02-02","points":100,"amount":90}`: 201, `{"wallet":"gems","from":"2026-02-01","points":1,"amount":1}`: 400} {
		if code, text, _ := call("POST", value, "", body); code != want {
			t.Errorf("%s: %d %s", body, code, text)
		}
	}
	const days, closings = "/api/v2/loyalty/finance/days?from=2026-03-01&to=2026-03-31", "/api/v2/loyalty/finance/closings"
	if code, text, _ := call("POST", closings, "", `{"month":"2026-03"}`); code != 201 || !strings.Contains(text, `"wallets":[{"wallet":"credit"`) {
		t.Errorf("%d %s", code, text)
	}
	for path, want := range map[string]int{days: 93, days + "&wallet=points": 31, days + "&wallet=stars": 31, closings + "/2026-03?": 6, closings + "/2026-03?wallet=stars": 2, closings + "/2026-03?wallet=points": 2} {
		code, text, _ := call("GET", path+"&format=csv", "", "")
		rows := strings.Split(strings.TrimSpace(text), "\n")
		if code != 200 || len(rows) != want+1 || !strings.HasSuffix(rows[0], ",wallet") || strings.Contains(path, "wallet=") && !strings.HasSuffix(rows[1], path[strings.Index(path, "wallet=")+6:][1:]) {
			t.Errorf("%s: %d, %d rows %.200s", path, code, len(rows), text)
		}
	}
	for path, want := range map[string]string{value: `"version":3`, value + "?wallet=credit": `"point_values":[{"version":`, value + "?wallet=stars": `"point_values":[]`,
		closings + "/2026-03?wallet=credit": `"wallet":"credit","point_value":{`, closings + "/2026-03?wallet=stars&format=html": `60`, closings: `"totals":[{"currency":"USD"`} {
		if code, text, _ := call("GET", path, "", ""); code != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
	for _, path := range []string{days + "&wallet=gems", closings + "/2026-03?wallet=gems", value + "?wallet=gems"} {
		if code, text, _ := call("GET", path, "", ""); code != 400 || !strings.Contains(text, "wallet_not_found") {
			t.Errorf("%s: %d %s", path, code, text)
		}
	}
}
