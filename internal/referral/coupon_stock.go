package referral

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

const lowEvery = time.Minute

// CheckStock looks for lists that have run low, and tells of each once until it is refilled.
func (m *Module) CheckStock(ctx context.Context) error {
	now := m.now()
	if err := noteDay(ctx, m.db, now); err != nil {
		return err
	}
	rows, err := stocks(ctx, m.db, now.AddDate(0, 0, -lowDays))
	if err != nil {
		return err
	}
	for _, r := range rows {
		least := r.threshold(r.Lately)
		low := r.available() < least
		if low == (r.LowAt != nil) {
			continue
		}
		err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
			var at *time.Time
			if low {
				at = &u.Now
			}
			changed, err := markLow(ctx, u.Tx, key{r.SiteID, r.ID}, at)
			if err != nil || !changed || !low {
				return err
			}
			u.Tell(r.SiteID, "coupon_list:"+itoa(r.ID), referralevent.CouponsLow{SiteID: r.SiteID, CouponListID: r.ID, Name: r.Name,
				Available: r.available(), Threshold: least, IssuedLately: r.Lately, Waiting: r.Waiting, LowAt: u.Now})
			m.metrics.Of(ctx).couponsLow.Inc()
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// forecast says how long a list's stock will do.
type forecast struct {
	IssuedLately int64  `json:"issued_lately" doc:"Coupons that were handed out in the last 21 days"`
	LowBelow     int64  `json:"low_below" doc:"The list is low when fewer are available: low_stock, else as many as issued_lately, at least 20"`
	DaysLeft     *int64 `json:"days_left" doc:"For how many days the available ones do if they go as they went lately; null: none went"`
}

// forecast is nil for a list that hands nothing out.
func (r *stockRow) forecast() *forecast {
	if r.Kind != singleUse {
		return nil
	}
	out := forecast{IssuedLately: r.Lately, LowBelow: r.threshold(r.Lately)}
	if r.Lately > 0 {
		days := r.available() * lowDays / r.Lately
		out.DaysLeft = &days
	}
	return &out
}

// bindCoupons gives the incentives that hand out coupons of a list the worth of its coupons, and keeps the codes that the campaign
// names itself from every list.
func bindCoupons(ctx context.Context, u *bus.Unit, c *campaign) error {
	var ids []int64
	var codes []string
	for _, i := range c.Incentives {
		if i.CouponList != nil {
			ids = append(ids, *i.CouponList)
		}
		if i.CouponCode != "" {
			codes = append(codes, i.CouponCode)
		}
	}
	slices.Sort(codes)
	lists, err := shareCouponLists(ctx, u.Tx, c.SiteID, ids)
	if err != nil {
		return err
	}
	known, err := nameCodes(ctx, u.Tx, u.Now, c.SiteID, slices.Compact(codes))
	if err != nil {
		return err
	}
	var f findings
	for n := range c.Incentives {
		i, at := &c.Incentives[n], "/incentives/"+itoa(int64(n))
		if known[i.CouponCode].SingleUse {
			f.add(at+"/coupon_code", "is a single-use coupon of list %d", known[i.CouponCode].ListID)
		}
		if i.CouponList == nil {
			continue
		}
		l, ok := lists[*i.CouponList]
		if !ok || l.Kind != singleUse {
			f.add(at+"/coupon_list_id", "must be a single-use coupon list of this site")
		}
		i.BasisPoints, i.Amount, i.Currency = l.BasisPoints, l.Amount, l.Currency
	}
	return f.err()
}

// use is a code of a site, counted.
type use struct {
	site int64
	code string
}

// useCoupons counts the codes that verified orders came with, and tells which orders used coupons of the site.
func useCoupons(ctx context.Context, u *bus.Unit, deeds []deed) error {
	counts, first := map[use]int64{}, map[use]time.Time{}
	for _, d := range deeds {
		for _, code := range d.body.CouponCodes {
			k := use{d.body.SiteID, codeOfCoupon(code)}
			if codeFault(k.code) != "" {
				continue
			}
			if at, ok := first[k]; !ok || d.body.OccurredAt.Before(at) {
				first[k] = d.body.OccurredAt
			}
			counts[k]++
		}
	}
	if len(counts) == 0 {
		return nil
	}
	var sites, ns []int64
	var codes []string
	var at []time.Time
	for _, k := range sortedUses(counts) {
		sites, codes, ns, at = append(sites, k.site), append(codes, k.code), append(ns, counts[k]), append(at, first[k])
	}
	list, err := countUses(ctx, u.Tx, sites, codes, ns, at)
	if err != nil || len(list) == 0 {
		return err
	}
	ours := map[use]*used{}
	for i := range list {
		ours[use{list[i].SiteID, list[i].Code}] = &list[i]
	}
	for _, d := range deeds {
		if told := d.couponsUsed(ours); told != nil {
			told.UsedAt = u.Now
			u.Tell(told.SiteID, "origin:"+itoa(told.OriginID), *told)
		}
	}
	return nil
}

// couponsUsed is what an order used of the site's coupons; nil: nothing. The first order that came with a coupon is the one that used what somebody earned.
func (d deed) couponsUsed(ours map[use]*used) *referralevent.CouponsUsed {
	if d.body.Type != customerevent.Purchase {
		return nil
	}
	told := &referralevent.CouponsUsed{SiteID: d.body.SiteID, OriginID: d.body.OriginID, PersonID: d.body.PersonID, Subtotal: d.body.Subtotal, Currency: d.body.Currency,
		TrafficSource: d.body.TrafficSource, DeviceType: d.body.DeviceType, EventCategory: categoryOf(d.body.Type, d.body.Category), OccurredAt: d.body.OccurredAt,
		UTMSource: d.body.UTMSource, UTMMedium: d.body.UTMMedium, UTMCampaign: d.body.UTMCampaign}
	for _, code := range d.codes() {
		c := ours[use{d.body.SiteID, code}]
		if c == nil {
			continue
		}
		told.Codes = append(told.Codes, code)
		told.ByAdvocate, told.ByFriend = told.ByAdvocate || c.Side == sideAdvocate, told.ByFriend || c.Side == sideFriend
		if c.Earned && c.First {
			told.RewardsUsed++
			c.First = false
		}
	}
	if len(told.Codes) == 0 {
		return nil
	}
	return told
}

func sortedUses(m map[use]int64) []use {
	out := make([]use, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b use) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.code, b.code)) })
	return out
}

// errKind is the answer to a change of a list's kind.
var errKind = fault.New(fault.Invalid, "coupon_list_kind", "The kind of a coupon list can't be changed.").At("/kind", "is another than before")
