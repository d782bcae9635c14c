package referral

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// Refunds in any split, before or after the approval, end alike.
func TestRefunds_end_the_same_in_any_order(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	n := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		subtotal := rapid.Int64Range(1, 100_000).Draw(rt, "subtotal")
		end := rapid.Int64Range(0, subtotal-1).Draw(rt, "end")
		cuts := append(rapid.SliceOfN(rapid.Int64Range(0, end), 0, 4).Draw(rt, "cuts"), end)
		slices.Sort(cuts)
		approve := rapid.IntRange(0, len(cuts)).Draw(rt, "approved after")
		finish := rapid.Bool().Draw(rt, "full at the end")
		n++
		visitor, friend, origin := uuidOf(int(n)), 1000+n, n
		p.touched(visitor, 10)
		p.tell(p.purchase(p.one, origin, friend, subtotal, visitor))
		refund := func(total int64, full bool) customerevent.OriginRefunded {
			return customerevent.OriginRefunded{SiteID: 1, OriginID: origin, Subtotal: subtotal, RefundedTotal: total, Full: full}
		}
		for i := 0; i <= len(cuts); i++ {
			if i == approve {
				if _, _, err := p.SetStatus(t.Context(), p.one, origin, referralapi.Step{Status: "approved", Cause: "manual"}, idempotency.Key{}); err != nil {
					rt.Fatal(err)
				}
			}
			if i < len(cuts) {
				p.tell(refund(cuts[i], false))
				p.tell(refund(cuts[0], false)) // an old one again
			}
		}
		if finish {
			p.tell(refund(subtotal, true), refund(end, false))
		}
		rewards, err := rewardsOfReferrals(t.Context(), p.root, []int64{1}, []int64{p.count(`select id from referral.referral where origin_id = $1`, origin)})
		if err != nil {
			rt.Fatal(err)
		}
		for _, w := range rewards {
			want, voided := (&reward{Kind: w.Kind, Points: w.Points, Amount: w.Amount}).clawed(end, subtotal, finish)
			if w.Clawed != want || (w.Status == rewardVoided) != voided {
				rt.Fatalf("%s: clawed %d of %d, %s; want %d", w.Kind, w.Clawed, w.Points+w.Amount, w.Status, want)
			}
			var told int64
			if err := p.root.Get(&told, `select coalesce(sum(coalesce((payload->>'points')::bigint, 0) + coalesce((payload->>'amount')::bigint, 0)), 0)
				from referral.waiting where type = 'referral.reward_clawed_back.v1' and (payload->>'reward_id')::bigint = $1`, w.ID); err != nil || told != want {
				rt.Fatalf("%s: told %d, want %d (%v)", w.Kind, told, want, err)
			}
		}
	})
}

func TestRefunded_voids_what_is_not_approved(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
	p.touched(uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)))
	p.told()
	refund := customerevent.OriginRefunded{SiteID: 1, OriginID: 1, Subtotal: 1000, RefundedTotal: 400}
	p.tell(refund, customerevent.OriginRefunded{SiteID: 1, OriginID: 99, Subtotal: 1000, RefundedTotal: 1000, Full: true})
	if r, _ := p.Referral(t.Context(), 1, 1); r.Status != "pending" {
		t.Errorf("a partial refund: %s", r.Status)
	}
	refund.RefundedTotal, refund.Full = 1000, true
	p.tell(refund)
	p.tell(refund)
	if r, _ := p.Referral(t.Context(), 1, 1); r.Status != "voided" {
		t.Errorf("a full refund: %s", r.Status)
	}
	if got := p.told(); !slices.Equal(got, []string{"referral_voided referral:1"}) {
		t.Errorf("told %q", got)
	}
}
