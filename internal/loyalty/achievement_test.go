package loyalty

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// achieving is a programme with achievements, and with 100 points for each thing that is reached.
func achieving(list ...feat.Achievement) settings {
	var rules []earnRule
	for i := range list {
		if list[i].Name == "" {
			list[i].Name = list[i].Key
		}
		rules = append(rules, earnRule{Key: "on_" + list[i].Key, On: onAchievement, Achievement: list[i].Key, Kind: kindFixed, Points: 100})
	}
	s := onlyRules(rules...)
	s.Feats = featsOf(list)
	return s
}

func regular() feat.Achievement {
	return feat.Achievement{Key: "regular", Counts: feat.Orders, Period: "month", Goal: 3}
}

// featsGot is what a person reached, in words, and what counts.
func (w *world) featsGot(siteID, personID int64) string {
	w.t.Helper()
	var out string
	err := w.admin.Get(&out, `
		select coalesce(string_agg(r.key || '/' || r.level || '/' || case when r.since > '0001-01-01' then to_char(r.since, 'YYYY-MM-DD') else '' end || '/' || r.nth || coalesce(' lost by ' || lost_by, ''),
			', ' order by r.key, r.level, r.since, r.nth), '')
		from loyalty.achievement_reached r join loyalty.member m on m.site_id = r.site_id and m.id = r.member_id where m.site_id = $1 and m.person_id = $2`, siteID, personID)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) did(siteID, personID, originID int64, category string) customerevent.OriginRecorded {
	e := w.bought(siteID, personID, originID, 0)
	e.Type, e.Category = customerevent.Event, category
	return e
}

// TestAchievements: three orders of a month reach it once, whatever is repeated, and a rule gives points for it. The twin site sees nothing of it.
func TestAchievements(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, site := range []int64{1, 2} {
		w.start(site, achieving(regular()))
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100), w.bought(1, 7, 2, 100), w.bought(1, 8, 3, 100))
	hear(w, w.originsRecorded, 2, w.bought(2, 7, 1, 100))
	if got := w.featsGot(1, 7); got != "" {
		t.Errorf("two orders: %s", got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 4, 100), w.bought(1, 7, 5, 100))
	for range 2 {
		if got := w.asked(1, 7); got != 100 {
			t.Errorf("got %d points", got)
		}
		if got := w.featsGot(1, 7); got != "regular/1//1" {
			t.Errorf("reached %s", got)
		}
		hear(w, w.originsRecorded, 1, w.bought(1, 7, 4, 100), w.bought(1, 7, 6, 100))
	}
	if got := w.told(1)["loyalty.achievement_reached.v1"]; got != 1 {
		t.Errorf("told %d times", got)
	}
	if got := w.featsGot(1, 8) + w.featsGot(2, 7); got != "" || w.balance(2, 7) != 0 {
		t.Errorf("others: %s", got)
	}
	if d, err := decisionOf(t.Context(), w.db, 1, "achievement:1:regular:1:0001-01-01:1:1"); err != nil || d.Points != 100 || d.Reason != "achievement" {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestWhatCounts: of each kind of thing what is to count does, and nothing else.
func TestWhatCounts(t *testing.T) {
	t.Parallel()
	line := func(product, category string, quantity int64) customerevent.Item {
		return customerevent.Item{ProductID: product, Category: category, Price: 10, Quantity: quantity}
	}
	for what, c := range map[string]struct {
		of   feat.Achievement
		want int64
	}{
		"orders":               {feat.Achievement{Counts: feat.Orders}, 3},
		"large orders":         {feat.Achievement{Counts: feat.Orders, When: "origin.subtotal >= 500"}, 1},
		"orders with a shoe":   {feat.Achievement{Counts: feat.Orders, When: `items.exists(i, i.category == "shoes")`}, 2},
		"spend":                {feat.Achievement{Counts: feat.Spend}, 1000},
		"products":             {feat.Achievement{Counts: feat.Products}, 3},
		"categories":           {feat.Achievement{Counts: feat.Categories}, 2},
		"events":               {feat.Achievement{Counts: feat.Events}, 3},
		"reviews":              {feat.Achievement{Counts: feat.Events, Of: "review"}, 2},
		"no points of others":  {feat.Achievement{Counts: feat.Points}, 0},
		"referrals":            {feat.Achievement{Counts: feat.Referrals}, 1},
		"large referrals":      {feat.Achievement{Counts: feat.Referrals, When: "origin.subtotal > 70"}, 0},
		"nothing while paused": {feat.Achievement{Counts: feat.Orders, Paused: true}, 0},
		"nothing before":       {feat.Achievement{Counts: feat.Orders, StartsAt: func() *time.Time { later := noon.Add(time.Hour); return &later }()}, 0},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			c.of.Key, c.of.Goal = "it", 900
			w.start(1, achieving(c.of))
			one, two, other := w.bought(1, 7, 1, 600), w.bought(1, 7, 2, 400), w.bought(1, 7, 3, 9_000)
			one.Items, two.Items = []customerevent.Item{line("a", "shoes", 1), line("b", "shoes", 2), line("", "", 1)}, []customerevent.Item{line("a", "shoes", 1), line("c", "hats", 1), line("d", "socks", 0)}
			other.Currency = "EUR"
			if c.of.When == "origin.subtotal >= 500" {
				other.Subtotal = 1
			}
			unverified := w.bought(1, 7, 4, 100)
			unverified.Verified = false
			hear(w, w.originsRecorded, 1, one, two, other, unverified, w.did(1, 7, 5, "review"), w.did(1, 7, 6, "review"), w.did(1, 7, 7, "login"))
			hear(w, w.referralsApproved, 1, referralevent.ReferralApproved{SiteID: 1, ReferralID: 9, AdvocateID: 7, FriendID: 8, Subtotal: 70, Currency: "USD", ApprovedAt: noon})
			var got int64
			if err := w.admin.Get(&got, `select coalesce(sum(case when $1 then least(amount, 1) else amount end), 0) from loyalty.achievement_span where site_id = 1`, c.of.Distinct()); err != nil || got != c.want {
				t.Errorf("%d counted, %v", got, err)
			}
		})
	}
}

