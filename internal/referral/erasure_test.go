package referral

import (
	"fmt"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/site"
)

// ties counts what links people of a site to browsers, or to things that they were seen with.
func (p *place) ties(s site.Site, people ...int64) (out []string) {
	p.t.Helper()
	for what, query := range map[string]string{
		"marks":      `select count(*) from referral.mark where site_id = $1 and person_id = any($2)`,
		"identities": `select count(*) from referral.identity where site_id = $1 and person_id = any($2)`,
		"offers":     `select count(*) from referral.offer where site_id = $1 and person_id = any($2) and visitor_id is not null`,
		"evidence":   `select count(*) from referral.referral where site_id = $1 and (advocate_id = any($2) or friend_id = any($2)) and fraud::text like '%visitor_id%'`,
		"decisions":  `select count(*) from referral.attribution where site_id = $1 and person_id = any($2) and trace::text like '%visitor_id%'`,
		"decisions on friends": `select count(*) from referral.attribution a join referral.referral r on r.site_id = a.site_id and r.origin_id = a.origin_id
			where a.site_id = $1 and r.advocate_id = any($2) and a.trace -> 'fraud' @? '$[*].evidence.visitor_id'`,
	} {
		if n := p.count(query, s.ID, "{"+strings.Trim(strings.ReplaceAll(fmt.Sprint(people), " ", ","), "[]")+"}"); n > 0 {
			out = append(out, what)
		}
	}
	return out
}

func TestAnonymized_people_have_no_browsers_and_keep_their_referrals(t *testing.T) {
	t.Parallel()
	p := setup(t)
	facts := func(s site.Site) string {
		var out []string
		if err := p.root.Select(&out, `
			select concat_ws(' ', r.id, r.status, r.cause, r.advocate_id, r.friend_id, r.fraud #- '{0,evidence,visitor_id}', a.outcome, a.reason, a.method, a.offer_id,
				jsonb_array_length(a.trace -> 'candidates'), jsonb_array_length(a.trace -> 'fraud'))
			from referral.referral r join referral.attribution a on a.site_id = r.site_id and a.origin_id = r.origin_id
			where r.site_id = $1 union all select concat_ws(' ', id, person_id, status) from referral.reward where site_id = $1 order by 1`, s.ID); err != nil {
			t.Fatal(err)
		}
		return strings.Join(out, "\n")
	}
	for _, s := range []site.Site{p.one, p.two} {
		p.campaign(s, nil)
		p.watch(s, 0, func(in *policyInput) { in.Profile, in.Observe = "high", true })
		p.join(s, 0, uuidOf(1)) // got as a browser, then the advocate's
		offer := p.join(s, 10, uuidOf(1))
		p.tell(p.seenWith(s, 1, 10, func(e *customerevent.OriginRecorded) {
			e.VisitorIDs, e.IP = []string{uuidOf(1), uuidOf(2)}, "203.0.113.1"
		}))
		for friend, visitor := range map[int64]int{20: 2, 30: 3, 40: 4} { // the first buys in the advocate's browser
			p.visitLink(offer.ClaimURL, uuidOf(visitor))
			p.tell(p.purchase(s, friend, friend, 1000, uuidOf(visitor)))
		}
		p.tell(p.purchase(s, 31, 30, 1000, uuidOf(3))) // not referred again; the decision has a trace all the same
	}
	const all = 6
	if a, b := p.ties(p.one, 10, 20, 30), p.ties(p.two, 10, 20, 30); len(a) != all || len(b) != all {
		t.Fatalf("%q %q", a, b)
	}
	before, kept := facts(p.one), p.ties(p.one, 40)
	if !strings.Contains(before, "visitor_of_advocate") {
		t.Fatal(before)
	}
	gone := []bus.Payload{}
	for _, id := range []int64{30, 10, 10, 99} { // and one of whom nothing is known
		gone = append(gone, customerevent.PersonAnonymized{SiteID: 1, PersonID: id, AnonymizedAt: p.clock.Now()})
	}
	for range 2 {
		p.tell(gone...)
		if left := p.ties(p.one, 10, 30); left != nil {
			t.Errorf("left: %q", left)
		}
	}
	if after := facts(p.one); after != before {
		t.Errorf("was %s\nis %s", before, after)
	}
	if still := p.ties(p.one, 40); len(still) != len(kept) {
		t.Errorf("another person had %q and has %q", kept, still)
	}
	if twin := p.ties(p.two, 10, 20, 30); len(twin) != all {
		t.Errorf("the twin has only %q", twin)
	}
	for n, origin := range []int64{20, 30, 40} { // each can be explained as before
		r, err := p.Referral(t.Context(), 1, origin)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := p.explain(t.Context(), 1, r.ID); err != nil || out.Attribution == nil {
			t.Errorf("%d: %+v %v", n, out, err)
		}
	}
	if got := p.join(p.one, 50, uuidOf(1)); got.AdvocateID != 50 { // the browser is somebody else's now, with an offer of its own
		t.Errorf("%+v", got)
	}
}

func TestAnonymized_is_found_by_an_index(t *testing.T) {
	t.Parallel()
	p := setup(t)
	tx := p.root.MustBegin()
	defer func() { _ = tx.Rollback() }()
	tx.MustExec(`set local enable_seqscan = off`)
	var plan []string
	if err := tx.Select(&plan, `explain select origin_id from referral.attribution
		where site_id = 1 and person_id = 1 and person_id <> 0 and trace -> 'candidates' <> '[]'`); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(plan, "\n"); !strings.Contains(text, "attribution_by_person") {
		t.Error(text)
	}
}
