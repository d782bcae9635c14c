package importer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

// column is a column that means something.
type column int

const (
	orderNumber column = iota
	eventCategory
	eventNumber
	email
	customerID
	phoneNumber
	username
	firstName
	lastName
	subtotal
	currency
	date
	couponCodes
	campaignTags
	trafficSource
	segment1
	segment2
	segment3
	utmSource
	utmMedium
	utmCampaign
	utmTerm
	utmContent
	ipAddress
	visitorUUID
	shippingAddress
	shippingZip
	cardHash
	existingCustomer
	points
	note
	reference
	countsForTier
	expiresAt
	externalID
	advocateEmail
	advocateID
	campaignID
	linkURL
	shareCode
	linkName
	status
	referralID
	rewardSide
	rewardKind
	couponList
	amount
	columns
)

var columnNames = [columns]string{"order_number", "event_category", "event_number", "email", "customer_id", "phone_number", "username",
	"first_name", "last_name", "subtotal", "currency", "date", "coupon_codes", "campaign_tags", "traffic_source", "segment1", "segment2",
	"segment3", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "ip_address", "uuid", "shipping_address", "shipping_zip", "card_hash", "existing_customer",
	"points", "note", "reference", "counts_for_tier", "expires_at",
	"external_id", "advocate_email", "advocate_customer_id", "campaign_id", "link", "code", "name", "status", "referral_id", "side", "kind", "coupon_list_id", "amount"}

// otherNames are those that Talkable's API has for the same.
var otherNames = map[string]column{"coupon_code": couponCodes, "currency_iso_code": currency, "created_at": date, "order_date": date,
	"phone": phoneNumber}

var (
	ofPeople      = []column{email, customerID, phoneNumber, username, firstName, lastName, existingCustomer}
	ofAdjustments = []column{email, customerID, phoneNumber, username, points, note, reference, countsForTier, expiresAt}
	ofAdvocates   = []column{email, customerID, phoneNumber, username, firstName, lastName, campaignID, linkURL, shareCode, linkName, date}
	ofReferrals   = []column{externalID, advocateEmail, advocateID, email, customerID, firstName, lastName, orderNumber, subtotal, currency, date, status, campaignID}
	ofRewards     = []column{externalID, referralID, rewardSide, rewardKind, shareCode, couponList, date, expiresAt}
	ofBalances    = []column{externalID, email, customerID, phoneNumber, username, amount, currency, note, status}
)

// means says that a column means something in a file of a kind.
func (c column) means(kind string) bool {
	switch kind {
	case "people":
		return slices.Contains(ofPeople, c)
	case "adjustments":
		return slices.Contains(ofAdjustments, c)
	case "advocates":
		return slices.Contains(ofAdvocates, c)
	case "referrals":
		return slices.Contains(ofReferrals, c)
	case "rewards":
		return slices.Contains(ofRewards, c)
	case "balances":
		return slices.Contains(ofBalances, c)
	}
	return c < points
}

// vocabulary is what columns are called in a file of a kind, by whoever wrote it.
type vocabulary struct {
	kind string
	from *preset // nil: as here
}

