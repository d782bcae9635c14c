package referral

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// deed is a verified purchase or event that is to be decided.
type deed struct {
	body     customerevent.OriginRecorded
	visitors []string
	at       int  // its place in the batch of events
	advocate bool // the buyer could share before
}

// methodOf is how a visitor of the purchase finds an offer.
func (d deed) methodOf(visitor string) string {
	if web, ok := visitorOf(d.body.WebVisitorID); ok && web == visitor {
		return byWebCookie
	}
	return byCookie
}

// codes are those that the order came with, in their one form, each once.
func (d deed) codes() []string {
	var out []string
	for _, code := range d.body.CouponCodes {
		if code = codeOfCoupon(code); codeFault(code) == "" && !slices.Contains(out, code) {
			out = append(out, code)
		}
	}
	return out
}

// recorded hears of origins: it learns who was seen with which browser, and decides about each verified purchase and event
// whether it came by an advocate's link.
func (m *Module) recorded(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.OriginRecorded]) error {
	var identities []seen
	since := map[seen]int{} // the first event of the batch that tells an identity
	var deeds []deed
	var signups []customerevent.OriginRecorded
	inBatch := map[key]bool{}
	for n, e := range batch {
		if !e.Body.Verified {
			continue
		}
		visitors := visitorsOf(e.Body.VisitorIDs)
		if e.Body.PersonID != 0 {
			for _, v := range visitors {
				one := seen{e.Body.SiteID, v, e.Body.PersonID}
				if _, ok := since[one]; !ok {
					since[one] = n
					identities = append(identities, one)
				}
			}
		}
		k := key{e.Body.SiteID, e.Body.OriginID}
		if e.Body.Type == customerevent.AffiliateMember && e.Body.PersonID != 0 && !inBatch[k] {
			inBatch[k] = true
			signups = append(signups, e.Body)
		}
		if e.Body.Type == customerevent.AffiliateMember || inBatch[k] {
			continue
		}
		inBatch[k] = true
		deeds = append(deeds, deed{body: e.Body, visitors: visitors, at: n})
	}
	fresh, err := learn(ctx, u.Tx, u.Now, identities)
	if err != nil {
		return err
	}
	for one := range since {
		if !fresh[one] {
			delete(since, one)
		}
	}
	marks, err := m.gatherMarks(ctx, u, batch)
	if err != nil {
		return err
	}
	if len(deeds) > 0 {
		if deeds, err = m.undecided(ctx, u, deeds); err != nil {
			return err
		}
	}
	if len(deeds) > 0 {
		if err := useCoupons(ctx, u, deeds); err != nil {
			return err
		}
		if err := m.notePurchases(ctx, u, deeds); err != nil {
			return err
		}
		parts, err := cut(ctx, u, deeds)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if err := m.decide(ctx, u, part, since, marks); err != nil {
				return err
			}
		}
	}
	if err := m.rewardSignups(ctx, u, signups); err != nil {
		return err
	}
	keys, seen := foldMarks(marks)
	return keepMarks(ctx, u.Tx, keys, seen)
}

