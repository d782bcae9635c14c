package notify

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// sends switches a mail on, or says something else of it.
func (b *bench) sends(siteID int64, template string, in MailInput) {
	b.t.Helper()
	k, ok := kindOf(template)
	s, err := in.setting(k)
	if s.SiteID = siteID; err == nil && ok {
		_, _, err = b.saveMail(b.t.Context(), k, s, 5, idempotency.Key{})
	}
	if err != nil || !ok {
		b.t.Fatal(template, err)
	}
}

// hear1 hands an event to its handler.
func hear1[T bus.Payload](b *bench, handle func(context.Context, *bus.Unit, []bus.Event[T]) error, bodies ...T) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error { return handle(ctx, u, events(bodies...)) })
}

func rewarded(siteID, id, person int64, side, kind string) referralevent.RewardIssued {
	return referralevent.RewardIssued{SiteID: siteID, RewardID: id, ReferralID: 4, CampaignID: 3, PersonID: person, FriendID: 8, Side: side, Reason: "referrer", Kind: kind,
		Amount: 1250, Currency: "USD", Points: 500, CouponCode: map[bool]string{true: "SAVE-10"}[kind == "coupon"], OccurredAt: start, IssuedAt: start}
}

// occasions plays, for each mail, what it is sent for: to person 7 or 8 of a site.
var occasions = map[string]func(b *bench, siteID int64){
	advocateOffer: func(b *bench, s int64) {
		hear1(b, b.onOffer, referralevent.OfferCreated{SiteID: s, OfferID: 1, CampaignID: 3, AdvocateID: 7, CreatedAt: start, ShareCode: "abcdefghjk"},
			referralevent.OfferCreated{SiteID: s, OfferID: 2, CampaignID: 3, CreatedAt: start, ShareCode: "abcdefghjm"}) // nobody's yet
	},
	rewardPending: func(b *bench, s int64) {
		for id, status := range []string{referralevent.Pending, referralevent.Flagged, referralevent.Blocked} {
			hear1(b, b.onReferral, referralevent.ReferralCreated{SiteID: s, ReferralID: int64(id), AdvocateID: 7, FriendID: 8, Status: status, CreatedAt: start})
		}
	},
	advocateReward: func(b *bench, s int64) {
		hear1(b, b.onReward, rewarded(s, 1, 7, "advocate", "commission"), rewarded(s, 2, 7, "advocate", "points"), rewarded(s, 3, 7, "advocate", "gift_card"))
	},
	friendReward: func(b *bench, s int64) {
		hear1(b, b.onReward, rewarded(s, 4, 8, "friend", "coupon"), rewarded(s, 5, 0, "friend", "coupon")) // the last is only a browser
	},
	pointsExpiring: func(b *bench, s int64) {
		hear1(b, b.onExpiring, loyaltyevent.PointsExpiring{SiteID: s, MemberID: 3, PersonID: 7, LotID: 9, Points: 50, ExpiresAt: start.AddDate(0, 0, 14).Add(-12 * time.Hour), ToldAt: start})
	},
	tierReached: func(b *bench, s int64) {
		up := loyaltyevent.TierChanged{SiteID: s, MemberID: 3, PersonID: 7, To: "Silver", ChangedAt: start, Cause: "order"}
		long, all := up, up
		long.ChangedAt, all.Cause = start.AddDate(-1, 0, 0), "tiers_changed"
		hear1(b, b.onTier, up, long, all)
	},
	tierLost: func(b *bench, s int64) {
		hear1(b, b.onTier, loyaltyevent.TierChanged{SiteID: s, MemberID: 3, PersonID: 7, From: "Silver", ChangedAt: start.Add(time.Second), Cause: "time"})
	},
	achievementReached: func(b *bench, s int64) {
		won := loyaltyevent.AchievementReached{SiteID: s, MemberID: 3, PersonID: 7, Achievement: "regular", Name: "Regular", Level: 2, LevelName: "Gold", Nth: 1, Round: 1, ReachedAt: start}
		long := won
		long.Level, long.ReachedAt = 1, start.AddDate(-1, 0, 0)
		hear1(b, b.onAchievement, won, long)
	},
	memberInvited: func(b *bench, s int64) {
		asked := loyaltyevent.MemberInvited{SiteID: s, InvitationID: 4, MemberID: 3, PersonID: 7, Code: "inv_abc", ExpiresAt: start.AddDate(0, 0, 14).Add(-12 * time.Hour), InvitedAt: start}
		over := asked
		over.InvitationID, over.ExpiresAt = 5, start.AddDate(0, 0, -1)
		hear1(b, b.onInvited, asked, over)
	},
	shareReminder: func(b *bench, s int64) {
		hear1(b, b.onReminder, referralevent.ShareReminderDue{SiteID: s, ShareID: 6, AdvocateID: 7, FriendID: 8, Link: "https://go.example/x/abcdefghjn", DueAt: start})
	},
}

