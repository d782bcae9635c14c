package referral

import (
	"context"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// visit is one opening of a claim link by a person.
type visit struct {
	link     *link
	campaign *campaign
	live     bool // else it is only counted
	visitor  string
}

// visited is what a visit left: the friend offer, 0 if the campaign wasn't live.
type visited struct{ friendOffer int64 }

// visit records a batch of visits in one transaction.
func (m *Module) visit(ctx context.Context, visits []visit) ([]postgres.Result[visited], error) {
	var out []postgres.Result[visited]
	run := func() error {
		return m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
			out, err = m.visitTx(ctx, u, visits)
			return err
		})
	}
	err := run()
	for try := 0; postgres.NoPartition(err) && try < 4; try++ { // the clock is where none expected it
		now := m.now()
		if err := addVisitDays(ctx, m.db, now, now.AddDate(0, 0, 1)); err != nil {
			return nil, err
		}
		if try > 0 { // it is there, but this session doesn't see it
			if err := postgres.Discard(ctx, m.db); err != nil {
				return nil, err
			}
		}
		err = run()
	}
	return out, err
}

func (m *Module) visitTx(ctx context.Context, u *bus.Unit, visits []visit) ([]postgres.Result[visited], error) {
	offers, added, err := m.touch(ctx, u, visits)
	if err != nil {
		return nil, err
	}
	ids, err := insertVisits(ctx, u.Tx, u.Now, visits)
	if err != nil {
		return nil, err
	}
	out := make([]postgres.Result[visited], len(visits))
	told := map[int64]*referralevent.LinksVisited{}
	var sites []int64
	var clicks []reward
	for i, v := range visits {
		k := claimKey{v.link.SiteID, v.link.OfferID, v.visitor}
		f, live := offers[k]
		first := live && f.Visits == added[k] // none before this batch
		if live {
			out[i].Value.friendOffer = f.ID
		}
		if first {
			clicks = append(clicks, clickRewards(v.campaign, f, u.Now)...)
			added[k] = -1 // only its first visit of the batch is the first
		}
		site := v.link.SiteID
		if told[site] == nil {
			told[site] = &referralevent.LinksVisited{SiteID: site}
			sites = append(sites, site)
		}
		told[site].Visits = append(told[site].Visits, referralevent.Visit{VisitID: ids[i], OfferID: v.link.OfferID,
			CampaignID: v.link.CampaignID, AdvocateID: v.link.AdvocateID, VisitorID: v.visitor, Channel: v.link.Channel,
			FirstOfThem: first, VisitedAt: u.Now})
	}
	if err := m.issue(ctx, u, clicks); err != nil {
		return nil, err
	}
	for _, site := range sites {
		u.Tell(site, "visits:"+strconv.FormatInt(told[site].Visits[0].OfferID, 10), *told[site])
	}
	return out, nil
}

// claimKey is what a friend offer is unique by.
type claimKey struct {
	site, offer int64
	visitor     string
}

// touch makes or counts up the friend offers of the live visits, and says how many visits the batch adds to each.
func (m *Module) touch(ctx context.Context, u *bus.Unit, visits []visit) (map[claimKey]friendOffer, map[claimKey]int64, error) {
	added, out := map[claimKey]int64{}, map[claimKey]friendOffer{}
	var claims []friendOffer
	for _, v := range visits {
		if !v.live {
			continue
		}
		k := claimKey{v.link.SiteID, v.link.OfferID, v.visitor}
		if added[k]++; added[k] == 1 {
			claims = append(claims, friendOffer{SiteID: k.site, OfferID: k.offer, CampaignID: v.link.CampaignID, VisitorID: k.visitor})
		}
	}
	if len(claims) == 0 {
		return out, added, nil
	}
	for i, c := range claims {
		claims[i].Visits = added[claimKey{c.SiteID, c.OfferID, c.VisitorID}]
	}
	touched, err := touchOffers(ctx, u.Tx, u.Now, claims)
	for _, f := range touched {
		out[claimKey{f.SiteID, f.OfferID, f.VisitorID}] = f
	}
	return out, added, err
}

const (
	visitDaysAhead = 7
	visitDaysKept  = 400
)

// keepDays makes the partitions of the coming days and drops those that are too old.
func keepDays(ctx context.Context, db *sqlx.DB, now time.Time) (dropped int, err error) {
	if err := addVisitDays(ctx, db, now, now.AddDate(0, 0, visitDaysAhead)); err != nil {
		return 0, err
	}
	return dropVisitDays(ctx, db, now.AddDate(0, 0, -visitDaysKept))
}