// decide attributes the deeds, makes their referrals, keeps the reasons and issues what is approved at once. since tells which
// identities were learned by which event of the batch, marks what its events show their people with.
func (m *Module) decide(ctx context.Context, u *bus.Unit, deeds []deed, since map[seen]int, marks map[markKey][]toldMark) error {
	facts, err := m.gather(ctx, u, deeds, since, marks)
	if err != nil {
		return err
	}
	decisions := make([]attribution, len(deeds))
	byOrigin := map[key]int{}
	var made []referral
	for n, d := range deeds {
		byOrigin[key{d.body.SiteID, d.body.OriginID}] = n
		decisions[n] = facts.attribute(n, d)
		if decisions[n].kept != nil {
			r := facts.refer(n, d, &decisions[n], made)
			if !facts.suspects[n].asked {
				facts.campaigns[key{r.SiteID, r.CampaignID}].approveWhenDue(&r, u.Now)
			}
			made = append(made, r)
		}
	}
	var written []referral
	if len(made) > 0 {
		if written, err = insertReferrals(ctx, u.Tx, u.Now, made); err != nil {
			return err
		}
	}
	referrals := map[int]*referral{}
	var approved []referral
	var asks []*referral
	for i := range written {
		r := &written[i]
		n := byOrigin[key{r.SiteID, r.OriginID}]
		if referrals[n] = r; facts.suspects[n].asked && askable(r.Status) {
			asks = append(asks, r)
		}
		u.Tell(r.SiteID, r.key(), r.created())
		m.metrics.Of(ctx).referrals.WithLabelValues(r.Status).Inc()
		if r.Status == referralevent.Approved {
			approved = append(approved, *r)
		}
	}
	rows := make([]attributionRow, len(deeds))
	for n, d := range deeds {
		if d.advocate {
			u.Tell(d.body.SiteID, "origin:"+itoa(d.body.OriginID), d.advocatePurchased(referrals[n]))
		}
		rows[n] = decisions[n].row(d, referrals[n])
		m.metrics.Of(ctx).attributions.WithLabelValues(rows[n].Outcome, rows[n].Reason).Inc()
		if rows[n].Method != "" {
			m.metrics.Of(ctx).found.WithLabelValues(rows[n].Method).Inc()
		}
	}
	if err := insertAttributions(ctx, u.Tx, u.Now, rows); err != nil {
		return err
	}
	if len(asks) > 0 {
		if err := insertAsks(ctx, u.Tx, u.Now, asks); err != nil {
			return err
		}
	}
	if err := m.noteCommissions(ctx, u, deeds, referrals, facts.campaigns); err != nil {
		return err
	}
	if len(approved) == 0 {
		return nil
	}
	return m.reward(ctx, u, approved, facts.campaigns)
}

// facts are what the decisions of a batch need to know.
type facts struct {
	candidates map[int][]candidate // by the deed's place in the batch
	campaigns  map[key]*campaign
	kin        kin                // of the batch's friends and advocates
	referred   map[friendKey]bool // also by earlier deeds of the batch
	seen       map[seen]bool      // friends' visitors that are known as the advocate's
	since      map[seen]int
	suspects   map[int]suspect // by the deed's place in the batch
	looked     *looked
}

// then says whether an identity that is known now was known when the deed was told: a decision doesn't depend on which later
// events happened to be in its batch.
func (f *facts) then(d deed, one seen) bool {
	at, inBatch := f.since[one]
	return !inBatch || at <= d.at
}

func (m *Module) gather(ctx context.Context, u *bus.Unit, deeds []deed, since map[seen]int, marks map[markKey][]toldMark) (*facts, error) {
	f := &facts{candidates: map[int][]candidate{}, since: since, suspects: map[int]suspect{}}
	err := m.find(ctx, u, f, deeds)
	if err != nil {
		return nil, err
	}
	friends, pairs := map[friendKey]bool{}, map[seen]bool{}
	for n, d := range deeds {
		for _, c := range f.candidates[n] {
			for _, friend := range f.kin.all(d.body.SiteID, d.body.PersonID) {
				friends[friendKey{d.body.SiteID, c.campaignID, friend}] = true
			}
			for _, advocate := range f.kin.all(d.body.SiteID, c.advocateID) {
				for _, v := range d.visitors {
					pairs[seen{d.body.SiteID, v, advocate}] = true
				}
			}
		}
	}
	if f.referred, err = alreadyReferred(ctx, u, slices.Collect(maps.Keys(friends))); err != nil {
		return nil, err
	}
	for k := range maps.Clone(f.referred) {
		f.referred[friendKey{k.site, k.campaign, f.kin.one(k.site, k.friend)}] = true
	}
	f.forgo(deeds)
	if f.seen, err = known(ctx, u, slices.Collect(maps.Keys(pairs))); err != nil {
		return nil, err
	}
	for one := range maps.Clone(f.seen) {
		f.seen[seen{one.site, one.visitor, f.kin.one(one.site, one.person)}] = true
	}
	var suspects []suspect
	for n, d := range deeds {
		a := f.candidate(n, d)
		if a == nil {
			continue
		}
		b, err := m.books.of(ctx, u, d.body.SiteID)
		if err != nil {
			return nil, err
		}
		f.suspects[n] = suspect{n, d, a, b.of(a.campaignID), b.hookOf(a.campaignID) != nil}
		suspects = append(suspects, f.suspects[n])
	}
	f.looked, err = m.look(ctx, u, suspects, marks, f.kin)
	return f, err
}

