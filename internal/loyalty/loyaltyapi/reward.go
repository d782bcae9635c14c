package loyaltyapi

import "time"

// RewardTerms is what a redemption batch says beside its cost: what it gives, to whom and when.
type RewardTerms struct {
	Fulfilment   string        `json:"fulfilment,omitempty" doc:"Of a product, store credit or custom: at_once, as when left out; merchant: it waits until you say that it is done; hook: your fulfilment hook is asked" example:"merchant"`
	CodeTemplate string        `json:"code_template,omitempty" doc:"Of a generated coupon: each # becomes a random letter or digit, at least 8 of them" example:"POINTS-########"`
	Amount       int64         `json:"amount,omitempty" doc:"Minor units. Of a gift card or store credit: its value; of a payment: what points_cost points pay" example:"500"`
	Currency     string        `json:"currency,omitempty" doc:"Of the amount, ISO 4217" example:"USD"`
	SKU          string        `json:"sku,omitempty" doc:"Of a product, yours: at most 100 characters" example:"MUG-RED"`
	MinPoints    int64         `json:"min_points,omitempty" doc:"Of a payment: the fewest points at once; a multiple of points_cost, and that when left out"`
	MaxPoints    int64         `json:"max_points,omitempty" doc:"Of a payment: the most points at once; a multiple of points_cost, no limit when left out"`
	StartsAt     *time.Time    `json:"starts_at,omitempty" doc:"Nobody redeems it before"`
	EndsAt       *time.Time    `json:"ends_at,omitempty" doc:"Nobody redeems it from then on"`
	FromTier     string        `json:"from_tier,omitempty" doc:"Only members of this tier or a higher one" example:"Gold"`
	When         string        `json:"when,omitempty" doc:"A condition over member and person, see docs/criteria.md; an answer in words is the reason why not" example:"person.custom_properties['vip'] == 'yes'"`
	MinBalance   int64         `json:"min_balance,omitempty" doc:"Only who has so many points, whatever it costs"`
	Stock        *int64        `json:"stock,omitempty" nullable:"true" doc:"How many there are in all: what is redeemed while this is set counts, what is cancelled counts no more. More come by a larger number. Left out: no end of them" example:"100"`
	Limits       []RewardLimit `json:"limits,omitempty" doc:"At most 8, one for each of and per"`
}

// RewardLimit is how often something can be redeemed in a span of time.
type RewardLimit struct {
	Of    string `json:"of" doc:"member: each of them; all: everybody together" example:"member"`
	Per   string `json:"per" doc:"day, month, year or ever, by the site's calendar" example:"month"`
	Times int64  `json:"times" doc:"1 to 1,000,000" example:"1"`
}

// RewardPlan is terms as they are kept.
type RewardPlan struct {
	RewardTerms
	Zone string `json:"zone,omitempty" doc:"Of the site: its days count"`
}

// Reward is a redemption batch as it is for one member.
type Reward struct {
	RedemptionBatch
	Redeemable bool            `json:"redeemable" doc:"The member can redeem it now"`
	Refusals   []RewardRefusal `json:"refusals" doc:"Why not; the first is what redeeming would answer"`
	Rooms      []RewardRoom    `json:"limits" doc:"What its limits leave the member"`
}

// RewardRefusal is a reason why a member can't have a reward now.
type RewardRefusal struct {
	Code    string     `json:"code" enum:"reward_not_started,reward_over,reward_tier_required,reward_condition_unmet,reward_out_of_stock,reward_limit_reached,reward_balance_too_low,not_enough_points"`
	Detail  string     `json:"detail" doc:"In words"`
	Missing *int64     `json:"missing" doc:"Points that are missing"`
	Tier    *string    `json:"tier" doc:"That is needed"`
	At      *time.Time `json:"at" doc:"When it will be otherwise, or was"`
}

// RewardRoom is what a limit leaves.
type RewardRoom struct {
	RewardLimit
	Left   int64      `json:"left"`
	AnewAt *time.Time `json:"anew_at" doc:"When counting begins anew; null: never"`
}

// AfterRedemption is where a page of a site's redemptions ends; zero: the first page.
type AfterRedemption struct {
	At time.Time `json:"at"`
	ID int64     `json:"id"`
}

// RedemptionFilter is which redemptions of a site are looked for; what is zero doesn't matter.
type RedemptionFilter struct {
	Status   string
	BatchID  int64
	From, To time.Time
}
