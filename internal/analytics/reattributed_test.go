package analytics

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// story is what referral told of one referral, in its order.
type story struct {
	made     referralevent.ReferralCreated
	approved []referralevent.ReferralApproved
	voided   []referralevent.ReferralVoided
}

// passedOn are the referrals of an origin: each takes the place of the one before it, until the last stays.
func passedOn(t *rapid.T, origin int64, next *int64) (stories []story) {
	subtotal, first := rapid.Int64Range(0, 10_000).Draw(t, "subtotal"), rapid.Bool().Draw(t, "first")
	var before story
	for n := range rapid.IntRange(1, 4).Draw(t, "referrals") {
		*next++
		s := story{made: referralevent.ReferralCreated{SiteID: 1, ReferralID: *next, CampaignID: 1, OriginID: origin, Subtotal: subtotal, Currency: "USD",
			FirstOrder: first, TrackMethod: rapid.SampledFrom([]string{"cookie", "coupon", "manual"}).Draw(t, "method"), QA: rapid.Bool().Draw(t, "qa"),
			Status:     rapid.SampledFrom([]string{referralevent.Pending, referralevent.Flagged, referralevent.Blocked}).Draw(t, "status"),
			OccurredAt: start, TrafficSource: "web", EventCategory: "purchase", DeviceType: "tablet",
			Channel: rapid.SampledFrom([]string{"", "facebook", "email"}).Draw(t, "channel"), Variant: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "variant")}}
		if was := before.made; n > 0 {
			s.made.Replaces, s.made.ReplacedMethod, s.made.ReplacedQA = was.ReferralID, was.TrackMethod, was.QA
			s.made.ReplacedBarred, s.made.ReplacedApproved = was.Status == referralevent.Blocked, len(before.approved) > 0
			s.made.ReplacedChannel, s.made.ReplacedVariant = was.Channel, was.Variant
		}
		if rapid.Bool().Draw(t, "approved") {
			s.approved = append(s.approved, referralevent.ReferralApproved{SiteID: 1, ReferralID: *next, CampaignID: 1, Subtotal: subtotal, Currency: "USD",
				TrackMethod: s.made.TrackMethod, FirstOrder: first, OccurredAt: start, QA: s.made.QA, TrafficSource: "web", EventCategory: "purchase", DeviceType: "tablet",
				Channel: s.made.Channel, Variant: s.made.Variant})
		}
		stories, before = append(stories, s), s
	}
	for i := range stories[:len(stories)-1] {
		stories[i].voided = append(stories[i].voided, referralevent.ReferralVoided{SiteID: 1, ReferralID: stories[i].made.ReferralID, CampaignID: 1,
			Status: referralevent.Voided, Cause: reattributed, VoidedAt: start})
	}
	return stories
}

// A sale is one advocate's, however often it was given to another, in whatever order the referrals of it are heard of, and with refunds between.
func TestReattributed_referrals_count_once(t *testing.T) {
	t.Parallel()
	b, id := newBench(t), int64(0) // no referral is met again
	rapid.Check(t, func(rt *rapid.T) {
		if _, err := b.DB.Exec(`delete from analytics.daily`); err != nil {
			rt.Fatal(err)
		}
		b.site(1, "USD", "UTC")
		var stories []story
		want := map[string][2]int64{}
		add := func(key string, counts bool, sum int64) {
			if counts {
				want[key] = [2]int64{want[key][0] + 1, want[key][1] + sum}
			}
		}
		for origin := range rapid.Int64Range(1, 4).Draw(rt, "origins") {
			all := passedOn(rt, origin+1, &id)
			last := all[len(all)-1]
			of, approved := last.made, len(last.approved) > 0
			passed, coupon := of.Status != referralevent.Blocked, approved && of.TrackMethod == trackedByCoupon
			add(referredSales, passed, of.Subtotal)
			add(idealSales, passed, of.Subtotal)
			add(referredNew, passed && of.FirstOrder, of.Subtotal)
			add(visitedReferrals, passed && of.TrackMethod == trackedByVisit, 0)
			add(approvedSales, approved, of.Subtotal)
			add(couponSales, coupon, of.Subtotal)
			add(couponNew, coupon && of.FirstOrder, of.Subtotal)
			add(couponNotNew, coupon && !of.FirstOrder, of.Subtotal)
			stories = append(stories, all...)
		}
		for _, s := range rapid.Permutation(stories).Draw(rt, "order") {
			if err := b.tells(s); err != nil {
				rt.Fatal(err)
			}
		}
		for key := range want {
			if want[key] == [2]int64{} {
				delete(want, key)
			}
		}
		if got := b.counted(rt); fmt.Sprint(got) != fmt.Sprint(want) {
			rt.Fatalf("got %v, want %v", got, want)
		}
	})
}

// tells counts a referral's events, and a refund between them.
func (b *bench) tells(s story) error {
	if err := apply(b, createdFacts, s.made); err != nil {
		return err
	}
	if err := apply(b, approvedFacts, s.approved...); err != nil {
		return err
	}
	refund := customerevent.OriginRefunded{SiteID: 1, OriginID: s.made.OriginID, Refunded: 1, RefundedTotal: 1, Currency: "USD", OccurredAt: start}
	if err := apply(b, refundFacts, refund); err != nil {
		return err
	}
	return apply(b, voidedFacts, s.voided...)
}

// counted are the sums of what follows from referrals but the decisions to block them, which were made all the same. Those of merchants
// who try things out, of channels and variants must be the last one's, too: they are checked by being added up with the others, and never below zero.
func (b *bench) counted(t *rapid.T) map[string][2]int64 {
	var rows []struct {
		Metric string `db:"metric"`
		QA     bool   `db:"qa"`
		Count  int64  `db:"count"`
		Sum    int64  `db:"sum"`
	}
	if err := b.DB.Select(&rows, `select metric, qa, sum(count)::bigint as count, sum(sum)::bigint as sum from analytics.daily
		group by 1, 2, channel, traffic_source, device_type, event_category, variant`); err != nil {
		t.Fatal(err)
	}
	out := map[string][2]int64{}
	for _, r := range rows {
		if r.Count < 0 || r.Sum < 0 {
			t.Fatalf("less than nothing: %+v", r)
		}
		if r.Metric == blocked || r.Metric == refundedSales || r.Count == 0 && r.Sum == 0 {
			continue
		}
		out[r.Metric] = [2]int64{out[r.Metric][0] + r.Count, out[r.Metric][1] + r.Sum}
	}
	return out
}

func TestReattributed_are_not_voided(t *testing.T) {
	t.Parallel()
	if got := voidedFacts(referralevent.ReferralVoided{SiteID: 1, Status: referralevent.Voided, Cause: reattributed}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	barred := referralevent.ReferralCreated{SiteID: 1, Status: referralevent.Pending, Replaces: 1, ReplacedBarred: true}
	if got := createdFacts(barred); slices.ContainsFunc(got, func(f fact) bool { return f.count < 0 }) {
		t.Errorf("what never counted is taken back: %+v", got)
	}
}
