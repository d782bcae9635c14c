package referral

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func people(ids ...int64) []referralapi.Recipient {
	var out []referralapi.Recipient
	for _, id := range ids {
		out = append(out, referralapi.Recipient{PersonID: id, Valid: true})
	}
	return out
}

func friendsFrom(first, n int64) []int64 {
	var out []int64
	for i := range n {
		out = append(out, first+i)
	}
	return out
}

func TestPlanEmails_keeps_its_books(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := referralapi.EmailShare{ValidationOnly: rapid.Bool().Draw(t, "only")}
		for _, id := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 60), 0, 40, rapid.ID[int64]).Draw(t, "people") {
			r := referralapi.Recipient{PersonID: id, Valid: rapid.IntRange(0, 9).Draw(t, "valid") > 0, Unsubscribed: rapid.IntRange(0, 9).Draw(t, "out") == 0}
			if !r.Valid {
				r.PersonID = 0
			}
			in.Recipients = append(in.Recipients, r)
		}
		sent := map[int64]bool{}
		for _, id := range rapid.SliceOfNDistinct(rapid.Int64Range(1, 60), 0, 25, rapid.ID[int64]).Draw(t, "sent") {
			sent[id] = true
		}
		out, friends := planEmails(in, 7, sent)
		s := out.Stats
		if s.CurrentlySent != len(friends) || s.TotalSent > 25 || s.TotalSent+s.LeftEmails != 25 || s.CurrentlySent+s.CurrentlyNotSent != len(in.Recipients) || s.PreviouslySent != len(sent) {
			t.Fatalf("%+v", s)
		}
		for _, f := range friends {
			if sent[f] || f == 7 || f == 0 || in.ValidationOnly {
				t.Fatalf("%d is written to", f)
			}
		}
		asked := 0
		for i, v := range out.Verdicts {
			r := in.Recipients[i]
			if v.CurrentlySent && !v.Sharable || v.Sharable != (r.Valid && !r.Unsubscribed && r.PersonID != 7 && !sent[r.PersonID]) {
				t.Fatalf("%+v of %+v", v, r)
			}
			if v.Sharable {
				asked++
			}
		}
		if s.SentLimitExceeded != (asked > 25-len(sent)) || !in.ValidationOnly && len(friends) != min(asked, 25-len(sent)) {
			t.Fatalf("%d asked for, %+v", asked, s)
		}
	})
}

func TestShareByEmail_writes_to_25_and_to_each_once_under_concurrency(t *testing.T) {
	t.Parallel()
	p := setup(t)
	other := open(t, p.url, 8)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	o, twin := p.join(p.one, 10), p.join(p.two, 10)
	p.told()
	var gate, done sync.WaitGroup
	gate.Add(1)
	for n := range 10 {
		at := []*place{p, other}[n%2]
		done.Go(func() {
			gate.Wait()
			_, _, err := at.ShareByEmail(t.Context(), p.one, referralapi.EmailShare{Code: o.ShortURLCode, Recipients: people(friendsFrom(int64(100+4*n), 6)...)}) // neighbours overlap
			if err != nil {
				t.Error(err)
			}
		})
	}
	gate.Done()
	done.Wait()
	if n := p.count(`select count(distinct friend_id) from referral.share where site_id = 1 and kind = 'email'`); n != 25 || len(p.told()) != 25 {
		t.Errorf("%d friends", n)
	}
	out, _, err := p.ShareByEmail(t.Context(), p.one, referralapi.EmailShare{Code: o.ShortURLCode, Recipients: people(999)})
	if err != nil || out.Stats.CurrentlySent != 0 || !out.Stats.SentLimitExceeded || out.Stats.LeftEmails != 0 || !out.Verdicts[0].Sharable {
		t.Errorf("%+v %v", out, err)
	}
	if out, _, err := p.ShareByEmail(t.Context(), p.two, referralapi.EmailShare{Code: twin.ShortURLCode, Recipients: people(100, 10)}); err != nil || out.Stats.CurrentlySent != 1 || !out.Verdicts[1].SelfReferral {
		t.Errorf("the twin: %+v %v", out, err)
	}
	if _, _, err := p.ShareByEmail(t.Context(), p.two, referralapi.EmailShare{Code: o.ShortURLCode, Recipients: people(1)}); !fault.Is(err, fault.Invalid) {
		t.Errorf("the twin by our code: %v", err)
	}
	links := p.count(`select count(*) from referral.link where kind = 'shared' and channel = 'email'`)
	if links != 26 {
		t.Errorf("%d links", links)
	}
}

