package loyaltyapi

import "time"

// Collected is what became of an action that a member wanted to collect.
type Collected struct {
	Collected bool  // false: its limit is reached
	Balance   int64 // after it
}

// Collection is an action that a member collected, as the action was then.
type Collection struct {
	TransactionID int64     `db:"txn_id"`
	Identifier    string    `db:"identifier"`
	Name          string    `db:"name"`
	Description   string    `db:"description"`
	Points        int64     `db:"points"`
	TrafficSource string    `db:"traffic_source"`
	At            time.Time `db:"created_at"`
}
