package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
)

// makeLinks finds or makes the channel links of a batch.
func (m *Module) makeLinks(ctx context.Context, u *bus.Unit, wants []want, offers []*offer) (map[key]map[string]string, error) {
	find := func(all []channelLink) ([]channelLink, error) { return findChannelLinks(ctx, u, all) }
	links, missing, err := m.links(wants, offers, find)
	if err != nil || len(missing) == 0 {
		return links, err
	}
	if err := insertChannelLinks(ctx, u.Tx, u.Now, missing); err != nil {
		return nil, err
	}
	links, _, err = m.links(wants, offers, find)
	return links, err
}

// links are the codes by offer and channel that find knows, and the wanted ones that it doesn't.
func (m *Module) links(wants []want, offers []*offer, find func([]channelLink) ([]channelLink, error)) (map[key]map[string]string, []channelLink, error) {
	var all, missing []channelLink
	seen := map[channelLink]bool{}
	for i, w := range wants {
		for _, c := range w.channels {
			if offers[i] == nil {
				continue
			}
			if l := (channelLink{SiteID: offers[i].SiteID, OfferID: offers[i].ID, Channel: c}); !seen[l] {
				seen[l] = true
				all = append(all, l)
			}
		}
	}
	if len(all) == 0 {
		return nil, nil, nil
	}
	found, err := find(all)
	if err != nil {
		return nil, nil, err
	}
	codes := map[key]map[string]string{}
	for _, l := range found {
		k := key{l.SiteID, l.OfferID}
		if codes[k] == nil {
			codes[k] = map[string]string{}
		}
		codes[k][l.Channel] = l.Code
	}
	for _, l := range all {
		if codes[key{l.SiteID, l.OfferID}][l.Channel] == "" {
			missing = append(missing, l)
		}
	}
	return codes, missing, nil
}
