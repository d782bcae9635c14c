package referral

import (
	"cmp"
	"context"
	"slices"
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
	device   string // its type
	address  string // where it came from, as a fingerprint; "" where nobody asks
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
	rows := inOrder(visits)
	ids, offers, err := insertVisits(ctx, u.Tx, u.Now, rows)
	if err != nil {
		return nil, err
	}
	out := make([]postgres.Result[visited], len(visits))
	told := map[int64]*referralevent.LinksVisited{}
	var sites []int64
	var clicks []arrival
	var compared []key // offers of experiments, once for each new friend
	kept, err := m.promisesOf(ctx, u, olderVersions(rows))
	if err != nil {
		return nil, err
	}
	var f friendOffer // of the rows at hand
	for i, v := range rows {
		first := false
		if v.adds > 0 {
			f, offers = offers[0], offers[1:]
			if first = f.Visits == v.adds; first { // none before this batch, and only the first of the batch is the first
				if v.link.Variant != "" {
					compared = append(compared, key{v.link.SiteID, v.link.OfferID})
				}
				if !v.campaign.terms.gated() {
					clicks = append(clicks, arrival{campaign: kept.of(v.campaign, v.link.Version, v.link.Variant), offer: f, advocate: v.link.AdvocateID, channel: v.link.Channel,
						from: provenance{Channel: v.link.Channel, Device: v.device, Variant: v.link.Variant, QA: v.campaign.tried()}})
				}
			}
		}
		if v.live {
			out[v.place].Value.friendOffer = f.ID
		}
		site := v.link.SiteID
		if told[site] == nil {
			told[site] = &referralevent.LinksVisited{SiteID: site}
			sites = append(sites, site)
		}
		told[site].Visits = append(told[site].Visits, referralevent.Visit{VisitID: ids[i], OfferID: v.link.OfferID,
			CampaignID: v.link.CampaignID, AdvocateID: v.link.AdvocateID, VisitorID: v.visitor, Channel: v.link.Channel,
			FirstOfThem: first, VisitedAt: u.Now, DeviceType: v.device, Variant: v.link.Variant, QA: v.campaign.tried()})
	}
	if err := m.rewardClicks(ctx, u, clicks); err != nil {
		return nil, err
	}
	if err := countFriends(ctx, u.Tx, compared); err != nil {
		return nil, err
	}
	if shared := clicksOf(visits); len(shared) > 0 {
		if err := insertClicks(ctx, u.Tx, u.Now, shared); err != nil {
			return nil, err
		}
	}
	if err := insertTouches(ctx, u.Tx, u.Now, touchesOf(visits)); err != nil {
		return nil, err
	}
	for _, site := range sites {
		u.Tell(site, "visits:"+strconv.FormatInt(told[site].Visits[0].OfferID, 10), *told[site])
	}
	return out, nil
}

// olderVersions are those that the offers of live visits were made under, where the campaign is at another by now.
func olderVersions(rows []visitRow) []versionKey {
	var out []versionKey
	for _, v := range rows {
		if v.adds > 0 && v.link.Version != v.campaign.Version {
			out = append(out, versionKey{v.link.SiteID, v.link.CampaignID, v.link.Version})
		}
	}
	return out
}

// inOrder brings visits into the order of their friend offers, which is the one lock order for all batches. Of those that follow each
// other the first live one adds all live ones.
func inOrder(visits []visit) []visitRow {
	rows := make([]visitRow, len(visits))
	for i := range visits {
		rows[i] = visitRow{visit: &visits[i], place: i}
	}
	slices.SortFunc(rows, func(a, b visitRow) int {
		return cmp.Or(a.compare(b), cmp.Compare(a.place, b.place))
	})
	var first *visitRow
	for i := range rows {
		r := &rows[i]
		if !r.live {
			continue
		}
		if first == nil || first.compare(*r) != 0 {
			first = r
		}
		first.adds++
	}
	return rows
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
