package loyalty

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// States of a redemption.
const (
	waiting   = "waiting" // for its coupon or gift card, or for the merchant
	fulfilled = "fulfilled"
	cancelled = "cancelled"
)

const archived = "archived" // a redemption batch that is offered no more

// redemptionBatch is something that members can spend points on.
type redemptionBatch struct {
	SiteID    int64 `db:"site_id"`
	ID        int64 `db:"id"`
	ProgramID int64 `db:"program_id"`
	batchSettings
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

// batchSettings is what the merchant decides.
type batchSettings struct {
	Kind         string `db:"kind"` // "": by whether there is a coupon list
	Status       string `db:"status"`
	Description  string `db:"description"`
	PointsCost   int64  `db:"points_cost"`
	Position     int    `db:"position"`
	CouponListID *int64 `db:"coupon_list_id"`
	Terms        plan   `db:"terms"`

	Wallet *string `db:"wallet"` // that it costs points of; nil: the main one
}

const maxPosition = 1_000_000

func errBatch() *fault.Error {
	return fault.New(fault.Invalid, "invalid_redemption_batch", "The redemption batch's settings are not valid.")
}

func (s batchSettings) check() error {
	bad := errBatch()
	if n := utf8.RuneCountInString(s.Description); n < 1 || n > 200 || !printable(s.Description) {
		bad = bad.At("/description", "must have 1 to 200 printable characters")
	}
	if s.Status != active && s.Status != archived {
		bad = bad.At("/status", "must be active or archived")
	}
	if s.PointsCost < 1 || s.PointsCost > maxPoints {
		bad = bad.At("/points_cost", "must be 1 to "+strconv.FormatInt(maxPoints, 10))
	}
	if s.Position < 0 || s.Position > maxPosition {
		bad = bad.At("/position", "must be 0 to "+strconv.Itoa(maxPosition))
	}
	if s.CouponListID != nil && *s.CouponListID < 1 {
		bad = bad.At("/coupon_list_id", "must be the id of a coupon list, or null")
	}
	s.checkReward(func(pointer, format string, args ...any) { bad = bad.At(pointer, fmt.Sprintf(format, args...)) })
	return bad.Pointed()
}

// orNull is v, or null where there is nothing.
func orNull[T comparable](v T) *T {
	var nothing T
	if v == nothing {
		return nil
	}
	return &v
}

func (b redemptionBatch) view() loyaltyapi.RedemptionBatch {
	return loyaltyapi.RedemptionBatch{ID: b.ID, ProgramID: b.ProgramID, Kind: b.Kind, Status: b.Status, Description: b.Description, PointsCost: b.PointsCost,
		Position: b.Position, CouponListID: b.CouponListID, Terms: b.Terms.RewardPlan, Wallet: deref(b.Wallet), CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt}
}

// redemption is points that were spent. Its id is that of the transaction that took them.
type redemption struct {
	SiteID        int64      `db:"site_id"`
	ID            int64      `db:"id"`
	MemberID      int64      `db:"member_id"`
	BatchID       int64      `db:"batch_id"`
	Status        string     `db:"status"`
	Description   string     `db:"description"`
	Points        int64      `db:"points"`
	TrafficSource string     `db:"traffic_source"`
	CouponListID  *int64     `db:"coupon_list_id"`
	CouponID      *int64     `db:"coupon_id"`
	CouponCode    *string    `db:"coupon_code"`
	Kind          string     `db:"kind"`
	Terms         award      `db:"terms"`
	Note          *string    `db:"note"`
	CancelReason  *string    `db:"cancel_reason"`
	CancelTxnID   *int64     `db:"cancel_txn_id"`
	CreatedAt     time.Time  `db:"created_at"`
	FulfilledAt   *time.Time `db:"fulfilled_at"`
	CancelledAt   *time.Time `db:"cancelled_at"`
	Pooled        bool       `db:"-"`      // others of a pool pay a part
	Wallet        *string    `db:"wallet"` // whose points they are; nil: the main one's
	dirty         bool
}

func (r redemption) view() loyaltyapi.Redemption {
	g := r.Terms.of()
	return loyaltyapi.Redemption{ID: r.ID, MemberID: r.MemberID, BatchID: r.BatchID, Kind: r.Kind, Status: r.Status, Description: r.Description,
		Points: r.Points, TrafficSource: r.TrafficSource, CouponListID: r.CouponListID, CouponID: r.CouponID, CouponCode: r.CouponCode,
		Amount: orNull(g.Amount), Currency: orNull(g.Currency), SKU: orNull(g.SKU), Fulfilment: orNull(g.Fulfilment), Reference: orNull(g.Reference), Note: r.Note,
		Wallet: deref(r.Wallet), CancelReason: r.CancelReason, CreatedAt: r.CreatedAt.UTC(), FulfilledAt: r.FulfilledAt, CancelledAt: r.CancelledAt}
}
