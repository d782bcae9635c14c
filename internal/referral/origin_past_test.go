package referral

import (
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// advocates are the advocates' orders that were told, "site origin by person", and how; what was told is forgotten.
func (p *place) advocates() (out []string) {
	p.t.Helper()
	err := p.root.Select(&out, `
		select concat_ws(' ', payload->>'site_id', payload->>'origin_id', 'by', payload->>'person_id', case when payload->>'first_purchase' = 'true' then 'first' end,
			case when payload->>'referred' = 'true' then 'referred' end)
		from referral.waiting where type = 'referral.advocate_purchased.v1' order by id, i`)
	if err != nil {
		p.t.Fatal(err)
	}
	p.told()
	return out
}

// An order is an advocate's if its buyer had an offer before: not by the order itself, nor by one that came later, nor of a campaign in Test. However
// often and in whichever batches it is told, it is told on once; who was merged is one.
func TestAdvocates_orders_are_told_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	trial := p.campaign(p.two, func(in *campaignInput) { in.Status = statusTest })
	early := p.clock.Now()
	p.join(p.one, 10)
	tried, err := p.Join(t.Context(), p.two, referralapi.Join{Type: customerevent.AffiliateMember, PersonID: 10, CampaignID: trial.ID})
	if err != nil || tried == nil {
		t.Fatal(tried, err)
	}
	p.touchedAt(p.one, uuidOf(1), 12) // and a minute passes
	p.merges(p.one, 1, 30, 10)
	bought := func(s site.Site, origin, person int64, change ...func(*customerevent.OriginRecorded)) customerevent.OriginRecorded {
		o := p.purchase(s, origin, person, 1_000)
		for _, c := range change {
			c(&o)
		}
		return o
	}
	list := []customerevent.OriginRecorded{
		bought(p.one, 1, 12),
		bought(p.one, 2, 12, func(o *customerevent.OriginRecorded) { o.FirstPurchase = true }),
		bought(p.one, 3, 12, func(o *customerevent.OriginRecorded) { o.OccurredAt = early }), // before the offer, and told now
		bought(p.one, 4, 12, func(o *customerevent.OriginRecorded) { o.Type = customerevent.Event }),
		bought(p.one, 5, 12, func(o *customerevent.OriginRecorded) { o.Verified = false }),
		bought(p.one, 6, 11), bought(p.one, 7, 0),
		bought(p.one, 8, 30), // by the other of the two
		bought(p.one, 9, 10), // told before they were one
		bought(p.two, 1, 10), bought(p.two, 2, 12),
	}
	for range 2 {
		p.tell(list[0], list[1], list[2], list[3])
		for _, o := range list {
			p.tell(o)
		}
	}
	want := []string{"1 1 by 12", "1 2 by 12 first", "1 8 by 30", "1 9 by 30"}
	if got := p.advocates(); !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
	p.join(p.one, 40)
	p.clock.Move(time.Minute)
	referred := bought(p.one, 20, 40)
	referred.VisitorIDs = []string{uuidOf(1)} // who came by 12's link
	p.tell(referred)
	if got := p.advocates(); !slices.Equal(got, []string{"1 20 by 40 referred"}) {
		t.Errorf("a friend's who is an advocate, too: %q", got)
	}
}
