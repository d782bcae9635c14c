package referral

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// said is what became of rows: new, known, or the code of the refusal and where it is.
func said(t *testing.T, rows []taken, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		f, refused := fault.Of(r.Err)
		switch {
		case refused:
			out = append(out, f.Code+" "+strings.TrimPrefix(f.Fields[0].Pointer, "/data/"))
		case r.Err != nil:
			t.Fatal(r.Err)
		case r.Value:
			out = append(out, "new")
		default:
			out = append(out, "known")
		}
	}
	return strings.Join(out, ", ")
}

func (p *place) open(url string) (int, string) {
	w := p.visitLink(url, uuidOf(1), func(r *http.Request) { r.Host = strings.Split(strings.TrimPrefix(url, "https://"), "/")[0] })
	return w.Code, w.Header().Get("Location")
}

// movedRows counts all that a move may write.
func (p *place) movedRows() string {
	return fmt.Sprint(p.count(`select count(*) from referral.offer`), p.count(`select count(*) from referral.old_link`), p.count(`select count(*) from referral.personal_coupon`),
		p.count(`select count(*) from referral.name`), p.count(`select count(*) from referral.referral`), p.count(`select count(*) from referral.moved`),
		p.count(`select count(*) from referral.account_entry`), p.count(`select count(*) from referral.reward`), p.count(`select count(*) from referral.coupon`),
		p.count(`select count(*) from referral.audit where action like '%.moved'`))
}

