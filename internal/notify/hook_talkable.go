package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/web"
)

// What follows is Talkable's payload, as far as our events know its members. Members that they don't know are left out.

type talkableCampaign struct {
	ID int64 `json:"id"`
}

type talkableOffer struct {
	ID    int64   `json:"id,omitempty"`
	Email *string `json:"email"` // the advocate's
	Phone *string `json:"phone_number"`
}

type talkablePerson struct {
	FirstName      *string `json:"first_name"`
	LastName       *string `json:"last_name"`
	Email          *string `json:"email"`
	Phone          *string `json:"phone_number"`
	CustomerID     *string `json:"customer_id"`
	UnsubscribedAt *string `json:"unsubscribed_at"`
}

type talkableOrigin struct {
	ID            int64          `json:"id"`
	Type          string         `json:"type,omitempty"`
	Email         *string        `json:"email"`
	CustomerID    *string        `json:"customer_id"`
	TrafficSource *string        `json:"traffic_source,omitempty"`
	OrderNumber   string         `json:"order_number,omitempty"`
	OrderDate     string         `json:"order_date,omitempty"`
	EventNumber   string         `json:"event_number,omitempty"`
	EventCategory string         `json:"event_category,omitempty"`
	Subtotal      *money.Decimal `json:"subtotal,omitempty"`
	Currency      string         `json:"currency_iso_code,omitempty"`
	CouponCode    *string        `json:"coupon_code,omitempty"`
}

// talkableReward is a reward as the referral's message shows it: its amount is a text there.
type talkableRewardOf struct {
	ID          int64          `json:"id"`
	Email       *string        `json:"email"`
	Person      talkablePerson `json:"person"`
	Amount      *string        `json:"amount"`
	Incentive   string         `json:"incentive"`
	Description string         `json:"incentive_description"`
	CouponCode  *string        `json:"reward_coupon_code"`
}

// approval is what a referral's message is made of: rewards are told after their referral, and join it here.
type approval struct {
	referralevent.ReferralApproved
	Rewards []referralevent.RewardIssued `json:"rewards"`
}

// writeTalkable makes the payload of Talkable's form.
func (e errand) writeTalkable() (string, error) {
	var payload any
	var err error
	switch e.Type {
	case talkableReferral:
		payload, err = readAs(e, e.talkableReferral)
	case talkableReward:
		payload, err = readAs(e, e.talkableReward)
	case talkableEvent:
		payload, err = readAs(e, e.talkableEvent)
	case talkableShare:
		payload, err = readAs(e, e.talkableShare)
	case talkableClaim:
		payload, err = readAs(e, e.talkableClaim)
	case talkableUnsubscribe:
		payload = map[string]any{"person": e.talkablePerson(e.Person)}
	default:
		err = fmt.Errorf("%q is none of Talkable's types", e.Type)
	}
	if err != nil {
		return "", fmt.Errorf("write delivery %d of site %d: %w", e.ID, e.SiteID, err)
	}
	body, err := json.Marshal(payload)
	return string(body), err
}

func readAs[T any](e errand, shape func(T) any) (any, error) {
	var event T
	if err := json.Unmarshal([]byte(e.Data), &event); err != nil {
		return nil, err
	}
	return shape(event), nil
}

func (e errand) talkableReferral(r approval) any {
	advocates, friends := []talkableRewardOf{}, []talkableRewardOf{}
	for _, w := range r.Rewards {
		switch {
		case w.Kind == referralevent.Points: // Talkable leaves them out
		case w.Side == "advocate":
			advocates = append(advocates, e.talkableRewardOf(w, e.Person))
		default:
			friends = append(friends, e.talkableRewardOf(w, e.Friend))
		}
	}
	subtotal := money.Decimal{Minor: r.Subtotal, Currency: r.Currency}
	out := map[string]any{"campaign": talkableCampaign{r.CampaignID}, "offer": e.talkableOffer(r.OfferID), "advocate_rewards": advocates, "friend_rewards": friends,
		"referred_origin": talkableOrigin{ID: r.OriginID, Email: e.Friend.text(e.Friend.Email), CustomerID: e.Friend.text(e.Friend.CustomerID),
			OrderDate: e.moment(r.OccurredAt), Subtotal: &subtotal, Currency: r.Currency}}
	if len(advocates) > 0 {
		out["referrer"] = advocates[0]
	}
	if len(friends) > 0 {
		out["referred"] = friends[0]
	}
	return out
}

