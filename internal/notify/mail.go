package notify

import (
	"context"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/clock"
)

// The mails beside points_earned and share. A site gets them when it switches them on.
const (
	advocateOffer  = "advocate_offer"
	rewardPending  = "reward_pending"
	advocateReward = "advocate_reward"
	friendReward   = "friend_reward"
	shareReminder  = "share_reminder"
	pointsExpiring = "points_expiring"
	tierReached    = "tier_reached"
	tierLost       = "tier_lost"

	achievementReached = "achievement_reached"
	memberInvited      = "member_invited"
)

// approvalFollows is how long the mail that a reward is on its way waits at least: most referrals are approved at once, and then it isn't sent.
const approvalFollows = time.Minute

// mailKind is a mail that a site may send.
type mailKind struct {
	template string
	about    string        // when it is sent, and to whom
	on       bool          // unless the site says otherwise
	least    time.Duration // that it waits in any case
	notice   notice        // its words; none: it has a template of its own
}

var mailKinds = []mailKind{
	{template: shared, on: true, about: "To a friend whom an advocate mails an offer to, in the advocate's words."},
	{template: pointsEarned, on: true, about: "To an advocate who gets points for a referral."},
	{template: rewardReady, on: true, about: "To a member when something that points were spent on is there, if it had to be waited for. A gift card's provider mails it."},
	{template: advocateOffer, about: "To an advocate who gets an offer by signing up or by an order: the link to share.", notice: notice{
		subject: "Share {{site_name}} with your friends",
		message: "You can recommend {{site_name}} to your friends. This is your own page for it: whoever follows your link comes by you.",
		button:  "Share with friends", why: "you have a link to share"}},
	{template: rewardPending, least: approvalFollows, about: "To an advocate whose friend has ordered, while the referral waits for its approval.", notice: notice{
		subject: "Your reward from {{site_name}} is on its way",
		message: "A friend of yours has just ordered at {{site_name}}. As soon as the order is confirmed you get your reward.",
		button:  "Visit {{site_name}}", why: "you recommended {{site_name}}"}},
	{template: advocateReward, about: "To an advocate who gets a coupon, a commission, store credit or something else. Points have a mail of their own; a gift card's provider mails it.", notice: notice{
		subject: "Your reward from {{site_name}}",
		message: "Thank you for recommending {{site_name}}. You get {{reward}}.",
		button:  "Visit {{site_name}}", why: "you recommended {{site_name}}"}},
	{template: friendReward, about: "To a friend who gets something for having come by an advocate, if the friend is known by then.", notice: notice{
		subject: "Your reward from {{site_name}}",
		message: "Thank you for your order at {{site_name}}. You came by a friend's recommendation, and get {{reward}}.",
		button:  "Visit {{site_name}}", why: "you ordered there by a friend's recommendation"}},
	{template: shareReminder, about: "To a friend three days after an advocate mailed an offer, if the advocate agreed, nothing newer was mailed, the friend hasn't taken it and it still holds.", notice: notice{
		subject: "{{advocate}} thought of you",
		message: "{{advocate}} recommended {{site_name}} to you some days ago. The offer still holds.",
		button:  "See what it is", why: "{{advocate}} gave {{site_name}} your address for it"}},
	{template: pointsExpiring, about: "To a member whose points end soon: as long before as the loyalty programme's remind_days says.", notice: notice{
		subject: "Points of yours at {{site_name}} end soon",
		message: "On {{date}} {{reward}} of yours at {{site_name}} will end. Use them before.",
		button:  "Visit {{site_name}}", why: "you collect points there"}},
	{template: tierReached, about: "To a member who has risen to a tier.", notice: notice{
		subject: "You reached {{tier}} at {{site_name}}",
		message: "You are {{tier}} at {{site_name}} now. Thank you for coming back!",
		button:  "Visit {{site_name}}", why: "you collect points there"}},
	{template: tierLost, about: "To a member who has fallen to a lower tier, or to none.", notice: notice{
		subject: "Your tier at {{site_name}} has changed",
		message: "You are {{tier}} at {{site_name}} now. What you buy counts for the next one.",
		button:  "Visit {{site_name}}", why: "you collect points there"}},
	{template: achievementReached, about: "To a member who has reached an achievement, or a level of it.", notice: notice{
		subject: "You did it: {{achievement}}",
		message: "You have reached {{achievement}} at {{site_name}}. Thank you for coming back!",
		button:  "Visit {{site_name}}", why: "you collect points there"}},
	{template: memberInvited, about: "To somebody who is invited to become a member, or to come back: the link of a page that takes the answer. {{code}} is the invitation's, for a page of the shop's own.", notice: notice{
		subject: "{{site_name}} invites you to its club",
		message: "{{site_name}} would like to have you among its members, who collect points and spend them. The invitation is good until {{date}}.",
		button:  "Become a member", why: "{{site_name}} has invited you to become a member"}},
}

