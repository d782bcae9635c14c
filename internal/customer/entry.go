package customer

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

// entry is a request to record an origin that has been checked and normalised.
type entry struct {
	site   int64
	in     customerapi.Origin
	who    identity
	digest []byte
}

// Check says what is wrong with an origin, as a fault that points at the places, or nil. It is what Record begins with, so an
// import can try a file without writing.
func Check(in customerapi.Origin, s site.Site, now time.Time) error {
	_, err := check(in, s, now)
	return err
}

// CheckPerson is Check for a person that is imported alone.
func CheckPerson(in customerapi.Identity) error {
	_, err := checkPerson(in)
	return err
}

func checkPerson(in customerapi.Identity) (identity, error) {
	var f findings
	w := identityOf(in, &f)
	if len(f.fields) == 0 && !w.named() {
		f.add("/data/email", "is missing, and so are customer_id and phone_number")
	}
	return w, f.err()
}

func check(in customerapi.Origin, s site.Site, now time.Time) (entry, error) {
	var f findings
	e := entry{site: s.ID, who: identityOf(in.Person, &f)}
	switch in.Type {
	case customerevent.AffiliateMember:
		in.Number, in.Category, in.Subtotal, in.Items = "", "", 0, nil
	case customerevent.Purchase:
		in.Category = ""
		f.number("/data/order_number", in.Number)
		if in.Person.Email == "" && in.Person.CustomerID == "" {
			f.literal = emailMessage
			f.add("/data/email", "is missing, and so is customer_id")
		}
	case customerevent.Event:
		f.number("/data/event_number", in.Number)
		f.number("/data/event_category", in.Category)
	default:
		f.literal = typeMessage
		f.add("/type", "is none of them")
	}
	in.Visitors = f.visitors(in.Visitors)
	if !slices.Contains(in.Visitors, in.WebVisitor) {
		in.WebVisitor = ""
	}
	if in.Currency == "" {
		in.Currency = s.Currency
	}
	if _, ok := money.Digits(in.Currency); !ok {
		f.add("/data/currency_iso_code", "is no ISO 4217 currency")
	}
	if in.Subtotal < 0 || in.Subtotal > money.Max {
		f.add("/data/subtotal", "is negative or too large")
	}
	f.items(in.Items)
	f.list("/data/coupon_codes", in.CouponCodes)
	f.list("/data/campaign_tags", in.CampaignTags)
	f.text("/data/traffic_source", in.TrafficSource, 255)
	for i, segment := range in.Segments {
		f.text("/data/segment"+strconv.Itoa(i+1), segment, 255)
	}
	f.text("/data/utm_source", in.UTM.Source, 255)
	f.text("/data/utm_medium", in.UTM.Medium, 255)
	f.text("/data/utm_campaign", in.UTM.Campaign, 255)
	f.text("/data/utm_term", in.UTM.Term, 255)
	f.text("/data/utm_content", in.UTM.Content, 255)
	if in.IP != "" {
		ip, err := netip.ParseAddr(in.IP)
		if err != nil || ip.Zone() != "" {
			f.add("/data/ip_address", "is no IP address")
		}
		in.IP = ip.Unmap().String()
	}
	in.UserAgent = strings.ToValidUTF8(strings.ReplaceAll(in.UserAgent, "\x00", ""), "")
	if r := []rune(in.UserAgent); len(r) > 500 { // whatever the browser says of itself, the order counts
		in.UserAgent = string(r[:500])
	}
	f.text("/data/shipping_address", in.ShippingAddress, 1000)
	f.text("/data/shipping_zip", in.ShippingZip, 50)
	f.card(in.CardHash)
	f.moment("/data/created_at", in.OccurredAt, now)
	if err := f.err(); err != nil {
		return entry{}, err
	}
	in.CouponCodes, in.CampaignTags = noNil(in.CouponCodes), noNil(in.CampaignTags)
	e.in, e.digest = in, digestOf(in)
	return e, nil
}

func (f *findings) number(pointer, s string) {
	if s == "" {
		f.add(pointer, "is missing")
	}
	f.mark(pointer, s, 255)
}

func (f *findings) visitors(in []string) []string {
	out := []string{}
	for _, v := range in {
		id, ok := visitorID(v)
		if !ok {
			f.add("/data/uuid", "is no UUID")
			continue
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if len(out) > 10 {
		f.add("/data/uuid", "more than 10 visitors")
	}
	return out
}

// visitorID accepts a UUID in its usual form, in either case, and returns it in lower case.
func visitorID(s string) (string, bool) {
	if len(s) != 36 {
		return "", false
	}
	id, err := uuid.Parse(s)
	return id.String(), err == nil && id != uuid.Nil
}

func (f *findings) items(items []customerapi.Item) {
	if len(items) > 500 {
		f.add("/data/items", "has more than 500 members")
		return
	}
	for i, item := range items {
		at := "/data/items/" + strconv.Itoa(i)
		if item.Price < -money.Max || item.Price > money.Max { // a discount is a line with a negative price
			f.add(at+"/price", "is too large")
		}
		if item.Quantity < 0 || item.Quantity > 1_000_000_000 {
			f.add(at+"/quantity", "is negative or too large")
		}
		f.text(at+"/product_id", item.ProductID, 255)
		f.text(at+"/category", item.Category, 255)
		f.text(at+"/title", item.Title, 1000)
		f.text(at+"/url", item.URL, 2000)
		f.text(at+"/image_url", item.ImageURL, 2000)
	}
}

func (f *findings) list(pointer string, in []string) {
	if len(in) > 50 {
		f.add(pointer, "has more than 50 members")
		return
	}
	for i, s := range in {
		at := pointer + "/" + strconv.Itoa(i)
		if s == "" {
			f.add(at, "is empty")
		}
		f.mark(at, s, 255)
	}
}

// moment checks when something happened, as others tell it: their clocks may be a little ahead.
func (f *findings) moment(pointer string, at, now time.Time) {
	switch {
	case at.IsZero():
	case at.After(now.Add(24 * time.Hour)):
		f.add(pointer, "is in the future")
	case at.Before(time.Unix(0, 0)):
		f.add(pointer, "is before 1970")
	}
}

// digestOf is over what must not differ when an origin is told again: how much, for what. Who is compared by the person; when,
// and by which device, shops tell differently for the same order (a thank-you page, the server, an export), so it doesn't count.
func digestOf(in customerapi.Origin) []byte {
	h := sha256.New()
	put := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	put(in.Type)
	put(strconv.FormatInt(in.Subtotal, 10))
	put(in.Currency)
	put(strconv.Itoa(len(in.CouponCodes)))
	for _, c := range in.CouponCodes {
		put(c)
	}
	for _, i := range in.Items {
		put(i.ProductID)
		put(strconv.FormatInt(i.Price, 10))
		put(strconv.FormatInt(i.Quantity, 10))
		put(i.Title)
		put(i.URL)
		put(i.ImageURL)
	}
	return h.Sum(nil)[:16]
}

func noNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