// TestActionsCount: what a member collects counts, by its identifier.
func TestActionsCount(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, achieving(feat.Achievement{Key: "shared", Counts: feat.Actions, Of: "share", Goal: 2}))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100))
	for _, of := range []string{"share", "like"} {
		w.action(1, p.ID, `{"identifier":"`+of+`","name":"It","points":5}`)
		for range 2 {
			if _, err := w.collects(1, 7, of); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := w.featsGot(1, 7); got != "shared/1//1" {
		t.Errorf("reached %s", got)
	}
	if got := w.asked(1, 7); got != 120 {
		t.Errorf("%d points", got)
	}
}

// TestRefundsUndoAchievements where the merchant says so, and points go with them; where not, who reached it keeps it.
func TestRefundsUndoAchievements(t *testing.T) {
	t.Parallel()
	w := setup(t)
	spender := feat.Achievement{Key: "spender", Counts: feat.Spend, Goal: 1000, Revoke: true}
	w.start(1, achieving(spender, feat.Achievement{Key: "kept", Counts: feat.Spend, Goal: 1000}))
	hear(w, w.originsRefunded, 1, w.refund(1, 2, 1, 100, 600)) // of what is told later
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 450), w.bought(1, 7, 2, 600))
	if got := w.featsGot(1, 7); got != "" {
		t.Fatalf("950 reached %s", got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 50))
	if got := w.asked(1, 7); got != 200 {
		t.Errorf("%d points", got)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 3, 2, 1, 50))
	hear(w, w.originsRefunded, 1, w.refund(1, 3, 2, 1, 50))
	if got, points := w.featsGot(1, 7), w.asked(1, 7); got != "kept/1//1, spender/1//1 lost by refund" || points != 100 {
		t.Errorf("after a refund: %s, %d points", got, points)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 4, 1))
	if got, points := w.featsGot(1, 7), w.asked(1, 7); got != "kept/1//1, spender/1//1" || points != 200 {
		t.Errorf("again: %s, %d points", got, points)
	}
	if got := w.told(1); got["loyalty.achievement_lost.v1"] != 1 || got["loyalty.achievement_reached.v1"] != 3 {
		t.Errorf("told %v", got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 5, 10)) // lost before the rules were asked: nothing is left of it
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 3, 450, 450))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 6, 2000))
	hear(w, w.originsRefunded, 1, w.refund(1, 6, 4, 2000, 2000))
	if got := w.asked(1, 7); got != 100 {
		t.Errorf("in the end %d points", got)
	}
}

