package hindsight

import (
	"strings"
	"testing"
	"time"
)

// TestAchievements_have_their_price: how often each was reached and lost, and what its points come to by wallet and month; what can't be spent is worth nothing.
func TestAchievements_have_their_price(t *testing.T) {
	t.Parallel()
	from, until := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	tally := func() *Tally {
		out := NewTally(from, until, time.UTC, 0)
		out.Wallets(2)
		out.Achievements(2)
		return out
	}
	one, more := tally(), tally()
	one.Reach(0, from, true)
	one.Reach(0, from.AddDate(0, 1, 0), false)
	one.Prize(0, 0, from, 100, 0)
	one.Prize(0, 2, from, 40, 0)
	more.Reach(0, from, true)
	more.Lose(0, from.AddDate(0, 1, 0))
	more.Prize(0, 0, from.AddDate(0, 1, 0), 60, 30)
	more.Prize(0, 1, from, 1000, 0)
	one.Merge(more)
	r := NewReport(Played{Currency: "USD", From: from, Until: until, Terms: Terms{Redeem: Redeem{Kind: Never}, Worth: Worth{100, 250}}, History: &History{}, Programmes: []PlayedProgramme{
		{Label: "a", Tally: one, Wallets: []PlayedWallet{{"status", "Status", false}, {"credit", "Credit", true}}, Feats: []PlayedFeat{{"regular", "<b>Regular</b>"}, {"none", "None"}}},
		{Label: "b", Tally: NewTally(from, until, time.UTC, 0)}}})
	got := r.Programmes[0].Feats[0]
	if got.Feat != (Feat{2, 3, 1, Prize{160, 30}}) || got.Value != 325+100 || len(got.Wallets) != 2 || got.Wallets[0] != (FeatWallet{"status", Prize{1000, 0}, 0}) || got.Wallets[1].Value != 100 {
		t.Errorf("%+v", got)
	}
	if m := got.Months; len(m) != 3 || m[0].Value != 350 || m[1].Value != 75 || m[1].Lost != 1 || m[0].Members != 2 || m[2] != (MonthOfFeat{Month: "2026-03"}) {
		t.Errorf("%+v", m)
	}
	var page, months, whole strings.Builder
	if err := r.HTML(&page); err != nil || strings.Contains(page.String(), "<b>Regular") || !strings.Contains(page.String(), "&lt;b&gt;Regular") || !strings.Contains(page.String(), "4.25 USD") {
		t.Errorf("%v: %s", err, page.String())
	}
	if err := r.MonthsCSV(&months); err != nil || !strings.HasPrefix(months.String(), "programme,month,") || !strings.Contains(months.String(), ",USD,points,250\n") ||
		!strings.Contains(months.String(), ",USD,credit,100\n") || !strings.Contains(months.String(), "b,2026-01,0,0,0,0,0,0,0,0,0,0,0,0,0,USD,points,0\n") || strings.Count(months.String(), "status,0\n") != 3 {
		t.Errorf("%v: %s", err, months.String())
	}
	if err := r.JSON(&whole); err != nil || strings.Count(whole.String(), `"achievements"`) != 1 {
		t.Errorf("%v: %s", err, whole.String())
	}
	if lines := r.Lines(); lines[4][0] != "Given for achievements" || lines[4][1] != "4.25 USD" {
		t.Errorf("%v", lines)
	}
}