// kindOf finds a mail by its template.
func kindOf(template string) (mailKind, bool) {
	for _, k := range mailKinds {
		if k.template == template {
			return k, true
		}
	}
	return mailKind{}, false
}

// mailSetting is what a site says of one of its mails.
type mailSetting struct {
	SiteID       int64     `db:"site_id"`
	Template     string    `db:"template"`
	Enabled      bool      `db:"enabled"`
	DelayMinutes int       `db:"delay_minutes"`
	Subject      string    `db:"subject"`   // "": ours
	Message      string    `db:"message"`   // likewise
	Plain        bool      `db:"plain"`     // without HTML
	When         string    `db:"condition"` // CEL; "": always
	ChangedAt    time.Time `db:"changed_at"`
}

const (
	mailsAge  = 5 * time.Second // how long another replica's change may go unseen
	mostDelay = 30 * 24 * 60    // minutes
)

// mailbook keeps in memory what all sites say of their mails, which few do: so a mail that is off costs no statement. Changes made by this process
// hold at once, those of others within mailsAge.
type mailbook struct {
	now clock.Clock

	mu      sync.Mutex
	at      time.Time
	changes int // what was read before a change must not be kept after it
	kept    map[mailKey]mailSetting
	asks    map[int64]bool // sites that want to be asked
}

type mailKey struct {
	siteID   int64
	template string
}

// of is the settings of all sites, read through q if need be.
func (b *mailbook) of(ctx context.Context, q sqlx.QueryerContext) (map[mailKey]mailSetting, error) {
	kept, _, err := b.all(ctx, q)
	return kept, err
}

// all is of with the sites that want to be asked before a mail is sent.
func (b *mailbook) all(ctx context.Context, q sqlx.QueryerContext) (kept map[mailKey]mailSetting, asks map[int64]bool, err error) {
	now := b.now()
	var change int
	var age time.Duration
	b.mu.Lock()
	kept, asks, change, age = b.kept, b.asks, b.changes, now.Sub(b.at)
	b.mu.Unlock()
	if kept != nil && age >= 0 && age < mailsAge {
		return kept, asks, nil
	}
	list, err := mailSettings(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	if asks, err = sitesThatAsk(ctx, q); err != nil {
		return nil, nil, err
	}
	kept = make(map[mailKey]mailSetting, len(list))
	for _, s := range list {
		kept[mailKey{s.SiteID, s.Template}] = s
	}
	b.mu.Lock()
	if b.changes == change {
		b.kept, b.asks, b.at = kept, asks, now
	}
	b.mu.Unlock()
	return kept, asks, nil
}

// changed makes the next reader look again.
func (b *mailbook) changed() {
	b.mu.Lock()
	b.kept = nil
	b.changes++
	b.mu.Unlock()
}

// settingOf is what holds for a mail of a site.
func settingOf(all map[mailKey]mailSetting, siteID int64, k mailKind) mailSetting {
	if s, said := all[mailKey{siteID, k.template}]; said {
		return s
	}
	return mailSetting{SiteID: siteID, Template: k.template, Enabled: k.on}
}

// wanted leaves the orders of a template that their sites want, with their delays.
func (m *Module) wanted(ctx context.Context, q sqlx.QueryerContext, template string, orders []order) ([]order, error) {
	all, err := m.mails.of(ctx, q)
	if err != nil || len(orders) == 0 {
		return nil, err
	}
	k, known := kindOf(template)
	if !known { // no mail of sites
		return orders, nil
	}
	out := orders[:0]
	for _, o := range orders {
		if s := settingOf(all, o.siteID, k); s.Enabled {
			o.delay = max(time.Duration(s.DelayMinutes)*time.Minute, k.least)
			out = append(out, o)
		}
	}
	return out, nil
}

// sends says which sites send a mail.
func (m *Module) sends(ctx context.Context, q sqlx.QueryerContext, template string) (func(siteID int64) bool, error) {
	all, err := m.mails.of(ctx, q)
	k, _ := kindOf(template)
	return func(siteID int64) bool { return settingOf(all, siteID, k).Enabled }, err
}
