package loyaltyapi

import "time"

// Transfer is points that a member gave to another.
type Transfer struct {
	ID         int64     `json:"id" doc:"That of the giver's transaction"`
	MemberID   int64     `json:"member_id" doc:"Who gave"`
	ToMemberID int64     `json:"to_member_id"`
	Points     int64     `json:"points"`
	Note       string    `json:"note"`
	Balance    int64     `json:"balance" doc:"The giver's, after it"`
	At         time.Time `json:"at"`
	Wallet     string    `json:"wallet,omitempty" doc:"That the points are of; left out: the main one"`
}