func mailBench(t *testing.T) *bench {
	b := newBench(t)
	b.PublicURL = "https://go.example/"
	for _, s := range []int64{1, 2} {
		b.site(s, map[int64]string{1: "Demo Shop", 2: "Twin"}[s])
		b.person(s, 7, "ann@shop.example", "Ann")
		b.person(s, 8, "bob@shop.example", "Bob")
	}
	return b
}

func TestMails_go_where_the_site_wants_them_once(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	for _, play := range occasions {
		play(b, 1)
		play(b, 2)
	}
	b.want(1)
	want := map[string][]string{ // to, subject, and what else it says
		advocateOffer:      {"ann@shop.example", "Share Demo Shop with your friends", "Hi Ann", "https://go.example/x/abcdefghjk"},
		rewardPending:      {"ann@shop.example", "Your reward from Demo Shop is on its way", "As soon as the order is confirmed"},
		advocateReward:     {"ann@shop.example", "Your reward from Demo Shop", "You get a commission of $12.50."},
		friendReward:       {"bob@shop.example", "Your reward from Demo Shop", "get a coupon", "SAVE-10"},
		pointsExpiring:     {"ann@shop.example", "Points of yours at Demo Shop end soon", "On March 14, 2026 50 points of yours"},
		tierReached:        {"ann@shop.example", "You reached Silver at Demo Shop", "You are Silver at Demo Shop now"},
		achievementReached: {"ann@shop.example", "You did it: Regular, Gold", "You have reached Regular, Gold at Demo Shop"},
		memberInvited:      {"ann@shop.example", "Demo Shop invites you to its club", "good until March 14, 2026", "https://go.example/join/1/inv_abc"},
		tierLost:           {"ann@shop.example", "Your tier at Demo Shop has changed", "You are in no tier at Demo Shop now"},
		shareReminder:      {"bob@shop.example", "Ann thought of you", "Ann recommended Demo Shop", "https://go.example/x/abcdefghjn"},
	}
	for template := range occasions {
		b.sends(1, template, MailInput{Enabled: true})
	}
	for range 2 {
		for _, play := range occasions {
			play(b, 1)
			play(b, 2)
		}
	}
	b.clock.Move(approvalFollows)
	b.round()
	b.round()
	b.want(1, slices.Repeat([]string{"sent - 1"}, len(occasions))...)
	b.want(2)
	found, err := messages(t.Context(), b.DB, 1, filter{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		w := want[m.Template]
		if *m.Recipient != w[0] || strings.TrimSpace(*m.Subject) != w[1] {
			t.Errorf("%s to %s: %q", m.Template, *m.Recipient, *m.Subject)
		}
		for _, part := range append(w[2:], "https://go.example/unsubscribe/") {
			if !strings.Contains(*m.Text, part) || !strings.Contains(*m.HTML, strings.ReplaceAll(part, "'", "&#39;")) {
				t.Errorf("%s doesn't say %q:\n%s", m.Template, part, *m.Text)
			}
		}
	}
}

func TestMails_wait_and_are_taken_back(t *testing.T) {
	t.Parallel()
	approve := func(b *bench) {
		hear1(b, b.onApproval, referralevent.ReferralApproved{SiteID: 1, ReferralID: 0}, referralevent.ReferralApproved{SiteID: 1, ReferralID: 4})
	}
	claw := func(full bool, side string, id int64) func(b *bench) {
		return func(b *bench) {
			hear1(b, b.onClawback, referralevent.RewardClawedBack{SiteID: 1, RewardID: id, Side: side, Kind: "coupon", Full: full, ClawedAt: start})
		}
	}
	ended := func(id int64) func(b *bench) {
		return func(b *bench) {
			hear1(b, b.onInvitationEnded, loyaltyevent.InvitationEnded{SiteID: 1, InvitationID: id, MemberID: 3, PersonID: 7, Status: "revoked", EndedAt: start})
		}
	}
	for name, one := range map[string]struct {
		template string
		delay    int
		then     func(b *bench)
		after    time.Duration
		want     string
	}{
		"it waits for as long as the site says":   {advocateOffer, 60, nil, 59 * time.Minute, "queued - 0"},
		"and goes then":                           {advocateOffer, 60, nil, time.Hour, "sent - 1"},
		"an approval comes before the mail":       {rewardPending, 0, func(b *bench) { hear1(b, b.onApproval, referralevent.ReferralApproved{SiteID: 1, ReferralID: 0}) }, time.Hour, "sent - 1"},
		"a reward that was taken back whole":      {friendReward, 60, claw(true, "friend", 4), time.Hour, "suppressed passed 0"},
		"a reward that was taken back in part":    {friendReward, 60, claw(false, "friend", 4), time.Hour, "sent - 1"},
		"another's reward was taken back":         {friendReward, 60, claw(true, "advocate", 4), time.Hour, "sent - 1"},
		"an invitation is taken back":             {memberInvited, 60, ended(4), time.Hour, "suppressed passed 0"},
		"another's invitation is taken back":      {memberInvited, 60, ended(5), time.Hour, "sent - 1"},
		"an invitation that lapses meanwhile":     {memberInvited, 14 * 24 * 60, nil, 14 * 24 * time.Hour, "suppressed passed 0"},
		"points that end meanwhile":               {pointsExpiring, 14 * 24 * 60, nil, 14 * 24 * time.Hour, "suppressed passed 0"},
		"the site switches it off":                {friendReward, 60, func(b *bench) { b.sends(1, friendReward, MailInput{}) }, time.Hour, "suppressed switched_off 0"},
		"the person unsubscribes":                 {friendReward, 60, func(b *bench) { b.unsubscribes(1, 8, "bob@shop.example") }, time.Hour, "suppressed unsubscribed 0"},
		"a contact is waited for after the delay": {friendReward, 3000, nil, 3000 * time.Minute, "sent - 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := mailBench(t)
			b.sends(1, one.template, MailInput{Enabled: true, DelayMinutes: one.delay})
			occasions[one.template](b, 1)
			if one.then != nil {
				one.then(b)
			}
			b.clock.Move(one.after)
			b.round()
			b.want(1, one.want)
		})
	}
	t.Run("what is taken back while a worker has it in hand", func(t *testing.T) {
		t.Parallel()
		b := mailBench(t)
		b.sends(1, memberInvited, MailInput{Enabled: true})
		occasions[memberInvited](b, 1)
		w := b.worker(b.Module)
		jobs, _, err := w.claim(t.Context())
		if err != nil || len(jobs) != 1 {
			t.Fatal(jobs, err)
		}
		ended(4)(b)
		if _, err := w.send(t.Context(), jobs, nil); err != nil {
			t.Fatal(err)
		}
		b.want(1, "suppressed passed 1")
		if got := b.arrived(); len(got) != 0 {
			t.Errorf("%d mails", len(got))
		}
	})
	t.Run("what is approved at once isn't on its way", func(t *testing.T) {
		t.Parallel()
		b := mailBench(t)
		b.sends(1, rewardPending, MailInput{Enabled: true})
		hear1(b, b.onReferral, referralevent.ReferralCreated{SiteID: 1, ReferralID: 4, AdvocateID: 7, FriendID: 8, Status: referralevent.Pending, CreatedAt: start})
		b.round()
		b.want(1, "queued - 0")
		approve(b)
		approve(b)
		b.clock.Move(time.Hour)
		b.round()
		b.want(1, "suppressed passed 0")
		if told := b.told(); len(told) != 1 || !strings.HasPrefix(told[0], "notify.message_suppressed.v1") {
			t.Errorf("told %q", told)
		}
	})
}

