package loyalty

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// gamesClubs are programmes with achievements of all kinds, whose points are of several wallets, pending, limited and multiplied.
func gamesClubs() (out []settings) {
	list := []feat.Achievement{
		{Key: "regular", Counts: feat.Orders, Period: "month", Goal: 3, Repeat: feat.Again, Revoke: true},
		{Key: "spender", Counts: feat.Spend, Levels: []feat.Level{{Name: "a", Goal: 3000}, {Name: "b", Goal: 8000}}, Revoke: true},
		{Key: "each", Counts: feat.Spend, Goal: 2500, Repeat: feat.Again, Times: 6, Revoke: true},
		{Key: "streak", Kind: feat.KindStreak, Counts: feat.Orders, Period: "day", Goal: 2, Freezes: 1, Repeat: feat.Again, Revoke: true},
		{Key: "week", Counts: feat.Spend, Period: "week", Goal: 2000, When: "origin.subtotal > 500", Repeat: feat.Again},
		{Key: "rolling", Counts: feat.Orders, Period: feat.Rolling, Days: 5, Goal: 3, Revoke: true},
		{Key: "dare", Counts: feat.Orders, Goal: 2, Repeat: feat.Again, Enrolment: feat.OptIn, AcceptDays: 12, Revoke: true},
		{Key: "critic", Counts: feat.Events, Of: "review", Goal: 2, Repeat: feat.Again},
		{Key: "curious", Counts: feat.Products, Goal: 4, Revoke: true},
		{Key: "rich", Counts: feat.Points, Period: "week", Goal: 30, Repeat: feat.Again, Revoke: true},
		{Key: "starry", Counts: feat.Points, Of: "stars", Levels: []feat.Level{{Name: "a", Goal: 40}, {Name: "b", Goal: 90}}, Revoke: true},
	}
	for i := range list {
		list[i].Name = strings.ToUpper(list[i].Key)
	}
	games := func(change func(*settings)) {
		s := club()
		s.ExpiresAfterDays, s.PointsPerUnit, s.Tiers = days(10), 1, []tier{{Name: "Low", Threshold: 15}, {Name: "Mid", Threshold: 40}, {Name: "High", Threshold: 90}}
		s.Wallets = []Wallet{{Key: "stars", Name: "Stars", ExpiresAfter: days(9)}}
		s.Feats = featsOf(list)
		var rules []earnRule
		for i, a := range list {
			rules = append(rules, earnRule{Key: a.Key, Kind: kindFixed, On: onAchievement, Achievement: a.Key, Points: int64(2 + i)})
		}
		s.Earning = &earnPlan{EarnTerms: EarnTerms{Stacking: stackAll, Rules: append(rules,
			earnRule{Key: "second", Kind: kindFixed, On: onAchievement, Achievement: "spender", Level: 2, Points: 13},
			earnRule{Key: "stars", Kind: kindFixed, On: onAchievement, Achievement: "spender", Points: 10, Wallet: "stars"},
			earnRule{Key: "more_stars", Kind: kindFixed, On: onAchievement, Achievement: "regular", Points: 4, Wallet: "stars"},
			earnRule{Key: "some_stars", Kind: kindPerMoney, Points: 1, Wallet: "stars", When: "origin.subtotal > 2500"},
			earnRule{Key: "twice", Kind: kindMultiplier, On: onAchievement, Achievement: "each", Multiplier: 20_000, Tiers: []string{"Mid", "High"}})}}
		change(&s)
		out = append(out, s)
	}
	games(func(*settings) {})
	games(func(s *settings) {
		s.PendingRule, s.PendingDays, s.ExpiryRule = untilDays, 3, inactivity
		s.TierPlan = tierPlan{Window: rollingDays, Length: 14, GraceDays: 3, Downgrade: oneLevel}
		s.Wallets[0].CountsForTier, s.DebtPolicy = true, withinBalance
	})
	games(func(s *settings) { // many are given at once, and some don't get any more
		budget := int64(60)
		s.Feats = featsOf([]feat.Achievement{{Key: "small", Name: "Small", Counts: feat.Spend, Goal: 100, Repeat: feat.Again, Revoke: true}, list[0]})
		s.Earning.Rules = []earnRule{{Key: "small", Kind: kindFixed, On: onAchievement, Achievement: "small", Points: 1, Budget: &budget},
			{Key: "stars", Kind: kindFixed, On: onAchievement, Achievement: "small", Points: 1, Wallet: "stars", Limits: []earnLimit{{Per: "day", Points: 20}}},
			{Key: "regular", Kind: kindFixed, On: onAchievement, Achievement: "regular", Points: 5, Cooldown: 10 * 24 * 60}}
	})
	return out
}

