package referral

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
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

// suspect is a claim before the rules of its campaign. Who was merged into somebody is that person here.
func (c *claimed) suspect(n int, p *policy, k kin) suspect {
	site := c.told.SiteID
	return suspect{n: n, policy: p.forClaims(),
		c: &candidate{offerID: c.told.OfferID, campaignID: c.told.CampaignID, advocateID: k.one(site, c.told.AdvocateID)},
		d: deed{body: customerevent.OriginRecorded{SiteID: site, PersonID: k.one(site, c.told.FriendID), IP: c.by.ip, Device: c.by.device, OccurredAt: c.told.ClaimedAt}}}
}

// judgeClaims runs the fraud rules over claims, by the policies of their campaigns: whom they block gets neither a friend offer nor what a
// click earns. What a rule has flagged is kept, and the purchase is judged again.
func (m *Module) judgeClaims(ctx context.Context, u *bus.Unit, list []*claimed) ([][]finding, error) {
	out := make([][]finding, len(list))
	var people []key
	for _, c := range list {
		people = append(people, key{c.told.SiteID, c.told.AdvocateID}, key{c.told.SiteID, c.told.FriendID})
	}
	k, err := m.kinOf(ctx, u, people)
	if err != nil {
		return nil, err
	}
	var suspects []suspect
	var browsers []seen
	for i, c := range list {
		if c.told.AdvocateID == 0 {
			continue
		}
		b, err := m.books.of(ctx, u, c.told.SiteID)
		if err != nil {
			return nil, err
		}
		suspects = append(suspects, c.suspect(i, b.of(c.told.CampaignID), k))
		for _, advocate := range k.all(c.told.SiteID, c.told.AdvocateID) {
			browsers = append(browsers, pairsOf(c.told.SiteID, advocate, c.by.visitors)...)
		}
	}
	seenBy, err := known(ctx, u, browsers)
	if err != nil {
		return nil, err
	}
	l, err := m.look(ctx, u, suspects, nil, k)
	if err != nil {
		return nil, err
	}
	for _, s := range suspects {
		c := list[s.n]
		advocates := k.all(c.told.SiteID, c.told.AdvocateID)
		out[s.n] = s.policy.judge(l.measure(s, func() evidence {
			theirs := slices.DeleteFunc(slices.Clone(c.by.visitors), func(v string) bool {
				return !slices.ContainsFunc(advocates, func(advocate int64) bool { return seenBy[seen{c.told.SiteID, v, advocate}] })
			})
			return selfReferral(s.c.advocateID, s.d.body.PersonID, c.by.visitors, theirs, "")
		}, nil))
	}
	return out, nil
}

func pairsOf(siteID, personID int64, visitors []string) []seen {
	var out []seen
	for _, v := range visitors {
		out = append(out, seen{siteID, v, personID})
	}
	return out
}

// suspectClaims gives a reason to those of the claims that earn nothing because of a rule, and keeps what hit. The first claim of a
// friend's is what is kept.
func (m *Module) suspectClaims(ctx context.Context, u *bus.Unit, list []*claimed) error {
	found, err := m.judgeClaims(ctx, u, list)
	if err != nil {
		return err
	}
	var hit []claimVerdict
	for i, c := range list {
		verdict := worst(found[i])
		if verdict == verdictPassed {
			continue
		}
		m.metrics.Of(ctx).claimsSuspected.WithLabelValues(verdict).Inc()
		for n := range found[i] {
			found[i][n].Evidence.VisitorID = "" // nothing that is kept for ever ties a browser to a person
		}
		text, err := json.Marshal(found[i])
		if err != nil {
			return err
		}
		hit = append(hit, claimVerdict{c.key(), verdict, string(text)})
		if verdict == verdictBlocked {
			c.told.Reason = claimOfSuspect
		}
	}
	return insertClaimVerdicts(ctx, u.Tx, u.Now, hit)
}

// claimVerdict is what the rules said of a claim, as it is kept.
type claimVerdict struct {
	claimedKey
	verdict, rules string
}

func insertClaimVerdicts(ctx context.Context, tx *sqlx.Tx, now time.Time, list []claimVerdict) error {
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b claimVerdict) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.offer, b.offer), cmp.Compare(a.friend, b.friend))
	})
	var sites, offers, friends []int64
	var verdicts, rules []string
	for _, v := range list {
		sites, offers, friends = append(sites, v.site), append(offers, v.offer), append(friends, v.friend)
		verdicts, rules = append(verdicts, v.verdict), append(rules, v.rules)
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.claim_verdict (site_id, offer_id, friend_id, verdict, rules, at)
		select s, o, f, verdict, rules::jsonb, $6
		from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[]) with ordinality u (s, o, f, verdict, rules, n)
		order by n
		on conflict on constraint claim_verdict_pkey do nothing`,
		pq.Array(sites), pq.Array(offers), pq.Array(friends), pq.Array(verdicts), pq.Array(rules), now)
	if err != nil {
		return fmt.Errorf("keep verdicts of claims: %w", err)
	}
	return nil
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
