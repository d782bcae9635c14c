package loyaltyapi

import "time"

// Hold is points that a checkout keeps for itself until it is over.
type Hold struct {
	ID        int64      `db:"id" json:"id" doc:"Also that of its transaction"`
	MemberID  int64      `db:"member_id" json:"member_id"`
	Status    string     `db:"status" json:"status" enum:"held,committed,released,timed_out"`
	Points    int64      `db:"points" json:"points"`
	Restored  int64      `db:"restored" json:"restored" doc:"Of what was committed, given back since"`
	Reference string     `db:"reference" json:"reference" doc:"The caller's own: the cart or order"`
	Until     time.Time  `db:"until" json:"until" doc:"From then on it can't be committed, and the points are free again"`
	CreatedAt time.Time  `db:"created_at" json:"created_at"`
	EndedAt   *time.Time `db:"ended_at" json:"ended_at"`

	BatchID  *int64  `db:"batch_id" json:"redemption_batch_id" doc:"The payment that the points are for; null: none"`
	Amount   *int64  `db:"amount" json:"amount" doc:"Minor units that they pay"`
	Currency *string `db:"currency" json:"currency"`

	Wallet string `db:"of_wallet" json:"wallet,omitempty" doc:"That the points are of; left out: the main one"`
}
