package referral

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const mostListed = 1000 // entries of each list

// ruleSettings sets single rules.
type ruleSettings struct {
	Self         string `json:"self_referral_by_email_or_visitor,omitempty" doc:"skip, flag or block; so the others"`
	Similar      string `json:"self_referral_by_similar_emails,omitempty"`
	Address      string `json:"self_referral_by_shipping_address,omitempty"`
	Phone        string `json:"self_referral_by_phone,omitempty"`
	Card         string `json:"self_referral_by_card,omitempty"`
	Device       string `json:"self_referral_by_ip_and_user_agent,omitempty"`
	IP           string `json:"self_referral_by_ip,omitempty"`
	Cross        string `json:"cross_referral,omitempty"`
	Velocity     string `json:"velocity,omitempty"`
	Disposable   string `json:"disposable_email,omitempty"`
	BlockedEmail string `json:"blocklisted_email,omitempty"`
	BlockedIP    string `json:"blocklisted_ip,omitempty"`
	Cycling      string `json:"coupon_cycling,omitempty"`
}

// members are the settings by their rules; "" is none.
func (s *ruleSettings) members() map[string]*string {
	return map[string]*string{ruleSelf: &s.Self, ruleSimilar: &s.Similar, ruleAddress: &s.Address, rulePhone: &s.Phone, ruleCard: &s.Card, ruleDevice: &s.Device, ruleIP: &s.IP,
		ruleCross: &s.Cross, ruleVelocity: &s.Velocity, ruleDisposable: &s.Disposable, ruleBlockedEmail: &s.BlockedEmail, ruleBlockedIP: &s.BlockedIP, ruleCycling: &s.Cycling}
}

// thresholdsInput sets single thresholds.
type thresholdsInput struct {
	SimilarEmailDistance *int64 `json:"similar_email_distance,omitempty" nullable:"true" doc:"0 to 4; 2 when left out"`
	AddressDays          *int64 `json:"address_days,omitempty" nullable:"true" doc:"1 to 365; 365 when left out"`
	IPDays               *int64 `json:"ip_days,omitempty" nullable:"true" doc:"1 to 365; 30 when left out"`
	VelocityReferrals    *int64 `json:"velocity_referrals,omitempty" nullable:"true" doc:"1 to 999; 10 when left out"`
	VelocityDays         *int64 `json:"velocity_days,omitempty" nullable:"true" doc:"1, 7 or 30; 7 when left out"`
}

// RulesBody is what a policy of a campaign, of a site and a what-if have in common.
type RulesBody struct {
	Profile    string           `json:"profile" doc:"high, elevated, moderate, low, basic or custom" example:"moderate"`
	Rules      *ruleSettings    `json:"rules,omitempty" doc:"Rules that are set otherwise than the profile has them"`
	Thresholds *thresholdsInput `json:"thresholds,omitempty"`
	Observe    bool             `json:"observe,omitempty" doc:"Measure the skipped rules, too, so that a what-if can tell of them"`
}

// ListsBody are the lists of a site.
type ListsBody struct {
	BlockedEmails     []string `json:"blocked_emails,omitempty" nullable:"true" doc:"Addresses; * stands for any characters"`
	BlockedIPs        []string `json:"blocked_ips,omitempty" nullable:"true" doc:"Addresses, ranges (first-last) and subnets (CIDR)"`
	QAEmails          []string `json:"qa_emails,omitempty" nullable:"true" doc:"Whose referrals are marked as qa_generated"`
	QAIPs             []string `json:"qa_ips,omitempty" nullable:"true" doc:"From where purchases are marked as qa_generated"`
	DisposableDomains []string `json:"disposable_domains,omitempty" nullable:"true" doc:"Beside the built-in list; domains below them count, too"`
	OrdinaryDomains   []string `json:"ordinary_domains,omitempty" nullable:"true" doc:"Not disposable, whatever the lists say"`

	Flagged *flaggedInput `json:"flagged,omitempty" doc:"What becomes of flagged referrals that nobody decides about; nothing when left out"`
}

// policyInput is a policy as it is kept; what the API takes are its parts.
type policyInput struct {
	RulesBody
	ListsBody
}

