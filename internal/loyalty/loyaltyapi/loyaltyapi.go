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
	Balance  int64  // spendable points
	Earned   int64  // lifetime, less what was clawed back; decides the tier
	Tier     string // "" below the first
	NextTier string // "" at the top
	ToNext   int64  // points to earn until NextTier
	JoinedAt time.Time
}

// Entry is one posting to a member's account, newest first in lists.
type Entry struct {
	ID            int64      `json:"id"`
	TransactionID int64      `json:"transaction_id"`
	Seq           int64      `json:"seq" doc:"Number within the account, without gaps"`
	Kind          string     `json:"kind" enum:"earn,claw_back,expire"`
	Reason        string     `json:"reason" enum:"purchase,reward,referral" doc:"What the points were earned for"`
	Points        int64      `json:"points" doc:"Positive when earned, negative when taken"`
	Balance       int64      `json:"balance" doc:"After this entry"`
	OriginID      *int64     `json:"origin_id"`
	ReferralID    *int64     `json:"referral_id"`
	RewardID      *int64     `json:"reward_id"`
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
