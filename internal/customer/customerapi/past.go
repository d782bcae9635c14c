package customerapi

import "time"

// Moment is what somebody's past is asked about: what was told no later than an origin, and happened no later than a moment.
type Moment struct {
	PersonID int64
	OriginID int64 // what is decided about; 0: it is no origin, and all that is told counts
	At       time.Time
	Currency string // of the sums
}

// Past is what somebody did before an origin; Segments are those of the latest origin that had any, that one included. Of who did more than a
// thousand things the latest count.
type Past struct {
	Orders          int64 // verified purchases
	Spent, Refunded int64 // of those in the currency: what is left of them, and what was refunded by then
	FirstAt, LastAt time.Time
	Segments        []string
}

// Order is a purchase that is here, and whose it is.
type Order struct {
	Number     string    `db:"number"`
	OriginID   int64     `db:"id"`
	PersonID   int64     `db:"person_id"` // 0: nobody known
	Subtotal   int64     `db:"subtotal"`
	Currency   string    `db:"currency"`
	OccurredAt time.Time `db:"occurred_at"`
}