// check says what is wrong with the rules. site says that the profile may be the site's.
func (in *RulesBody) check(f *findings, site bool) {
	if _, ok := profileByName(in.Profile); !ok && (!site || in.Profile != profileSite) {
		f.add("/profile", "is none of the profiles")
	}
	if in.Rules != nil {
		members := in.Rules.members()
		for _, r := range rules {
			if s := *members[r.Name]; s != "" && s != settingSkip && s != settingFlag && s != settingBlock {
				f.add("/rules/"+r.Name, "must be skip, flag or block")
			}
		}
	}
	if t := in.Thresholds; t != nil {
		checkNumber(f, "/thresholds/similar_email_distance", t.SimilarEmailDistance, 0, 4)
		checkNumber(f, "/thresholds/address_days", t.AddressDays, 1, 365)
		checkNumber(f, "/thresholds/ip_days", t.IPDays, 1, 365)
		checkNumber(f, "/thresholds/velocity_referrals", t.VelocityReferrals, 1, 999)
		if d := t.VelocityDays; d != nil && *d != 1 && *d != 7 && *d != 30 {
			f.add("/thresholds/velocity_days", "must be 1, 7 or 30")
		}
	}
}

func checkNumber(f *findings, at string, n *int64, least, most int64) {
	if n != nil && (*n < least || *n > most) {
		f.add(at, "must be from %d to %d", least, most)
	}
}

func (in *ListsBody) check(f *findings) {
	checkList(f, "/blocked_emails", in.BlockedEmails, pattern)
	checkList(f, "/qa_emails", in.QAEmails, pattern)
	ip := func(s string) bool { _, ok := spanOf(s); return ok }
	checkList(f, "/blocked_ips", in.BlockedIPs, ip)
	checkList(f, "/qa_ips", in.QAIPs, ip)
	checkList(f, "/disposable_domains", in.DisposableDomains, domain)
	checkList(f, "/ordinary_domains", in.OrdinaryDomains, domain)
	in.Flagged.check(f)
}

func checkList(f *findings, at string, list []string, good func(string) bool) {
	if len(list) > mostListed {
		f.add(at, "must be at most %d", mostListed)
		return
	}
	for n, s := range list {
		if len(s) > 254 || !good(s) {
			f.add(at+"/"+strconv.Itoa(n), "can't be such an entry")
		}
	}
}

// pattern says whether an entry can match an address. One without any letter would match everybody's.
func pattern(s string) bool {
	return strings.Trim(s, "*@.") != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) && strings.Count(s, "@") <= 1 &&
		(strings.Contains(s, "@") || strings.Contains(s, "*"))
}

func domain(s string) bool {
	return strings.Contains(strings.Trim(s, "."), ".") && s == strings.Trim(s, ".") && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
}

// policy is what the input comes to. lists are those of the site, for a campaign.
func (in *policyInput) policy(campaign, version int64, l *lists) *policy {
	p := in.RulesBody.policy()
	p.Campaign, p.Version, p.lists = campaign, version, l
	if campaign == 0 {
		p.lists = &lists{blockedEmails: emailsOf(in.BlockedEmails), qaEmails: emailsOf(in.QAEmails), blockedIPs: spansOf(in.BlockedIPs),
			qaIPs: spansOf(in.QAIPs), disposable: lowerSet(in.DisposableDomains), ordinary: lowerSet(in.OrdinaryDomains)}
	}
	return p
}

func (in *RulesBody) policy() *policy {
	base, _ := profileByName(in.Profile)
	p := &policy{Profile: in.Profile, Settings: maps.Clone(base.Settings), Thresholds: usualThresholds, Observe: in.Observe, lists: noLists}
	if p.Settings == nil {
		p.Settings = actions{}
	}
	if in.Rules != nil {
		for name, s := range in.Rules.members() {
			if *s != "" {
				p.Settings[name] = *s
			}
		}
	}
	if t := in.Thresholds; t != nil {
		for _, one := range []struct{ from, to *int64 }{{t.SimilarEmailDistance, &p.Thresholds.SimilarEmailDistance}, {t.AddressDays, &p.Thresholds.AddressDays},
			{t.IPDays, &p.Thresholds.IPDays}, {t.VelocityReferrals, &p.Thresholds.VelocityReferrals}, {t.VelocityDays, &p.Thresholds.VelocityDays}} {
			if one.from != nil {
				*one.to = *one.from
			}
		}
	}
	return p
}

func lowerSet(list []string) map[string]bool {
	out := map[string]bool{}
	for _, s := range list {
		out[strings.ToLower(s)] = true
	}
	return out
}

