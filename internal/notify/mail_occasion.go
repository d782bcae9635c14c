package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// onOffer writes to advocates who have just got an offer.
func (m *Module) onOffer(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.OfferCreated]) error {
	if err := announce(ctx, m, u, batch, fromOffer); err != nil {
		return err
	}
	return notices(ctx, m, u, advocateOffer, batch, func(o referralevent.OfferCreated) (siteID, personID int64, id string, f noticeFacts) {
		if o.ShareCode == "" { // told by an older version
			return 0, 0, "", f
		}
		return o.SiteID, o.AdvocateID, itoa(o.OfferID), noticeFacts{Link: strings.TrimRight(m.PublicURL, "/") + "/x/" + o.ShareCode, About: about{CampaignID: o.CampaignID, QA: o.QA}}
	})
}

// onReferral writes to advocates whose reward waits for an approval.
func (m *Module) onReferral(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.ReferralCreated]) error {
	if err := announce(ctx, m, u, batch, fromReferral); err != nil {
		return err
	}
	return notices(ctx, m, u, rewardPending, batch, func(r referralevent.ReferralCreated) (siteID, personID int64, id string, f noticeFacts) {
		if r.Status != referralevent.Pending {
			return 0, 0, "", f
		}
		f.About = about{CampaignID: r.CampaignID, Subtotal: r.Subtotal, Currency: r.Currency, QA: r.QA}
		return r.SiteID, r.AdvocateID, itoa(r.ReferralID), f
	})
}

// onApproval, as onVoid, takes back the mail that a reward is on its way, if it hasn't left.
func (m *Module) onApproval(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.ReferralApproved]) error {
	if err := announce(ctx, m, u, batch, fromApproval); err != nil {
		return err
	}
	return takeBack(ctx, m, u, rewardPending, batch, func(r referralevent.ReferralApproved) (siteID, referralID int64) { return r.SiteID, r.ReferralID })
}

func (m *Module) onVoid(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.ReferralVoided]) error {
	if err := announce(ctx, m, u, batch, fromVoid); err != nil {
		return err
	}
	return takeBack(ctx, m, u, rewardPending, batch, func(r referralevent.ReferralVoided) (siteID, referralID int64) { return r.SiteID, r.ReferralID })
}

