package referral

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

var (
	errNoOffer = fault.New(fault.Invalid, "offer_not_found", "No offer found by id.")
	errRaced   = errors.New("offers changed hands three times within one batch")
)

// want is one request for the offer of a campaign.
type want struct {
	s        site.Site
	campaign *campaign // nil: no campaign accepts the origin
	variant  string    // of an offer that is to be made
	byHand   bool      // the merchant wants it: it is in no experiment, and nobody is held out
	person   int64
	visitors []string
	channels []string
	name     string // of the person, where a code is to hold it
	whence   whence
	key      idempotency.Key
}

// whence is where the origin came from that an offer is made for. Nothing is decided by it: reports take offers apart by it.
type whence struct {
	TrafficSource string `db:"traffic_source"`
	DeviceType    string `db:"device_type"`
	EventCategory string `db:"event_category"`
}

// Join returns the offer that an origin earns its advocate, made if need be, or nil when no live campaign accepts the origin.
// There is one offer per campaign and person, and one per campaign and visitor while no person is known.
func (m *Module) Join(ctx context.Context, s site.Site, in referralapi.Join) (*referralapi.Offer, error) {
	if err := referralapi.CheckChannels(in.Channels); err != nil {
		return nil, err
	}
	if in.Idempotency.Value != "" {
		answer, ok, err := keptAnswer(ctx, m.db, s.ID, in.Idempotency.Value, in.Idempotency.Fingerprint)
		if err != nil {
			return nil, err
		}
		if ok {
			return decodeOffer(answer)
		}
	}
	shelf, err := m.catalog.of(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	w := want{s: s, person: in.PersonID, visitors: visitorsOf(in.Visitors), channels: in.Channels, key: in.Idempotency,
		whence: whence{in.TrafficSource, in.DeviceType, categoryOf(in.Type, in.Category)}}
	if w.person != 0 || len(w.visitors) > 0 {
		if w.campaign, err = m.chooseCampaign(ctx, shelf, w, in); err != nil {
			return nil, err
		}
	}
	if w.key.Value == "" {
		if w.campaign == nil {
			return nil, nil
		}
		if found, err := m.found(ctx, w); found != nil || err != nil {
			return found, err
		}
	}
	m.introduce(ctx, &w)
	made, err := m.joins.Do(ctx, w)
	if made != nil {
		m.forgetOffer(s.ID, made.ID, made.ShortURLCode)
	}
	return made, err
}

// found is the offer if all of it exists already.
func (m *Module) found(ctx context.Context, w want) (*referralapi.Offer, error) {
	o := newOffers()
	if err := o.find(ctx, m.db, []want{w}); err != nil {
		return nil, err
	}
	at, adopt := o.resolve(w)
	if at == nil || adopt || w.personal(at) {
		return nil, nil
	}
	links, missing, err := m.links([]want{w}, []*offer{at}, func(all []channelLink) ([]channelLink, error) {
		return findChannelLinks(ctx, m.db, all)
	})
	if err != nil || len(missing) > 0 {
		return nil, err
	}
	c, err := m.under(ctx, m.db, w.campaign, at.Version, at.Variant)
	if err != nil {
		return nil, err
	}
	return m.present(at, c, links[key{at.SiteID, at.ID}], w), nil
}

// join serves a batch of requests in one transaction.
func (m *Module) join(ctx context.Context, wants []want) ([]postgres.Result[*referralapi.Offer], error) {
	var out []postgres.Result[*referralapi.Offer]
	run := func() error {
		return m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
			out, err = m.joinTx(ctx, u, wants)
			return err
		})
	}
	err := run()
	for try := 1; err != nil && try < 3 && raced(err); try++ {
		err = run()
	}
	return out, err
}

// raced says that another transaction took a place that was free when this one looked.
func raced(err error) bool {
	return errors.Is(err, errRaced) || postgres.Violates(err, "offer_person") || postgres.Violates(err, "offer_visitor") ||
		postgres.Violates(err, "held_out_person") || postgres.Violates(err, "link_pkey") || postgres.Violates(err, "offer_code")
}

func (m *Module) joinTx(ctx context.Context, u *bus.Unit, wants []want) ([]postgres.Result[*referralapi.Offer], error) {
	out := make([]postgres.Result[*referralapi.Offer], len(wants))
	claims := make([]idempotency.Claim, len(wants))
	for i, w := range wants {
		claims[i] = idempotency.Claim{SiteID: w.s.ID, Key: w.key}
	}
	claimed, err := idempotency.Take(ctx, u.Tx, schema, u.Now, claims)
	if err != nil {
		return nil, err
	}
	var todo []int
	for i, c := range claimed {
		switch {
		case c.Err != nil:
			out[i].Err = c.Err
		case c.Answer != nil:
			out[i].Value, out[i].Err = decodeOffer(c.Answer)
		case !c.Replayed:
			todo = append(todo, i)
		}
	}
	ready := make([]want, 0, len(todo))
	for _, i := range todo {
		ready = append(ready, wants[i])
	}
	offers, err := m.makeOffers(ctx, u, ready)
	if err != nil {
		return nil, err
	}
	links, err := m.makeLinks(ctx, u, ready, offers)
	if err != nil {
		return nil, err
	}
	if err := m.personalize(ctx, u, ready, offers); err != nil {
		return nil, err
	}
	answers := make([][]byte, len(wants))
	for n, i := range todo {
		if o := offers[n]; o != nil {
			c, err := m.under(ctx, u, ready[n].campaign, o.Version, o.Variant)
			if err != nil {
				return nil, err
			}
			out[i].Value = m.present(o, c, links[key{o.SiteID, o.ID}], ready[n])
		}
		if wants[i].key.Value != "" {
			answers[i] = encodeOffer(out[i].Value)
		}
	}
	for i, c := range claimed { // the same key twice in one batch
		if c.Replayed && c.Answer == nil && c.Err == nil {
			j := slices.IndexFunc(claims, func(x idempotency.Claim) bool {
				return x.SiteID == claims[i].SiteID && x.Key.Value == claims[i].Key.Value
			})
			out[i] = out[j]
		}
	}
	return out, idempotency.Keep(ctx, u.Tx, schema, claims, answers)
}