// The constraints hold also without the lock and the plan.
func TestShareByEmail_database_refuses_a_26th_and_a_second(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	j := p.join(p.one, 10)
	o := &offer{SiteID: 1, ID: j.ID, CampaignID: j.CampaignID}
	write := func(list []share) error {
		return p.outbox.InTx(t.Context(), func(u *bus.Unit) error { return insertShares(t.Context(), u.Tx, u.Now, list) })
	}
	if err := write(emailShares(o, friendsFrom(100, 25), 0, true)); err != nil {
		t.Fatal(err)
	}
	if err := write(emailShares(o, []int64{200}, 25, true)); !postgres.Violates(err, "share_slot") {
		t.Error(err)
	}
	if err := write(emailShares(o, []int64{200}, 24, true)); !postgres.Violates(err, "share_slot_once") {
		t.Error(err)
	}
	if _, err := p.root.Exec(`delete from referral.share where slot = 25`); err != nil {
		t.Fatal(err)
	}
	if err := write(emailShares(o, []int64{101}, 24, true)); !postgres.Violates(err, "share_friend_once") {
		t.Error(err)
	}
}

func TestShareByEmail_answers_a_key_with_the_verdicts_of_then(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	in := referralapi.EmailShare{Code: o.ShortURLCode, Recipients: people(1, 2), Subject: "Hey", Message: "You", Idempotency: idempotency.Key{Value: "k", Fingerprint: "f"}}
	if plan, known, err := p.PreviewEmails(t.Context(), p.one, in); err != nil || known || plan.Stats.LeftEmails != 25 || !plan.Verdicts[0].Sharable || plan.Verdicts[0].CurrentlySent {
		t.Errorf("%+v %v %v", plan, known, err)
	}
	first, _, err := p.ShareByEmail(t.Context(), p.one, in)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := p.Counts(t.Context(), 1, 2); err != nil || c.LastInvitedBy != 10 || c.Shares["total"] != 0 {
		t.Errorf("the friend's counts: %+v %v", c, err)
	}
	in.Recipients[0].Unsubscribed = true // meanwhile
	again, replayed, err := p.ShareByEmail(t.Context(), p.one, in)
	if err != nil || !replayed || fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("%+v\n%+v %v", first, again, err)
	}
	if _, known, err := p.PreviewEmails(t.Context(), p.one, in); !known || err != nil {
		t.Errorf("%v %v", known, err)
	}
	only := referralapi.EmailShare{Code: o.ShortURLCode, Recipients: people(3), ValidationOnly: true}
	if out, _, err := p.ShareByEmail(t.Context(), p.one, only); err != nil || out.Stats.CurrentlySent != 0 || !out.ValidationOnly || p.count(`select count(*) from referral.share`) != 2 {
		t.Errorf("%+v %v", out, err)
	}
}

// An e-mail that is sent makes its friend's offer, once, whose hours begin then. It is no touch beside the share: the order is found as before,
// and who claims it goes on with the same one.
func TestFriend_offers_54_are_made_by_mails(t *testing.T) {
	t.Parallel()
	p := setup(t)
	c := p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	hours := 24
	p.terms(1, c.ID, linkTerms{Hours: &hours})
	o, twin := p.join(p.one, 10), p.join(p.two, 10)
	p.mailsTo(p.one, o.ShortURLCode, false, 20, 21, 22)
	p.mailsTo(p.two, twin.ShortURLCode, false, 20)
	p.mailsTo(p.one, o.ShortURLCode, false, 20) // nobody gets it twice
	offers := func() int64 { return p.count(`select count(*) from referral.friend_offer where site_id = 1`) }
	if offers() != 3 || p.count(`select count(*) from referral.friend_offer where mailed and visits = 0 and channel = 'email' and first_at = $1`, epoch) != 4 {
		t.Fatalf("%d friend offers", offers())
	}
	p.clock.Move(23 * time.Hour)
	claimed, _, err := p.ClaimOffer(t.Context(), p.one, referralapi.Claim{AdvocateID: 10, FriendID: 22})
	if err != nil || claimed.FriendUnredeemReason != nil || offers() != 3 {
		t.Fatalf("%+v %v, %d friend offers", claimed, err, offers())
	}
	p.tell(p.purchase(p.one, 1, 20, 5000))
	p.clock.Move(time.Hour)
	p.tell(p.purchase(p.one, 2, 21, 5000), p.purchase(p.one, 3, 22, 5000), p.purchase(p.two, 1, 20, 5000))
	for _, want := range []struct {
		s      site.Site
		origin int64
		is     string
	}{{p.one, 1, "approved by 10 share_email"}, {p.one, 2, reasonLapsed}, {p.one, 3, reasonLapsed}, {p.two, 1, "approved by 10 share_email"}} {
		if got := p.outcome(want.s, want.origin); got != want.is {
			t.Errorf("order %d of site %d: %s, not %s", want.origin, want.s.ID, got, want.is)
		}
	}
}
