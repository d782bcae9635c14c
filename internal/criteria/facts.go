package criteria

import (
	"reflect"
	"time"
)

// Facts are what a condition may ask for: each field is a variable, each field of its type a member, by the name in its tag. What a
// decision doesn't know is zero: "", 0, false, an empty list.
//
// A member marked as personal is seen by the condition, but left out of what is kept of the decision.
type Facts struct {
	Now      time.Time `cel:"now" doc:"When it is decided"`
	Today    Date      `cel:"today" doc:"For what a loyalty programme gives: the day on which it happened, in the site's zone"`
	Person   Person    `cel:"person" doc:"Whom it is about: who would join, or who would get the reward"`
	Advocate Person    `cel:"advocate" doc:"Who shared"`
	Friend   Person    `cel:"friend" doc:"Who came by the advocate's link"`
	Origin   Origin    `cel:"origin" doc:"The purchase, sign-up or event"`
	Items    []Item    `cel:"items" doc:"The lines of the order, the first hundred"`
	Campaign Campaign  `cel:"campaign" doc:"The campaign"`
	Share    Share     `cel:"share" doc:"For what is given for sharing: how it was shared"`
	Click    Click     `cel:"click" doc:"For what is given for a click: how the friend came"`
	Mail     Mail      `cel:"mail" doc:"For the condition of a mail: what it is about; person is who gets it"`
	Member   Member    `cel:"member" doc:"For what a loyalty programme gives: the member, as they are before it"`
	History  History   `cel:"history" doc:"For what a loyalty programme gives: what the person bought before it, as far as it was told before it; at most the thousand latest things that they did"`
}

// Person is what conditions may ask of somebody.
type Person struct {
	ID               int64             `cel:"id" doc:"0: nobody known"`
	CustomerID       string            `cel:"customer_id" personal:"" doc:"As the shop calls them"`
	EmailDomain      string            `cel:"email_domain" doc:"What follows the @, in lower case"`
	CustomProperties map[string]string `cel:"custom_properties" personal:"" doc:"What the merchant says of them"`
	NewCustomer      bool              `cel:"new_customer" doc:"Had bought nothing before"`
	Subscribed       bool              `cel:"subscribed" doc:"Opted in to mail, and did not opt out"`
	NewSubscriber    bool              `cel:"new_subscriber" doc:"Opted in to mail within the day before"`
	Events           int64             `cel:"events" doc:"Confirmed purchases and events so far"`
	CreatedAt        time.Time         `cel:"created_at" doc:"When they became known"`
	Referrals        int64             `cel:"referrals" doc:"Approved referrals by them in the campaign, this one included"`
	Segments         []string          `cel:"segments" doc:"For what a loyalty programme gives: those that the shop told with the latest origin of theirs that had any, this one included"`
}

// Origin is what somebody did.
type Origin struct {
	ID            int64     `cel:"id" doc:"0: there is none"`
	Type          string    `cel:"type" doc:"AffiliateMember, Purchase or Event"`
	Category      string    `cel:"category" doc:"Of an Event"`
	Subtotal      int64     `cel:"subtotal" doc:"In minor units: 1050 is 10.50"`
	Currency      string    `cel:"currency" doc:"ISO 4217"`
	CouponCodes   []string  `cel:"coupon_codes" doc:"That were used, as they were told"`
	CampaignTags  []string  `cel:"campaign_tags" doc:"That it asked for"`
	Segments      []string  `cel:"segments" doc:"That it is in; known when somebody joins, and for what a loyalty programme gives"`
	TrafficSource string    `cel:"traffic_source" doc:"Where it came from"`
	FirstPurchase bool      `cel:"first_purchase" doc:"No purchase of this person was known before"`
	OccurredAt    time.Time `cel:"occurred_at" doc:"When it was done"`
}

// Item is a line of an order.
type Item struct {
	ProductID string `cel:"product_id" doc:"As the shop calls it"`
	Title     string `cel:"title" doc:"As the shop shows it; known when somebody joins"`
	Category  string `cel:"category" doc:"Of the product"`
	Price     int64  `cel:"price" doc:"Of one, in minor units; below zero: a discount"`
	Quantity  int64  `cel:"quantity" doc:"How many"`
}

// Campaign is what people share under.
type Campaign struct {
	ID   int64    `cel:"id" doc:"Its number"`
	Name string   `cel:"name" doc:"Its name"`
	Tags []string `cel:"tags" doc:"Its tags"`
}

