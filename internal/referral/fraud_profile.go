package referral

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// actions are what is done about the rules; a rule that isn't there is skipped.
type actions map[string]string

func (s actions) of(rule string) string { return cmp.Or(s[rule], settingSkip) }

// profile is a named set of settings.
type profile struct {
	Name        string
	Description string
	Settings    actions
}

const (
	profileBasic  = "basic"
	profileCustom = "custom"
	profileSite   = "site" // of a campaign: as the site has it
)

// always is what every profile has: what costs nothing, and what the merchant has listed himself.
func always(more actions) actions {
	out := actions{ruleSelf: settingBlock, ruleBlockedEmail: settingBlock, ruleBlockedIP: settingBlock, ruleCycling: settingBlock}
	maps.Copy(out, more)
	return out
}

// profiles are Talkable's four, the one that a site begins with, and the empty one.
var profiles = []profile{
	{"high", "Blocks whatever looks like one person.", always(actions{ruleSimilar: settingBlock, ruleCross: settingBlock,
		ruleCard: settingBlock, ruleDevice: settingBlock, ruleVelocity: settingFlag, ruleDisposable: settingFlag})},
	{"elevated", "Blocks the same device and crossed referrals; similar addresses and the same card wait for a person.", always(actions{ruleSimilar: settingFlag,
		ruleCard: settingFlag, ruleCross: settingBlock, ruleDevice: settingBlock, ruleVelocity: settingFlag, ruleDisposable: settingFlag})},
	{"moderate", "Blocks crossed referrals; similar addresses and the same device wait for a person.", always(actions{ruleSimilar: settingFlag,
		ruleCross: settingBlock, ruleDevice: settingFlag})},
	{"low", "Similar addresses, crossed referrals and the same device wait for a person.", always(actions{ruleSimilar: settingFlag,
		ruleCross: settingFlag, ruleDevice: settingFlag})},
	{profileBasic, "Blocks the same person and the same browser, and what is on the block lists. Where nothing was set.", always(nil)},
	{profileCustom, "Nothing but what is set rule by rule, and the block lists.", actions{ruleBlockedEmail: settingBlock, ruleBlockedIP: settingBlock}},
}

func profileByName(name string) (profile, bool) {
	i := slices.IndexFunc(profiles, func(p profile) bool { return p.Name == name })
	if i < 0 {
		return profile{}, false
	}
	return profiles[i], true
}

// thresholds are the numbers that rules compare with.
type thresholds struct {
	SimilarEmailDistance int64 `json:"similar_email_distance" minimum:"0" maximum:"4"`
	AddressDays          int64 `json:"address_days" minimum:"1" maximum:"365"`
	IPDays               int64 `json:"ip_days" minimum:"1" maximum:"365"`
	VelocityReferrals    int64 `json:"velocity_referrals" minimum:"1" maximum:"999"`
	VelocityDays         int64 `json:"velocity_days" enum:"1,7,30"`
}

var usualThresholds = thresholds{SimilarEmailDistance: 2, AddressDays: 365, IPDays: 30, VelocityReferrals: 10, VelocityDays: 7}

// policy is what holds for the referrals of a site or of one of its campaigns.
type policy struct {
	Campaign   int64 // 0: the site's
	Version    int64 // 0: nothing was set
	Profile    string
	Settings   actions
	Thresholds thresholds
	Observe    bool // measure what is skipped, too
	lists      *lists
}

// lists are the site's own.
type lists struct {
	blockedEmails, qaEmails emails
	blockedIPs, qaIPs       spans
	disposable, ordinary    map[string]bool
}

var (
	noLists     = &lists{}
	basicPolicy = func() policy {
		p, _ := profileByName(profileBasic)
		return policy{Profile: p.Name, Settings: p.Settings, Thresholds: usualThresholds, lists: noLists}
	}()
)

// name is how a verdict refers to the policy that it was made under; "" is the built-in one.
func (p *policy) name() string {
	switch {
	case p.Version == 0:
		return ""
	case p.Campaign == 0:
		return "site/" + itoa(p.Version)
	default:
		return "campaign " + itoa(p.Campaign) + "/" + itoa(p.Version)
	}
}

// measures says whether a rule's evidence is looked for. An empty list can't be hit.
func (p *policy) measures(rule string) bool {
	switch rule {
	case ruleBlockedEmail:
		if p.lists.blockedEmails.empty() {
			return false
		}
	case ruleBlockedIP:
		if len(p.lists.blockedIPs) == 0 {
			return false
		}
	}
	return p.Observe || p.Settings.of(rule) != settingSkip
}

// addresses says whether e-mail addresses have to be asked for.
func (p *policy) addresses() bool {
	return p.measures(ruleSimilar) || p.measures(ruleDisposable) || p.measures(ruleBlockedEmail) || p.measures(rulePhone) || !p.lists.qaEmails.empty()
}

// marks says whether what people were seen with has to be kept and compared.
func (p *policy) marks() bool {
	return p.measures(ruleAddress) || p.measures(ruleDevice) || p.measures(ruleIP) || p.measures(rulePhone) || p.measures(ruleCard)
}

// finding is what one rule found, with the values that it saw.
type finding struct {
	Rule      string           `json:"rule"`
	Label     string           `json:"label"`
	Version   int              `json:"version"`
	Verdict   string           `json:"verdict" enum:"blocked,flagged,skipped,passed"`
	Setting   string           `json:"setting,omitempty" enum:"skip,flag,block"`
	Policy    string           `json:"policy,omitempty"` // whose setting it is, and its version
	Hit       bool             `json:"hit,omitempty"`    // the rule suspects the referral, whatever is done about it
	Threshold map[string]int64 `json:"threshold,omitempty"`
	Evidence  evidence         `json:"evidence,omitzero"`

	Definition string `json:"definition,omitempty"` // of the rule; not kept
}

// judge gives the verdicts of a policy on what was measured, in the order of the rules. A rule that is skipped and wasn't measured
// isn't in it.
func (p *policy) judge(measured map[string]evidence) []finding {
	out := []finding{}
	for i := range rules {
		r := &rules[i]
		e, ok := measured[r.Name]
		if !ok {
			continue
		}
		f := finding{Rule: r.Name, Label: r.Label, Version: r.Version, Setting: p.Settings.of(r.Name), Policy: p.name(),
			Threshold: r.thresholds(p.Thresholds), Evidence: e}
		f.Hit = e.Missing == "" && r.hit(e, p.Thresholds)
		switch {
		case f.Setting == settingSkip || e.Missing != "":
			f.Verdict = verdictSkipped
		case !f.Hit:
			f.Verdict = verdictPassed
		case f.Setting == settingFlag:
			f.Verdict = verdictFlagged
		default:
			f.Verdict = verdictBlocked
		}
		out = append(out, f)
	}
	return out
}

// worst is the verdict on the whole referral: blocked if any rule blocks it, flagged if any flags it, else passed.
func worst(list []finding) string {
	out := verdictPassed
	for _, f := range list {
		switch f.Verdict {
		case verdictBlocked:
			return verdictBlocked
		case verdictFlagged:
			out = verdictFlagged
		}
	}
	return out
}

// because are the rules of a verdict.
func because(list []finding, verdict string) []string {
	var out []string
	for _, f := range list {
		if f.Verdict == verdict {
			out = append(out, f.Rule)
		}
	}
	return out
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