// policyJSON is a policy as the API shows it.
type policyJSON struct {
	CampaignID *int64            `json:"campaign_id" doc:"null: the site's"`
	Version    int64             `json:"version" doc:"Counts the changes; verdicts name theirs. 0: nothing was set"`
	Profile    string            `json:"profile" doc:"site: the campaign has none of its own"`
	Rules      map[string]string `json:"rules" doc:"What is done about each rule: skip, flag or block"`
	Thresholds thresholds        `json:"thresholds"`
	Observe    bool              `json:"observe"`
	Lists      *ListsBody        `json:"lists" doc:"null for a campaign: the site's hold"`
	KeyID      *int64            `json:"key_id" doc:"The API key that set it"`
	ChangedAt  *time.Time        `json:"changed_at"`
}

// show is a stored policy, or what holds where none is.
func (r *policyRow) show(campaignID int64) (policyJSON, error) {
	in := policyInput{RulesBody: RulesBody{Profile: profileBasic}}
	if campaignID != 0 {
		in.Profile = profileSite
	}
	out := policyJSON{CampaignID: orNull(campaignID)}
	if r != nil {
		if err := json.Unmarshal([]byte(r.Policy), &in); err != nil {
			return out, err
		}
		at := r.At.UTC()
		out.Version, out.KeyID, out.ChangedAt = r.Version, orNull(r.KeyID), &at
	}
	p := in.policy(campaignID, out.Version, noLists)
	out.Profile, out.Rules, out.Thresholds, out.Observe = in.Profile, p.shown(), p.Thresholds, p.Observe
	if campaignID == 0 {
		in.ListsBody.fill()
		out.Lists = &in.ListsBody
	}
	return out, nil
}

// shown are all rules' settings.
func (p *policy) shown() map[string]string {
	out := map[string]string{}
	for _, r := range rules {
		out[r.Name] = p.Settings.of(r.Name)
	}
	return out
}

func (in *ListsBody) fill() {
	for _, l := range []*[]string{&in.BlockedEmails, &in.BlockedIPs, &in.QAEmails, &in.QAIPs, &in.DisposableDomains, &in.OrdinaryDomains} {
		if *l == nil {
			*l = []string{}
		}
	}
}

// readPolicy is the policy of a site, or of a campaign of it, which must exist.
func readPolicy(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64) (policyJSON, error) {
	if campaignID != 0 {
		if err := campaignExists(ctx, q, siteID, campaignID); err != nil {
			return policyJSON{}, err
		}
	}
	row, err := policyOf(ctx, q, siteID, campaignID)
	if err != nil {
		return policyJSON{}, err
	}
	return row.show(campaignID)
}

// replacePolicy sets what holds for a site, or for a campaign of it, from now on; replayed says that the Idempotency-Key had done it.
func (m *Module) replacePolicy(ctx context.Context, s site.Site, campaignID, keyID int64, in policyInput, k idempotency.Key) (out policyJSON, replayed bool, err error) {
	var f findings
	in.RulesBody.check(&f, campaignID != 0)
	in.ListsBody.check(&f)
	if len(f.fields) > 0 {
		e := fault.New(fault.Invalid, "invalid_fraud_policy", "The policy can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
		e.Fields = f.fields
		return out, false, e
	}
	text, err := json.Marshal(in)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			before, err := readPolicy(ctx, u, s.ID, campaignID)
			if err != nil {
				return err
			}
			if err := insertPolicy(ctx, u.Tx, u.Now, s.ID, campaignID, keyID, string(text)); err != nil {
				return err
			}
			if out, err = readPolicy(ctx, u, s.ID, campaignID); err != nil {
				return err
			}
			return writeAudit(ctx, u.Tx, u.Now, s.ID, audit.Change{KeyID: keyID, Action: "fraud_policy.set", Subject: aboutPolicy, SubjectID: campaignID, Before: before, After: out})
		})
		return err
	})
	m.books.changed(s.ID)
	return out, replayed, err
}

// sitePolicyInput is a site's policy as the API takes it.
type sitePolicyInput struct {
	web.SiteBody
	RulesBody
	ListsBody
}

// campaignPolicyInput is a campaign's: the lists are the site's.
type campaignPolicyInput struct {
	web.SiteBody
	RulesBody
}
