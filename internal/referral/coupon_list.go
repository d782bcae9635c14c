package referral

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// couponListJSON is a coupon list in our own shape.
type couponListJSON struct {
	ID               int64           `json:"id"`
	Name             string          `json:"name"`
	Kind             string          `json:"kind" enum:"single-use,multi-use"`
	Percent          json.RawMessage `json:"percent" doc:"Number or null"`
	Amount           *int64          `json:"amount" doc:"Minor units"`
	Currency         *string         `json:"currency"`
	ExpiresAt        *time.Time      `json:"expires_at"`
	ExpiresAfterDays *int            `json:"expires_after_days"`
	SubtotalMin      *int64          `json:"subtotal_min"`
	LowStock         *int64          `json:"low_stock" doc:"null: the forecast decides"`
	LowAt            *time.Time      `json:"low_at" doc:"Since when the list is low; null while it isn't"`
	Total            int64           `json:"total" doc:"Codes that the list was ever given"`
	Issued           int64           `json:"issued"`
	Available        int64           `json:"available" doc:"Of single-use coupons: how many are left to hand out"`
	Waiting          int64           `json:"waiting" doc:"Rewards and redemptions that wait for a coupon"`
	CreatedAt        time.Time       `json:"created_at"`
	UpdatedAt        time.Time       `json:"updated_at"`
}

func (l *couponList) json() couponListJSON {
	out := couponListJSON{ID: l.ID, Name: l.Name, Kind: l.Kind, Percent: number(""), Amount: orNull(l.Amount), Currency: orNull(l.Currency),
		ExpiresAt: instant(l.ExpiresAt), ExpiresAfterDays: l.ExpiresDays, SubtotalMin: l.SubtotalMin, LowStock: l.LowStock, LowAt: instant(l.LowAt),
		Total: l.Added, Issued: l.Issued, Available: l.available(), Waiting: l.Waiting, CreatedAt: l.CreatedAt.UTC(), UpdatedAt: l.UpdatedAt.UTC()}
	if l.BasisPoints > 0 {
		out.Percent = number(money.Rate(l.BasisPoints))
	}
	return out
}

// createCouponList makes a list; replayed says that the Idempotency-Key had made it before.
func (m *Module) createCouponList(ctx context.Context, s site.Site, keyID int64, in couponListInput, k idempotency.Key) (out couponListJSON, replayed bool, err error) {
	l, err := in.list(s.Currency)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			l.SiteID, l.CreatedAt, l.UpdatedAt = s.ID, u.Now, u.Now
			if err := insertCouponList(ctx, u.Tx, &l); err != nil {
				return err
			}
			out = l.json()
			return logCouponList(ctx, u.Tx, u.Now, s.ID, l.ID, keyID, "created", out)
		})
		return err
	})
	return out, replayed, err
}

// replaceCouponList gives a list other settings. Coupons that were handed out keep the date that was counted from then; all else
// that the settings say holds for them too. If the list had expired and no longer has, who waits is served. replayed says that the
// Idempotency-Key had done it before.
func (m *Module) replaceCouponList(ctx context.Context, s site.Site, keyID, id int64, in couponListInput, k idempotency.Key) (out couponListJSON, replayed bool, err error) {
	l, err := in.list(s.Currency)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			old, err := lockCouponLists(ctx, u.Tx, []int64{s.ID}, []int64{id})
			switch {
			case err != nil:
				return err
			case len(old) == 0:
				return errNoCouponList
			case old[0].Kind != l.Kind:
				return errKind
			}
			l.SiteID, l.ID, l.UpdatedAt = s.ID, id, u.Now
			if err := updateCouponList(ctx, u.Tx, &l); err != nil {
				return err
			}
			was, is := old[0].json(), l.json()
			if err := logCouponList(ctx, u.Tx, u.Now, s.ID, id, keyID, "changed", map[string]any{"was": settings(was), "is": settings(is)}); err != nil {
				return err
			}
			if _, err := m.serveLocked(ctx, u, &l); err != nil { // the first thousand, so that the answer counts them
				return err
			}
			if out, err = readCouponList(ctx, u, s.ID, id); err != nil {
				return err
			}
			return noteChanges(ctx, u.Tx, s.ID)
		})
		return err
	})
	if err != nil {
		return out, false, err
	}
	m.catalog.changed(s.ID)
	_, err = m.serve(ctx, key{s.ID, id})
	return out, replayed, err
}

