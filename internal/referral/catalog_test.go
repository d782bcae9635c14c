package referral

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/idempotency"
)

// longest is how long a busy machine may take to do what it does at once. A test that passes never waits for it.
const longest = 3 * time.Minute

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(longest); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %s still not: %s", longest, what)
		}
	}
}

// Whatever one replica changes shows in what another keeps in memory within a second, for every site by itself.
func TestCatalog_shows_the_changes_of_others_within_a_second(t *testing.T) {
	t.Parallel()
	if catalogAge > time.Second { // beyond that it asks, however long the answer takes on this machine
		t.Errorf("what is kept is believed for %s", catalogAge)
	}
	p := setup(t)
	other := open(t, p.url, 4)
	c := p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	list, _, err := p.createCouponList(t.Context(), p.one, 7, couponListInput{Name: "L", Kind: singleUse, Percent: "10"}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	see := func() *shelf {
		shelf, err := other.catalog.of(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return shelf
	}
	seen := func(what string, is func() bool) {
		t.Helper()
		eventually(t, what+" is seen", is)
	}
	seen("the campaign", func() bool { return len(see().campaigns) == 1 })
	theirs, _ := other.catalog.of(t.Context(), 2)
	p.publishes(c.ID, 77, "")
	seen("a version", func() bool { return see().byID[c.ID].Version == 2 })
	_, _, err = p.replaceCampaign(t.Context(), p.one, c.ID, campaignInput{Name: "L", Incentives: []incentiveInput{{Identifier: "l", ActionType: "click", Kind: "coupon", CouponListID: &list.ID}}}, publication{}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	o := p.join(p.one, 10)
	if _, _, err := p.replaceCouponList(t.Context(), p.one, 7, list.ID, couponListInput{Name: "L", Kind: singleUse, Percent: "20"}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	seen("the worth of a coupon list", func() bool { return see().byID[c.ID].Incentives[0].BasisPoints == 2000 })
	p.publishes(c.ID, 78, "")
	got, err := other.Offer(t.Context(), p.one, o.ShortURLCode, nil)
	if err != nil || got.Incentives["l"].Description != "20%" {
		t.Errorf("an offer of before has %v, %v", got.Incentives, err)
	}
	if code, out := p.places(p.one, fmt.Sprintf(`{"kind":"standalone","name":"x","campaigns":[{"campaign_id":%d}]}`, c.ID)); code != 200 {
		t.Fatalf("%d %v", code, out)
	}
	seen("placements", func() bool { return len(see().placements) == 1 })
	if again, _ := other.catalog.of(t.Context(), 2); again != theirs {
		t.Error("the other site was read again")
	}
}

func TestOfferKnown_follows_who_it_belongs_to(t *testing.T) {
	t.Parallel()
	p := setup(t)
	other := open(t, p.url, 4)
	p.campaign(p.one, nil)
	o := p.join(p.one, 0, uuidOf(1))
	advocate := func() int64 {
		got, err := other.Offer(t.Context(), p.one, o.ShortURLCode, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.AdvocateID
	}
	if advocate() != 0 {
		t.Error("it is somebody's")
	}
	p.join(p.one, 10, uuidOf(1))
	eventually(t, "it is seen whose it is", func() bool { return advocate() == 10 })
	if _, err := other.Offer(t.Context(), p.two, o.ShortURLCode, nil); err == nil {
		t.Error("the other site sees it")
	}
	_ = other.db.Close() // the database is away
	if advocate() != 10 {
		t.Error("it isn't known any more")
	}
}

func TestCatalog_serves_on_when_the_database_is_away(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	known, err := p.catalog.of(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	_ = p.db.Close()
	p.catalog.asked = time.Time{}
	if got, err := p.catalog.of(context.Background(), 1); got != known || err != nil {
		t.Errorf("%v %v", got, err)
	}
	p.catalog.changed(1)
	if got, err := p.catalog.of(context.Background(), 1); got == nil || err == nil {
		t.Errorf("%v %v: want what is known and an error", got, err)
	}
}
