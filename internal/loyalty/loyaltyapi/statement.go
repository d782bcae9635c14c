package loyaltyapi

import "time"

// Statement is what became of a member's points in a period, by what was written then: a period that is over has the same statement for ever.
type Statement struct {
	MemberID int64            `json:"member_id"`
	From     time.Time        `json:"from" doc:"In the site's zone, as all times of a statement"`
	To       time.Time        `json:"to" doc:"The first moment after the period"`
	Opening  int64            `json:"opening_balance"`
	Closing  int64            `json:"closing_balance" doc:"At the end of the period, or now"`
	Count    int64            `json:"entries_count" doc:"Of the whole period"`
	Totals   []StatementTotal `json:"totals" doc:"Of the whole period, by kind; on the first page only"`
	Entries  []Entry          `json:"entries" doc:"Oldest first, with the balance after each"`
	Wallet   string           `json:"wallet,omitempty" doc:"That it is of; left out: the main one"`
	Expiring []Expiration     `json:"expiring" doc:"What ends next of what is there now, at most ten; on the first page only"`
}

// StatementTotal is what the entries of one kind add up to.
type StatementTotal struct {
	Kind    string `db:"kind" json:"kind" example:"earn"`
	Entries int64  `db:"entries" json:"entries"`
	Points  int64  `db:"points" json:"points"`
}
