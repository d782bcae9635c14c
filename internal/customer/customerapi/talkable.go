package customerapi

import (
	"strings"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// TalkableOrigin is an origin in the shape that Talkable's clients read. Which members there are depends on the type.
type TalkableOrigin struct {
	ID          int64   `json:"id"`
	Type        string  `json:"type" enum:"AffiliateMember,Purchase,Event"`
	Email       *string `json:"email"`
	CustomerID  *string `json:"customer_id"`
	IPAddress   *string `json:"ip_address"`
	Segment1    *string `json:"segment1"`
	Segment2    *string `json:"segment2"`
	Segment3    *string `json:"segment3"`
	UTMSource   *string `json:"utm_source"`
	UTMMedium   *string `json:"utm_medium"`
	UTMCampaign *string `json:"utm_campaign"`
	UTMTerm     *string `json:"utm_term"`
	UTMContent  *string `json:"utm_content"`
	*TalkableOrder
	*TalkableEvent
	*TalkableValue
}

// TalkableOrder is what only a Purchase has.
type TalkableOrder struct {
	OrderNumber string `json:"order_number"`
	OrderDate   string `json:"order_date" format:"date-time"`
}

// TalkableEvent is what only an Event has.
type TalkableEvent struct {
	EventNumber   string `json:"event_number"`
	EventCategory string `json:"event_category"`
}

// TalkableValue is what a Purchase and an Event have.
type TalkableValue struct {
	Subtotal          money.Decimal  `json:"subtotal"`
	CouponCode        string         `json:"coupon_code" doc:"All codes, joined with commas; empty when there are none"`
	RefundedAt        *string        `json:"refunded_at" doc:"When the last refund was made"`
	PartiallyRefunded bool           `json:"partially_refunded" doc:"Something was refunded, and something is left"`
	RefundSubtotal    *money.Decimal `json:"refund_subtotal" doc:"Refunded so far"`
}

// Talkable renders the origin for Talkable's clients, its times in the site's zone.
func (r Recorded) Talkable(s site.Site) TalkableOrigin {
	out := TalkableOrigin{ID: r.ID, Type: r.Type, Email: orNull(r.Email), CustomerID: orNull(r.CustomerID), IPAddress: orNull(r.IP),
		Segment1: orNull(r.Segments[0]), Segment2: orNull(r.Segments[1]), Segment3: orNull(r.Segments[2]),
		UTMSource: orNull(r.UTM.Source), UTMMedium: orNull(r.UTM.Medium), UTMCampaign: orNull(r.UTM.Campaign),
		UTMTerm: orNull(r.UTM.Term), UTMContent: orNull(r.UTM.Content)}
	switch r.Type {
	case customerevent.AffiliateMember:
		return out
	case customerevent.Purchase:
		out.TalkableOrder = &TalkableOrder{OrderNumber: r.Number, OrderDate: web.Talkable(r.OccurredAt, s.Zone)}
	case customerevent.Event:
		out.TalkableEvent = &TalkableEvent{EventNumber: r.Number, EventCategory: r.Category}
	}
	out.TalkableValue = &TalkableValue{Subtotal: money.Decimal{Minor: r.Subtotal, Currency: r.Currency},
		CouponCode: strings.Join(r.CouponCodes, ","), RefundedAt: web.TalkablePtr(r.RefundedAt, s.Zone),
		PartiallyRefunded: r.RefundedTotal > 0 && r.RefundedTotal < r.Subtotal}
	if r.RefundedAt != nil {
		out.RefundSubtotal = &money.Decimal{Minor: r.RefundedTotal, Currency: r.Currency}
	}
	return out
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