func TestMails_of_before_can_be_switched_off(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	b.sends(1, pointsEarned, MailInput{})
	b.sends(1, shared, MailInput{})
	b.earn(earned(1, 41, 7), earned(2, 41, 7))
	b.share(mailed(1, 1, 8), mailed(2, 1, 8))
	b.want(1)
	b.want(2, "queued - 0", "queued - 0")
}

func TestMails_in_the_merchants_words(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	b.person(1, 8, "bob@shop.example", "{{code}}<b>") // a value is no hole, and no HTML
	subject, message := "{{first_name}}, take {{reward}}", "Line 1 & <i>more</i>\n{{ code }} at {{site_name}}"
	b.sends(1, friendReward, MailInput{Enabled: true, Subject: &subject, Message: &message})
	occasions[friendReward](b, 1)
	b.round()
	m, err := messageByID(t.Context(), b.DB, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(*m.Subject) != "{{code}}<b>, take a coupon" || !strings.Contains(*m.Text, "Line 1 & <i>more</i>\nSAVE-10 at Demo Shop") ||
		!strings.Contains(*m.HTML, "Line 1 &amp; &lt;i&gt;more&lt;/i&gt;\nSAVE-10 at Demo Shop") {
		t.Errorf("%q\n%s\n%s", *m.Subject, *m.Text, *m.HTML)
	}
}

func TestMails_without_HTML(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	b.sends(1, pointsEarned, MailInput{Enabled: true, PlainText: true})
	b.earn(earned(1, 41, 7), earned(2, 41, 7))
	b.round()
	for _, m := range b.arrived() {
		plain := strings.Contains(string(m.Data), "From: \"Demo Shop\"")
		if html := strings.Contains(string(m.Data), "text/html"); html == plain {
			t.Errorf("HTML %v in\n%s", html, m.Data)
		}
	}
	b.want(1, "sent - 1")
	b.want(2, "sent - 1")
}

// What the check lets pass is filled without a hole left, and no value becomes one.
func TestWords_are_filled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"{{", "}}", "{", "}", "{{code}}", "{{ reward }}", "{{x}}", "{{Code}}", " ", "a", "{{{code}}}", "\n", "\u202e"})
		words := strings.Join(rapid.SliceOfN(part, 0, 9).Draw(t, "words"), "")
		if wrongWords(words, 100, true) != "" {
			return
		}
		if got := filled(words, map[string]string{"code": "C", "reward": "R"}); strings.Contains(got, "{{") || strings.Contains(got, "}}") {
			t.Fatalf("%q became %q", words, got)
		}
		if got := filled(words, map[string]string{"code": "{{reward}}", "reward": "R"}); strings.Count(got, "{{reward}}") != strings.Count(words, "{{code}}") {
			t.Fatalf("%q became %q", words, got)
		}
	})
}

