package referral

import (
	"cmp"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

const (
	ipTouchesKept    = 2 * 24 * time.Hour // an hour counts; orders that are told late have a day more
	phoneTouchesKept = visitDaysKept * 24 * time.Hour
)

// touch is how an offer was come by where neither a browser nor a person tells of it: the phone number of a claim, or the address that
// its link was opened from. Both are kept as fingerprints.
type touch struct {
	site, offer int64
	kind        string // byPhone or byIP
	value       string
	person      int64 // who gave the number
}

// compare orders touches by their key.
func (t touch) compare(o touch) int {
	return cmp.Or(cmp.Compare(t.site, o.site), cmp.Compare(t.kind, o.kind), cmp.Compare(t.value, o.value), cmp.Compare(t.offer, o.offer))
}

// ipTouch is the fingerprint of an address; "" for what isn't anybody's own.
func ipTouch(ip string) string {
	if !public(ip) {
		return ""
	}
	return uuidForm(customerapi.Fingerprint(markIP, ip))
}

// touchesOf are the visits of campaigns that look for advocates by address, each once.
func touchesOf(visits []visit) []touch {
	var out []touch
	for _, v := range visits {
		if v.address != "" && v.live {
			out = append(out, touch{site: v.link.SiteID, offer: v.link.OfferID, kind: byIP, value: v.address})
		}
	}
	slices.SortFunc(out, touch.compare)
	return slices.Compact(out)
}

// addressOf is what a visit keeps of where it came from: nothing, unless the campaign looks for it.
func (c *campaign) addressOf(ip string) string {
	if !c.Attribution.on(byIP) {
		return ""
	}
	return ipTouch(ip)
}

// touchesOfOrigin are the values by which an origin may find touches.
func touchesOfOrigin(o customerevent.OriginRecorded) map[string]string {
	out := map[string]string{}
	if v := uuidForm(o.Phone); v != "" {
		out[byPhone] = v
	}
	if v := ipTouch(o.IP); v != "" {
		out[byIP] = v
	}
	return out
}
