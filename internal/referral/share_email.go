package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
)

// PreviewEmails says what ShareByEmail would do now, and changes nothing. known says that the Idempotency-Key was used before: then
// there is nothing to preview.
func (m *Module) PreviewEmails(ctx context.Context, s site.Site, in referralapi.EmailShare) (out referralapi.EmailShared, known bool, err error) {
	o, c, err := m.offerOf(ctx, s, in.Code)
	if err != nil {
		return out, false, err
	}
	if in.Idempotency.Value != "" {
		if known, err = keyKnown(ctx, m.db, s.ID, in.Idempotency.Value); known || err != nil {
			return out, known, err
		}
	}
	if !c.sharable(m.now()) {
		return out, false, errNotShared
	}
	sent, err := mailed(ctx, m.db, o.SiteID, o.ID)
	in.ValidationOnly = true
	out, _ = planEmails(in, deref(o.PersonID), sent)
	return out, false, err
}

// ShareByEmail records that an offer is mailed to people, each once and 25 in all, and tells of each, which makes the e-mail. Who is
// in no customer's book gets none. replayed says that the Idempotency-Key had done it before: the answer is that of then.
func (m *Module) ShareByEmail(ctx context.Context, s site.Site, in referralapi.EmailShare) (out referralapi.EmailShared, replayed bool, err error) {
	o, c, err := m.offerOf(ctx, s, in.Code)
	if err != nil {
		return out, false, err
	}
	err = m.inShare(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, in.Idempotency, &out, func() error {
			if !c.sharable(u.Now) {
				return errNotShared
			}
			shared, err := lockOffer(ctx, u.Tx, o)
			if err != nil {
				return err
			}
			sent, err := mailed(ctx, u, o.SiteID, o.ID)
			if err != nil {
				return err
			}
			var friends []int64
			if out, friends = planEmails(in, deref(o.PersonID), sent); len(friends) == 0 {
				return nil
			}
			acts := []sharing{{s: s, offer: o, campaign: c, made: emailShares(o, friends, len(sent), in.Reminder), verified: in.Verified, words: words{in.Subject, in.Message}}}
			if err := m.saveShares(ctx, u, acts, map[key]int{{o.SiteID, o.ID}: shared}); err != nil {
				return err
			}
			if err := mailFriendOffers(ctx, u.Tx, u.Now, o, friends); err != nil {
				return err
			}
			rewards, err := m.rewardShares(ctx, u, acts)
			if err != nil {
				return err
			}
			out.Rewards = append(out.Rewards, rewards[0]...)
			return nil
		})
		return err
	})
	return out, replayed, err
}

// planEmails judges each recipient and chooses whom the offer is mailed to, in their order, while it has e-mails left. sent are those
// whom it was mailed to before.
func planEmails(in referralapi.EmailShare, advocate int64, sent map[int64]bool) (referralapi.EmailShared, []int64) {
	out := referralapi.EmailShared{ValidationOnly: in.ValidationOnly, Verdicts: make([]referralapi.Verdict, len(in.Recipients)), Rewards: []referralapi.Reward{}}
	left := referralapi.MostEmails - len(sent)
	asked := 0
	var friends []int64
	for i, r := range in.Recipients {
		v := referralapi.Verdict{EmailValid: r.Valid, Unsubscribed: r.Unsubscribed, MeetsCriteria: true,
			SelfReferral: r.PersonID != 0 && r.PersonID == advocate, PreviouslySent: r.PersonID != 0 && sent[r.PersonID]}
		if v.Sharable = v.EmailValid && !v.Unsubscribed && !v.SelfReferral && !v.PreviouslySent; v.Sharable {
			asked++
			if !in.ValidationOnly && r.PersonID != 0 && asked <= left {
				v.CurrentlySent = true
				friends = append(friends, r.PersonID)
			}
		}
		out.Verdicts[i] = v
	}
	total := len(sent) + len(friends)
	out.Stats = referralapi.EmailStats{CurrentlySent: len(friends), CurrentlyNotSent: len(in.Recipients) - len(friends), PreviouslySent: len(sent),
		TotalSent: total, SentLimitExceeded: asked > left, LeftEmails: referralapi.MostEmails - total}
	return out, friends
}

// emailShares are the shares of an offer that was mailed to so many people before.
func emailShares(o *offer, friends []int64, before int, reminder bool) []share {
	out := make([]share, len(friends))
	for i := range friends {
		slot := int64(before + i + 1)
		out[i] = share{SiteID: o.SiteID, OfferID: o.ID, CampaignID: o.CampaignID, Kind: referralevent.Email, Channel: channelEmail,
			FriendID: &friends[i], Slot: &slot, Reminder: reminder}
	}
	return out
}