// onClawback takes back the mail about a reward of which nothing is left.
func (m *Module) onClawback(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.RewardClawedBack]) error {
	if err := announce(ctx, m, u, batch, fromClawback); err != nil {
		return err
	}
	for template, side := range map[string]string{advocateReward: "advocate", friendReward: "friend"} {
		err := takeBack(ctx, m, u, template, batch, func(w referralevent.RewardClawedBack) (siteID, id int64) {
			if !w.Full || w.Side != side {
				return 0, 0
			}
			return w.SiteID, w.RewardID
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// onReminder writes to friends again.
func (m *Module) onReminder(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.ShareReminderDue]) error {
	return notices(ctx, m, u, shareReminder, batch, func(s referralevent.ShareReminderDue) (siteID, personID int64, id string, f noticeFacts) {
		return s.SiteID, s.FriendID, itoa(s.ShareID), noticeFacts{AdvocateID: s.AdvocateID, Link: s.Link, About: about{CampaignID: s.CampaignID, QA: s.QA}}
	})
}

// onExpiring writes to members whose points end soon, once for each lot.
func (m *Module) onExpiring(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.PointsExpiring]) error {
	if err := announce(ctx, m, u, batch, fromExpiring); err != nil {
		return err
	}
	return notices(ctx, m, u, pointsExpiring, batch, func(p loyaltyevent.PointsExpiring) (siteID, personID int64, id string, f noticeFacts) {
		if p.Wallet != "" { // its words are about points of the main wallet; the shop hears of others by its webhook
			return 0, 0, "", f
		}
		o, _ := fromExpiring(p)
		return p.SiteID, p.PersonID, o.id, noticeFacts{Reward: pointWords(p.Points), Ends: p.ExpiresAt, About: about{Reward: referralevent.Points, Points: p.Points}}
	})
}

const staleTier = 7 * 24 * time.Hour // nobody is told of a tier that an imported history came to long ago

// lowering are the causes by which members fall; by tiers_changed they do both, and nobody is written to.
var lowering = map[string]bool{"claw_back": true, "refund": true, "referral_voided": true, "time": true}

// onTier writes to members who have risen or fallen.
func (m *Module) onTier(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.TierChanged]) error {
	if err := announce(ctx, m, u, batch, fromTier); err != nil {
		return err
	}
	for template, falls := range map[string]bool{tierReached: false, tierLost: true} {
		err := notices(ctx, m, u, template, batch, func(t loyaltyevent.TierChanged) (siteID, personID int64, id string, f noticeFacts) {
			if t.Cause == "tiers_changed" || (lowering[t.Cause] || t.To == "") != falls || u.Now.Sub(t.ChangedAt) > staleTier {
				return 0, 0, "", f
			}
			o, _ := fromTier(t)
			if f.Tier = t.To; f.Tier == "" {
				f.Tier = "in no tier"
			}
			return t.SiteID, t.PersonID, o.id, f
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mailRewards writes to those who got something. Advocates' points are mailed by onPointsEarned, which knows the balance; gift cards by their provider.
func (m *Module) mailRewards(ctx context.Context, u *bus.Unit, batch []bus.Event[referralevent.RewardIssued]) error {
	for _, to := range []struct{ template, side string }{{advocateReward, "advocate"}, {friendReward, "friend"}} {
		err := notices(ctx, m, u, to.template, batch, func(w referralevent.RewardIssued) (siteID, personID int64, id string, f noticeFacts) {
			if w.Side != to.side || w.Kind == referralevent.GiftCard || w.Kind == referralevent.Points && to.template == advocateReward {
				return 0, 0, "", f
			}
			return w.SiteID, w.PersonID, itoa(w.RewardID), noticeFacts{Reward: rewardWords(w), Code: w.CouponCode,
				About: about{CampaignID: w.CampaignID, Reward: w.Kind, Points: w.Points, Amount: w.Amount, Currency: w.Currency, QA: w.QA}}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// notices queues the mails of a template that events are the occasions of: of nobody (person 0) there is none, nor of sites that don't want it.
func notices[T bus.Payload](ctx context.Context, m *Module, u *bus.Unit, template string, batch []bus.Event[T], of func(T) (siteID, personID int64, id string, f noticeFacts)) error {
	sends, err := m.sends(ctx, u, template)
	if err != nil {
		return err
	}
	var orders []order
	seen := map[mailKey]bool{}
	for _, e := range batch {
		siteID, personID, id, f := of(e.Body)
		if personID == 0 || !sends(siteID) {
			continue
		}
		data, err := json.Marshal(f)
		if err != nil {
			return fmt.Errorf("data of a message: %w", err)
		}
		o := order{siteID: siteID, personID: personID, dedupeKey: template + ":" + id, data: string(data)}
		if k := (mailKey{siteID, o.dedupeKey}); !seen[k] {
			seen[k] = true
			orders = append(orders, o)
		}
	}
	return m.queue(ctx, u, template, orders)
}

// takeBack ends mails of a template that wait, because their occasions are over; id 0 is none.
func takeBack[T bus.Payload](ctx context.Context, m *Module, u *bus.Unit, template string, batch []bus.Event[T], of func(T) (siteID, id int64)) error {
	sends, err := m.sends(ctx, u, template)
	if err != nil {
		return err
	}
	var sites []int64
	var keys []string
	for _, e := range batch {
		if siteID, id := of(e.Body); id != 0 && sends(siteID) {
			sites, keys = append(sites, siteID), append(keys, fmt.Sprintf("%s:%d", template, id))
		}
	}
	if len(sites) == 0 {
		return nil
	}
	gone, err := suppressQueued(ctx, u, sites, keys, passed, u.Now)
	if err != nil {
		return err
	}
	m.tellEnds(ctx, u, gone)
	return nil
}
