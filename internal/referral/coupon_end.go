package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

var errNoCoupon = fault.New(fault.NotFound, "coupon_not_found", "No such coupon.")

// endedCoupon is a coupon that holds no longer.
type endedCoupon struct {
	ID        int64     `json:"id" db:"id"`
	Code      string    `json:"code" db:"code"`
	ExpiresAt time.Time `json:"expires_at" db:"expires_at"`
	ListID    *int64    `json:"coupon_list_id" db:"list_id"`
	Free      bool      `json:"-" db:"free"`
	Changed   bool      `json:"-" db:"changed"`
}

// endCoupon lets a coupon expire now, unless it has. One that nobody holds yet leaves its list's stock.
func (m *Module) endCoupon(ctx context.Context, siteID, keyID int64, code string, k idempotency.Key) (out endedCoupon, replayed bool, err error) {
	if code = codeOfCoupon(code); codeFault(code) != "" {
		return out, false, errNoCoupon
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, siteID, k, &out, func() error {
			c, err := expireCoupon(ctx, u.Tx, u.Now, siteID, code)
			if err != nil {
				return err
			}
			out = c
			if !c.Changed || c.ListID == nil {
				return nil
			}
			if c.Free {
				if err := addStock(ctx, u.Tx, []key{{siteID, *c.ListID}}, []int64{-1}, []int64{0}); err != nil {
					return err
				}
			}
			return logCouponList(ctx, u.Tx, u.Now, siteID, *c.ListID, keyID, "ended", map[string]any{"coupon_id": c.ID})
		})
		return err
	})
	out.ExpiresAt = out.ExpiresAt.UTC()
	return out, replayed, err
}
