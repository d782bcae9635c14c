package gateway

import (
	"testing"
	"time"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

func TestReferralJSON_says_how_it_was_found_in_Talkables_words(t *testing.T) {
	t.Parallel()
	for ours, want := range map[string]string{"manual": "manually_generated", "cookie": "cookie", "coupon": "coupon"} {
		if got := referralJSON(referralapi.Referral{TrackMethod: ours}, nil, site.Site{Zone: time.UTC}).TrackMethod; got != want {
			t.Errorf("%s: %q, want %q", ours, got, want)
		}
	}
}
