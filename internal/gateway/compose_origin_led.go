package gateway

import (
	"strconv"

	"github.com/talkable/talkable/internal/fault"
)

// led is where a page has led an origin: to a campaign of its own, or to one of the placements that it matched.
type led struct {
	campaign   int64 // 0: none in particular
	placements []int64
}

// maxPlacements bounds how many placements a page can have matched.
const maxPlacements = 50

func (d originData) led() (led, error) {
	var out led
	invalid := fault.New(fault.Invalid, "invalid_request", "The request doesn't fit this operation.")
	name, id := "/data/affiliate_campaign_id", d.CampaignID
	if id == "" {
		name, id = "/data/tkbl_campaign_id", d.PageCampaignID
	}
	if id != "" {
		n, err := strconv.ParseInt(string(id), 10, 64)
		if err != nil || n <= 0 {
			return out, invalid.At(name, "not the id of a campaign")
		}
		out.campaign = n
	}
	list := d.Placements.values()
	if len(list) > maxPlacements {
		return out, invalid.At("/data/matched_placement_ids", "must be at most "+strconv.Itoa(maxPlacements))
	}
	for _, one := range list {
		n, err := strconv.ParseInt(one, 10, 64)
		if err != nil || n < 0 {
			return out, invalid.At("/data/matched_placement_ids", "not ids of placements")
		}
		out.placements = append(out.placements, n)
	}
	return out, nil
}
