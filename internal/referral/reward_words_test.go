package referral

import (
	"reflect"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/referral/referralevent"
)

func TestRefusals_have_words(t *testing.T) {
	t.Parallel()
	named := func(of any) []string {
		field, _ := reflect.TypeOf(of).FieldByName("Cause")
		return strings.Split(field.Tag.Get("enum"), ",")
	}
	shown, asked := named(refusedReward{}), named(refusedInput{})
	if len(shown) != len(refusedBecause) || strings.Join(shown, ",") != strings.Join(asked, ",") {
		t.Errorf("%d causes are shown, %d may be asked for, %d have words", len(shown), len(asked), len(refusedBecause))
	}
	for _, cause := range shown {
		if refusedBecause[cause] == "" {
			t.Errorf("%s has no words", cause)
		}
	}
}

func TestRewards_say_what_their_state_comes_from(t *testing.T) {
	t.Parallel()
	five := int64(5)
	approved := referral{Status: referralevent.Approved}
	for _, c := range []struct {
		reward reward
		of     *referral
		want   string
	}{
		{reward{Status: rewardPaid}, &approved, "It was given."},
		{reward{Status: rewardPaid, Clawed: 1}, &approved, "refunds have taken a part"},
		{reward{Status: rewardUnpaid}, &approved, "isn't paid yet."},
		{reward{Status: rewardUnpaid, Clawed: 1}, &approved, "refunds have taken a part"},
		{reward{Status: rewardWaiting}, &approved, "coupon list is empty"},
		{reward{Status: rewardVoided, Clawed: 1}, &referral{Status: referralevent.Approved, RefundedTotal: 1}, "the order was refunded"},
		{reward{Status: rewardVoided}, &referral{Status: referralevent.Voided, Superseded: 7}, "another advocate"},
		{reward{Status: rewardVoided}, &referral{Status: referralevent.Voided}, "its referral is voided"},
		{reward{Status: rewardVoided, Milestone: &five}, nil, "fewer approved referrals"},
		{reward{Status: rewardVoided}, nil, "It was taken back."},
	} {
		if got := c.reward.explanation(c.of); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s; want %s", c.reward, got, c.want)
		}
	}
}