func TestMails_over_HTTP(t *testing.T) {
	t.Parallel()
	b := mailBench(t)
	ask := func(siteID int64, method, path, body, key string) (int, map[string]any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		b.server(siteID).ServeHTTP(w, r)
		var out map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
			t.Fatal(err)
		}
		return w.Code, out
	}
	const path = "/api/v2/mails/friend_reward"
	for body, want := range map[string]int{
		`{"enabled":true,"delay_minutes":30,"subject":"For {{first_name}}"}`: 200,
		`{"enabled":true,"delay_minutes":43201}`:                             422,
		`{"enabled":true,"delay_minutes":-1}`:                                422,
		`{"delay_minutes":1}`:                                                422,
		`{"enabled":true,"subject":"two\nlines"}`:                            400,
		`{"enabled":true,"subject":"{{password}}"}`:                          400,
		`{"enabled":true,"message":"{{#code}}x{{/code}}"}`:                   400,
		`{"enabled":true,"message":"\u202e"}`:                                400,
		`{"enabled":true,"message":"` + strings.Repeat("x", 2001) + `"}`:     422,
		`{"enabled":true,"words":"x"}`:                                       422,
	} {
		if code, out := ask(1, "PUT", path, body, ""); code != want && (want != 422 || code != 400) {
			t.Errorf("%.60s: %d %v", body, code, out)
		}
	}
	if code, _ := ask(1, "PUT", "/api/v2/mails/share", `{"enabled":true,"message":"other words"}`, ""); code != 400 {
		t.Errorf("words of a share: %d", code)
	}
	if code, out := ask(1, "PUT", "/api/v2/mails/newsletter", `{"enabled":true}`, ""); code != http.StatusNotFound || out["code"] != "mail_not_found" {
		t.Errorf("%d %v", code, out)
	}
	for range 2 {
		if code, out := ask(1, "PUT", path, `{"enabled":true,"delay_minutes":30,"subject":"For {{first_name}}"}`, "once"); code != 200 || out["result"].(map[string]any)["mail"].(map[string]any)["delay_minutes"] != 30.0 {
			t.Errorf("%d %v", code, out)
		}
	}
	_, out := ask(1, "GET", "/api/v2/mails", "", "")
	list := out["result"].(map[string]any)["mails"].([]any)
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil || len(list) != len(mailKinds) {
		t.Fatal(len(list), err)
	}
	golden(t, "mails.json", string(text)+"\n")
	_, out = ask(2, "GET", "/api/v2/mails", "", "")
	for _, one := range out["result"].(map[string]any)["mails"].([]any) {
		if m := one.(map[string]any); m["changed_at"] != nil || m["subject"] != nil {
			t.Errorf("the twin's: %v", m)
		}
	}
	lines, err := b.Audit(t.Context(), 1, audit.Filter{Subject: aboutMail}, audit.Place{}, 10)
	if err != nil || len(lines) != 2 || lines[0].Action != mailChanged {
		t.Errorf("%+v %v", lines, err)
	}
}

func TestRewardWords(t *testing.T) {
	t.Parallel()
	for want, w := range map[string]referralevent.RewardIssued{
		"1 point":                {Kind: "points", Points: 1},
		"1,500 points":           {Kind: "points", Points: 1500},
		"a coupon":               {Kind: "coupon", CouponCode: "X"},
		"$5 of store credit":     {Kind: "store_credit", Amount: 500, Currency: "USD"},
		"a commission of €12.50": {Kind: "commission", Amount: 1250, Currency: "EUR"},
		"A mug":                  {Kind: "other", Description: "A mug"},
		"a reward":               {Kind: "other"},
	} {
		if got := rewardWords(w); got != want {
			t.Errorf("%+v: %q, want %q", w, got, want)
		}
	}
}