// candidate is the one that a deed came by; nil if none, or if its friend is referred already.
func (f *facts) candidate(n int, d deed) *candidate {
	if d.body.PersonID == 0 {
		return nil
	}
	best, again := choose(stand(d.body.OccurredAt, f.candidates[n], f.campaignsOf(n, d)), f.referredOf(d))
	if best == nil || again {
		return nil
	}
	return best.candidate
}

func (f *facts) campaignsOf(n int, d deed) map[int64]*campaign {
	campaigns := map[int64]*campaign{}
	for _, c := range f.candidates[n] {
		campaigns[c.campaignID] = f.campaigns[key{d.body.SiteID, c.campaignID}]
	}
	return campaigns
}

// attribute decides about one deed and notes its friend as referred for the next ones.
func (f *facts) attribute(n int, d deed) attribution {
	if d.body.PersonID == 0 {
		return attribution{reason: reasonNoPerson}
	}
	return attribute(d.body.OccurredAt, f.candidates[n], f.campaignsOf(n, d), f.referredOf(d))
}

// referredOf says in which campaigns the friend is referred by now.
func (f *facts) referredOf(d deed) func(campaignID int64) bool {
	return func(campaignID int64) bool { return f.referred[friendKey{d.body.SiteID, campaignID, d.body.PersonID}] }
}

// tries says that a candidate's campaign is one in Test.
func (f *facts) tries(d deed, c *candidate) bool {
	return f.campaigns[key{d.body.SiteID, c.campaignID}].tried()
}

// refer makes the referral of a deed whose link was found, and runs the fraud rules over it. made are those that the batch has made
// before.
func (f *facts) refer(n int, d deed, a *attribution, made []referral) referral {
	c, s := a.kept, f.suspects[n]
	self := func() evidence {
		var theirs []string
		for _, v := range d.visitors {
			if one := (seen{d.body.SiteID, v, c.advocateID}); f.seen[one] && f.then(d, one) {
				theirs = append(theirs, v)
			}
		}
		return selfReferral(c.advocateID, d.body.PersonID, d.visitors, theirs, c.offerOwner)
	}
	found := s.policy.judge(f.looked.measure(s, self, made))
	text, err := json.Marshal(found)
	if err != nil {
		panic(err) // plain fields
	}
	r := referral{SiteID: d.body.SiteID, CampaignID: c.campaignID, OfferID: c.offerID, OriginID: d.body.OriginID,
		AdvocateID: c.advocateID, FriendID: d.body.PersonID, Status: referralevent.Pending, Cause: causeCreated, TrackMethod: c.method,
		Subtotal: d.body.Subtotal, Currency: d.body.Currency, Fraud: string(text), QA: f.looked.qa(s) || f.tries(d, c), OccurredAt: d.body.OccurredAt}
	told := factsOf(d.body, c)
	r.Deed = &told
	a.Findings, a.verdict = found, worst(found)
	switch a.verdict {
	case verdictBlocked:
		r.Status, r.Cause = referralevent.Blocked, causeFraud
		return r
	case verdictFlagged:
		r.Status, r.Cause = referralevent.Flagged, causeFraud
	}
	f.referred[friendKey{r.SiteID, r.CampaignID, r.FriendID}] = true
	return r
}

// row is the decision as it is kept. A referral that wasn't written lost a race for its friend.
func (a attribution) row(d deed, r *referral) attributionRow {
	out := attributionRow{SiteID: d.body.SiteID, OriginID: d.body.OriginID, PersonID: d.body.PersonID, Outcome: outcomeNone,
		Reason: a.reason, OccurredAt: d.body.OccurredAt}
	switch {
	case r != nil:
		out.Outcome, out.ReferralID = outcomeReferred, &r.ID
		if out.Method, out.OfferID = a.kept.method, &a.kept.offerID; r.Status == referralevent.Blocked {
			out.Outcome, out.Reason = outcomeBlocked, because(a.Findings, verdictBlocked)[0]
		}
	case a.kept != nil:
		out.Reason, a.Findings = reasonAlreadyReferred, nil
		for i := range a.Candidates {
			if a.Candidates[i].Kept {
				a.Candidates[i].Kept, a.Candidates[i].Cause = false, reasonAlreadyReferred
			}
		}
	}
	out.Trace = a.text()
	return out
}
