package referralevent

import "time"

// CommissionEarned says that an order earned somebody money, which their account now has. Held until a moment, no payout takes it before.
// All events of what a person earns have the key "account:PERSON".
type CommissionEarned struct {
	SiteID       int64     `json:"site_id"`
	CommissionID int64     `json:"commission_id"`
	PersonID     int64     `json:"person_id"`
	FriendID     int64     `json:"friend_id"` // whose order
	OriginID     int64     `json:"origin_id"`
	ReferralID   int64     `json:"referral_id"`
	CampaignID   int64     `json:"campaign_id"`
	PlanID       int64     `json:"plan_id,omitempty"`   // 0: of a plain incentive
	RewardID     int64     `json:"reward_id,omitempty"` // of a referral's order; later ones have none
	Nth          int64     `json:"nth"`                 // order of the friend that is paid for
	Amount       int64     `json:"amount"`              // minor units
	Currency     string    `json:"currency"`
	HoldUntil    time.Time `json:"hold_until,omitzero"`
	OccurredAt   time.Time `json:"occurred_at"` // of the order
	EarnedAt     time.Time `json:"earned_at"`
}

func (CommissionEarned) EventType() string { return "referral.commission_earned.v1" }

// CommissionReleased says that a commission is on hold no longer: the next payout takes what is left of it.
type CommissionReleased struct {
	SiteID       int64     `json:"site_id"`
	CommissionID int64     `json:"commission_id"`
	PersonID     int64     `json:"person_id"`
	Amount       int64     `json:"amount"` // that was held
	Currency     string    `json:"currency"`
	ReleasedAt   time.Time `json:"released_at"`
}

func (CommissionReleased) EventType() string { return "referral.commission_released.v1" }

// CommissionClawedBack says how much of a commission refunds have taken back by now. Of one that was paid out already, the next payout
// to the person is less by that.
type CommissionClawedBack struct {
	SiteID       int64     `json:"site_id"`
	CommissionID int64     `json:"commission_id"`
	PersonID     int64     `json:"person_id"`
	OriginID     int64     `json:"origin_id"`
	ReferralID   int64     `json:"referral_id"`
	Amount       int64     `json:"amount"`       // by this step
	AmountTotal  int64     `json:"amount_total"` // by all steps so far
	Currency     string    `json:"currency"`
	Cause        string    `json:"cause"`
	ClawedAt     time.Time `json:"clawed_at"`
}

func (CommissionClawedBack) EventType() string { return "referral.commission_clawed_back.v1" }

// AccountAdjusted says that the merchant gave a person money, or took some back, for a reason of their own.
type AccountAdjusted struct {
	SiteID     int64     `json:"site_id"`
	PersonID   int64     `json:"person_id"`
	Amount     int64     `json:"amount"` // less than 0: taken
	Currency   string    `json:"currency"`
	AdjustedAt time.Time `json:"adjusted_at"`
}

func (AccountAdjusted) EventType() string { return "referral.account_adjusted.v1" }

// PayoutPaid says that somebody was paid what they had earned.
type PayoutPaid struct {
	SiteID    int64     `json:"site_id"`
	BatchID   int64     `json:"batch_id"`
	LineID    int64     `json:"line_id"`
	PersonID  int64     `json:"person_id"`
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency"`
	Method    string    `json:"method"` // manual, paypal
	Reference string    `json:"reference,omitempty"`
	PaidAt    time.Time `json:"paid_at"`
}

func (PayoutPaid) EventType() string { return "referral.payout_paid.v1" }

// PayoutFailed says that a payout didn't reach somebody, or came back: the account has the money, and the next payout takes it.
type PayoutFailed struct {
	SiteID   int64     `json:"site_id"`
	BatchID  int64     `json:"batch_id"`
	LineID   int64     `json:"line_id"`
	PersonID int64     `json:"person_id"`
	Amount   int64     `json:"amount"`
	Currency string    `json:"currency"`
	Method   string    `json:"method"`
	Returned bool      `json:"returned"` // it had been told as paid
	Reason   string    `json:"reason"`
	FailedAt time.Time `json:"failed_at"`
}

func (PayoutFailed) EventType() string { return "referral.payout_failed.v1" }