func (e errand) talkableRewardOf(w referralevent.RewardIssued, of known) talkableRewardOf {
	out := talkableRewardOf{ID: w.RewardID, Email: of.text(of.Email), Person: e.talkablePerson(of), Incentive: incentiveType(w.Kind), Description: describe(w)}
	if w.Kind == referralevent.Commission {
		amount := money.Format(w.Amount, w.Currency)
		out.Amount = &amount
	}
	if w.CouponCode != "" {
		out.CouponCode = &w.CouponCode
	}
	return out
}

func (e errand) talkableReward(w referralevent.RewardIssued) any {
	reward := map[string]any{"id": w.RewardID, "reason": w.Reason, "status": "Paid", "incentive_type": incentiveType(w.Kind), "incentive_description": describe(w),
		"incentive_custom_description": nil, "amount": nil, "coupon_code": nil}
	switch {
	case w.Kind == referralevent.Commission:
		reward["amount"], reward["status"] = money.Decimal{Minor: w.Amount, Currency: w.Currency}, "Unpaid"
	case w.CouponCode != "":
		reward["coupon_code"] = w.CouponCode
	}
	var person, origin any
	if w.PersonID != 0 {
		person = e.talkablePerson(e.Person)
	}
	if w.OriginID != 0 {
		origin = talkableOrigin{ID: w.OriginID, Email: e.Friend.text(e.Friend.Email), CustomerID: e.Friend.text(e.Friend.CustomerID)}
	}
	return map[string]any{"campaign": talkableCampaign{w.CampaignID}, "person": person, "friend_origin": origin, "reward": reward}
}

func (e errand) talkableEvent(o customerevent.OriginRecorded) any {
	subtotal, coupons := money.Decimal{Minor: o.Subtotal, Currency: o.Currency}, strings.Join(o.CouponCodes, ",")
	origin := talkableOrigin{ID: o.OriginID, Type: o.Type, Email: e.Person.text(e.Person.Email), CustomerID: e.Person.text(e.Person.CustomerID),
		TrafficSource: orNull(o.TrafficSource), OrderDate: e.moment(o.OccurredAt), Subtotal: &subtotal, Currency: o.Currency, CouponCode: &coupons}
	if o.Type == customerevent.Purchase {
		origin.OrderNumber = o.Number
	} else {
		origin.EventNumber, origin.EventCategory = o.Number, o.Category
	}
	var person any
	if o.PersonID != 0 {
		person = e.talkablePerson(e.Person)
	}
	return map[string]any{"origin": origin, "person": person}
}

func (e errand) talkableShare(s referralevent.OfferShared) any {
	info := map[string]any{}
	if s.Kind == referralevent.Email {
		info["recipients"] = []*string{e.Friend.text(e.Friend.Email)}
	}
	return map[string]any{"campaign": talkableCampaign{s.CampaignID}, "share_type": s.Channel, "share_info": info, "share_link": s.Link,
		"sharer_info": e.talkablePerson(e.Person), "offer": e.talkableOffer(s.OfferID)}
}

func (e errand) talkableClaim(c referralevent.OfferClaimed) any {
	return struct {
		Campaign talkableCampaign `json:"campaign"`
		Offer    talkableOffer    `json:"offer"`
		talkablePerson
	}{talkableCampaign{c.CampaignID}, e.talkableOffer(c.OfferID), e.talkablePerson(e.Friend)}
}

func (e errand) talkableOffer(id int64) talkableOffer {
	return talkableOffer{ID: id, Email: e.Person.text(e.Person.Email), Phone: e.Person.text(e.Person.Phone)}
}

func (e errand) talkablePerson(k known) talkablePerson {
	out := talkablePerson{FirstName: k.text(k.FirstName), LastName: k.text(k.LastName), Email: k.text(k.Email), Phone: k.text(k.Phone), CustomerID: k.text(k.CustomerID)}
	if k.UnsubscribedAt != nil {
		at := e.moment(*k.UnsubscribedAt)
		out.UnsubscribedAt = &at
	}
	return out
}

// moment is a time as Talkable writes it, in the site's zone.
func (e errand) moment(t time.Time) string {
	zone, err := time.LoadLocation(e.Zone)
	if err != nil {
		zone = time.UTC
	}
	return web.Talkable(t, zone)
}

// text is something known of a person, null where nothing is or may be.
func (k known) text(s string) *string {
	if k.Anonymized {
		return nil
	}
	return orNull(s)
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func incentiveType(kind string) string {
	switch kind {
	case referralevent.Coupon:
		return "discount_coupon"
	case referralevent.Commission:
		return "rebate"
	}
	return "other"
}

func describe(w referralevent.RewardIssued) string {
	switch w.Kind {
	case referralevent.Commission:
		return money.Price(w.Amount, w.Currency) + " back"
	case referralevent.Points:
		return itoa(w.Points) + " points"
	}
	return "coupon " + w.CouponCode
}
