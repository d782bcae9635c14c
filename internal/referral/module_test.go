package referral

import (
	"context"
	"slices"
	"testing"
	"time"
)

func TestConsumer_hears_customer_and_gateway(t *testing.T) {
	t.Parallel()
	if got := setup(t).Consumer().Sources(); !slices.Equal(got, []string{"customer", "gateway", "loyalty"}) {
		t.Errorf("hears %q", got)
	}
}

func TestRun_approves_what_is_due_and_ends_with_its_context(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: automatic, DelaySeconds: 60} })
	p.touched(uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)))
	p.clock.Move(time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	eventually(t, "it is approved", func() bool {
		r, err := p.Referral(t.Context(), 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		return r.Status == "approved"
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestKeep_drops_all_that_is_too_old(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.root.MustExec(`insert into referral.mark (site_id, kind, value, person_id, origin_id, first_at, last_at)
		select 1, 'ip', gen_random_uuid(), n, n, $1, $1 from generate_series(1, $2::int) n`, epoch.AddDate(-2, 0, 0), sweepBatch+1)
	p.keep(t.Context())
	if n := p.count(`select count(*) from referral.mark`); n != 0 {
		t.Errorf("%d marks are left", n)
	}
}
