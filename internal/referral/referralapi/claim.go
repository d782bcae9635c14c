package referralapi

import "github.com/talkable/talkable/internal/idempotency"

// Claim says that a friend claims an advocate's offer.
type Claim struct {
	AdvocateID  int64 // persons
	FriendID    int64
	FriendPhone string // fingerprint of the number that the friend claims with; "" for none
	CampaignTag string // "": any campaign
	IP, Device  string // where the friend comes from, as origins tell them; "" when nobody said
	Idempotency idempotency.Key
}

// Claimed is the answer in Talkable's shape.
type Claimed struct {
	FriendReward              *Reward `json:"friend_reward" doc:"null: the friend earned nothing"`
	FriendUnredeemReason      *string `json:"friend_unredeem_reason" doc:"Why not, such as SELF_REFERRAL"`
	FriendHumanUnredeemReason *string `json:"friend_human_unredeem_reason" doc:"The same in words"`
}
