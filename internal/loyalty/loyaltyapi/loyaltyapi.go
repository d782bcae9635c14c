// Package loyaltyapi is what module loyalty answers when the edge asks it: the shapes of its calls.
package loyaltyapi

import (
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Member is a person in the site's programme.
type Member struct {
	ID       int64
	PersonID int64
	Active   bool
	Status   string // candidate, active, suspended, closed, erased
	Balance  int64  // spendable points
	Earned   int64  // lifetime, less what was clawed back; decides the tier
	Tier     string // "" below the first
	NextTier string // "" at the top
	ToNext   int64  // points to earn until NextTier
	JoinedAt time.Time
	Dates    []MemberDate    // by name
	Expiring *Expiring       // what of the balance ends next; nil: nothing
	Pending  int64           // points that can't be spent yet
	Next     *Expiring       // what of them can be spent next; nil: nothing that has a date
	Pool     *PoolSummary    // nil: in none, or the programme has none
	Wallets  []WalletBalance // beside the main one; nil: the programme has none
}

// WalletBalance is what a member has in a wallet beside the main one.
type WalletBalance struct {
	Key      string    `json:"key"`
	Name     string    `json:"name"`
	Balance  int64     `json:"balance" doc:"Below zero: a debt"`
	Pending  int64     `json:"points_pending" doc:"That can't be spent yet"`
	Expiring *Expiring `json:"expiring_next" doc:"What of the balance expires next; null: nothing"`
}

// MemberDate is a day that matters to a member.
type MemberDate struct {
	Identifier string `db:"identifier" json:"identifier" example:"birthday"`
	Date       string `db:"date" json:"date" example:"1990-05-17"` // "": none
}

// Entry is one posting to a member's account, newest first in lists.
type Entry struct {
	ID            int64      `json:"id"`
	TransactionID int64      `json:"transaction_id"`
	Seq           int64      `json:"seq" doc:"Number within the account, without gaps"`
	Kind          string     `json:"kind" enum:"earn,claw_back,expire,adjust,redeem,cancel,hold,release,restore,reinstate,activate,transfer_out,transfer_in,merge_out,merge_in,pool_out,pool_in"`
	Reason        string     `json:"reason" enum:"purchase,reward,referral,action,join,tier,date,achievement,share,adjustment,redemption,hold,transfer,merge,unmerge,pool" doc:"What the points were earned for, or went to"`
	Points        int64      `json:"points" doc:"Positive when earned, negative when taken"`
	Balance       int64      `json:"balance" doc:"After this entry"`
	OriginID      *int64     `json:"origin_id"`
	ReferralID    *int64     `json:"referral_id"`
	RewardID      *int64     `json:"reward_id"`
	RedemptionID  *int64     `json:"redemption_id" doc:"That spent the points, or was cancelled"`
	HoldID        *int64     `json:"hold_id" doc:"That keeps the points, or gave them back"`
	TransferID    *int64     `json:"transfer_id" doc:"That took the points to another member, or brought them"`
	Description   *string    `json:"description" doc:"Of an adjustment; the note of a transfer, an activation or a cancellation"`
	Rule          Rule       `json:"rule" doc:"The rule and its version that decided, with the values it saw"`
	EffectiveAt   time.Time  `json:"effective_at" doc:"When that happened which it is for"`
	RecordedAt    time.Time  `json:"recorded_at" doc:"When it was written"`
	ExpiresAt     *time.Time `json:"expires_at" doc:"Of the lot that an earning made"`
}

// Rule is a decision as it was kept: a JSON object with the rule's name, its version, and what it saw.
type Rule string

// MarshalJSON writes the object itself.
func (r Rule) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// Schema describes it to the API description.
func (Rule) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}

// After is where a page of entries ends.
type After struct {
	Seq int64 `json:"seq"`
}

// Action is something done with a member's points: an adjustment, a redemption, or the cancellation of one.
type Action struct {
	Type          string // adjust, redeem, cancel, hold, commit, release, restore
	TransactionID int64
	Points        int64  // below zero: taken
	Balance       int64  // after it
	Wallet        string `json:",omitempty"` // that they are of; "": the main one
	Description   string
	At            time.Time
	Redemption    *Redemption
	Hold          *Hold
	Replayed      bool `json:"-"` // answered from an earlier request with the same Idempotency-Key
}

// Redemption is points that a member spent.
type Redemption struct {
	ID            int64      `json:"id" doc:"Also that of its transaction"`
	MemberID      int64      `json:"member_id"`
	BatchID       int64      `json:"redemption_batch_id"`
	Kind          string     `json:"kind" enum:"coupon,generated_coupon,gift_card,product,store_credit,payment,custom"`
	Status        string     `json:"status" enum:"waiting,fulfilled,cancelled" doc:"waiting: for its coupon or gift card, or for the merchant"`
	Description   string     `json:"description" doc:"Of the batch, when it was redeemed"`
	Points        int64      `json:"points" doc:"Spent"`
	Wallet        string     `json:"wallet,omitempty" doc:"That the points were of; left out: the main one"`
	TrafficSource string     `json:"traffic_source"`
	CouponListID  *int64     `json:"coupon_list_id" doc:"null: the merchant hands out what was bought"`
	CouponID      *int64     `json:"coupon_id"`
	CouponCode    *string    `json:"coupon_code"`
	Amount        *int64     `json:"amount" doc:"Minor units, of what has a value: a gift card, store credit, a payment"`
	Currency      *string    `json:"currency"`
	SKU           *string    `json:"sku" doc:"Of a product"`
	Fulfilment    *string    `json:"fulfilment" doc:"Of a product, store credit or custom: at_once, merchant or hook"`
	Reference     *string    `json:"reference" doc:"The caller's own: the order that was paid"`
	Note          *string    `json:"note" doc:"Of whoever fulfilled it"`
	CancelReason  *string    `json:"cancel_reason"`
	CreatedAt     time.Time  `json:"created_at"`
	FulfilledAt   *time.Time `json:"fulfilled_at"`
	CancelledAt   *time.Time `json:"cancelled_at"`
}

// RedemptionBatch is something that members can spend points on.
type RedemptionBatch struct {
	ID           int64       `json:"id"`
	ProgramID    int64       `json:"program_id"`
	Kind         string      `json:"kind" enum:"coupon,generated_coupon,gift_card,product,store_credit,payment,custom"`
	Status       string      `json:"status" enum:"active,archived"`
	Description  string      `json:"description"`
	PointsCost   int64       `json:"points_cost" doc:"Of a payment: points of one step, which pay the amount"`
	Wallet       string      `json:"wallet,omitempty" doc:"That it costs points of; left out: the main one"`
	Position     int         `json:"position" doc:"Batches are shown by rising position"`
	CouponListID *int64      `json:"coupon_list_id" doc:"Whose coupons are handed out, or what generated ones are worth; null: there are none"`
	Terms        *RewardPlan `json:"terms" doc:"What it says beside its cost; null: nothing"`
	StockLeft    *int64      `json:"stock_left" doc:"null: no end of them"`
	CreatedAt    time.Time   `json:"created_at"`
	UpdatedAt    time.Time   `json:"updated_at"`
}

// Adjustment is points that were moved by hand.
type Adjustment struct {
	TransactionID int64
	Points        int64
	Description   string
	At            time.Time
	Wallet        string // that they are of; "": the main one
}

// AfterID is where a page of a member's adjustments or redemptions ends.
type AfterID struct {
	ID int64 `json:"id"`
}
