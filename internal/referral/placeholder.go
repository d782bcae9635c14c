package referral

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Placeholders of a destination, by Talkable's names where it has one.
const (
	holeCoupon      = "coupon_code"
	holeVisitor     = "visitor_uuid"
	holeFriendOffer = "friend_offer.id"
	holeAdvocate    = "advocate.first_name"
	holeCampaign    = "campaign.id"
	holeCampaignTag = "campaign.name"
	holeChannel     = "sharing_channel"
)

var (
	holes    = []string{holeCoupon, holeVisitor, holeFriendOffer, holeAdvocate, holeCampaign, holeCampaignTag, holeChannel}
	holeForm = regexp.MustCompile(`\{\{ *([a-z_.]{1,40}) *\}\}`)
)

// checkHoles says what is wrong with the placeholders of a destination: they are known, and stand behind the host, which nothing
// that somebody else says may choose.
func checkHoles(s string) error {
	found := holeForm.FindAllStringSubmatchIndex(s, -1)
	if strings.Contains(unmarked(s), "{{") {
		return errors.New("has a placeholder that isn't like {{coupon_code}}")
	}
	if len(found) == 0 {
		return nil
	}
	_, rest, _ := strings.Cut(s, "://")
	behind := len(s) - len(rest) + strings.IndexAny(rest+"/", "/?#")
	for _, at := range found {
		if name := s[at[2]:at[3]]; !slices.Contains(holes, name) {
			return errors.New("has an unknown placeholder; there are " + strings.Join(holes, ", "))
		}
		if at[0] < behind {
			return errors.New("must have its placeholders behind the host")
		}
	}
	return nil
}

// unmarked is a destination with something plain in place of its placeholders.
func unmarked(s string) string { return holeForm.ReplaceAllString(s, "0") }

// hole is a place in a landing that is filled for each who is led there.
type hole struct{ mark, name string }

// marked puts marks that are nowhere else in it in place of a destination's placeholders.
func marked(s string) (string, []hole) {
	base := "tkblhole"
	for strings.Contains(s, base) {
		base += "q"
	}
	var out []hole
	s = holeForm.ReplaceAllStringFunc(s, func(text string) string {
		h := hole{mark: base + strconv.Itoa(len(out)) + "x", name: holeForm.FindStringSubmatch(text)[1]}
		out = append(out, h)
		return h.mark
	})
	return s, out
}

// needs says whether the landing has a place for it.
func (l *landing) needs(name string) bool {
	return slices.ContainsFunc(l.holes, func(h hole) bool { return h.name == name })
}

// filled is the landing for somebody. A value stays within its part of the address: it is one segment of a path at most, and
// one value of a query.
func (l *landing) filled(values map[string]string) *landing {
	if len(l.holes) == 0 {
		return l
	}
	one := *l
	for _, h := range l.holes {
		v := values[h.name]
		one.query = strings.ReplaceAll(one.query, h.mark, url.QueryEscape(v))
		if strings.Trim(v, ".") == "" { // "..", which would go up
			v = ""
		}
		v = url.PathEscape(v)
		one.head, one.tail = strings.ReplaceAll(one.head, h.mark, v), strings.ReplaceAll(one.tail, h.mark, v)
	}
	one.holes = nil
	return &one
}