// Share is how somebody shared.
type Share struct {
	Channel string `cel:"channel" doc:"facebook, email, …"`
	Emails  int64  `cel:"emails" doc:"How many were written to; 0 for other channels"`
}

// Click is how a friend came.
type Click struct {
	Channel string `cel:"channel" doc:"Of the link that was opened"`
	Expired bool   `cel:"expired" doc:"The offer was over"`
	Self    bool   `cel:"self" doc:"The friend is the advocate, as far as is known"`
}

// Mail is a message that is about to be sent.
type Mail struct {
	Template   string `cel:"template" doc:"As GET /mails names it"`
	CampaignID int64  `cel:"campaign_id" doc:"Of the offer, referral or reward; 0: none"`
	Reward     string `cel:"reward" doc:"What kind of reward it is about: points, coupon, commission, store_credit, …"`
	Points     int64  `cel:"points" doc:"That were got, or end"`
	Amount     int64  `cel:"amount" doc:"Of the reward, in minor units"`
	Subtotal   int64  `cel:"subtotal" doc:"Of the friend's order, in minor units"`
	Currency   string `cel:"currency" doc:"ISO 4217, of amount or subtotal"`
	Tier       string `cel:"tier" doc:"That was reached, or fallen to"`
	QA         bool   `cel:"qa_generated" doc:"Somebody of the merchant's tries things out"`
}

// Member is somebody's place in the loyalty programme.
type Member struct {
	ID     int64  `cel:"id" doc:"0: not a member yet"`
	Tier   string `cel:"tier" doc:"Its name; empty below the first"`
	Earned int64  `cel:"earned" doc:"Points in their life, less what was taken back"`
	Status string `cel:"status" doc:"candidate, active or suspended; empty: not a member yet"`

	JoinedAt time.Time `cel:"joined_at" doc:"Since when they are one, or a candidate"`

	Birthday Date            `cel:"birthday" personal:"" doc:"Of their dates the one of this name; year, month and day are 0 where it isn't known"`
	Dates    map[string]Date `cel:"dates" personal:"" doc:"All of them, by their names: ask for \"anniversary\" in member.dates before"`
}

// Date is a day without a time. Of one that isn't known all is 0.
type Date struct {
	Year  int64 `cel:"year" doc:"As 1990"`
	Month int64 `cel:"month" doc:"1 to 12"`
	Day   int64 `cel:"day" doc:"1 to 31"`
}

// DateOf is the day of a moment in its zone.
func DateOf(t time.Time) Date {
	year, month, day := t.Date()
	return Date{int64(year), int64(month), int64(day)}
}

// ParseDate reads a day as 1990-05-17. Anything else is one that isn't known.
func ParseDate(text string) Date {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return Date{}
	}
	return DateOf(t)
}

// History is what somebody bought before what is decided about. Money is in the programme's currency; orders in others count as orders only.
type History struct {
	Orders   int64     `cel:"orders" doc:"Confirmed purchases"`
	Spent    int64     `cel:"spent" doc:"What these came to, less what was refunded by then, in minor units"`
	Refunded int64     `cel:"refunded" doc:"What of these was refunded by then, in minor units"`
	FirstAt  time.Time `cel:"first_at" doc:"When the first of them was made; ask for orders > 0 before"`
	LastAt   time.Time `cel:"last_at" doc:"When the last of them was made"`
}

// Variable is a line of the table of what conditions may ask for.
type Variable struct {
	Name string // "origin.subtotal"
	Type string // in CEL's words
	Doc  string
	Keep bool // its value is kept with the decision
}

// Variables are all that a condition may ask for, in the order of Facts.
func Variables() []Variable {
	var out []Variable
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Facts]()) {
		out = append(out, variable("", f))
		of := f.Type
		if of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() {
			continue
		}
		for _, member := range reflect.VisibleFields(of) {
			out = append(out, variable(f.Tag.Get("cel")+".", member))
		}
	}
	return out
}

func variable(prefix string, f reflect.StructField) Variable {
	_, personal := f.Tag.Lookup("personal")
	return Variable{Name: prefix + f.Tag.Get("cel"), Type: typeName(f.Type), Doc: f.Tag.Get("doc"), Keep: !personal}
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "timestamp"
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem())
	case t.Kind() == reflect.Map:
		return "map of " + typeName(t.Elem())
	case t.Kind() == reflect.Struct:
		return t.Name()
	case t.Kind() == reflect.Int64:
		return "int"
	default:
		return t.Kind().String()
	}
}