// challenge has somebody accept a challenge, or leave it.
func (s *shopping) challenge() {
	if !s.games || s.rnd.IntN(2) == 0 {
		return
	}
	_, _, err := s.AcceptChallenge(s.t.Context(), s.site, 1+s.rnd.Int64N(5), "dare", s.rnd.IntN(4) > 0, 0, noKey)
	if _, refused := fault.Of(err); err != nil && !refused {
		s.t.Fatal(err)
	}
}

// review has somebody write one.
func (s *shopping) review(ids *int64, decide func()) {
	if !s.games || s.rnd.IntN(3) > 0 {
		return
	}
	*ids++
	e := s.did(s.site, 1+s.rnd.Int64N(5), *ids, []string{"review", "login"}[s.rnd.IntN(2)])
	s.history.Take(e)
	hear(s.world, s.originsRecorded, s.site, []customerevent.OriginRecorded{e}...)
	decide()
}

// compareFeats compares what was reached and given for it with what was lived.
func (s *shopping) compareFeats(o hindsight.Outcome) {
	s.t.Helper()
	var rows []string
	err := s.admin.Select(&rows, `
		select concat_ws(' ', r.key, count(*) filter (where r.lost_at is null), coalesce(sum(p.issued) filter (where p.wallet = ''), 0), coalesce(sum(p.clawed) filter (where p.wallet = ''), 0),
			coalesce(sum(p.issued) filter (where p.wallet <> ''), 0), coalesce(sum(p.clawed) filter (where p.wallet <> ''), 0))
		from (select key, lost_at, '' as none from loyalty.achievement_reached where site_id = $1
			union all select key, now(), 'prizes' from (select distinct key from loyalty.achievement_reached where site_id = $1) k) r
		left join (
			select split_part(e.source, ':', 3) as key, coalesce(e.wallet, '') as wallet, sum(e.points) as issued,
				sum((select coalesce(sum(c.points), 0) from loyalty.txn c where c.site_id = e.site_id and c.earn_id = e.id and c.kind = 'claw_back')) as clawed
			from loyalty.txn e where e.site_id = $1 and e.kind = 'earn' and e.reason = 'achievement' group by 1, 2) p on p.key = r.key and r.none <> ''
		group by r.key order by r.key collate "C"`, s.site)
	if err != nil {
		s.t.Fatal(err)
	}
	var got []string
	for _, a := range o.Feats {
		var stars hindsight.FeatWallet
		if len(a.Wallets) > 0 {
			stars = a.Wallets[0]
		}
		if a.Reached > 0 {
			got = append(got, fmt.Sprint(a.Key, " ", a.Reached-a.Lost, a.Issued, a.ClawedBack, stars.Issued, stars.ClawedBack))
		}
		if a.Reached == 0 || a.Issued+stars.Issued == 0 {
			s.t.Errorf("site %d: nothing is shown of achievement %s", s.site, a.Key)
		}
	}
	slices.Sort(got)
	if played, lived := strings.Join(got, "\n"), strings.Join(rows, "\n"); played != lived {
		s.t.Errorf("site %d: of achievements were played\n%s\nand lived\n%s", s.site, played, lived)
	}
}

// TestBacktestSeesDates: members' dates are read from the site's books where a condition looks at them, and double what is bought in the month of a birthday.
func TestBacktestSeesDates(t *testing.T) {
	t.Parallel()
	w, past := tested(t)
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, past.orders[site]...)
	}
	if _, _, err := w.SetMemberDates(t.Context(), 1, 7, []loyaltyapi.MemberDate{{Identifier: "birthday", Date: "1980-01-15"}}, noKey); err != nil {
		t.Fatal(err)
	}
	issued := func(site int64, when string) int64 {
		s, err := onlyRules(earnRule{Key: "rate", Kind: kindFixed, Points: 10}, earnRule{Key: "month", Kind: kindMultiplier, Multiplier: 20_000, When: when}).of(shop(site))
		if err != nil {
			t.Fatal(err)
		}
		in, err := w.InputOf(t.Context(), shop(site), []Draft{{"x", s}}, BacktestAsk{Redeem: hindsight.Never})
		if err != nil {
			t.Fatal(err)
		}
		r, err := Backtest(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return r.Programmes[0].Totals.Issued
	}
	const inMonth = `member.birthday.month == today.month`
	var january int64
	for _, o := range past.orders[1] {
		if o.PersonID == 7 && o.OccurredAt.Month() == 1 {
			january++
		}
	}
	plain := issued(1, "false")
	if got := issued(1, inMonth); got <= plain || got > plain+10*january {
		t.Errorf("%d points instead of %d, of which %d orders were made in the month", got, plain, january)
	}
	if got := issued(2, inMonth); got != issued(2, "false") {
		t.Errorf("the twin, of whose members no dates are known, gets %d", got)
	}
}
