package loyaltyapi

import "time"

// Expiration is points of a member that are left of one earning or gift, and when they end.
type Expiration struct {
	LotID      int64      `db:"lot_id" json:"lot_id" doc:"That of the transaction which earned the points"`
	Points     int64      `db:"points" json:"points" doc:"Left of them"`
	ExpiresAt  *time.Time `db:"expires_at" json:"expires_at" doc:"null: never"`
	ByActivity bool       `db:"by_activity" json:"by_activity" doc:"Each time the member earns or spends, expires_at moves on"`
	Reason     string     `db:"reason" json:"reason" enum:"purchase,reward,referral,action,join,tier,date,achievement,share,adjustment,transfer,redemption,hold,unmerge"`
	Granted    int64      `db:"granted" json:"granted"`
	EarnedAt   time.Time  `db:"earned_at" json:"earned_at"`
	SortsAt    time.Time  `db:"sorts_at" json:"-"`
}

// AfterExpiration is where a page of expirations ends.
type AfterExpiration struct {
	At    time.Time `json:"at"`
	LotID int64     `json:"lot_id"`
}

// Expiring is what of a balance ends next.
type Expiring struct {
	Points int64     `db:"points" json:"points"`
	At     time.Time `db:"at" json:"at"`
}

// Extension is points whose date was set by hand.
type Extension struct {
	Lots      int        `json:"lots"`
	Points    int64      `json:"points" doc:"Left in them"`
	ExpiresAt *time.Time `json:"expires_at" doc:"null: never"`
	Balance   int64      `json:"balance"`
	Wallet    string     `json:"wallet,omitempty" doc:"That they are of; left out: the main one"`
}
