package gateway

import (
	"context"
	"encoding/json"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

type talkableBatch struct {
	ID          int64          `json:"id"`
	Description string         `json:"description"`
	PointsCost  int64          `json:"points_cost"`
	Position    int            `json:"position"`
	Available   *int64         `json:"available_coupons_count" doc:"null where the merchant hands out what was bought, or the coupon is made for it"`
	CouponList  *spendableList `json:"coupon_list" doc:"null where the merchant hands out what was bought"`
}

type memberBatchesAnswer struct {
	Batches []talkableBatch `json:"redemption_batches"`
}

func (c Composition) listBatches(ctx context.Context, in *MemberPath) (*web.OK[memberBatchesAnswer], error) {
	req := web.From(ctx)
	p, err := c.memberPerson(ctx, req.Site.ID, in.Slug)
	if err != nil {
		return nil, err
	}
	batches, err := c.Members.Batches(ctx, req.Site.ID, p.ID)
	if err != nil {
		return nil, asNoMember(err)
	}
	var ids []int64
	for _, b := range batches {
		if b.CouponListID != nil {
			ids = append(ids, *b.CouponListID)
		}
	}
	lists, err := c.couponLists(ctx, req.Site.ID, ids)
	if err != nil {
		return nil, err
	}
	answer := memberBatchesAnswer{Batches: make([]talkableBatch, len(batches))}
	for i, b := range batches {
		out := talkableBatch{ID: b.ID, Description: b.Description, PointsCost: b.PointsCost, Position: b.Position}
		if b.CouponListID != nil {
			l, known := lists[*b.CouponListID]
			if known {
				out.CouponList = spendable(l, req.Site)
			}
			if b.Kind == "coupon" { // of an unknown list nothing is available
				out.Available = new(l.Available)
			}
		}
		answer.Batches[i] = out
	}
	return web.Answer(answer), nil
}

// spendableList is a coupon list in Talkable's shape.
type spendableList struct {
	Name               string          `json:"name"`
	Amount             json.RawMessage `json:"amount" doc:"Number: money, or per cent"`
	LocalizedAmount    string          `json:"localized_amount" example:"$5"`
	PercentageDiscount bool            `json:"percentage_discount"`
	ExpiresAt          *string         `json:"expires_at"`
}

func (c Composition) couponLists(ctx context.Context, siteID int64, ids []int64) (map[int64]referralapi.CouponList, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	return c.Referrals.CouponLists(ctx, siteID, ids)
}

func spendable(l referralapi.CouponList, s site.Site) *spendableList {
	out := &spendableList{Name: l.Name, PercentageDiscount: l.BasisPoints != 0}
	if out.PercentageDiscount {
		percent := money.Rate(l.BasisPoints)
		out.Amount, out.LocalizedAmount = []byte(percent), percent+"%"
	} else {
		out.Amount, out.LocalizedAmount = []byte(money.Format(l.Amount, l.Currency)), money.Price(l.Amount, l.Currency)
	}
	if l.ExpiresAt != nil {
		at := web.Talkable(*l.ExpiresAt, s.Zone)
		out.ExpiresAt = &at
	}
	return out
}

// redeems puts redemptions together with their coupons, as they are now.
func (c Composition) redeems(ctx context.Context, s site.Site, all []loyaltyapi.Redemption) ([]talkableAction, error) {
	var ids []int64
	for _, r := range all {
		if r.CouponID != nil {
			ids = append(ids, *r.CouponID)
		}
	}
	var known map[int64]referralapi.Coupon
	if len(ids) > 0 {
		var err error
		if known, err = c.Referrals.Coupons(ctx, s, ids); err != nil {
			return nil, err
		}
	}
	out := make([]talkableAction, len(all))
	for i, r := range all {
		out[i] = talkableAction{Type: "redeem", Points: -r.Points, CreatedAt: web.Talkable(r.CreatedAt, s.Zone), ID: r.ID,
			Description: orNull(r.Description), RedemptionID: &r.ID, Status: &r.Status, Wallet: r.Wallet}
		if r.CouponID == nil {
			continue
		}
		coupon, ok := known[*r.CouponID]
		if !ok { // what the redemption knows of it
			coupon = referralapi.Coupon{ID: *r.CouponID, Code: *r.CouponCode, Active: true, SingleUse: true, Amount: []byte("null"), Description: r.Description}
		}
		out[i].Coupon = &coupon
	}
	return out, nil
}

// acted answers an action with the member as the action left it.
func (c Composition) acted(ctx context.Context, s site.Site, p customerapi.Person, a loyaltyapi.Action, shown talkableAction) (*web.OK[actionAnswer], error) {
	m, err := c.Members.Member(ctx, s.ID, p.ID)
	if err != nil {
		return nil, asNoMember(err)
	}
	if a.Wallet == "" {
		m.Balance = a.Balance
	}
	for i := range m.Wallets {
		if m.Wallets[i].Key == a.Wallet {
			m.Wallets[i].Balance = a.Balance
		}
	}
	return web.Answer(actionAnswer{Action: shown, Member: memberJSON(p, m, s)}), nil
}