func TestMovedAdvocates(t *testing.T) {
	t.Parallel()
	p := setup(t)
	var c [3]campaignJSON
	for i, s := range []site.Site{p.one, p.two} {
		p.personal(s, "", nil)
		ids, err := p.CampaignIDs(t.Context(), s.ID, nil, "")
		if err != nil || len(ids) != 1 {
			t.Fatal(ids, err)
		}
		c[i+1].ID = ids[0]
	}
	p.told()
	since := epoch.AddDate(-1, 0, 0)
	rows := []referralapi.MovedAdvocate{
		{PersonID: 7, CampaignID: c[1].ID, Link: "https://Refer.One.example/x/dZpBwd", Code: "ann-10", Name: "Ann Lee", Since: since},
		{PersonID: 7, CampaignID: c[1].ID, Link: "refer.one.example/ann?utm=old"},
		{PersonID: 8, CampaignID: c[1].ID, Link: "https://refer.one.example/x/dzpbwd", Code: "BOB"},
		{PersonID: 8, CampaignID: c[1].ID, Link: "https://refer.one.example/x/dZpBwd"},
		{PersonID: 8, CampaignID: c[1].ID, Code: "ANN-10"},
		{PersonID: 8, CampaignID: c[1].ID, Name: "ann_lee"},
		{PersonID: 9, CampaignID: 99},
		{PersonID: 9, CampaignID: c[1].ID, Link: "https://one.example/?via=ann"},
		{PersonID: 9, CampaignID: c[1].ID, Link: "javascript:alert(1)"},
		{PersonID: 9, CampaignID: c[1].ID, Link: "https://one.example/api/v2/offers"},
		{PersonID: 9, CampaignID: c[1].ID, Link: "https://127.0.0.1/ann"},
		{PersonID: 9, CampaignID: c[1].ID, Code: "a b"},
		{PersonID: 9, CampaignID: c[1].ID, Name: "admin"},
		{PersonID: 9, CampaignID: c[1].ID, Since: epoch.AddDate(1, 0, 0)},
	}
	const refusals = "link_taken link, coupon_code_taken code, name_taken name, campaign_not_found campaign_id, invalid_link link, invalid_link link, invalid_link link, invalid_link link, " +
		"invalid_coupon_code code, invalid_name name, invalid_date date"
	empty := p.movedRows()
	out, err := p.TakeAdvocates(postgres.Rehearsal(t.Context()), p.one, "talkable", rows)
	if got := said(t, out, err); got != "new, new, new, "+refusals || p.movedRows() != empty {
		t.Errorf("dry run: %s\n%s, was %s", got, p.movedRows(), empty)
	}
	out, err = p.TakeAdvocates(t.Context(), p.one, "talkable", rows)
	if got := said(t, out, err); got != "new, new, new, "+refusals {
		t.Errorf("first: %s", got)
	}
	told := p.told()
	if slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "offer_created") }) || !slices.Contains(told, "offers_moved moved:talkable") {
		t.Errorf("told: %q", told)
	}
	there := p.movedRows()
	out, err = p.TakeAdvocates(t.Context(), p.one, "talkable", rows)
	if got := said(t, out, err); got != "known, known, known, "+refusals || p.movedRows() != there {
		t.Errorf("again: %s\n%s, was %s", got, p.movedRows(), there)
	}
	for url, person := range map[string]int64{"https://refer.one.example/x/dZpBwd": 7, "https://refer.one.example/x/dzpbwd/": 8, "https://go.example/x/dZpBwd": 7, "https://refer.one.example/x/DZPBWD": 8} {
		code, to := p.open(url)
		if want := "https://go.example/x/" + p.claimCode(1, person); code != http.StatusFound || to != want {
			t.Errorf("%s: %d %s, want %s", url, code, to, want)
		}
	}
	if to, err := p.OldLink(t.Context(), "refer.one.example:443", "/ann"); err != nil || !strings.HasSuffix(to, p.claimCode(1, 7)) {
		t.Errorf("/ann: %s %v", to, err)
	}
	for _, nobody := range []string{"/", "", "/unknown", "/\x00", "/\xff", "/" + strings.Repeat("a", 600)} {
		if to, err := p.OldLink(t.Context(), "refer.one.example", nobody); to != "" || err != nil {
			t.Errorf("%q leads to %s %v", nobody, to, err)
		}
	}
	if code, err := p.NamedLink(t.Context(), "", "ann_lee"); err != nil || code == "" {
		t.Errorf("the name leads to %q %v", code, err)
	}
	if p.count(`select count(*) from referral.offer where site_id = 1 and person_id = 7 and created_at = $1`, since) != 1 {
		t.Error("the offer isn't as old as its advocate")
	}
	// A friend who types the old code brings the advocate his referral.
	p.tell(p.buys(1, 20, uuidOf(20), "Ann-10"))
	if r := p.referral(1); r.AdvocateID != 7 {
		t.Errorf("the code brought %+v", r)
	}
	// The other site takes in the same ids, and not the same addresses.
	twin := []referralapi.MovedAdvocate{{PersonID: 7, CampaignID: c[2].ID, Link: "https://refer.one.example/ann", Code: "ann-10", Name: "Ann Lee"}, {PersonID: 7, CampaignID: c[2].ID, Link: "https://refer.two.example/ann"},
		{PersonID: 7, CampaignID: c[1].ID + 100}}
	out, err = p.TakeAdvocates(t.Context(), p.two, "talkable", twin)
	if got := said(t, out, err); got != "link_taken link, new, campaign_not_found campaign_id" {
		t.Errorf("the twin: %s", got)
	}
	if to, err := p.OldLink(t.Context(), "go.example", "/ann"); to != "" || err != nil {
		t.Errorf("an address that isn't sure leads to %s %v", to, err)
	}
	// Who is forgotten is forgotten in addresses, too.
	p.tell(customerevent.PersonAnonymized{SiteID: 1, PersonID: 7, AnonymizedAt: epoch})
	if to, err := p.OldLink(t.Context(), "refer.one.example", "/ann"); to != "" || err != nil {
		t.Errorf("a forgotten person's address leads to %s %v", to, err)
	}
	if p.count(`select count(*) from referral.old_link where site_id = 2`) != 1 {
		t.Error("the twin's address is gone, too")
	}
	if _, err := p.TakeAdvocates(t.Context(), p.one, "No Name!", rows); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bad source: %v", err)
	}
}

func (p *place) claimCode(siteID, person int64) (code string) {
	p.t.Helper()
	if err := p.root.Get(&code, `select claim_code from referral.offer where site_id = $1 and person_id = $2`, siteID, person); err != nil {
		p.t.Fatal(err)
	}
	return code
}

