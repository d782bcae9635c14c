package referral

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// Many steps together lead to what they would have led to one after the other: also several of one referral, and of an advocate's last one.
func TestSteps_together_are_as_those_alone(t *testing.T) {
	t.Parallel()
	p := setup(t)
	three := int64(3)
	for _, s := range []site.Site{p.one, p.two} {
		c := p.campaign(s, func(c *campaignInput) { c.Approval = &approvalInput{Mode: manual} })
		if _, _, err := p.setLimits(t.Context(), s, c.ID, 0, limits{Advocate: &three}, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
		for n := range int64(8) {
			p.tell(p.friend(s, 1+n, 10+n/6, 20+n, nil))
		}
	}
	p.told()
	steps := func(s site.Site) []stepping {
		to := func(origin int64, status string) stepping {
			return stepping{s: s, origin: origin, to: referralapi.Step{Status: status, Cause: causeManual, KeyID: 7, Note: "because"}, missing: errNoReferral}
		}
		keyed := func(one stepping, value, print string) stepping {
			one.key = idempotency.Key{Value: value, Fingerprint: print}
			return one
		}
		byID := to(0, "approved")
		byID.id, byID.missing = 999_999, errReferralNotFound
		return []stepping{
			to(1, "approved"), to(2, "approved"), to(2, "voided"), to(3, "voided"), to(3, "approved"), to(99, "approved"), to(4, "approved"), to(5, "approved"),
			to(6, "blocked"), to(6, "unblocked"), to(6, "approved"), keyed(to(7, "approved"), "a", "f"), keyed(to(7, "approved"), "a", "f"),
			keyed(to(7, "voided"), "a", "g"), to(1, "approved"), to(8, "nonsense"), byID,
		}
	}
	said := func(a answered[referralapi.Referral]) string {
		v := a.Value.Value
		text, err := json.Marshal([]any{v.Status, v.AdvocateRewards, v.FriendRewards})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(numbers.ReplaceAllString(string(text), ""), a.Value.Replayed, a.Err)
	}
	together, err := p.takeSteps(t.Context(), steps(p.one))
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range steps(p.two) {
		alone, err := p.takeSteps(t.Context(), []stepping{one})
		if err != nil {
			t.Fatal(err)
		}
		if a, b := said(together[i]), said(alone[0]); a != b {
			t.Errorf("step %d:\n%s together\n%s alone", i, a, b)
		}
	}
	if a, b := p.decided(1), p.decided(2); a != b || !strings.Contains(a, "refused") {
		t.Errorf("together:\n%s\n\nalone:\n%s", a, b)
	}
	if books := p.books(); books != "" {
		t.Error(books)
	}
}

// decided is all that decisions have left at a site, but for numbers and times.
func (p *place) decided(siteID int64) string {
	p.t.Helper()
	var lines []string
	err := p.root.Select(&lines, strings.ReplaceAll(`
		select concat_ws(' ', 'referral', origin_id, status, cause, note) from referral.referral where site_id = {}
		union all select concat_ws(' ', 'step', r.origin_id, old, new) from referral.status_log l join referral.referral r on r.site_id = l.site_id and r.id = l.referral_id where l.site_id = {}
		union all select concat_ws(' ', 'reward', w.origin_id, w.side, w.kind, w.points + w.amount, w.status) from referral.reward w where site_id = {} and referral_id is not null
		union all select concat_ws(' ', 'refused', origin_id, kind, cause) from referral.reward_refused where site_id = {}
		union all select concat_ws(' ', 'account', person_id, balance) from referral.account where site_id = {}
		union all select concat_ws(' ', 'audit', action, before ->> 'status', after ->> 'status', reason) from referral.audit where site_id = {} and subject = 'referral'
		union all select concat_ws(' ', 'told', type, payload ->> 'origin_id') from referral.waiting where site = {}
		order by 1`, "{}", fmt.Sprint(siteID)))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}
