package referral

import (
	"cmp"
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// referralMove is a set of referrals on its way in.
type referralMove struct {
	s      site.Site
	source string
	rows   []referralapi.MovedReferral
	out    []taken
	found  advocates
}

// TakeReferrals takes in referrals that were made elsewhere, as they stood there. Nothing follows from them: no reward, no mail, no webhook, no
// question to fraud rules. They count where referrals are counted: what an advocate has reached, who was referred before, leaderboards. One that is
// pending waits here for a person, and is rewarded like any other when it is approved.
func (m *Module) TakeReferrals(ctx context.Context, s site.Site, source string, rows []referralapi.MovedReferral) ([]taken, error) {
	var r referralMove
	err := m.takeIn(ctx, source, func(u *bus.Unit) error {
		r = referralMove{s: s, source: source, rows: rows, out: make([]taken, len(rows))}
		return m.takeReferrals(ctx, u, &r)
	})
	if err != nil {
		return nil, err
	}
	return r.out, nil
}

// check says why there can't have been such a referral.
func (r *referralMove) check(u *bus.Unit, in referralapi.MovedReferral) error {
	switch {
	case !slices.Contains([]string{referralevent.Pending, referralevent.Approved, referralevent.Voided, referralevent.Blocked}, in.Status):
		return refused("invalid_status", "status", "is none of pending, approved, voided and blocked")
	case in.FriendID == 0:
		return refused("nobody_known", "email", "is nobody: nobody is known to have made this order")
	case in.AdvocateID == in.FriendID:
		return refused("self_referral", "email", "is the advocate: nobody refers himself")
	case in.OccurredAt.IsZero() || in.OccurredAt.After(u.Now.Add(touchSlack)):
		return refused("invalid_date", "date", "is no time in the past")
	}
	return nil
}

func (m *Module) takeReferrals(ctx context.Context, u *bus.Unit, r *referralMove) error {
	numbers, digests := make([]string, len(r.rows)), make([]string, len(r.rows))
	for i, in := range r.rows {
		numbers[i], digests[i] = in.Number, digestOf([]any{in.OriginID, in.CampaignID, in.Status})
		r.out[i].Err = r.check(u, in)
	}
	known, err := movedBefore(ctx, u, r.s.ID, r.source, movedReferral, numbers)
	if err != nil {
		return err
	}
	todo := fresh(known, numbers, digests, r.out)
	people, campaigns, skip := make([]int64, len(todo)), make([]int64, len(todo)), make([]taken, len(todo))
	for n, i := range todo {
		people[n], campaigns[n] = r.rows[i].AdvocateID, r.rows[i].CampaignID
	}
	if r.found, err = m.advocatesOf(ctx, u, r.s, people, campaigns, skip); err != nil {
		return err
	}
	written, err := r.write(ctx, u, todo, skip)
	if err != nil {
		return err
	}
	var moved []movedRow
	told := referralevent.ReferralsMoved{SiteID: r.s.ID, Source: r.source}
	counts := map[string]int{}
	for i, one := range written {
		in := r.rows[i]
		r.out[i].Value = true
		counts[one.Status]++
		moved = append(moved, movedRow{Number: in.Number, SubjectID: one.ID, Digest: digests[i]})
		told.Referrals = append(told.Referrals, referralevent.MovedReferral{ReferralID: one.ID, CampaignID: one.CampaignID, OfferID: one.OfferID, OriginID: one.OriginID,
			AdvocateID: one.AdvocateID, FriendID: one.FriendID, Status: one.Status, Subtotal: one.Subtotal, Currency: one.Currency, FirstOrder: in.FirstOrder,
			EventCategory: in.Category, OccurredAt: one.OccurredAt})
	}
	if len(moved) == 0 {
		return nil
	}
	slices.SortFunc(told.Referrals, func(a, b referralevent.MovedReferral) int { return cmp.Compare(a.ReferralID, b.ReferralID) })
	if err := insertMoved(ctx, u.Tx, u.Now, r.s.ID, r.source, movedReferral, moved); err != nil {
		return err
	}
	a := advocateMove{s: r.s, source: r.source, made: r.found.made}
	if err := a.date(ctx, u); err != nil {
		return err
	}
	u.Tell(r.s.ID, "moved:"+r.source, told)
	return m.noteMove(ctx, u, r.s.ID, "referrals.moved", r.source, counts)
}

// write writes what can be written, by its place among the rows, with all that referrals are read by.
func (r *referralMove) write(ctx context.Context, u *bus.Unit, todo []int, skip []taken) (map[int]referral, error) {
	var list []referral
	at, refunds := map[int64]int{}, map[key]refund{}
	for n, i := range todo {
		in := r.rows[i]
		if skip[n].Err != nil {
			r.out[i].Err = skip[n].Err
			continue
		}
		if _, twice := at[in.OriginID]; twice {
			r.out[i].Err = errOriginReferred()
			continue
		}
		o := r.found.offers[n]
		at[in.OriginID], refunds[key{r.s.ID, in.OriginID}] = i, refund{}
		list = append(list, referral{SiteID: r.s.ID, CampaignID: o.CampaignID, OfferID: o.ID, OriginID: in.OriginID, AdvocateID: in.AdvocateID, FriendID: in.FriendID,
			Status: in.Status, Cause: causeMoved, TrackMethod: byMove, Subtotal: in.Subtotal, Currency: in.Currency, Fraud: "[]", OccurredAt: in.OccurredAt})
	}
	if len(list) == 0 {
		return nil, nil
	}
	if err := lockOrigins(ctx, u.Tx, refunds); err != nil {
		return nil, err
	}
	written, err := insertReferrals(ctx, u.Tx, u.Now, list)
	if err != nil {
		return nil, err
	}
	out := map[int]referral{}
	counted := map[advocateKey]int64{}
	var origins []int64
	for k := range written {
		one := &written[k]
		back := refunds[key{one.SiteID, one.OriginID}]
		one.Note, one.RefundedTotal, one.RefundedFull = new("moved here from "+r.source), back.total, back.full
		counted[advocateKey{one.SiteID, one.CampaignID, one.AdvocateID}] = 0
		origins = append(origins, one.OriginID)
		out[at[one.OriginID]] = *one
	}
	if err := r.explainMissing(ctx, u, at, out); err != nil || len(written) == 0 {
		return nil, err
	}
	if err := saveReferrals(ctx, u.Tx, u.Now, written); err != nil {
		return nil, err
	}
	decided, err := decidedOf(ctx, u, r.s.ID, origins)
	if err != nil {
		return nil, err
	}
	var rows []attributionRow
	for _, one := range written {
		if decided[one.OriginID] {
			continue
		}
		outcome := outcomeReferred
		if one.Status == referralevent.Blocked {
			outcome = outcomeBlocked
		}
		rows = append(rows, attributionRow{SiteID: one.SiteID, OriginID: one.OriginID, PersonID: one.FriendID, Outcome: outcome, Reason: reasonMoved, Method: byMove,
			OfferID: new(one.OfferID), ReferralID: new(one.ID), Trace: "{}", OccurredAt: one.OccurredAt})
	}
	if err := insertAttributions(ctx, u.Tx, u.Now, rows); err != nil {
		return nil, err
	}
	return out, recount(ctx, u.Tx, sortedKeys(counted))
}

func errOriginReferred() error {
	return refused("origin_has_referral", "order_number", "has made a referral here already")
}

// explainMissing says of rows that were left out why.
func (r *referralMove) explainMissing(ctx context.Context, u *bus.Unit, at map[int64]int, out map[int]referral) error {
	var sites, missing []int64
	for origin, i := range at {
		if _, ok := out[i]; !ok {
			sites, missing = append(sites, r.s.ID), append(missing, origin)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	there, err := lockReferrals(ctx, u.Tx, sites, missing)
	for _, origin := range missing {
		r.out[at[origin]].Err = refused("friend_already_referred", "email", "is referred in this campaign already: this is no new friend")
	}
	for _, one := range there {
		r.out[at[one.OriginID]].Err = errOriginReferred()
	}
	return err
}