func TestMovedReferrals(t *testing.T) {
	t.Parallel()
	p := setup(t)
	milestone := func(in *campaignInput) {
		in.Incentives = append(slices.Clone(usual), incentiveInput{Identifier: "third", ActionType: "referrer", Kind: "points", Points: 9000, Terms: &terms{Milestone: 3}},
			incentiveInput{Identifier: "fourth", ActionType: "referrer", Kind: "points", Points: 7000, Terms: &terms{Milestone: 4}})
	}
	one, two := p.campaign(p.one, milestone), p.campaign(p.two, milestone)
	p.told()
	then := epoch.AddDate(0, -6, 0)
	row := func(number string, origin, advocate, friend int64, status string) referralapi.MovedReferral {
		return referralapi.MovedReferral{Number: number, AdvocateID: advocate, FriendID: friend, OriginID: origin, CampaignID: one.ID, Status: status, Subtotal: 5000, Currency: "USD", OccurredAt: then}
	}
	rows := []referralapi.MovedReferral{row("r1", 101, 7, 11, "approved"), row("r2", 102, 7, 12, "approved"), row("r3", 103, 7, 13, "approved"), row("r4", 104, 7, 14, "pending"),
		row("r5", 105, 7, 15, "voided"), row("r6", 106, 7, 16, "blocked"),
		row("r7", 107, 7, 7, "approved"), row("r8", 108, 7, 11, "approved"), row("r9", 101, 8, 18, "approved"), row("r10", 110, 7, 19, "Approved!"), row("", 111, 7, 21, "approved"),
		row(strings.Repeat("x", 300), 112, 7, 22, "approved"), row("r1", 101, 7, 11, "approved"), row("r1", 101, 7, 11, "voided"), row("r13", 113, 7, 0, "approved")}
	const refusals = "self_referral email, friend_already_referred email, origin_has_referral order_number, invalid_status status, invalid_external_id external_id, " +
		"invalid_external_id external_id, known, moved_before external_id, nobody_known email"
	empty := p.movedRows()
	out, err := p.TakeReferrals(postgres.Rehearsal(t.Context()), p.one, "friendbuy", rows)
	if got := said(t, out, err); got != strings.Repeat("new, ", 6)+refusals || p.movedRows() != empty {
		t.Errorf("dry run: %s", got)
	}
	out, err = p.TakeReferrals(t.Context(), p.one, "friendbuy", rows)
	if got := said(t, out, err); got != strings.Repeat("new, ", 6)+refusals {
		t.Errorf("first: %s", got)
	}
	if told := p.told(); !slices.Equal(told, []string{"offers_moved moved:friendbuy", "referrals_moved moved:friendbuy"}) {
		t.Errorf("told: %q", told)
	}
	there := p.movedRows()
	out, err = p.TakeReferrals(t.Context(), p.one, "friendbuy", rows)
	if got := said(t, out, err); got != strings.Repeat("known, ", 6)+refusals || p.movedRows() != there {
		t.Errorf("again: %s\n%s, was %s", got, p.movedRows(), there)
	}
	for i := range rows {
		rows[i].CampaignID = two.ID
	}
	out, err = p.TakeReferrals(t.Context(), p.two, "friendbuy", rows[:3])
	if got := said(t, out, err); got != "new, new, new" {
		t.Errorf("the twin: %s", got)
	}
	if n := p.count(`select count(*) from referral.reward`); n != 0 {
		t.Errorf("%d rewards", n)
	}
	// The order is heard of after its referral: it is decided, and who asks why reads where it comes from.
	p.tell(p.purchase(p.one, 101, 11, 5000))
	if d := p.decision(1, 101); d.Method != byMove || d.Reason != reasonMoved || causes[d.Reason] == "" {
		t.Errorf("decided: %+v", d)
	}
	// The fourth friend is the fourth: the milestone of three was reached, and rewarded, elsewhere.
	p.tell(p.friend(p.one, 200, 7, 30, nil))
	if got := p.texts(`select points::text from referral.reward where site_id = 1 and kind = 'points' and side = 'advocate' order by points`); !slices.Equal(got, []string{"500", "7000"}) {
		t.Errorf("the fourth friend brought points %v", got)
	}
	// What was pending is approved here, and rewarded like any other.
	p.approve(104)
	if got := p.texts(`select status from referral.referral where site_id = 1 and origin_id = 104`); got[0] != "approved" {
		t.Errorf("approved: %v", got)
	}
	if n := p.count(`select count(*) from referral.reward w join referral.referral r on r.site_id = w.site_id and r.id = w.referral_id where r.origin_id = 104 and w.side = 'advocate'`); n == 0 {
		t.Error("what was pending brought nothing")
	}
	leaders, err := leadersOf(t.Context(), p.db, 1, 0, 0, then.Add(-time.Hour), epoch.Add(time.Hour), 10)
	if err != nil || len(leaders) != 1 || leaders[0].Referrals != 5 {
		t.Errorf("leaders %+v %v", leaders, err)
	}
	lines, err := p.Audit(t.Context(), 1, audit.Filter{Action: "referrals.moved"}, audit.Place{}, 10)
	if err != nil || len(lines) != 1 {
		t.Errorf("audit: %+v %v", lines, err)
	}
}

