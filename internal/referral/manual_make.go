package referral

import (
	"context"
	"maps"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// referByHand makes the referral that a merchant says there is. The same again changes nothing. replayed says that the
// Idempotency-Key had made it before.
func (m *Module) referByHand(ctx context.Context, s site.Site, keyID int64, in manualInput, k idempotency.Key) (out referralJSON, replayed bool, err error) {
	if err := in.check(); err != nil {
		return out, false, err
	}
	advocate, err := m.advocate(ctx, s.ID, in.Advocate)
	if err != nil {
		return out, false, err
	}
	origin, err := m.facts.ToldOrigin(ctx, s.ID, in.Origin)
	if err != nil {
		return out, false, unknown(err, errNoOrigin.At("/origin", "is the number of no purchase or event"))
	}
	a := asserted{advocate: advocate.ID, origin: origin, force: in.Force, keyID: keyID, reason: in.Reason}
	err = m.assert(ctx, s, &a, k, &replayed, &out, func(u *bus.Unit) error {
		if a.campaign, err = campaignOf(ctx, u, s.ID, in.CampaignID); err != nil {
			return err
		}
		made, err := lockReferrals(ctx, u.Tx, []int64{s.ID}, []int64{origin.OriginID})
		switch {
		case err != nil:
			return err
		case len(made) > 0 && a.same(&made[0]):
			out = showReferral(made[0].answer(nil, u.Now, nil))
			return nil
		case len(made) > 0:
			return errHasReferral
		}
		r, err := m.refer(ctx, u, s, a)
		if err != nil {
			return err
		}
		out = showReferral(r.answer(nil, u.Now, nil))
		return writeAudit(ctx, u.Tx, u.Now, s.ID, audit.Change{KeyID: keyID, Action: "referral.created", Subject: aboutReferral, SubjectID: r.ID, Reason: in.Reason,
			After: a.stands(r)})
	})
	return out, replayed, err
}

// reattribute gives a referral to another advocate: the old one is voided with all that it earned, and a new one made, judged like any
// other. A referral that is this advocate's by now stays as it is.
func (m *Module) reattribute(ctx context.Context, s site.Site, id, keyID int64, in reattributionInput, k idempotency.Key) (out referralJSON, replayed bool, err error) {
	if err := in.check(); err != nil {
		return out, false, err
	}
	known, err := referralByID(ctx, m.db, s.ID, id)
	if err != nil {
		return out, false, err
	}
	advocate, err := m.advocate(ctx, s.ID, in.Advocate)
	if err != nil {
		return out, false, err
	}
	origin, err := m.facts.ToldOriginByID(ctx, s.ID, known.OriginID)
	if err != nil {
		return out, false, unknown(err, errNoOrigin)
	}
	a := asserted{advocate: advocate.ID, origin: origin, force: in.Force, keyID: keyID, reason: in.Reason, replaces: id}
	err = m.assert(ctx, s, &a, k, &replayed, &out, func(u *bus.Unit) error {
		if a.campaign, err = campaignOf(ctx, u, s.ID, known.CampaignID); err != nil {
			return err
		}
		made, err := lockReferrals(ctx, u.Tx, []int64{s.ID}, []int64{origin.OriginID}) // the one that isn't superseded
		switch {
		case err != nil:
			return err
		case len(made) > 0 && a.same(&made[0]):
			out = showReferral(made[0].answer(nil, u.Now, nil))
			return nil
		case len(made) == 0 || made[0].ID != id:
			return errSuperseded
		}
		old := made[0]
		before := stood{Status: old.Status, Cause: old.Cause, AdvocateID: old.AdvocateID, OriginID: old.OriginID}
		if err := m.supersede(ctx, u, &old, causeReattributed, a.keyID, a.reason); err != nil {
			return err
		}
		r, err := m.refer(ctx, u, s, a)
		if err != nil {
			return err
		}
		out = showReferral(r.answer(nil, u.Now, nil))
		after := a.stands(r)
		for _, of := range []int64{old.ID, r.ID} {
			if err := writeAudit(ctx, u.Tx, u.Now, s.ID, audit.Change{KeyID: keyID, Action: "referral.reattributed", Subject: aboutReferral, SubjectID: of, Reason: in.Reason,
				Before: before, After: after}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, replayed, err
}

func (m *Module) advocate(ctx context.Context, siteID int64, slug string) (customerapi.Person, error) {
	if m.facts == nil {
		return customerapi.Person{}, errFactsMissing
	}
	p, err := m.facts.Person(ctx, siteID, slug)
	return p, unknown(err, errNoAdvocate)
}

// unknown answers as our own operations do what Talkable's answer with 400.
func unknown(err error, ours *fault.Error) error {
	if f, ok := fault.Of(err); ok && f.Code == ours.Code {
		return ours.Because(err)
	}
	return err
}

// assert does what is asked about an origin once it was decided, while nobody else makes a referral of it or takes it back.
func (m *Module) assert(ctx context.Context, s site.Site, a *asserted, k idempotency.Key, replayed *bool, out any, work func(u *bus.Unit) error) error {
	if a.origin.Verified && a.origin.Type != customerevent.AffiliateMember { // else there is no decision to wait for
		if err := m.await(ctx, s.ID, a.origin.OriginID); err != nil {
			return err
		}
	}
	do := func(u *bus.Unit) (err error) {
		*replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, out, func() (err error) {
			if a.refunded, err = lockOrigin(ctx, u.Tx, s.ID, a.origin.OriginID); err != nil {
				return err
			}
			return work(u)
		})
		return err
	}
	err := m.outbox.InTx(ctx, do)
	for try := 1; err != nil && try < 3 && raced(err); try++ {
		err = m.outbox.InTx(ctx, do)
	}
	return err
}

func campaignOf(ctx context.Context, u *bus.Unit, siteID, id int64) (*campaign, error) {
	found, err := campaignsByID(ctx, u, []int64{siteID}, []int64{id}, u.Now)
	if err == nil && found[key{siteID, id}] == nil {
		err = errNoCampaign
	}
	return found[key{siteID, id}], err
}

// refer judges and writes a referral whose origin is held.
func (m *Module) refer(ctx context.Context, u *bus.Unit, s site.Site, a asserted) (*referral, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	offers, err := m.makeOffers(ctx, u, []want{{s: s, campaign: a.campaign, person: a.advocate, byHand: true}})
	if err != nil {
		return nil, err
	}
	r, err := m.judgeByHand(ctx, u, a, offers[0])
	if err != nil {
		return nil, err
	}
	a.settle(&r, u.Now)
	written, err := insertReferrals(ctx, u.Tx, u.Now, []referral{r})
	if err != nil {
		return nil, err
	}
	if len(written) == 0 { // the origin is free: we hold it
		return nil, errFriendTaken
	}
	r = written[0]
	r.KeyID, r.Note, r.Replaces = orNull(a.keyID), orNull(a.reason), orNull(a.replaces)
	r.RefundedTotal, r.RefundedFull = a.refunded.total, a.refunded.full
	if err := signReferral(ctx, u.Tx, &r); err != nil {
		return nil, err
	}
	told := r.created()
	if err := a.tellReplaced(ctx, u.Tx, &told); err != nil {
		return nil, err
	}
	u.Tell(r.SiteID, r.key(), told)
	m.metrics.Of(ctx).referrals.WithLabelValues(r.Status).Inc()
	campaigns := map[key]*campaign{{r.SiteID, r.CampaignID}: a.campaign}
	if err := m.noteCommissions(ctx, u, []deed{{body: a.origin}}, map[int]*referral{0: &r}, campaigns); err != nil {
		return nil, err
	}
	if r.Status == referralevent.Approved {
		return &r, m.reward(ctx, u, []referral{r}, nil)
	}
	return &r, nil
}

// judgeByHand runs the fraud rules over what a person says, as over what a link led to.
func (m *Module) judgeByHand(ctx context.Context, u *bus.Unit, a asserted, o *offer) (referral, error) {
	d := deed{body: a.origin, visitors: visitorsOf(a.origin.VisitorIDs)}
	k, err := m.kinOf(ctx, u, []key{{a.origin.SiteID, a.advocate}, {a.origin.SiteID, a.origin.PersonID}})
	if err != nil {
		return referral{}, err
	}
	kept := &candidate{method: byHand, offerID: o.ID, campaignID: a.campaign.ID, advocateID: k.one(a.origin.SiteID, a.advocate), offerOwner: deref(o.VisitorID), variant: o.Variant}
	d.body.PersonID = k.one(a.origin.SiteID, a.origin.PersonID)
	var pairs []seen
	for _, advocate := range k.all(a.origin.SiteID, a.advocate) {
		pairs = append(pairs, pairsOf(a.origin.SiteID, advocate, d.visitors)...)
	}
	policies, err := m.books.of(ctx, u, a.origin.SiteID)
	if err != nil {
		return referral{}, err
	}
	suspected := suspect{d: d, c: kept, policy: policies.of(a.campaign.ID)} // no hook is asked: the merchant says so himself
	f := &facts{referred: map[friendKey]bool{}, campaigns: map[key]*campaign{{a.origin.SiteID, a.campaign.ID}: a.campaign}, suspects: map[int]suspect{0: suspected}}
	if f.seen, err = known(ctx, u, pairs); err != nil {
		return referral{}, err
	}
	for one := range maps.Clone(f.seen) {
		f.seen[seen{one.site, one.visitor, k.one(one.site, one.person)}] = true
	}
	if f.looked, err = m.look(ctx, u, []suspect{suspected}, nil, k); err != nil {
		return referral{}, err
	}
	return f.refer(0, d, &attribution{kept: kept}, nil), nil
}

// supersede takes a locked referral out of the way, with all that it earned.
func (m *Module) supersede(ctx context.Context, u *bus.Unit, old *referral, cause string, keyID int64, reason string) error {
	was := old.give(cause, keyID, reason, u.Now)
	if err := supersedeReferral(ctx, u.Tx, u.Now, old); err != nil {
		return err
	}
	if was == old.Status {
		return nil
	}
	u.Tell(old.SiteID, old.key(), old.voided(was, u.Now))
	if was != referralevent.Approved {
		return m.supersedeCommissions(ctx, u, old)
	}
	if !old.RefundedFull { // else its refund did so
		if err := m.uncount(ctx, u, []referral{*old}); err != nil {
			return err
		}
	}
	rewards, err := rewardsOfReferrals(ctx, u, []int64{old.SiteID}, []int64{old.ID})
	if err != nil {
		return err
	}
	err = m.takeBack(ctx, u, rewards, func(w *reward) *referralevent.RewardClawedBack { return w.revoke(cause, u.Now) })
	if err != nil {
		return err
	}
	return m.supersedeCommissions(ctx, u, old)
}

// stands is how the referral that was made stands.
func (a asserted) stands(r *referral) stood {
	return stood{Status: r.Status, Cause: r.Cause, AdvocateID: r.AdvocateID, OriginID: r.OriginID, ReferralID: r.ID, Verdict: worst(r.findings()), Forced: a.force}
}
