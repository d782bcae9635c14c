package loyaltyapi

import "time"

// RefundPreview is what a refund would do to the points of whom the order is.
type RefundPreview struct {
	MemberID      int64     `json:"member_id"`
	TransactionID int64     `json:"transaction_id" doc:"That earned the points"`
	Earned        int64     `json:"earned" doc:"For the order"`
	ClawedBack    int64     `json:"clawed_back" doc:"Of them, by the refunds so far"`
	Due           int64     `json:"due" doc:"How many the refund would ask back"`
	FromOrder     int64     `json:"from_order" doc:"Of these, out of the order's own points"`
	Forgiven      int64     `json:"forgiven" doc:"Had expired, so nobody pays for them"`
	FromOthers    int64     `json:"from_others" doc:"Out of the member's other points, the next to expire first"`
	Waived        int64     `json:"waived" doc:"Not asked for, by the programme's debt policy"`
	Pending       bool      `json:"pending" doc:"The order's points can't be spent yet: none of this comes off the balance"`
	Debt          int64     `json:"debt" doc:"What the member would owe: later points repay it"`
	Lots          []LotUse  `json:"lots" doc:"Which points would go"`
	Balance       int64     `json:"balance"`
	BalanceAfter  int64     `json:"balance_after"`
	Tier          *string   `json:"tier" doc:"null below the first"`
	TierAfter     *string   `json:"tier_after"`
	At            time.Time `json:"at" doc:"Of this look: points that are spent meanwhile change it"`

	Wallets []WalletRefund `json:"wallets,omitempty" doc:"The same of the points that the order earned in other wallets; left out: none"`
}

// WalletRefund is what a refund would do to a member's points of a wallet beside the main one.
type WalletRefund struct {
	Wallet        string   `json:"wallet"`
	TransactionID int64    `json:"transaction_id"`
	Earned        int64    `json:"earned"`
	ClawedBack    int64    `json:"clawed_back"`
	Due           int64    `json:"due"`
	FromOrder     int64    `json:"from_order"`
	Forgiven      int64    `json:"forgiven"`
	FromOthers    int64    `json:"from_others"`
	Waived        int64    `json:"waived"`
	Debt          int64    `json:"debt"`
	Lots          []LotUse `json:"lots"`
	Balance       int64    `json:"balance"`
	BalanceAfter  int64    `json:"balance_after"`
	Pending       bool     `json:"pending" doc:"What is taken back can't be spent yet, and is in no balance"`
}

// LotUse is points out of a lot, or back into it.
type LotUse struct {
	LotID     int64      `db:"lot_id" json:"lot_id" doc:"That of the transaction which made it"`
	Points    int64      `db:"points" json:"points"`
	ExpiresAt *time.Time `db:"expires_at" json:"expires_at"`
}
