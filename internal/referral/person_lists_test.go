package referral

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// TestPersonLists: an advocate with three friends, on two sites that are alike; one friend is voided, one blocked by hand.
func TestPersonLists(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for _, s := range []site.Site{p.one, p.two} {
		p.campaign(s, func(c *campaignInput) { c.Approval = &approvalInput{Mode: "manual"} })
		o := p.join(s, 10)
		for i := range int64(3) {
			to, _ := url.Parse(p.visitLink(o.ClaimURL, "").Header().Get("Location"))
			p.clock.Move(time.Hour)
			p.tell(p.purchase(s, 70+i, 20+i, 10_000, to.Query().Get("tkbl_cvuuid")))
		}
		for origin, status := range map[int64]string{70: "approved", 71: "voided", 72: "blocked"} {
			if _, _, err := p.SetStatus(t.Context(), s, origin, referralapi.Step{Status: status, Cause: "manual"}, idempotency.Key{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx := t.Context()
	if _, err := p.root.Exec(`update referral.referral set subtotal = subtotal + 1 where site_id = 2`); err != nil {
		t.Fatal(err)
	}

	t.Run("as advocate, newest first, page by page", func(t *testing.T) {
		var got []referralapi.Referral
		for before := int64(0); ; {
			page, more, err := p.ReferralsAsAdvocate(ctx, p.one, 10, before, 2)
			if err != nil || len(page) == 0 || more != (len(got) == 0) {
				t.Fatalf("page %v, more %v, %v", page, more, err)
			}
			got = append(got, page...)
			if before = page[len(page)-1].ID; !more {
				break
			}
		}
		states := ""
		for _, r := range got {
			states += fmt.Sprint(r.OriginID, r.Status, r.AdvocateID, r.FriendID, r.Subtotal, len(r.AdvocateRewards), len(r.FriendRewards), r.AdvocateGot, " ")
		}
		want := fmt.Sprint(72, "blocked", 10, 22, 10_000, 0, 0, false, " ") + fmt.Sprint(71, "voided", 10, 21, 10_000, 0, 0, false, " ") + fmt.Sprint(70, "approved", 10, 20, 10_000, 2, 1, true, " ")
		if states != want {
			t.Errorf("got  %s\nwant %s", states, want)
		}
	})

	t.Run("as friend, whatever became of it", func(t *testing.T) {
		for friend, status := range map[int64]string{20: "approved", 21: "voided", 22: "blocked"} {
			got, more, err := p.ReferralsAsFriend(ctx, p.two, friend, 0, 5)
			if err != nil || more || len(got) != 1 || got[0].Status != status || got[0].Subtotal != 10_001 {
				t.Errorf("%d: %+v, %v, %v", friend, got, more, err)
			}
			if got, _, err := p.ReferralsAsFriend(ctx, p.two, friend, got[0].ID, 5); err != nil || len(got) != 0 {
				t.Errorf("%d, behind it: %+v, %v", friend, got, err)
			}
		}
	})

	t.Run("rewards, also those of the visitor", func(t *testing.T) {
		reasons := func(s site.Site, person, before int64, limit int) (out []string, last int64, more bool) {
			got, more, err := p.PersonRewards(ctx, s, person, before, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range got {
				out, last = append(out, w.Reason), w.ID
			}
			return out, last, more
		}
		if got, _, more := reasons(p.one, 10, 0, 5); fmt.Sprint(got, more) != "[referrer referrer] false" {
			t.Errorf("advocate: %v, %v", got, more)
		}
		got, last, more := reasons(p.one, 20, 0, 1)
		if fmt.Sprint(got, more) != "[referred] true" {
			t.Errorf("friend: %v, %v", got, more)
		}
		if got, _, more := reasons(p.one, 20, last, 1); fmt.Sprint(got, more) != "[click] false" {
			t.Errorf("friend, second page: %v, %v", got, more)
		}
		if got, _, _ := reasons(p.one, 99, 0, 5); len(got) != 0 {
			t.Errorf("nobody: %v", got)
		}
		n, err := p.Counts(ctx, 1, 20)
		if err != nil || n.Rewards["total"] != 2 || n.LastInvitedBy != 10 || n.ReferredBy != 10 {
			t.Errorf("counts %+v, %v", n, err)
		}
		if n, _ = p.Counts(ctx, 1, 21); n.ReferredBy != 0 || n.LastInvitedBy != 10 || n.Rewards["total"] != 1 {
			t.Errorf("counts of one whose referral was voided %+v", n)
		}
		if n, _ = p.Counts(ctx, 1, 10); n.LastInvitedBy != 0 {
			t.Errorf("counts of the advocate %+v", n)
		}
	})
}
