package loyaltyapi

import "time"

// Pending is points of a member that can't be spent yet.
type Pending struct {
	TransactionID int64      `db:"transaction_id" json:"transaction_id" doc:"That earned them"`
	Points        int64      `db:"points" json:"points" doc:"Left of them"`
	Granted       int64      `db:"granted" json:"granted"`
	ActivatesAt   *time.Time `db:"activates_at" json:"activates_at" doc:"When they can be spent; null: when somebody says so"`
	Reason        string     `db:"reason" json:"reason"`
	OriginID      *int64     `db:"origin_id" json:"origin_id"`
	EarnedAt      time.Time  `db:"earned_at" json:"earned_at"`
	SortsAt       time.Time  `db:"sorts_at" json:"-"`
}

// PendingEnd is what became of points that were pending.
type PendingEnd struct {
	TransactionID    int64  `json:"transaction_id" doc:"That earned them"`
	EndTransactionID *int64 `json:"end_transaction_id" doc:"That activated or cancelled them; null: nothing was left to do"`
	MemberID         int64  `json:"member_id"`
	Status           string `json:"status" enum:"active,cancelled"`
	Points           int64  `json:"points" doc:"That were activated or cancelled now"`
	Balance          int64  `json:"balance" doc:"The member's, after it"`
	Pending          int64  `json:"points_pending" doc:"The member's, after it"`
	Wallet           string `json:"wallet,omitempty" doc:"That the points are of; left out: the main one"`
}