// TestMovedReferralsAtOnce: of two who take in the same at once each number is taken in once.
func TestMovedReferralsAtOnce(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	var rows []referralapi.MovedReferral
	for i := range int64(50) {
		rows = append(rows, referralapi.MovedReferral{Number: fmt.Sprint("n", i), AdvocateID: 1, FriendID: 100 + i, OriginID: 1000 + i, CampaignID: c.ID, Status: "approved", Subtotal: 1, Currency: "USD", OccurredAt: epoch})
	}
	outs, errs := make([][]taken, 4), make([]error, 4)
	done := make(chan int)
	for n := range 4 {
		go func() {
			outs[n], errs[n] = p.TakeReferrals(t.Context(), p.one, "dub", rows)
			done <- n
		}()
	}
	for range 4 {
		<-done
	}
	fresh := 0
	for n := range 4 {
		fresh += strings.Count(said(t, outs[n], errs[n]), "new")
	}
	if n := p.count(`select count(*) from referral.referral`); n != 50 || fresh != 50 || p.count(`select count(*) from referral.moved`) != 50 {
		t.Errorf("%d referrals, %d told to be new", n, fresh)
	}
}

func TestMovedBalances(t *testing.T) {
	t.Parallel()
	p := setup(t)
	rows := []referralapi.MovedBalance{{Number: "cm_1", PersonID: 7, Currency: "USD", Amount: 1250, Note: "May"}, {Number: "cm_2", PersonID: 7, Currency: "USD", Amount: 250},
		{Number: "cm_3", PersonID: 8, Currency: "EUR", Amount: -100}, {Number: "cm_4", PersonID: 8, Currency: "XYZ1", Amount: 5}, {Number: "cm_5", PersonID: 8, Currency: "USD"},
		{Number: "cm_1", PersonID: 7, Currency: "USD", Amount: 1251}, {Number: "", PersonID: 7, Currency: "USD", Amount: 1}, {Number: "cm_9", PersonID: 7, Currency: "USD", Amount: 1, Note: strings.Repeat("n", 501)}}
	const refusals = "invalid_currency currency, invalid_amount amount, moved_before external_id, invalid_external_id external_id, invalid_note note"
	empty := p.movedRows()
	out, err := p.TakeBalances(postgres.Rehearsal(t.Context()), p.one, "dub", rows)
	if got := said(t, out, err); got != "new, new, new, "+refusals || p.movedRows() != empty {
		t.Errorf("dry run: %s", got)
	}
	for _, want := range []string{"new, new, new, ", "known, known, known, "} {
		out, err = p.TakeBalances(t.Context(), p.one, "dub", rows)
		if got := said(t, out, err); got != want+refusals {
			t.Errorf("got %s", got)
		}
	}
	out, err = p.TakeBalances(t.Context(), p.two, "dub", rows[:1])
	if got := said(t, out, err); got != "new" {
		t.Errorf("the twin: %s", got)
	}
	if a := p.due(p.one, 7, "USD"); a.Balance != 1500 || a.Seq != 2 || a.available() != 1500 {
		t.Errorf("account %+v", a)
	}
	p.sound()
	if got := p.texts(`select note from referral.account_entry where site_id = 1 and person_id = 7 order by seq`); got[0] != "Opening balance, moved here from dub (cm_1): May" {
		t.Errorf("notes %q", got)
	}
}