// TestAchievementsRace: of many orders at once one reaches it.
func TestAchievementsRace(t *testing.T) {
	t.Parallel()
	w := setup(t)
	each := feat.Achievement{Key: "each", Counts: feat.Orders, Goal: 2, Repeat: feat.Again}
	w.start(1, achieving(regular(), each))
	gate := make(chan struct{})
	var done sync.WaitGroup
	for id := range int64(9) {
		done.Go(func() {
			<-gate
			if err := tryHear(w, w.originsRecorded, 1, w.bought(1, 7, id+1, 100)); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	done.Wait()
	if got := w.featsGot(1, 7); got != "each/1//1, each/1//2, each/1//3, each/1//4, regular/1//1" {
		t.Errorf("reached %s", got)
	}
	if got := w.asked(1, 7); got != 500 {
		t.Errorf("%d points", got)
	}
}

// TestAchievementsChange: a key stays what it was, and what counted goes on under another goal.
func TestAchievementsChange(t *testing.T) {
	t.Parallel()
	w := setup(t)
	p := w.start(1, achieving(regular()))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100))
	other := regular()
	other.Counts = feat.Spend
	if _, _, err := w.configure(t.Context(), shop(1), p.ID, achieving(other), 0, noKey); err == nil || !strings.Contains(fmt.Sprintf("%+v", err), "/achievements/0/key") {
		t.Errorf("another basis: %v", err)
	}
	fewer := regular()
	fewer.Goal = 2
	w.clock.Move(time.Hour)
	w.configured(1, p.ID, achieving(fewer))
	late := w.bought(1, 7, 2, 100)
	late.OccurredAt = noon
	hear(w, w.originsRecorded, 1, late)
	if got := w.featsGot(1, 7); got != "" {
		t.Errorf("by the goal of its time: %s", got)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 100))
	if got := w.featsGot(1, 7); got != "regular/1//1" {
		t.Errorf("reached %s", got)
	}
}

// TestStreaks: days in a row, a freeze, and the end of a streak, which is told once.
func TestStreaks(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, achieving(feat.Achievement{Key: "daily", Kind: feat.KindStreak, Counts: feat.Events, Of: "login", Period: "day", Levels: []feat.Level{{Name: "Three", Goal: 3}, {Name: "Five", Goal: 5}}, Freezes: 1}))
	id := int64(0)
	login := func(day int) {
		id++
		e := w.did(1, 7, id, "login")
		e.OccurredAt = noon.AddDate(0, 0, day)
		hear(w, w.originsRecorded, 1, e)
	}
	broken := func() int { return w.told(1)["loyalty.streak_broken.v1"] }
	login(0)
	login(0)
	w.clock.Move(3 * 24 * time.Hour)
	login(3)
	if got := w.featsGot(1, 7); got != "" || broken() != 0 {
		t.Errorf("two days, and two missed: %s", got)
	}
	login(2) // told late
	if got := w.featsGot(1, 7); got != "daily/1//1" {
		t.Errorf("three days and a freeze: %s", got)
	}
	w.pass(t.Context())
	w.clock.Move(12*time.Hour - time.Second) // the end of the day after
	if w.pass(t.Context()); broken() != 0 {
		t.Error("broken too early")
	}
	w.clock.Move(48 * time.Hour)
	for range 2 {
		if w.pass(t.Context()); broken() != 1 {
			t.Errorf("told %d times of a break", broken())
		}
	}
	login(4)
	login(5)
	if got := w.featsGot(1, 7); got != "daily/1//1, daily/2//1" {
		t.Errorf("five days, two of them told late: %s", got)
	}
	var row string
	if err := w.admin.Get(&row, `select began || ' ' || last || ' ' || length || ' ' || longest || ' ' || (breaks_at at time zone 'utc') from loyalty.achievement_streak`); err != nil ||
		row != "2026-03-01 2026-03-06 5 5 2026-03-08 00:00:00" {
		t.Errorf("%s, %v", row, err)
	}
}

