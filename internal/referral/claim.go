package referral

import (
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// Why a claim earns the friend nothing, in Talkable's words, and in ours for people.
const (
	claimOfSelf      = "SELF_REFERRAL"
	claimOfSelfHuman = "The friend and the advocate are the same person."
)

var (
	errNoCampaignFound = fault.New(fault.Invalid, "no_campaign", "No campaign found.").At("/campaign_tag", "no live campaign has it")
	errNobodyClaims    = fault.New(fault.Conflict, "people_unknown", "The people of this claim aren't known any more; please repeat it with another Idempotency-Key.")
	errNoVisitorOffer  = fault.New(fault.Invalid, "visitor_offer_not_found", "No visitor offer found by id.")
)

// ClaimURLActive says whether a link is one of the offer's by which a friend can claim it now.
func (m *Module) ClaimURLActive(ctx context.Context, s site.Site, codeOrID, url string) (bool, error) {
	o, c, err := m.offerOf(ctx, s, codeOrID)
	if err != nil {
		return false, err
	}
	path, ours := strings.CutPrefix(url, m.publicURL+"/x/")
	path, _, _ = strings.Cut(path, "?")
	code, ok := codeOf(path)
	if !ours || !ok {
		return false, nil
	}
	l, err := linkByCode(ctx, m.db, code)
	if err != nil || l == nil {
		return false, err
	}
	return l.SiteID == o.SiteID && l.OfferID == o.ID && l.Kind != linkShare && c.claimable(m.now()), nil
}

// TrackVisit notes that the friend of a friend offer has arrived. It is what an app says, so attribution doesn't look at it.
func (m *Module) TrackVisit(ctx context.Context, siteID int64, id string) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || n <= 0 {
		return errNoVisitorOffer
	}
	known, err := trackFriendOffer(ctx, m.db, m.now(), siteID, n)
	if err == nil && !known {
		return errNoVisitorOffer
	}
	return err
}

// Claimable says whether there is a campaign that a friend could claim an offer of, or that the Idempotency-Key was used before.
func (m *Module) Claimable(ctx context.Context, s site.Site, tag string, k idempotency.Key) (known bool, err error) {
	if k.Value != "" {
		if known, err = keyKnown(ctx, m.db, s.ID, k.Value); known || err != nil {
			return known, err
		}
	}
	shelf, err := m.catalog.of(ctx, s.ID)
	if err == nil && len(claimable(shelf.campaigns, tag, m.now())) == 0 {
		err = errNoCampaignFound
	}
	return false, err
}

// claimable are the live campaigns with a tag, the newest first.
func claimable(campaigns []*campaign, tag string, at time.Time) []*campaign {
	var out []*campaign
	for _, c := range campaigns {
		if c.live(at) && c.claimable(at) && c.kind().Offers && (tag == "" || slices.Contains(c.Tags, tag)) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *campaign) int { return int(b.ID - a.ID) })
	return out
}

// ClaimOffer lets a friend claim an advocate's offer: the newest one that the advocate has, else one of the newest campaign. The
// friend gets a friend offer, as by opening a link, and what the campaign gives for that. To claim it again gives the same.
func (m *Module) ClaimOffer(ctx context.Context, s site.Site, in referralapi.Claim) (out referralapi.Claimed, replayed bool, err error) {
	shelf, err := m.catalog.of(ctx, s.ID)
	if err != nil {
		return out, false, err
	}
	done, err := m.claims.Do(ctx, claiming{s: s, shelf: shelf, told: in})
	return done.Value.Answer, done.Replayed, err
}

func claimedAs(reason string, rewards []reward, now time.Time, zone *time.Location) referralapi.Claimed {
	var out referralapi.Claimed
	if reason != "" {
		human := claimOfSelfHuman
		if reason == claimOfSuspect {
			human = claimOfSuspectHuman
		}
		out.FriendUnredeemReason, out.FriendHumanUnredeemReason = &reason, &human
	}
	if len(rewards) > 0 {
		one := rewards[0].present(now, zone)
		out.FriendReward = &one
	}
	return out
}

var personSpace = uuid.MustParse("5f1c9a52-6a1d-4f0e-9a0c-8c6a1d7f2b3e")

// visitorOfPerson stands for the browser of a friend who has none that we know: always the same one. Everybody can work it out, so
// no browser may call itself so.
func visitorOfPerson(siteID, personID int64) string {
	return uuid.NewHash(sha256.New(), personSpace, []byte(itoa(siteID)+":"+itoa(personID)), standIn).String()
}

const standIn = 8 // the version of UUIDs that stand for people's browsers; those of browsers are of others

// standsIn says that a visitor is no browser.
func standsIn(visitor string) bool {
	id, err := uuid.Parse(visitor)
	return err == nil && id.Version() == standIn
}
