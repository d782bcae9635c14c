// Package loyaltyevent is what module loyalty tells: members, points, tiers and pools. The key of each is "member:ID", but for pools "pool:ID".
package loyaltyevent

import "time"

// Types lists every event of this package, for the catalogue and the golden files.
var Types = []interface{ EventType() string }{MemberJoined{}, PointsEarned{}, PointsClawedBack{}, PointsExpired{}, PointsExpiring{}, PointsAdjusted{}, PointsRedeemed{}, RedemptionCancelled{}, RedemptionFulfilled{}, HoldChanged{},
	TierChanged{}, PointsActivated{}, PointsTransferred{}, PointsReinstated{}, PointsMerged{}, MemberStatusChanged{}, MemberInvited{}, InvitationEnded{}, PoolChanged{}, PointsPooled{}, AchievementReached{}, AchievementLost{}, StreakBroken{}}

// MemberJoined says that a person is a member of the site's programme.
type MemberJoined struct {
	SiteID   int64     `json:"site_id"`
	MemberID int64     `json:"member_id"`
	PersonID int64     `json:"person_id"`
	JoinedAt time.Time `json:"joined_at"`
}

func (MemberJoined) EventType() string { return "loyalty.member_joined.v1" }

// MemberStatusChanged says that a member is in another state, but for who became an active member at once, of whom MemberJoined says it.
type MemberStatusChanged struct {
	SiteID     int64     `json:"site_id"`
	MemberID   int64     `json:"member_id"`
	PersonID   int64     `json:"person_id"`
	From       string    `json:"from"` // "": was no member
	To         string    `json:"to"`   // candidate, active, suspended, closed, erased
	Cause      string    `json:"cause"`
	ForfeitsAt time.Time `json:"forfeits_at,omitzero"` // when all points end that are left then
	ChangedAt  time.Time `json:"changed_at"`
}

func (MemberStatusChanged) EventType() string { return "loyalty.member_status_changed.v1" }

// MemberInvited says that somebody was asked to become a member, or to come back. The code is what they answer with.
type MemberInvited struct {
	SiteID       int64     `json:"site_id"`
	InvitationID int64     `json:"invitation_id"`
	MemberID     int64     `json:"member_id"`
	PersonID     int64     `json:"person_id"`
	Code         string    `json:"code"`
	ExpiresAt    time.Time `json:"expires_at"`
	InvitedAt    time.Time `json:"invited_at"`
}

func (MemberInvited) EventType() string { return "loyalty.member_invited.v1" }

// InvitationEnded says that an invitation was answered, or taken back: nobody need be asked any more. Of one whose time is over, or whose person is forgotten, nothing is told.
type InvitationEnded struct {
	SiteID       int64     `json:"site_id"`
	InvitationID int64     `json:"invitation_id"`
	MemberID     int64     `json:"member_id"`
	PersonID     int64     `json:"person_id"`
	Status       string    `json:"status"` // accepted, revoked
	EndedAt      time.Time `json:"ended_at"`
}

func (InvitationEnded) EventType() string { return "loyalty.invitation_ended.v1" }

// Reasons of an earning.
const (
	ForPurchase = "purchase" // the member's own purchase or event
	ForReward   = "reward"   // a points reward of a referral
	ForReferral = "referral" // the programme's points per approved referral
	ForAction   = "action"   // what the shop says that the member did
	ForJoin     = "join"     // becoming a member
	ForTier     = "tier"     // reaching a tier
	ForDate     = "date"     // a day of the member's, a birthday for example
	ForShare    = "share"    // sharing an offer

	ForAchievement = "achievement" // reaching one
)