// TestAchievementsOfMergedMembers: what both did adds up, a refund finds it, and parting them gives each their own; what was reached stays.
func TestAchievementsOfMergedMembers(t *testing.T) {
	t.Parallel()
	w := setup(t)
	products := feat.Achievement{Key: "taster", Counts: feat.Products, Goal: 3}
	daily := feat.Achievement{Key: "daily", Kind: feat.KindStreak, Counts: feat.Orders, Period: "day", Goal: 2}
	w.start(1, achieving(regular(), products, daily))
	w.start(2, achieving(regular()))
	buy := func(site, person, order int64, product string, day int) {
		o := w.bought(site, person, order, 100)
		o.OccurredAt, o.Items = noon.AddDate(0, 0, day), []customerevent.Item{{ProductID: product, Price: 100, Quantity: 1}}
		hear(w, w.originsRecorded, site, o)
	}
	for _, site := range []int64{1, 2} {
		buy(site, 7, 1, "a", 0)
		buy(site, 7, 2, "b", 0)
		buy(site, 8, 3, "b", 1)
	}
	w.clock.Move(24 * time.Hour)
	w.merges(1, 5, 7, 8)
	if got := w.featsGot(1, 7) + "; " + w.featsGot(1, 8) + "; " + w.featsGot(2, 7); got != "daily/1//1, regular/1//1; ; " {
		t.Errorf("as one: %s", got)
	}
	buy(1, 8, 4, "c", 1) // told of the duplicate
	if got := w.featsGot(1, 7); got != "daily/1//1, regular/1//1, taster/1//1" {
		t.Errorf("as one, three products: %s", got)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 3, 1, 100, 100))
	counts := func(person int64) (out string) {
		if err := w.admin.Get(&out, `select coalesce(string_agg(s.key || ' ' || s.amount, ', ' order by s.key, s.since, s.name), '') from loyalty.achievement_span s
			join loyalty.member m on m.site_id = s.site_id and m.id = s.member_id where s.site_id = 1 and m.person_id = $1 and s.amount > 0`, person); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := counts(7); got != "daily 2, daily 1, regular 3, taster 1, taster 1, taster 1" {
		t.Errorf("after a refund: %s", got)
	}
	w.parts(1, 5, 7, 8)
	if got := counts(7) + "; " + counts(8); got != "daily 2, daily 1, regular 3, taster 1, taster 1, taster 1; " {
		t.Errorf("parted: %s", got)
	}
	buy(1, 8, 5, "a", 1)
	if got := w.featsGot(1, 7) + "; " + w.featsGot(1, 8); got != "daily/1//1, regular/1//1, taster/1//1; " || counts(8) != "daily 1, regular 1, taster 1" {
		t.Errorf("two again: %s, %s", got, counts(8))
	}
}

// TestALowerGoal: who has done enough for it in the period that goes on reaches it when it takes effect; what is over is over.
func TestALowerGoal(t *testing.T) {
	t.Parallel()
	w := setup(t)
	again := regular()
	again.Repeat = feat.Again
	p := w.start(1, achieving(again))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100), w.bought(1, 7, 2, 100))
	w.clock.Move(31 * 24 * time.Hour)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 100), w.bought(1, 7, 4, 100), w.bought(1, 8, 5, 100))
	again.Goal = 2
	w.configured(1, p.ID, achieving(again))
	if got := w.asked(1, 7); got != 100 || w.featsGot(1, 7) != "regular/1/2026-04-01/1" || w.featsGot(1, 8) != "" {
		t.Errorf("%d points, %s, %s", got, w.featsGot(1, 7), w.featsGot(1, 8))
	}
}

// TestChallenges: what is done counts from when a member accepts it, until their deadline or they leave it.
func TestChallenges(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, achieving(feat.Achievement{Key: "sprint", Counts: feat.Orders, Goal: 2, Enrolment: feat.OptIn, AcceptDays: 3}))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 100), w.bought(1, 7, 2, 100), w.bought(1, 8, 3, 100), w.bought(1, 9, 10, 100))
	for _, person := range []int64{7, 8, 9} {
		for range 2 {
			if got, _, err := w.AcceptChallenge(t.Context(), 1, person, "sprint", true, 0, noKey); err != nil || got.Until == nil || !got.Until.Equal(noon.AddDate(0, 0, 3)) {
				t.Fatalf("%+v, %v", got, err)
			}
		}
	}
	if _, _, err := w.AcceptChallenge(t.Context(), 1, 9, "sprint", false, 0, noKey); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.AcceptChallenge(t.Context(), 1, 9, "sprint", true, 0, noKey); !strings.Contains(fmt.Sprint(err), "left") {
		t.Errorf("accepted after leaving: %v", err)
	}
	w.clock.Move(time.Hour)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 4, 100), w.bought(1, 7, 5, 100), w.bought(1, 8, 6, 100), w.bought(1, 9, 7, 100), w.bought(1, 9, 8, 100))
	w.clock.Move(72 * time.Hour)
	hear(w, w.originsRecorded, 1, w.bought(1, 8, 9, 100))
	if got := w.featsGot(1, 7) + "; " + w.featsGot(1, 8) + "; " + w.featsGot(1, 9); got != "sprint/1//1; ; " {
		t.Errorf("reached %s", got)
	}
}
