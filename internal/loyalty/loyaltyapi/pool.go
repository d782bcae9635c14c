package loyaltyapi

import "time"

// NewPool is what a pool is made of; people are persons.
type NewPool struct {
	Name, Spending string
	Owner          int64
	Members        []int64 // besides
}

// PoolTerms are what can be changed of a pool.
type PoolTerms struct {
	Name, Spending string
	Owner          int64 // a person; 0: it stays
}

// PoolSummary is a pool as it is listed.
type PoolSummary struct {
	ID        int64      `db:"id" json:"id"`
	Name      string     `db:"name" json:"name" example:"The Millers"`
	Status    string     `db:"status" json:"status" enum:"open,closed"`
	Spending  string     `db:"spending" json:"spending" enum:"all,owner" doc:"Who may spend the others' points"`
	OwnerID   int64      `db:"owner_id" json:"owner_member_id"`
	Size      int        `db:"size" json:"member_count"`
	Balance   int64      `db:"balance" json:"balance" doc:"What its active members have, without their debts"`
	CreatedAt time.Time  `db:"created_at" json:"created_at"`
	ClosedAt  *time.Time `db:"closed_at" json:"closed_at"`
}

// Pool is a pool with its members and what they have.
type Pool struct {
	PoolSummary
	Members     []PoolMember     `json:"members"`
	Expirations []PoolExpiration `json:"expirations" doc:"What of the balance ends when: the next 12 dates"`
	History     []PoolMovement   `json:"history" doc:"The newest 25 movements of its members' points since they joined, without those between them"`
}

// PoolMember is somebody in a pool.
type PoolMember struct {
	MemberID int64     `db:"member_id" json:"member_id"`
	PersonID int64     `db:"person_id" json:"person_id"`
	Email    *string   `db:"-" json:"email" doc:"null where there is none, and of others when a member's token asks"`
	Owner    bool      `db:"owner" json:"owner"`
	Active   bool      `db:"active" json:"active" doc:"Whether it spends, and others may spend its points"`
	Balance  int64     `db:"balance" json:"balance" doc:"Below zero: a debt, which the others don't repay"`
	JoinedAt time.Time `db:"joined_at" json:"joined_at"`
}

// PoolExpiration is what of a pool's points ends at a moment.
type PoolExpiration struct {
	Points    int64      `db:"points" json:"points"`
	ExpiresAt *time.Time `db:"expires_at" json:"expires_at" doc:"null: never"`
}

// PoolMovement is a movement of points of one of a pool's members.
type PoolMovement struct {
	ID          int64     `db:"id" json:"id" doc:"Of the transaction"`
	MemberID    int64     `db:"member_id" json:"member_id"`
	Kind        string    `db:"kind" json:"kind" example:"redeem"`
	Points      int64     `db:"points" json:"points" doc:"Below zero: taken"`
	EffectiveAt time.Time `db:"effective_at" json:"effective_at"`
}
