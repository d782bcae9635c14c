package referral

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// campaignJSON is a campaign in our own shape.
type campaignJSON struct {
	ID                    int64               `json:"id"`
	Version               int                 `json:"version" doc:"Counts the changes; rewards keep the version that they were issued under"`
	Type                  string              `json:"type"`
	Name                  string              `json:"name"`
	Status                string              `json:"status" enum:"Live,Test,Scheduled,Disabled"`
	IsActive              *bool               `json:"is_active,omitempty" doc:"Whether it is open to everybody at this moment, by its status and live period; versions have none"`
	Tags                  []string            `json:"tags"`
	JoinableCategoryNames []string            `json:"joinable_category_names"`
	DestinationURL        *string             `json:"destination_url" doc:"null: the site's shop"`
	AttributionDays       int                 `json:"attribution_days"`
	Attribution           attributionRuleJSON `json:"attribution" doc:"How the advocate of a purchase is found"`
	Approval              approvalJSON        `json:"approval"`
	LivePeriod            periodJSON          `json:"live_period"`
	Join                  *joinInput          `json:"join" doc:"null: everybody may"`
	HoldOutPercent        int                 `json:"hold_out_percent"`
	Variants              []variantInput      `json:"variants"`
	Texts                 map[string]string   `json:"texts"`
	Incentives            []incentiveJSON     `json:"incentives"`
	CreatedAt             time.Time           `json:"created_at"`
	UpdatedAt             time.Time           `json:"updated_at"`
}

type approvalJSON struct {
	Mode         string `json:"mode" enum:"automatic,manual"`
	DelaySeconds int64  `json:"delay_seconds"`
}

type periodJSON struct {
	StartsAt *time.Time `json:"starts_at"`
	EndsAt   *time.Time `json:"ends_at"`
}

type incentiveJSON struct {
	ID               int64           `json:"id"`
	Identifier       string          `json:"identifier"`
	ActionType       string          `json:"action_type" enum:"referrer,referred,click,signup,sharing"`
	Side             string          `json:"side" enum:"advocate,friend"`
	Kind             string          `json:"kind" enum:"points,commission,coupon,other,store_credit,gift_card"`
	Points           *int64          `json:"points"`
	Percent          json.RawMessage `json:"percent" doc:"Number or null"`
	Amount           *int64          `json:"amount" doc:"Minor units"`
	Currency         *string         `json:"currency"`
	CouponCode       *string         `json:"coupon_code"`
	CouponListID     *int64          `json:"coupon_list_id"`
	CouponPercent    json.RawMessage `json:"coupon_percent" doc:"Number or null"`
	CouponAmount     *int64          `json:"coupon_amount" doc:"Minor units"`
	CommissionPlanID *int64          `json:"commission_plan_id"`
	SubtotalMin      *int64          `json:"subtotal_min"`
	Terms            terms           `json:"terms,omitzero" doc:"What it asks for besides, and how it grows; left out when nothing"`
	Active           bool            `json:"active"`
	Description      string          `json:"description"`
}

// readCampaign is a campaign as it runs, with the incentives that were taken out; not found is a fault.
func (m *Module) readCampaign(ctx context.Context, q sqlx.QueryerContext, siteID, id int64, at time.Time) (campaignJSON, error) {
	list, err := campaignsByID(ctx, q, []int64{siteID}, []int64{id}, at)
	if err != nil {
		return campaignJSON{}, err
	}
	c := list[key{siteID, id}]
	if c == nil {
		return campaignJSON{}, errNoCampaign
	}
	retired, err := retiredIncentives(ctx, q, c)
	c.Incentives = append(c.Incentives, retired...)
	out, live := c.json(), c.live(at)
	out.IsActive = &live
	return out, err
}

func (c *campaign) json() campaignJSON {
	out := campaignJSON{ID: c.ID, Version: c.Version, Type: c.kind().Name, Name: c.Name, Status: c.Status, Tags: c.Tags, JoinableCategoryNames: c.Categories,
		DestinationURL: orNull(c.Destination), AttributionDays: c.AttributionDays, Attribution: c.Attribution.json(), Approval: approvalJSON{c.ApprovalMode, c.ApprovalDelay},
		LivePeriod: periodJSON{c.StartsAt, c.EndsAt}, Join: c.Join.json(), HoldOutPercent: c.HoldOut,
		Variants: []variantInput{}, Texts: map[string]string{}, Incentives: []incentiveJSON{}, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC()}
	for _, v := range c.Variants {
		out.Variants = append(out.Variants, v.json())
	}
	maps.Copy(out.Texts, c.Texts)
	for _, i := range c.Incentives {
		out.Incentives = append(out.Incentives, i.json())
	}
	return out
}

func (i incentive) json() incentiveJSON {
	one := incentiveJSON{ID: i.ID, Identifier: i.Identifier, ActionType: i.Action, Side: i.side(), Kind: i.Kind,
		Points: orNull(i.Points), Percent: number(""), CouponPercent: number(""), Currency: orNull(i.Currency),
		CouponCode: orNull(i.CouponCode), CouponListID: i.CouponList, CommissionPlanID: i.CommissionPlan, SubtotalMin: i.SubtotalMin, Terms: i.Terms, Active: i.Active, Description: i.describe()}
	part, amount := &one.Percent, &one.Amount
	if i.Kind == referralevent.Coupon {
		part, amount = &one.CouponPercent, &one.CouponAmount
	}
	if *amount = orNull(i.Amount); i.BasisPoints > 0 {
		*part = number(money.Rate(i.BasisPoints))
	}
	return one
}

// orNull is nil for the zero value.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
