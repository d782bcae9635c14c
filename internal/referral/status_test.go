package referral

import (
	"context"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// Who unblocks a referral means that nothing speaks against it: a campaign that approves by itself does so, when its delay is over.
func TestUnblocked_referrals_go_on_as_the_campaign_says(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]int{automatic: 1, manual: 0} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := setup(t)
			delay := int64(0)
			if mode == automatic {
				delay = 3600
			}
			p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: mode, DelaySeconds: delay} })
			p.touched(uuidOf(1), 10)
			p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)))
			for _, status := range []string{"blocked", "unblocked"} {
				if _, _, err := p.SetStatus(t.Context(), p.one, 1, referralapi.Step{Status: status, Cause: "manual"}, idempotency.Key{}); err != nil {
					t.Fatalf("%s: %v", status, err)
				}
			}
			if n, err := p.ApproveDue(t.Context()); n != 0 || err != nil {
				t.Errorf("before the delay is over: %d %v", n, err)
			}
			p.clock.Move(time.Hour)
			if n, err := p.ApproveDue(t.Context()); n != want || err != nil {
				t.Errorf("approved %d, %v; want %d", n, err, want)
			}
		})
	}
}

// Whoever asks too early is told when to ask again, within the time that Talkable's clients wait for an answer.
func TestSetStatus_gives_up_in_time(t *testing.T) {
	t.Parallel()
	p := setup(t)
	if patience >= 5*time.Second {
		t.Errorf("clients that read for five seconds hang up before %s", patience)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, _, err := p.SetStatus(ctx, p.one, 1, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{})
	if f, ok := fault.Of(err); !ok || f.Kind != fault.Conflict || f.Code != "attribution_pending" || f.Retry != time.Second {
		t.Errorf("%v", err)
	}
}
