package hindsight

import (
	"strings"
	"testing"
	"time"
)

// TestWallets_are_apart: each wallet has its own sums, what can't be spent costs nothing, and who is merged doesn't matter.
func TestWallets_are_apart(t *testing.T) {
	t.Parallel()
	from, until := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	one, more := NewTally(from, until, time.UTC, 0), NewTally(from, until, time.UTC, 0)
	one.Wallets(2)
	more.Wallets(2)
	one.AddTo(0, from, Moved{Joined: 1, Issued: 100}, Held{Outstanding: 100})
	one.AddTo(1, from, Moved{Joined: 1, Issued: 80}, Held{Outstanding: 80})
	more.AddTo(1, from.AddDate(0, 1, 0), Moved{Redeemed: 40, Expired: 10, ClawedBack: 20}, Held{Outstanding: -70})
	one.Merge(more)
	r := NewReport(Played{Currency: "USD", From: from, Until: until, Terms: Terms{Redeem: Redeem{When, 40}, Worth: Worth{100, 250}}, History: &History{}, Programmes: []PlayedProgramme{
		{Label: "=a", Tally: one, Wallets: []PlayedWallet{{"status", "<b>Status</b>", false}, {"credit", "Credit", true}}}, {Label: "b", Tally: NewTally(from, until, time.UTC, 0)}}})
	status, credit := r.Programmes[0].Wallets[0], r.Programmes[0].Wallets[1]
	if status.Totals.Outstanding != 100 || status.Totals.Liability != 0 || len(status.Months) != 3 || len(r.Programmes[1].Wallets) != 0 || r.Programmes[0].Totals.Issued != 0 {
		t.Errorf("status: %+v", status)
	}
	if got := credit.Totals; got.Cost != 100 || got.Liability != 25 || got.Spent != 6667 || got.Breakage != 1667 || credit.Months[0].Liability != 200 || credit.Months[1].Cost != 100 || got.Joined != 1 {
		t.Errorf("credit: %+v", credit)
	}
	var page, months strings.Builder
	if err := r.HTML(&page); err != nil || strings.Contains(page.String(), "<b>Status") || !strings.Contains(page.String(), "&lt;b&gt;Status") || !strings.Contains(page.String(), "Other wallets") {
		t.Errorf("%v: %s", err, page.String())
	}
	if err := r.MonthsCSV(&months); err != nil || strings.Count(months.String(), "\n") != 1+3*4 || !strings.Contains(months.String(), "'=a,2026-02,1,0,0,20,0,40,0,10,10,0,0,100,25,USD,credit\n") ||
		!strings.Contains(months.String(), "b,2026-01,0,0,0,0,0,0,0,0,0,0,0,0,0,USD,points\n") {
		t.Errorf("%v: %s", err, months.String())
	}
}
