package referral

import (
	"cmp"
	"context"
	"slices"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

const (
	stepBatch = 200
	stepCrowd = 16
)

// stepping is a request to move a referral: that of an origin, or the one with a number.
type stepping struct {
	s          site.Site
	origin, id int64 // one of them
	to         referralapi.Step
	key        idempotency.Key
	missing    error // the answer when there is none
}

// stepped is such a request on its way through its transaction.
type stepped struct {
	*stepping
	at     int // in its batch
	of     key // the referral
	now    referral
	before *stood // nil: it was there already
}

// step moves a referral, if it isn't there already.
func (m *Module) step(ctx context.Context, one stepping) (out referralapi.Referral, replayed bool, err error) {
	done, err := m.steps.Do(ctx, one)
	if postgres.Violates(err, "referral_friend_once") {
		err = fault.New(fault.Invalid, "friend_already_referred", "The friend has another referral in this campaign.").Because(err)
	}
	return done.Value, done.Replayed, err
}

// takeSteps serves a batch of steps in one transaction.
func (m *Module) takeSteps(ctx context.Context, in []stepping) (out []answered[referralapi.Referral], err error) {
	claims := make([]idempotency.Claim, len(in))
	for i, one := range in {
		claims[i] = idempotency.Claim{SiteID: one.s.ID, Key: one.key}
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		done, err := idempotency.Batch(ctx, u.Tx, schema, u.Now, claims, func(fresh []int, out []idempotency.Done[referralapi.Referral]) error {
			list, err := findStepped(ctx, u, in, fresh, out)
			if err != nil {
				return err
			}
			for _, apart := range rounds(list, func(r *stepped) []key { return []key{r.of} }) {
				if err := m.stepTx(ctx, u, apart, out); err != nil {
					return err
				}
			}
			return nil
		})
		out = answers(done)
		return err
	})
	return out, err
}

// findStepped finds the referrals of the requests that are new. Whose origin made none is refused.
func findStepped(ctx context.Context, u *bus.Unit, in []stepping, fresh []int, out []idempotency.Done[referralapi.Referral]) ([]*stepped, error) {
	var origins []key
	for _, i := range fresh {
		if in[i].id == 0 {
			origins = append(origins, key{in[i].s.ID, in[i].origin})
		}
	}
	made, err := referralNumbers(ctx, u, origins)
	if err != nil {
		return nil, err
	}
	var list []*stepped
	for _, i := range fresh {
		one := &stepped{stepping: &in[i], at: i, of: key{in[i].s.ID, in[i].id}}
		if one.id == 0 {
			one.of.id = made[key{one.s.ID, one.origin}]
		}
		if one.of.id == 0 {
			out[i].Err = one.missing
			continue
		}
		list = append(list, one)
	}
	return list, nil
}

// stepTx moves referrals, of which none comes twice.
func (m *Module) stepTx(ctx context.Context, u *bus.Unit, list []*stepped, out []idempotency.Done[referralapi.Referral]) error {
	keys := make([]key, len(list))
	for i, one := range list {
		keys[i] = one.of
	}
	sites, ids := split(keys)
	locked, err := lockReferralsByID(ctx, u.Tx, sites, ids)
	if err != nil {
		return err
	}
	var known []*stepped
	moves := map[movement][]*stepped{}
	for _, one := range list {
		way, err := one.decide(locked[one.of])
		if f, refused := fault.Of(err); refused {
			out[one.at].Err = f
			continue
		}
		if err != nil {
			return err
		}
		if known = append(known, one); one.before != nil {
			moves[way] = append(moves[way], one)
		}
	}
	if err := m.moveAll(ctx, u, moves); err != nil {
		return err
	}
	return m.answerSteps(ctx, u, known, out)
}

// movement is what several referrals do together.
type movement struct{ to, cause string }

// decide says where the referral goes; r is locked, or nil.
func (s *stepped) decide(r *referral) (movement, error) {
	switch {
	case r == nil, s.id == 0 && r.Superseded != 0: // it took another's place just now
		return movement{}, s.missing
	case r.Superseded != 0 && s.to.Status != r.Status:
		return movement{}, errSuperseded
	}
	to, changes, err := r.step(s.to.Status)
	if s.now = *r; err != nil || !changes {
		return movement{}, err
	}
	s.before = &stood{Status: r.Status, Cause: r.Cause}
	s.now.KeyID, s.now.Note = orNull(s.to.KeyID), orNull(s.to.Note)
	return movement{to, s.to.Cause}, nil
}

// moveAll carries out what was decided, and notes who did it. All batches go in one order.
func (m *Module) moveAll(ctx context.Context, u *bus.Unit, moves map[movement][]*stepped) error {
	ways := make([]movement, 0, len(moves))
	for way := range moves {
		ways = append(ways, way)
	}
	slices.SortFunc(ways, func(a, b movement) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.cause, b.cause)) })
	var notes []audit.Entry
	for _, way := range ways {
		group := moves[way]
		slices.SortFunc(group, func(a, b *stepped) int {
			return cmp.Or(cmp.Compare(a.of.site, b.of.site), cmp.Compare(a.of.id, b.of.id))
		})
		list := make([]referral, len(group))
		for i, one := range group {
			list[i] = one.now
		}
		if err := m.move(ctx, u, list, way.to, way.cause); err != nil {
			return err
		}
		for i, one := range group {
			one.now = list[i]
			notes = append(notes, audit.Entry{SiteID: one.s.ID, Change: audit.Change{KeyID: one.to.KeyID, Action: "referral." + one.to.Status, Subject: aboutReferral,
				SubjectID: one.of.id, Reason: one.to.Note, Before: *one.before, After: stood{Status: one.now.Status, Cause: one.now.Cause}}})
		}
	}
	return audit.WriteAll(ctx, u.Tx, schema, u.Now, notes)
}

// answerSteps says how the referrals are now.
func (m *Module) answerSteps(ctx context.Context, u *bus.Unit, list []*stepped, out []idempotency.Done[referralapi.Referral]) error {
	if len(list) == 0 {
		return nil
	}
	keys := make([]key, len(list))
	for i, one := range list {
		keys[i] = one.of
	}
	sites, ids := split(keys)
	rewards, err := rewardsOfReferrals(ctx, u, sites, ids)
	if err != nil {
		return err
	}
	of := map[key][]reward{}
	for _, w := range rewards {
		k := key{w.SiteID, *w.ReferralID}
		of[k] = append(of[k], w)
	}
	for _, one := range list {
		out[one.at].Value = one.now.answer(of[one.of], u.Now, one.s.Zone)
	}
	return nil
}