// PointsEarned says that points were posted to a member's account.
type PointsEarned struct {
	SiteID        int64     `json:"site_id"`
	TransactionID int64     `json:"transaction_id"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	Points        int64     `json:"points"`
	Balance       int64     `json:"balance"` // after it
	Reason        string    `json:"reason"`  // purchase, reward, referral, action, join, tier, date, share, achievement
	OriginID      int64     `json:"origin_id,omitempty"`
	ReferralID    int64     `json:"referral_id,omitempty"`
	RewardID      int64     `json:"reward_id,omitempty"`
	FriendID      int64     `json:"friend_id,omitempty"`
	Pending       bool      `json:"pending,omitempty"`     // they can't be spent yet: the balance is as it was
	ActivatesAt   time.Time `json:"activates_at,omitzero"` // when they can be; nothing: at once, or when somebody says so
	EffectiveAt   time.Time `json:"effective_at"`          // of what it is for
	RecordedAt    time.Time `json:"recorded_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsEarned) EventType() string { return "loyalty.points_earned.v1" }

// PointsClawedBack says that earned points were taken back, after a refund or a voided reward.
type PointsClawedBack struct {
	SiteID        int64     `json:"site_id"`
	TransactionID int64     `json:"transaction_id"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	Points        int64     `json:"points"` // positive: how many were taken
	Balance       int64     `json:"balance"`
	Reason        string    `json:"reason"` // of the earning that it takes back
	OriginID      int64     `json:"origin_id,omitempty"`
	RewardID      int64     `json:"reward_id,omitempty"`
	Pending       bool      `json:"pending,omitempty"` // they could not be spent yet: the balance is as it was
	EffectiveAt   time.Time `json:"effective_at"`
	RecordedAt    time.Time `json:"recorded_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsClawedBack) EventType() string { return "loyalty.points_clawed_back.v1" }

// PointsExpired says that lots of a member passed their date.
type PointsExpired struct {
	SiteID        int64     `json:"site_id"`
	TransactionID int64     `json:"transaction_id"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	Points        int64     `json:"points"`
	Balance       int64     `json:"balance"`
	ExpiredAt     time.Time `json:"expired_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsExpired) EventType() string { return "loyalty.points_expired.v1" }

// PointsReinstated says that points which had expired are the member's again, because somebody reversed a run of expiry.
type PointsReinstated struct {
	SiteID        int64     `json:"site_id"`
	TransactionID int64     `json:"transaction_id"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	LotID         int64     `json:"lot_id"` // of the transaction that made it
	Points        int64     `json:"points"`
	Balance       int64     `json:"balance"`
	ExpiryID      int64     `json:"expiry_id"` // the transaction by which they had expired
	ExpiresAt     time.Time `json:"expires_at"`
	ReinstatedAt  time.Time `json:"reinstated_at"`
	ExpiredAt     time.Time `json:"expired_at,omitzero"` // when they had expired

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsReinstated) EventType() string { return "loyalty.points_reinstated.v1" }

// PointsExpiring says, some days before, that points will expire: of one lot, or all those of a member that live by activity. It is
// said once of a lot and a date.
type PointsExpiring struct {
	SiteID    int64     `json:"site_id"`
	MemberID  int64     `json:"member_id"`
	PersonID  int64     `json:"person_id"`
	LotID     int64     `json:"lot_id,omitempty"` // of the transaction that made it; 0: the member's that live by activity
	Points    int64     `json:"points"`
	Balance   int64     `json:"balance"`
	ExpiresAt time.Time `json:"expires_at"`
	ToldAt    time.Time `json:"told_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsExpiring) EventType() string { return "loyalty.points_expiring.v1" }

// PointsAdjusted says that a person or an API call changed a balance by hand.
type PointsAdjusted struct {
	SiteID        int64     `json:"site_id"`
	TransactionID int64     `json:"transaction_id"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	Points        int64     `json:"points"` // negative: taken
	Balance       int64     `json:"balance"`
	CountsForTier bool      `json:"counts_for_tier,omitempty"`
	AdjustedAt    time.Time `json:"adjusted_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsAdjusted) EventType() string { return "loyalty.points_adjusted.v1" }

// PointsRedeemed says that a member spent points. Whoever owns the coupon list hands out one of its coupons for the redemption.
type PointsRedeemed struct {
	SiteID        int64     `json:"site_id"`
	RedemptionID  int64     `json:"redemption_id"`
	TransactionID int64     `json:"transaction_id"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	Points        int64     `json:"points"` // positive: how many were spent
	Balance       int64     `json:"balance"`
	CouponListID  int64     `json:"coupon_list_id,omitempty"`
	RedeemedAt    time.Time `json:"redeemed_at"`

	Kind           string `json:"kind,omitempty"` // coupon, generated_coupon, gift_card, product, store_credit, payment, custom
	BatchID        int64  `json:"redemption_batch_id,omitempty"`
	Description    string `json:"description,omitempty"`
	CouponTemplate string `json:"coupon_template,omitempty"` // the coupon is made by it, instead of taken
	Amount         int64  `json:"amount,omitempty"`          // minor units, of a gift card, store credit or payment
	Currency       string `json:"currency,omitempty"`
	SKU            string `json:"sku,omitempty"`
	Reference      string `json:"reference,omitempty"` // of a payment: the caller's own

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsRedeemed) EventType() string { return "loyalty.points_redeemed.v1" }

// RedemptionCancelled says that a redemption's points went back to the member. Whoever hands out its coupon need not any more, or
// takes it back.
type RedemptionCancelled struct {
	SiteID        int64     `json:"site_id"`
	RedemptionID  int64     `json:"redemption_id"`
	TransactionID int64     `json:"transaction_id"` // that gave the points back
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	Points        int64     `json:"points"`
	Balance       int64     `json:"balance"`
	CouponListID  int64     `json:"coupon_list_id,omitempty"`
	CouponID      int64     `json:"coupon_id,omitempty"` // that it had got by then
	CancelledAt   time.Time `json:"cancelled_at"`

	Kind   string `json:"kind,omitempty"`
	Reason string `json:"reason,omitempty"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (RedemptionCancelled) EventType() string { return "loyalty.redemption_cancelled.v1" }

// RedemptionFulfilled says that what a redemption waited for is in the hands of who redeemed it.
type RedemptionFulfilled struct {
	SiteID       int64     `json:"site_id"`
	RedemptionID int64     `json:"redemption_id"`
	MemberID     int64     `json:"member_id"`
	PersonID     int64     `json:"person_id"`
	BatchID      int64     `json:"redemption_batch_id"`
	Kind         string    `json:"kind"`
	Description  string    `json:"description"`
	Points       int64     `json:"points"`
	CouponID     int64     `json:"coupon_id,omitempty"`
	CouponCode   string    `json:"coupon_code,omitempty"`
	FulfilledAt  time.Time `json:"fulfilled_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (RedemptionFulfilled) EventType() string { return "loyalty.redemption_fulfilled.v1" }

// HoldChanged says that a checkout keeps points of a member, or what became of that: they were spent (commit), given back (release),
// or some of what was spent was given back (restore).
type HoldChanged struct {
	SiteID        int64     `json:"site_id"`
	HoldID        int64     `json:"hold_id"`
	TransactionID int64     `json:"transaction_id"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	Change        string    `json:"change"` // hold, commit, release, restore
	Status        string    `json:"status"` // held, committed, released, timed_out
	Points        int64     `json:"points"` // positive: how many were moved
	Balance       int64     `json:"balance"`
	Reference     string    `json:"reference"`
	ChangedAt     time.Time `json:"changed_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (HoldChanged) EventType() string { return "loyalty.hold_changed.v1" }

// TierChanged says that a member moved between tiers. An empty name is "no tier".
type TierChanged struct {
	SiteID    int64     `json:"site_id"`
	MemberID  int64     `json:"member_id"`
	PersonID  int64     `json:"person_id"`
	From      string    `json:"from,omitempty"`
	To        string    `json:"to,omitempty"`
	Earned    int64     `json:"earned"` // in all, less what was clawed back
	ChangedAt time.Time `json:"changed_at"`
	Cause     string    `json:"cause,omitempty"` // earn, claw_back, order, refund, referral, referral_voided, custom, time, tiers_changed
	Until     time.Time `json:"until,omitzero"`  // when it falls, if nothing more counts; absent: that time alone does not change it
}

func (TierChanged) EventType() string { return "loyalty.tier_changed.v1" }

// PointsActivated says that points which were pending can be spent now.
type PointsActivated struct {
	SiteID            int64     `json:"site_id"`
	TransactionID     int64     `json:"transaction_id"`
	EarnTransactionID int64     `json:"earn_transaction_id"`
	MemberID          int64     `json:"member_id"`
	PersonID          int64     `json:"person_id"`
	Points            int64     `json:"points"` // less what was taken back meanwhile
	Balance           int64     `json:"balance"`
	Reason            string    `json:"reason"` // of the earning
	OriginID          int64     `json:"origin_id,omitempty"`
	ActivatedAt       time.Time `json:"activated_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsActivated) EventType() string { return "loyalty.points_activated.v1" }

// PointsTransferred says that a member gave points to another. The key is the giver's.
type PointsTransferred struct {
	SiteID        int64     `json:"site_id"`
	TransactionID int64     `json:"transaction_id"` // the giver's
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	ToMemberID    int64     `json:"to_member_id"`
	ToPersonID    int64     `json:"to_person_id"`
	Points        int64     `json:"points"`
	Balance       int64     `json:"balance"`
	ToBalance     int64     `json:"to_balance"`
	TransferredAt time.Time `json:"transferred_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsTransferred) EventType() string { return "loyalty.points_transferred.v1" }

// PointsMerged says what a member's points became when its person was found to be another, or not to be after all. Key: the member's that
// they came from. They keep their dates. Points below zero are a debt.
type PointsMerged struct {
	SiteID     int64     `json:"site_id"`
	MergeID    int64     `json:"merge_id"`
	MemberID   int64     `json:"member_id"`
	PersonID   int64     `json:"person_id"`
	ToMemberID int64     `json:"to_member_id"`
	ToPersonID int64     `json:"to_person_id"`
	Points     int64     `json:"points"`
	Balance    int64     `json:"balance"`
	ToBalance  int64     `json:"to_balance"`
	Undone     bool      `json:"undone,omitempty"` // back to the duplicate
	MergedAt   time.Time `json:"merged_at"`

	Wallet string `json:"wallet,omitempty"` // that the points are of; nothing: the main one
}

func (PointsMerged) EventType() string { return "loyalty.points_merged.v1" }

// PoolChanged says what became of a pool of members who may spend each other's points. Key: "pool:ID".
type PoolChanged struct {
	SiteID    int64     `json:"site_id"`
	PoolID    int64     `json:"pool_id"`
	Change    string    `json:"change"`    // created, joined, left, changed, closed
	MemberID  int64     `json:"member_id"` // who joined or left; 0: nobody
	PersonID  int64     `json:"person_id"`
	OwnerID   int64     `json:"owner_member_id"`
	Spending  string    `json:"spending"` // all, owner
	ChangedAt time.Time `json:"changed_at"`
}

func (PoolChanged) EventType() string { return "loyalty.pool_changed.v1" }

// PointsPooled says that a member's points went to another of its pool, who spends them, or came back from there. Key: the member's that they came from.
type PointsPooled struct {
	SiteID        int64     `json:"site_id"`
	TransactionID int64     `json:"transaction_id"`
	PoolID        int64     `json:"pool_id"`
	SpendID       int64     `json:"spend_id"` // the redemption or hold
	Back          bool      `json:"back"`
	MemberID      int64     `json:"member_id"`
	PersonID      int64     `json:"person_id"`
	ToMemberID    int64     `json:"to_member_id"`
	ToPersonID    int64     `json:"to_person_id"`
	Points        int64     `json:"points"`
	Balance       int64     `json:"balance"`
	ToBalance     int64     `json:"to_balance"`
	PooledAt      time.Time `json:"pooled_at"`
}

func (PointsPooled) EventType() string { return "loyalty.points_pooled.v1" }
