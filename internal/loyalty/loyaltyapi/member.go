package loyaltyapi

import "time"

// Membership is the state that a member is in.
type Membership struct {
	MemberID   int64      `db:"member_id" json:"member_id"`
	PersonID   int64      `db:"person_id" json:"person_id"`
	Status     string     `db:"status" json:"status" enum:"candidate,active,suspended,closed,erased"`
	Cause      string     `db:"cause" json:"cause" doc:"Of the last change; empty where there was none"`
	Note       *string    `db:"note" json:"note" doc:"Of the last change"`
	Balance    int64      `db:"balance" json:"points_balance"`
	Pending    int64      `db:"pending" json:"points_pending"`
	JoinedAt   time.Time  `db:"joined_at" json:"joined_at" doc:"Of candidates: when they became one"`
	ChangedAt  time.Time  `db:"changed_at" json:"changed_at"`
	ForfeitsAt *time.Time `db:"forfeit_at" json:"forfeits_at" doc:"When all points end that are left then, or ended; null: each at its own date"`
}

// MemberChange is how a member came from one state to another.
type MemberChange struct {
	ID         int64      `db:"id" json:"id"`
	From       *string    `db:"from_status" json:"from" doc:"null: was no member"`
	To         string     `db:"to_status" json:"to"`
	Cause      string     `db:"cause" json:"cause" enum:"enrolled,confirmed,suspended,reactivated,closed,erased,merged,parted,reward,lapsed,invited,accepted,guest"`
	KeyID      *int64     `db:"key_id" json:"key_id" doc:"Of the API key that asked for it; null: nobody did"`
	Note       *string    `db:"note" json:"note"`
	ForfeitsAt *time.Time `db:"forfeit_at" json:"forfeits_at"`
	ChangedAt  time.Time  `db:"changed_at" json:"changed_at"`
}

// Turn is what is to become of a member, by whom and why.
type Turn struct {
	Turn  string // suspended, reactivated, closed
	Note  string
	KeyID int64
}

// Enrolment is as what somebody is to be a member.
type Enrolment struct {
	Candidate bool // not a member yet
	Note      string
	KeyID     int64
}

// Enrolled is what came of it.
type Enrolled struct {
	Membership
	Known bool // was one already, and nothing changed
}

// AfterMember is where a page of members ends.
type AfterMember struct {
	ID int64 `json:"id"`
}
