package loyaltyapi

import "time"

// BulkRow is one adjustment of many.
type BulkRow struct {
	PersonID  int64 // 0: nobody that is known
	Points    int64
	Note      string
	Reference string // unique in the site, for ever
	ForTier   bool
	ExpiresAt *time.Time // of what is given; nil: like an earning of today
}

// What became of a row.
const (
	BulkApplied = "applied"
	BulkKnown   = "known"
	BulkRefused = "refused"
)

// BulkResult is what became of a row.
type BulkResult struct {
	Reference     string `json:"reference"`
	Status        string `json:"status" enum:"applied,known,refused" doc:"known: it was applied before"`
	Points        int64  `json:"points"`
	TransactionID *int64 `json:"transaction_id"`
	Balance       *int64 `json:"balance" doc:"The member's after it; null unless applied"`
	Code          string `json:"code" doc:"Why it is refused" example:""`
	Detail        string `json:"detail"`
}

// Bulk is what became of many rows.
type Bulk struct {
	Preview string       `json:"preview" doc:"Says what all of the answer comes to, but for the transactions' numbers; expect_preview of the call that applies it"`
	Applied int          `json:"applied"`
	Known   int          `json:"known"`
	Refused int          `json:"refused"`
	Members int          `json:"members" doc:"Whose points moved"`
	Given   int64        `json:"points_given"`
	Taken   int64        `json:"points_taken"`
	Rows    []BulkResult `json:"rows" doc:"In the order of the request"`
}