func TestMovedRewards(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, "FREE1")
	c := p.campaign(p.one, func(in *campaignInput) {
		in.Incentives = []incentiveInput{{Identifier: "coupon", ActionType: "referrer", Kind: "coupon", CouponListID: &list}}
	})
	out, err := p.TakeReferrals(t.Context(), p.one, "talkable", []referralapi.MovedReferral{
		{Number: "1", AdvocateID: 7, FriendID: 11, OriginID: 101, CampaignID: c.ID, Status: "approved", Subtotal: 1, Currency: "USD", OccurredAt: epoch.AddDate(0, -1, 0)},
		{Number: "2", AdvocateID: 7, FriendID: 12, OriginID: 102, CampaignID: c.ID, Status: "pending", Subtotal: 1, Currency: "USD", OccurredAt: epoch},
		{Number: "3", AdvocateID: 7, FriendID: 13, OriginID: 103, CampaignID: c.ID, Status: "approved", Subtotal: 1, Currency: "USD", OccurredAt: epoch}})
	if got := said(t, out, err); got != "new, new, new" {
		t.Fatal(got)
	}
	p.told()
	ends := epoch.AddDate(0, 1, 0)
	rows := []referralapi.MovedReward{{Number: "w1", Referral: "1", Code: "old-1", ListID: list, Expires: &ends}, {Number: "w2", Referral: "1", Code: "OLD-2", ListID: list},
		{Number: "w3", Referral: "2", Code: "OLD-3", ListID: list}, {Number: "w4", Referral: "nobody's", Code: "OLD-4", ListID: list}, {Number: "w5", Referral: "3", Code: "FREE1", ListID: list},
		{Number: "w6", Referral: "3", Friend: true, Code: "OLD-6", ListID: list}, {Number: "w7", Referral: "3", Code: "OLD-7", ListID: 99}, {Number: "w8", Referral: "3", Code: "", ListID: list}}
	const want = "reward_exists referral_id, referral_not_approved referral_id, referral_not_found referral_id, coupon_code_taken code, no_coupon_incentive side, coupon_list_not_found coupon_list_id, invalid_coupon_code code"
	empty := p.movedRows()
	out, err = p.TakeRewards(postgres.Rehearsal(t.Context()), p.one, "talkable", rows)
	if got := said(t, out, err); got != "new, "+want || p.movedRows() != empty {
		t.Errorf("dry run: %s", got)
	}
	for _, first := range []string{"new, ", "known, "} {
		out, err = p.TakeRewards(t.Context(), p.one, "talkable", rows)
		if got := said(t, out, err); got != first+want {
			t.Errorf("got %s", got)
		}
	}
	if told := p.told(); len(told) != 0 {
		t.Errorf("told: %q", told)
	}
	if n := p.count(`select count(*) from referral.reward w join referral.coupon c on c.site_id = w.site_id and c.id = w.coupon_id and c.reward_id = w.id
		where w.status = 'Paid' and w.coupon_code = 'OLD-1' and c.expires_at = $1 and w.person_id = 7`, ends); n != 1 {
		t.Error("the coupon isn't the advocate's")
	}
	if n := p.count(`select sum(added - issued) from referral.coupon_stock where site_id = 1 and list_id = $1`, list); n != 1 {
		t.Errorf("%d free coupons, want FREE1 alone", n)
	}
}
