package referral

import (
	"context"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// experimenting remembers which sites have experiments, so that the purchases of all others cost no query.
type experimenting struct {
	real clock.Clock // the machine's
	mu   sync.Mutex
	at   time.Time
	yes  map[int64]bool
}

// of are the sites as they were at most catalogAge ago, which is when offers of an experiment may first be made elsewhere.
func (e *experimenting) of(ctx context.Context, q sqlx.QueryerContext) (map[int64]bool, error) {
	now := e.real()
	e.mu.Lock()
	defer e.mu.Unlock()
	if age := now.Sub(e.at); age >= 0 && age < catalogAge && e.yes != nil {
		return e.yes, nil
	}
	yes, err := experimentSites(ctx, q)
	if err == nil {
		e.yes, e.at = yes, now
	}
	return yes, err
}

// forget makes the next one look again.
func (e *experimenting) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.yes = nil
}

// notePurchases keeps the purchases of people who are in experiments.
func (m *Module) notePurchases(ctx context.Context, u *bus.Unit, deeds []deed) error {
	sites, err := m.trials.of(ctx, u)
	if err != nil || len(sites) == 0 {
		return err
	}
	var bought []deed
	for _, d := range deeds {
		if sites[d.body.SiteID] && d.body.Type == customerevent.Purchase && d.body.PersonID != 0 {
			bought = append(bought, d)
		}
	}
	if len(bought) == 0 {
		return nil
	}
	return insertExperimentPurchases(ctx, u.Tx, bought)
}

// noteRefunds takes refunds off the purchases of people who are in experiments.
func (m *Module) noteRefunds(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.OriginRefunded]) error {
	trials, err := m.trials.of(ctx, u)
	if err != nil || len(trials) == 0 {
		return err
	}
	var sites, origins, refunded []int64
	for _, e := range batch {
		if trials[e.Body.SiteID] {
			sites, origins, refunded = append(sites, e.Body.SiteID), append(origins, e.Body.OriginID), append(refunded, e.Body.RefundedTotal)
		}
	}
	if len(sites) == 0 {
		return nil
	}
	return refundExperimentPurchases(ctx, u.Tx, sites, origins, refunded)
}

// experimentJSON is how the variants of a campaign do.
type experimentJSON struct {
	CampaignID     int64     `json:"campaign_id"`
	HoldOutPercent int       `json:"hold_out_percent" doc:"Now; people who were drawn before stay where they are"`
	Variants       []armJSON `json:"variants" doc:"Those of now and of before; treated is the only one of a campaign without variants, hold_out are those without an offer"`
}

type armJSON struct {
	Variant         string      `json:"variant"`
	Weight          *int64      `json:"weight" doc:"null: it isn't drawn now"`
	People          int64       `json:"people" doc:"Put into it; each has an offer, but for hold_out"`
	Friends         int64       `json:"friends" doc:"Who came by their links"`
	Referrals       int64       `json:"referrals" doc:"That were not voided or blocked"`
	Approved        int64       `json:"approved_referrals"`
	ReferralRevenue []moneyJSON `json:"referral_revenue" doc:"Of the friends' purchases, less refunds"`
	Purchases       int64       `json:"purchases" doc:"Of the people themselves, after they were drawn"`
	Buyers          int64       `json:"buyers"`
	Revenue         []moneyJSON `json:"revenue" doc:"Of their own purchases, less refunds"`
}

type moneyJSON struct {
	Currency string `json:"currency"`
	Amount   int64  `json:"amount" doc:"Minor units"`
}

// experiment is how the variants of a campaign do; not found is a fault.
func (m *Module) experiment(ctx context.Context, siteID, campaignID int64) (experimentJSON, error) {
	list, err := campaignsByID(ctx, m.db, []int64{siteID}, []int64{campaignID}, m.now())
	if err != nil {
		return experimentJSON{}, err
	}
	c := list[key{siteID, campaignID}]
	if c == nil {
		return experimentJSON{}, errNoCampaign
	}
	out := experimentJSON{CampaignID: c.ID, HoldOutPercent: c.HoldOut, Variants: []armJSON{}}
	for _, v := range c.Variants {
		out.arm(v.Name).Weight = &v.Weight
	}
	people, err := experimentPeople(ctx, m.db, siteID, campaignID)
	if err != nil {
		return out, err
	}
	for _, r := range people {
		a := out.arm(r.Variant)
		a.People, a.Friends = r.People, r.Friends
	}
	referrals, err := experimentReferrals(ctx, m.db, siteID, campaignID)
	if err != nil {
		return out, err
	}
	for _, r := range referrals {
		a := out.arm(r.Variant)
		a.Referrals, a.Approved = a.Referrals+r.Referrals, a.Approved+r.Approved
		a.ReferralRevenue = append(a.ReferralRevenue, moneyJSON{r.Currency, r.Revenue})
	}
	revenue, err := experimentRevenue(ctx, m.db, siteID, campaignID)
	for _, r := range revenue {
		a := out.arm(r.Variant)
		a.Purchases, a.Buyers = a.Purchases+r.Purchases, a.Buyers+r.Buyers
		a.Revenue = append(a.Revenue, moneyJSON{r.Currency, r.Revenue})
	}
	return out, err
}

// arm is the line of a variant, which it adds if need be.
func (e *experimentJSON) arm(name string) *armJSON {
	for i := range e.Variants {
		if e.Variants[i].Variant == name {
			return &e.Variants[i]
		}
	}
	e.Variants = append(e.Variants, armJSON{Variant: name, ReferralRevenue: []moneyJSON{}, Revenue: []moneyJSON{}})
	return &e.Variants[len(e.Variants)-1]
}
