package loyalty

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
)

// hooked are the redemptions to cancel that a hook is asked about.
func (d *desk) hooked() (of []siteID) {
	for id, r := range d.redemptions {
		if r.Status == waiting && r.Terms.of().Fulfilment == byHook {
			of = append(of, id)
		}
	}
	return of
}

// mayCancel says whether a redemption can be cancelled at this moment: not while the shop is asked whether it is fulfilled, but by what the
// shop answers.
func (d *desk) mayCancel(r *redemption, a action) error {
	switch {
	case a.byHook && r.Status != waiting:
		return errSettled
	case !a.byHook && r.Status == waiting && d.asks[siteID{r.SiteID, r.ID}].calling(d.now):
		return errAsking
	}
	return nil
}

// loadCounts locks the counts that redemptions are to be part of, and those that cancelled ones were.
func (d *desk) loadCounts(ctx context.Context, u *bus.Unit, in []action, work []int) (err error) {
	var fresh, all []countKey
	for _, i := range work {
		a := in[i]
		if h, b := d.holderOf(a), d.batches[siteID{a.site, a.id}]; (a.kind == kindRedeem || a.kind == kindHold) && h != nil && b != nil {
			for _, l := range b.limitsAt(d.now) {
				fresh = append(fresh, l.key(a.site, b.ID, h.MemberID))
				for _, duplicate := range h.Duplicates {
					all = append(all, l.key(a.site, b.ID, duplicate))
				}
			}
		}
	}
	for _, r := range d.redemptions {
		for _, of := range r.Terms.of().Counted {
			all = append(all, of.key(r.SiteID, r.BatchID, r.MemberID))
		}
	}
	for _, k := range d.holds {
		for _, of := range k.Counted {
			all = append(all, of.key(k.SiteID, *k.BatchID, k.MemberID))
		}
	}
	if err := openCounts(ctx, u, fresh); err != nil {
		return err
	}
	d.counts, err = countsOf(ctx, u, append(all, fresh...), "for update")
	return err
}