// settings are what a person chose of a list, for its history.
func settings(l couponListJSON) map[string]any {
	return map[string]any{"name": l.Name, "percent": l.Percent, "amount": l.Amount, "currency": l.Currency, "expires_at": l.ExpiresAt,
		"expires_after_days": l.ExpiresAfterDays, "subtotal_min": l.SubtotalMin, "low_stock": l.LowStock}
}

func readCouponList(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (couponListJSON, error) {
	l, err := couponListByID(ctx, q, siteID, id)
	if err != nil {
		return couponListJSON{}, err
	}
	return l.json(), nil
}

// CouponLists returns lists of a site by their ids; unknown ones are left out.
func (m *Module) CouponLists(ctx context.Context, siteID int64, ids []int64) (map[int64]referralapi.CouponList, error) {
	list, err := couponListsByID(ctx, m.db, siteID, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[int64]referralapi.CouponList, len(list))
	for _, l := range list {
		out[l.ID] = referralapi.CouponList{ID: l.ID, Name: l.Name, SingleUse: l.Kind == singleUse, BasisPoints: l.BasisPoints, Amount: l.Amount,
			Currency: l.Currency, ExpiresAt: instant(l.ExpiresAt), Available: l.available()}
	}
	return out, nil
}

type generateInput struct {
	web.SiteBody
	Template string `json:"template" example:"SAVE-########" doc:"Each # becomes a random letter or digit, of 30 that aren't mistaken for each other; at least 8"`
	Count    int    `json:"count" minimum:"1" maximum:"100000"`
}

type generated struct {
	Added int `json:"added"`
}

// generateCodes draws codes for a list, and draws again for those that the site has already.
func (m *Module) generateCodes(ctx context.Context, s site.Site, keyID, id int64, in generateInput, k idempotency.Key) (out generated, replayed bool, err error) {
	template := codeOfCoupon(in.Template)
	if why := checkTemplate(template); why != "" {
		return out, false, fault.New(fault.Invalid, "invalid_template", "The template %s.", why).At("/template", why)
	}
	if in.Count < 1 || in.Count > mostGenerate {
		return out, false, fault.New(fault.Invalid, "invalid_count", "The count must be from 1 to %d.", mostGenerate).At("/count", "out of bounds")
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			l, err := couponListByID(ctx, u, s.ID, id)
			if err != nil {
				return err
			}
			for out.Added = 0; out.Added < in.Count; {
				made, err := insertCodes(ctx, u.Tx, u.Now, l, draw(template, min(in.Count-out.Added, codesBatch)))
				if err != nil {
					return err
				}
				out.Added += len(made)
			}
			if err := addStock(ctx, u.Tx, []key{{s.ID, id}}, []int64{int64(out.Added)}, []int64{0}); err != nil {
				return err
			}
			return logCouponList(ctx, u.Tx, u.Now, s.ID, id, keyID, "generated", map[string]any{"template": template, "added": out.Added})
		})
		return err
	})
	if err != nil {
		return out, false, err
	}
	_, err = m.serve(ctx, key{s.ID, id})
	return out, replayed, err
}

// couponListByID reads a list without a lock: nothing that matters for codes ever changes.
func couponListByID(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (*couponList, error) {
	lists, err := couponListsByID(ctx, q, siteID, []int64{id})
	if err != nil {
		return nil, err
	}
	if len(lists) == 0 {
		return nil, errNoCouponList
	}
	return &lists[0], nil
}
