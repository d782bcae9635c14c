package referral

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/outcall"
	"github.com/talkable/talkable/internal/web"
)

const aboutSupply = "When the list is low, or somebody waits for one of its coupons, the shop is asked for codes: a POST with the list and `count`, signed as the Standard Webhooks have it. " +
	"It answers 200 with {\"codes\":[\"…\"]}, at most 64 KB. With a `template` codes are made up and offered in `codes`; the answer names those that the shop made, or none for all. " +
	"Codes come into the list as uploaded ones do, and who waits is served at once. A request is tried for a day, with growing pauses and one `webhook-id`, by which the shop gives the same codes again. "

func (m *Module) couponSupplyRoutes(api huma.API) {
	tags := []string{"Coupons"}
	const path = "/api/v2/coupon_lists/{id}/supply"
	huma.Register(api, huma.Operation{OperationID: "getCouponSupply", Method: http.MethodGet, Path: path, Tags: tags, Summary: "Read who is asked for codes of a coupon list",
		Description: aboutSupply + "`supply` is null where nobody is asked. 404 if the site has no such list."}, m.getSupply)
	huma.Register(api, huma.Operation{OperationID: "replaceCouponSupply", Method: http.MethodPut, Path: path, Tags: tags, Summary: "Have codes of a coupon list asked for",
		Description: aboutSupply + "Takes an Idempotency-Key. The address must be https and public, the list one of single-use coupons. 400 with a pointer to each place that is wrong. " +
			"404 if the site has no such list."}, m.putSupply)
	huma.Register(api, huma.Operation{OperationID: "deleteCouponSupply", Method: http.MethodDelete, Path: path, Tags: tags, Summary: "Ask nobody for codes any more",
		Description: "Nothing set is nothing changed. Takes an Idempotency-Key. 404 if the site has no such list."}, m.deleteSupply)
}

type supplyResult struct {
	Supply *supplyJSON `json:"supply" doc:"null: nobody is asked"`
}

func (m *Module) getSupply(ctx context.Context, in *couponListPath) (*web.OK[supplyResult], error) {
	l := key{web.From(ctx).Site.ID, in.ID}
	if _, err := couponListByID(ctx, m.db, l.site, l.id); err != nil {
		return nil, err
	}
	s, err := supplyOf(ctx, m.db, l)
	if err != nil {
		return nil, err
	}
	last, err := lastCodeRequest(ctx, m.db, l)
	if err != nil {
		return nil, err
	}
	return web.Answer(supplyResult{s.show(last)}), nil
}

func (m *Module) putSupply(ctx context.Context, in *struct {
	ID   int64 `path:"id"`
	Body supplyInput
}) (*web.OK[supplyResult], error) {
	if m.calls == nil {
		return nil, errNoSupply
	}
	if err := in.Body.check(m.calls); err != nil {
		return nil, err
	}
	return m.changeSupply(ctx, in.ID, &in.Body)
}

func (m *Module) deleteSupply(ctx context.Context, in *couponListPath) (*web.OK[supplyResult], error) {
	return m.changeSupply(ctx, in.ID, nil)
}

// changeSupply sets who is asked, or takes it away if in is nil.
func (m *Module) changeSupply(ctx context.Context, listID int64, in *supplyInput) (*web.OK[supplyResult], error) {
	req := web.From(ctx)
	l := key{req.Site.ID, listID}
	var out *supplyJSON
	var replayed bool
	var fresh string // a secret that was just made: the answer that is kept says only that there was one
	err := m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, l.site, req.Idempotency, &out, func() error {
			list, err := lockCouponLists(ctx, u.Tx, []int64{l.site}, []int64{l.id})
			switch {
			case err != nil:
				return err
			case len(list) == 0:
				return errNoCouponList
			case in != nil && list[0].Kind != singleUse:
				return fault.New(fault.Invalid, "invalid_request", "Codes of a multi-use list are handed out to nobody.").At("path.id", "is a multi-use list")
			}
			was, err := supplyOf(ctx, u, l)
			if err != nil {
				return err
			}
			out, fresh, err = m.setSupply(ctx, u, l, req.KeyID, in, was)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	if out == nil || out.Secret == nil {
		return web.Answer(supplyResult{out}), nil
	}
	if out.Secret = &fresh; replayed {
		s, err := supplyOf(ctx, m.db, l)
		if err != nil {
			return nil, err
		}
		out.Secret = nil
		if s != nil && s.At.Equal(*out.ChangedAt) {
			if out.Secret, err = m.opened(l.site, s.Secret); err != nil {
				return nil, err
			}
		}
	}
	return web.Answer(supplyResult{out}), nil
}

func (m *Module) setSupply(ctx context.Context, u *bus.Unit, l key, keyID int64, in *supplyInput, was *supply) (out *supplyJSON, secret string, err error) {
	a := audit.Change{KeyID: keyID, Action: "coupon_supply.deleted", Subject: aboutSupplies, SubjectID: l.id}
	if was != nil {
		a.Before = was.show(nil)
	}
	if in == nil {
		if err := deleteSupply(ctx, u.Tx, l); err != nil || was == nil {
			return nil, "", err
		}
		return nil, "", writeAudit(ctx, u.Tx, u.Now, l.site, a)
	}
	s, fresh := in.supply(was)
	if s.SiteID, s.ListID, s.KeyID, s.At = l.site, l.id, keyID, u.Now; fresh {
		secret = outcall.NewSecret()
		if s.Secret, err = m.calls.Seal(l.site, secret); err != nil {
			return nil, "", err
		}
	}
	if err := saveSupply(ctx, u.Tx, s); err != nil {
		return nil, "", err
	}
	out = s.show(nil)
	if a.Action, a.After = "coupon_supply.set", *out; fresh {
		out.Secret = new(string)
	}
	return out, secret, writeAudit(ctx, u.Tx, u.Now, l.site, a)
}