// column is what a name means; a preset's own names go before ours.
func (v vocabulary) column(name string) (column, bool) {
	if v.from != nil {
		if c, ok := v.from.names[v.kind][plainName(name)]; ok {
			return c, true
		}
		for i, ours := range columnNames { // as customerId
			if plainName(ours) == plainName(name) && column(i).means(v.kind) {
				return column(i), true
			}
		}
	}
	c, ok := columnNamed(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_"))
	return c, ok && c.means(v.kind)
}

const propertyPrefix = "custom_properties."

func columnNamed(name string) (column, bool) {
	if c, ok := otherNames[name]; ok {
		return c, true
	}
	i := slices.Index(columnNames[:], name)
	return column(i), i >= 0
}

// header says which field of a CSV record is which column.
type header struct {
	names      []string
	at         []column // -1: none
	properties []string // names of custom properties, "" where the field is none
	ignored    []string
}

func newHeader(names []string, v vocabulary) (*header, error) {
	kind := v.kind
	h := &header{names: slices.Clone(names), at: make([]column, len(names)), properties: make([]string, len(names))}
	found := map[column]string{}
	for i, name := range names {
		c, ok := v.column(name)
		name = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_")
		h.at[i] = -1
		switch property, is := strings.CutPrefix(name, propertyPrefix); {
		case is:
			h.properties[i] = property
		case !ok || c < 0:
			h.ignored = append(h.ignored, names[i])
		case found[c] != "":
			return nil, fmt.Errorf("the columns %q and %q are the same", found[c], names[i])
		default:
			h.at[i], found[c] = c, names[i]
		}
	}
	has := func(any ...column) bool {
		return slices.ContainsFunc(any, func(c column) bool { _, ok := found[c]; return ok })
	}
	switch {
	case kind == "rewards" || kind == "referrals":
		return h, missingColumns(names, kind, has)
	case !has(email, customerID) && !(kind != "purchases" && has(phoneNumber)):
		return nil, fmt.Errorf("the header %q names nobody: there is no column email or customer_id", names)
	case kind == "people" || kind == "advocates":
	case kind == "balances":
		if !has(amount) {
			return nil, fmt.Errorf("the header %q has no column amount", names)
		}
	case kind == "adjustments":
		if !has(points) {
			return nil, fmt.Errorf("the header %q has no column points", names)
		}
	case !has(orderNumber, eventNumber) || has(eventNumber) && !has(eventCategory):
		return nil, fmt.Errorf("the header %q has no column order_number, nor event_category and event_number", names)
	case !has(date):
		return nil, fmt.Errorf("the header %q has no column date", names)
	case !has(subtotal) && !has(eventNumber):
		return nil, fmt.Errorf("the header %q has no column subtotal", names)
	}
	return h, nil
}

// missingColumns says which column a file about two people, or about what was theirs, can't do without.
func missingColumns(names []string, kind string, has func(...column) bool) error {
	needed := map[string][][]column{
		"referrals": {{externalID, orderNumber}, {advocateEmail, advocateID}, {email, customerID}, {date}},
		"rewards":   {{externalID}, {referralID}},
	}[kind]
	for _, any := range needed {
		if !has(any...) {
			return fmt.Errorf("the header %q has no column %s", names, columnNames[any[0]])
		}
	}
	return nil
}

// fill puts a record's fields where they belong. Numbers of orders and events are taken as they are, anything else is trimmed.
func (h *header) fill(r *row, record []string) {
	if len(record) != len(h.at) {
		r.wrong = &finding{what: fmt.Sprintf("has %d fields, the header has %d", len(record), len(h.at))}
		return
	}
	for i, value := range record {
		switch c := h.at[i]; {
		case h.properties[i] != "":
			if value = strings.TrimSpace(value); value != "" {
				if r.properties == nil {
					r.properties = map[string]string{}
				}
				r.properties[h.properties[i]] = value
			}
		case c == orderNumber || c == eventNumber || c == eventCategory:
			r.cells[c] = value
		case c >= 0:
			r.cells[c] = strings.TrimSpace(value)
		}
	}
	r.split()
}

// split makes lists of the cells that hold lists with semicolons.
func (r *row) split() {
	r.coupons = append(r.coupons, splitList(r.cells[couponCodes])...)
	r.tags = append(r.tags, splitList(r.cells[campaignTags])...)
}

func splitList(s string) (out []string) {
	for _, part := range strings.Split(s, ";") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func (r *row) identity() customerapi.Identity {
	return customerapi.Identity{Email: r.cells[email], CustomerID: r.cells[customerID], Phone: r.cells[phoneNumber],
		Username: r.cells[username], FirstName: r.cells[firstName], LastName: r.cells[lastName], CustomProperties: r.properties}
}

// truths are the words by which a cell says yes or no.
var truths = map[string]bool{"true": true, "yes": true, "y": true, "1": true, "false": false, "no": false, "n": false, "0": false}

// person is whom the row tells of. An empty cell says nothing of whether it is a customer already.
func (r *row) person() (customerapi.Identity, []finding) {
	out, said := r.identity(), r.cells[existingCustomer]
	if said == "" {
		return out, nil
	}
	yes, understood := truths[strings.ToLower(said)]
	if !understood {
		return out, []finding{{column: "existing_customer", value: said, what: "is neither true nor false"}}
	}
	out.ExistingCustomer = &yes
	return out, nil
}

// origin is the purchase or event that the row tells of.
func (r *row) origin(s site.Site) (customerapi.Origin, []finding) {
	var wrong []finding
	c := r.cells
	in := customerapi.Origin{Type: customerevent.Purchase, Person: r.identity(), Number: c[orderNumber], Currency: strings.ToUpper(c[currency]),
		CouponCodes: r.coupons, CampaignTags: r.tags, TrafficSource: c[trafficSource], Segments: [3]string{c[segment1], c[segment2], c[segment3]},
		UTM: customerapi.UTM{Source: c[utmSource], Medium: c[utmMedium], Campaign: c[utmCampaign], Term: c[utmTerm], Content: c[utmContent]},
		IP:  c[ipAddress], ShippingAddress: c[shippingAddress], ShippingZip: c[shippingZip], CardHash: c[cardHash], Verified: true}
	if c[visitorUUID] != "" {
		in.Visitors = []string{c[visitorUUID]}
	}
	if c[eventNumber] != "" || c[eventCategory] != "" {
		if c[orderNumber] != "" {
			wrong = append(wrong, finding{column: "event_number", value: c[eventNumber], what: "is there beside an order_number"})
		}
		in.Type, in.Category, in.Number = customerevent.Event, c[eventCategory], c[eventNumber]
	}
	if in.Currency == "" {
		in.Currency = s.Currency
	}
	if c[subtotal] != "" || in.Type == customerevent.Purchase {
		var err error
		if _, ok := money.Digits(in.Currency); !ok {
			wrong = append(wrong, finding{column: "currency", value: c[currency], what: "is no ISO 4217 currency"})
		} else if in.Subtotal, err = money.Parse(c[subtotal], in.Currency); err != nil {
			wrong = append(wrong, finding{column: "subtotal", value: c[subtotal], what: "is no plain decimal number, or too large"})
		}
	}
	var ok bool
	if in.OccurredAt, ok = moment(c[date], s.Zone); !ok || in.OccurredAt.IsZero() { // zero would be now
		wrong = append(wrong, finding{column: "date", value: c[date], what: "is no date like 2026-03-01, nor a time like 2026-03-01T12:00:00Z"})
	}
	return in, wrong
}

// moment reads when something happened. Times without a zone are the site's; a day without a time is its noon there, so that it
// stays the same day whatever the zone's clock did that night.
func moment(s string, zone *time.Location) (time.Time, bool) {
	if zone == nil {
		zone = time.UTC
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST",
		"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if layout == "2006-01-02 15:04:05 MST" && !strings.HasSuffix(s, " UTC") {
			continue // other abbreviations have no certain meaning
		}
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), true
		}
	}
	for _, layout := range []string{"2006-01-02", "20060102"} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, zone).UTC(), true
		}
	}
	return time.Time{}, false
}
