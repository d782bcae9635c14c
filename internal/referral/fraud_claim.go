package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// claimOfSuspect is the reason of a claim that a fraud rule has blocked.
const (
	claimOfSuspect      = "SUSPICIOUS"
	claimOfSuspectHuman = "This offer can't be claimed in this way."
)

// claimRules are those that have something to say before there is a purchase.
var claimRules = []string{ruleSelf, ruleSimilar, ruleDevice, ruleIP, ruleCross, ruleDisposable, ruleBlockedEmail, ruleBlockedIP}

// forClaims is the policy as far as it speaks of claims.
func (p *policy) forClaims() *policy {
	out := *p
	out.Settings, out.Observe = actions{}, false
	for _, rule := range claimRules {
		out.Settings[rule] = p.Settings.of(rule)
	}
	return &out
}

// claimant is how a friend claims an offer.
type claimant struct {
	ip, device string // as an origin tells them
	visitors   []string
}

// judgeClaim runs the fraud rules over a claim, by the policy of its campaign: whom it blocks gets neither a friend offer nor what a
// click earns. What a rule has flagged is kept, and the purchase is judged again.
func (m *Module) judgeClaim(ctx context.Context, u *bus.Unit, told referralevent.OfferClaimed, by claimant) ([]finding, error) {
	if told.AdvocateID == 0 {
		return nil, nil
	}
	b, err := m.books.of(ctx, u, told.SiteID)
	if err != nil {
		return nil, err
	}
	k, err := m.kinOf(ctx, u, []key{{told.SiteID, told.AdvocateID}, {told.SiteID, told.FriendID}})
	if err != nil {
		return nil, err
	}
	told.AdvocateID, told.FriendID = k.one(told.SiteID, told.AdvocateID), k.one(told.SiteID, told.FriendID)
	s := suspect{policy: b.of(told.CampaignID).forClaims(), c: &candidate{offerID: told.OfferID, campaignID: told.CampaignID, advocateID: told.AdvocateID},
		d: deed{body: customerevent.OriginRecorded{SiteID: told.SiteID, PersonID: told.FriendID, IP: by.ip, Device: by.device, OccurredAt: told.ClaimedAt}}}
	var browsers []seen
	for _, advocate := range k.all(told.SiteID, told.AdvocateID) {
		browsers = append(browsers, pairsOf(told.SiteID, advocate, by.visitors)...)
	}
	seenBy, err := known(ctx, u, browsers)
	if err != nil {
		return nil, err
	}
	l, err := m.look(ctx, u, []suspect{s}, nil, k)
	if err != nil {
		return nil, err
	}
	return s.policy.judge(l.measure(s, func() evidence {
		theirs := slices.DeleteFunc(slices.Clone(by.visitors), func(v string) bool {
			return !slices.ContainsFunc(k.all(told.SiteID, told.AdvocateID), func(advocate int64) bool { return seenBy[seen{told.SiteID, v, advocate}] })
		})
		return selfReferral(told.AdvocateID, told.FriendID, by.visitors, theirs, "")
	}, nil)), nil
}

func pairsOf(siteID, personID int64, visitors []string) []seen {
	var out []seen
	for _, v := range visitors {
		out = append(out, seen{siteID, v, personID})
	}
	return out
}

// suspects says whether a claim earns nothing because of a rule, and keeps what hit. The first claim of a friend's is what is kept.
func (m *Module) suspects(ctx context.Context, u *bus.Unit, told *referralevent.OfferClaimed, by claimant) (bool, error) {
	found, err := m.judgeClaim(ctx, u, *told, by)
	verdict := worst(found)
	if err != nil || verdict == verdictPassed {
		return false, err
	}
	m.metrics.Of(ctx).claimsSuspected.WithLabelValues(verdict).Inc()
	for i := range found {
		found[i].Evidence.VisitorID = "" // nothing that is kept for ever ties a browser to a person
	}
	text, err := json.Marshal(found)
	if err != nil {
		return false, err
	}
	if _, err := u.ExecContext(ctx, `
		insert into referral.claim_verdict (site_id, offer_id, friend_id, verdict, rules, at) values ($1, $2, $3, $4, $5::jsonb, $6)
		on conflict on constraint claim_verdict_pkey do nothing`, told.SiteID, told.OfferID, told.FriendID, verdict, string(text), told.ClaimedAt); err != nil {
		return false, fmt.Errorf("keep verdict of claim: %w", err)
	}
	if verdict != verdictBlocked {
		return false, nil
	}
	told.Reason = claimOfSuspect
	return true, nil
}

// unwelcome says that nobody at this address gets an offer: the merchant has blocked it. If that can't be looked up, nobody is.
func (m *Module) unwelcome(ctx context.Context, l *link, ip string) bool {
	b, err := m.books.of(ctx, m.db, l.SiteID)
	if err != nil {
		return false
	}
	p := b.of(l.CampaignID)
	return p.Settings.of(ruleBlockedIP) == settingBlock && p.lists.blockedIPs.has(ip)
}
