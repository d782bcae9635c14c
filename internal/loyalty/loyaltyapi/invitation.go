package loyaltyapi

import "time"

// Invitation asks somebody to become a member.
type Invitation struct {
	ID        int64      `json:"id"`
	MemberID  int64      `json:"member_id" doc:"The candidate, or who left"`
	PersonID  int64      `json:"person_id"`
	Code      string     `json:"code" doc:"Whoever has it can accept"`
	Status    string     `json:"status" enum:"open,accepted,revoked,lapsed"`
	Note      *string    `json:"note"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// Invite is whom to invite.
type Invite struct {
	PersonIDs []int64
	Days      int
	Note      string
	KeyID     int64
}

// Invited is what came of inviting a person.
type Invited struct {
	PersonID   int64
	Result     string      // invited, already_invited, or the member's state that forbids it
	Invitation *Invitation // nil: none is open
}

// Accepted is all that is said to who accepts an invitation.
type Accepted struct {
	Accepted bool      `json:"accepted"`
	At       time.Time `json:"accepted_at"`
}
