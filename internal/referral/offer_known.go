package referral

import (
	"context"
	"time"
)

const offersKnown = 50_000 // offers kept in memory, some 15 MB

// offerKey is what an offer is asked for by: its code, or its id.
type offerKey struct {
	site, id int64
	code     string
}

// cachedOffer is an offer and when it was read.
type cachedOffer struct {
	offer offer
	at    time.Time
}

// forgetOffer makes this process see a change of its own at once; others see it a moment later.
func (m *Module) forgetOffer(siteID, id int64, code string) {
	m.offers.Remove(offerKey{site: siteID, id: id})
	m.offers.Remove(offerKey{site: siteID, code: code})
}

// offerKnown reads one offer by its code or, if id isn't 0, by its id; nil if the site has none. A visitor's may become a person's, and any may
// show another coupon, so what was read is believed for a moment. It serves on when the database is away.
func (m *Module) offerKnown(ctx context.Context, siteID, id int64, code string) (*offer, error) {
	k, now := offerKey{siteID, id, code}, m.catalog.real()
	known, ok := m.offers.Get(k)
	if age := now.Sub(known.at); ok && age >= 0 && age < catalogAge {
		return &known.offer, nil
	}
	o, err := offerBy(ctx, m.db, siteID, id, code)
	switch {
	case err != nil && ok:
		return &known.offer, nil
	case err != nil || o == nil:
		return nil, err
	}
	m.offers.Add(k, cachedOffer{*o, now})
	return o, nil
}