// makeOffers finds, adopts or makes the offers of a batch; nil where there is nothing to have one, or somebody is held out.
func (m *Module) makeOffers(ctx context.Context, u *bus.Unit, wants []want) ([]*offer, error) {
	o := newOffers()
	if err := o.find(ctx, u, wants); err != nil {
		return nil, err
	}
	wants, err := m.compare(ctx, u, wants, o)
	if err != nil {
		return nil, err
	}
	made, err := o.settle(ctx, u, wants)
	if err != nil {
		return nil, err
	}
	trials := map[int64]bool{} // campaigns in Test
	for _, w := range wants {
		if w.campaign.tried() {
			trials[w.campaign.ID] = true
		}
	}
	for _, c := range made {
		u.Tell(c.SiteID, "offer:"+strconv.FormatInt(c.ID, 10), referralevent.OfferCreated{SiteID: c.SiteID, OfferID: c.ID,
			CampaignID: c.CampaignID, CampaignVersion: int64(c.Version), Variant: c.Variant, AdvocateID: deref(c.PersonID), CreatedAt: u.Now, ShareCode: c.ShareCode,
			TrafficSource: c.TrafficSource, DeviceType: c.DeviceType, EventCategory: c.EventCategory, QA: trials[c.CampaignID]})
	}
	if err := insertExperimentOffers(ctx, u.Tx, made); err != nil {
		return nil, err
	}
	out := make([]*offer, len(wants))
	for i, w := range wants {
		if w.campaign != nil {
			out[i], _ = o.resolve(w)
		}
	}
	return out, nil
}

// Offer returns an offer of the site by its code or its id, with claim links for the sharing channels that are asked for.
func (m *Module) Offer(ctx context.Context, s site.Site, codeOrID string, channels []string) (*referralapi.Offer, error) {
	if err := referralapi.CheckChannels(channels); err != nil {
		return nil, err
	}
	o, c, err := m.offerBy(ctx, s, codeOrID, m.offerKnown)
	if err != nil {
		return nil, err
	}
	w := []want{{s: s, channels: channels}}
	links, missing, err := m.links(w, []*offer{o}, func(all []channelLink) ([]channelLink, error) { return findChannelLinks(ctx, m.db, all) })
	if err == nil && len(missing) > 0 {
		err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
			links, err = m.makeLinks(ctx, u, w, []*offer{o})
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	return m.present(o, c, links[key{o.SiteID, o.ID}], w[0]), nil
}

// offerOf finds an offer of the site by its code or its id, and its campaign as the offer has it.
func (m *Module) offerOf(ctx context.Context, s site.Site, codeOrID string) (*offer, *campaign, error) {
	return m.offerBy(ctx, s, codeOrID, func(ctx context.Context, siteID, id int64, code string) (*offer, error) {
		return offerBy(ctx, m.db, siteID, id, code)
	})
}

// offerBy is offerOf by a way of finding offers.
func (m *Module) offerBy(ctx context.Context, s site.Site, codeOrID string, find func(ctx context.Context, siteID, id int64, code string) (*offer, error)) (*offer, *campaign, error) {
	id, err := strconv.ParseInt(codeOrID, 10, 64)
	code := ""
	if err != nil || id <= 0 {
		var ok bool
		if code, ok = codeOf(codeOrID); !ok {
			return nil, nil, errNoOffer
		}
		id = 0
	}
	o, err := find(ctx, s.ID, id, code)
	if err != nil {
		return nil, nil, err
	}
	if o == nil {
		return nil, nil, errNoOffer
	}
	shelf, err := m.catalog.of(ctx, s.ID)
	if err != nil {
		return nil, nil, err
	}
	c := shelf.byID[o.CampaignID]
	if c == nil { // made by another replica since the shelf was filled
		list, err := campaignsByID(ctx, m.db, []int64{o.SiteID}, []int64{o.CampaignID}, m.now())
		if err != nil {
			return nil, nil, err
		}
		c = list[key{o.SiteID, o.CampaignID}]
	}
	c, err = m.under(ctx, m.db, c, o.Version, o.Variant)
	return o, c, err
}

// keptOffer is an offer as it is kept for its Idempotency-Key: also what isn't for the wire.
type keptOffer struct {
	Offer      *referralapi.Offer `json:"offer"`
	AdvocateID int64              `json:"advocate_id"`
}

func encodeOffer(o *referralapi.Offer) []byte {
	kept := keptOffer{Offer: o}
	if o != nil {
		kept.AdvocateID = o.AdvocateID
	}
	b, err := json.Marshal(kept)
	if err != nil {
		panic(err) // plain fields
	}
	return b
}

func decodeOffer(b []byte) (*referralapi.Offer, error) {
	var kept keptOffer
	if err := json.Unmarshal(b, &kept); err != nil {
		return nil, err
	}
	if kept.Offer != nil {
		kept.Offer.AdvocateID = kept.AdvocateID
	}
	return kept.Offer, nil
}
