package referral

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// traceVersion names the definition of the decision that a trace was written under: another one is another version, so that a stored
// trace is read as it was meant.
const traceVersion = "attribution/2"

// attribution is a decision about one origin, and why. It is kept as the trace: only the touches that there were, so an origin without
// any keeps nothing.
type attribution struct {
	Rule       string     `json:"rule,omitempty"`
	Rules      []ruleSeen `json:"rules,omitempty"`
	Candidates []traced   `json:"candidates,omitempty"`
	Findings   []finding  `json:"fraud,omitempty"`

	reason  string
	kept    *candidate
	verdict string // of the fraud rules on what was kept
}

// traced is a candidate as the trace keeps it. A code is kept by its id: it may hold the advocate's name.
type traced struct {
	OfferID    int64     `json:"offer_id"`
	CampaignID int64     `json:"campaign_id"`
	Method     string    `json:"method"`
	VisitorID  string    `json:"visitor_id,omitempty"`
	CouponID   int64     `json:"coupon_id,omitempty"`
	TouchedAt  time.Time `json:"touched_at"`
	Kept       bool      `json:"kept"`
	Cause      string    `json:"cause"`
}

// ruleSeen is the rule of a campaign as it was when the decision was made.
type ruleSeen struct {
	CampaignID int64 `json:"campaign_id"`
	Version    int   `json:"version"`
	Days       int   `json:"attribution_days"`
	attributionRule
}

// rulesSeen are the rules of the candidates' campaigns.
func rulesSeen(list []standing, campaigns map[int64]*campaign) []ruleSeen {
	var out []ruleSeen
	seen := map[int64]bool{}
	for _, s := range list {
		k := campaigns[s.campaignID]
		if k == nil || seen[k.ID] {
			continue
		}
		seen[k.ID] = true
		rule := k.Attribution
		rule.Personal = nil // says nothing about who wins
		out = append(out, ruleSeen{k.ID, k.Version, k.AttributionDays, rule})
	}
	slices.SortFunc(out, func(a, b ruleSeen) int { return cmp.Compare(a.CampaignID, b.CampaignID) })
	return out
}

// text is the trace as it is kept.
func (a attribution) text() string {
	if len(a.Candidates) == 0 {
		return "{}"
	}
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // plain fields
	}
	return string(b)
}

// attributionJSON is a decision as the API shows it.
type attributionJSON struct {
	OriginID    int64     `json:"origin_id"`
	Outcome     string    `json:"outcome" enum:"referred,blocked,none"`
	Reason      string    `json:"reason" doc:"last_touch, first_touch, code_used, first_advocate, earlier_referral; no_person, no_touch, expired_touch, touch_after_purchase, friend_offer_expired, code_ended, address_barred, method_off, campaign_not_live, advocate_unknown, already_referred; or the fraud rule that blocked"`
	Explanation string    `json:"explanation" doc:"The reason in words"`
	Method      *string   `json:"track_method" doc:"How the advocate was found"`
	OfferID     *int64    `json:"offer_id"`
	ReferralID  *int64    `json:"referral_id"`
	Trace       traceJSON `json:"trace" doc:"What was considered, as it was seen then"`
	OccurredAt  time.Time `json:"occurred_at"`
	DecidedAt   time.Time `json:"decided_at"`
}

type traceJSON struct {
	Rule       string          `json:"rule" doc:"Name and version of the definition of the decision"`
	Rules      []ruleSeenJSON  `json:"rules" doc:"The rules of the campaigns, as they were"`
	Candidates []candidateJSON `json:"candidates" doc:"Every touch that was there; those that could count come first"`
	Findings   []finding       `json:"fraud" doc:"What the fraud rules found, where a referral was made"`
}

type ruleSeenJSON struct {
	CampaignID      int64    `json:"campaign_id"`
	Version         int      `json:"version"`
	AttributionDays int      `json:"attribution_days"`
	Touch           string   `json:"touch" enum:"last,first"`
	CodeBeatsLink   bool     `json:"code_beats_link"`
	Methods         []string `json:"methods"`
}

type candidateJSON struct {
	Method      string    `json:"method"`
	OfferID     int64     `json:"offer_id"`
	CampaignID  int64     `json:"campaign_id"`
	VisitorID   *string   `json:"visitor_id" doc:"Whose browser it was"`
	CouponID    *int64    `json:"coupon_id"`
	TouchedAt   time.Time `json:"touched_at"`
	Kept        bool      `json:"kept"`
	Cause       string    `json:"cause"`
	Explanation string    `json:"explanation" doc:"The cause in words"`
}

func (a *attributionRow) json() attributionJSON {
	var t attribution
	if err := json.Unmarshal([]byte(a.Trace), &t); err != nil {
		t = attribution{} // the column is written by us only
	}
	out := attributionJSON{OriginID: a.OriginID, Outcome: a.Outcome, Reason: a.Reason, Method: orNull(a.Method), OfferID: a.OfferID,
		ReferralID: a.ReferralID, OccurredAt: a.OccurredAt.UTC(), DecidedAt: a.DecidedAt.UTC(),
		Trace: traceJSON{Rule: cmp.Or(t.Rule, traceVersion), Rules: []ruleSeenJSON{}, Candidates: []candidateJSON{}, Findings: append([]finding{}, t.Findings...)}}
	rules := map[int64]ruleSeen{}
	for _, r := range t.Rules {
		rules[r.CampaignID] = r
		shown := r.json()
		out.Trace.Rules = append(out.Trace.Rules, ruleSeenJSON{r.CampaignID, r.Version, r.Days, shown.Touch, shown.CodeBeatsLink, shown.Methods})
	}
	for _, c := range t.Candidates {
		words := c.explain(rules[c.CampaignID], a.OccurredAt)
		out.Trace.Candidates = append(out.Trace.Candidates, candidateJSON{c.Method, c.OfferID, c.CampaignID, orNull(c.VisitorID), orNull(c.CouponID),
			c.TouchedAt.UTC(), c.Kept, c.Cause, words})
		if c.Cause == a.Reason && out.Explanation == "" {
			out.Explanation = words
		}
	}
	switch {
	case a.Outcome == outcomeBlocked:
		out.Explanation = "A fraud rule blocked the referral: " + strings.Join(because(t.Findings, verdictBlocked), ", ") + "."
	case out.Explanation == "":
		out.Explanation = causes[a.Reason]
	}
	return out
}

// causes are the reasons that have no candidate, or need no value of it.
var causes = map[string]string{
	reasonNoPerson:        "Nobody was named, so there is no friend.",
	reasonNoTouch:         "No link, code, claim or e-mail of an advocate leads to this person or this browser.",
	reasonNotLive:         "The campaign wasn't live at the time of the purchase.",
	reasonNoAdvocate:      "Whoever got the offer isn't known by name yet.",
	reasonAlreadyReferred: "The friend has been referred in this campaign already, and a friend is referred once.",
	reasonWeaker:          "Another touch was found by a method that goes first.",
	reasonOlder:           "A later touch was found.",
	reasonNewer:           "The campaign credits the first touch, and there was an earlier one.",
	reasonCode:            "The order was paid with this code.",
	reasonSticky:          "The friend's first referral was by this advocate, and the campaign keeps to the first.",
	reasonChain:           "The friend was referred by this advocate before, and the campaign credits what follows.",
	reasonFirstTouch:      "It is the first touch in time.",
	reasonLastTouch:       "It is the last touch before the purchase.",
	reasonBarred:          "The address is on the site's list of blocked or test addresses, and so tells of nobody.",
	reasonCodeEnded:       "The code had ended before the purchase.",
	reasonMoved:           "The referral was made elsewhere, before the site moved here; why, is known there.",
	reasonLapsed:          "The friend's offer had expired: its hours, or the campaign's last day of claiming, were over.",
}

// explain is the cause of a candidate in words, with the values that it was decided by.
func (c traced) explain(r ruleSeen, occurred time.Time) string {
	switch c.Cause {
	case reasonExpired:
		window := fmt.Sprintf("%d days", r.Days)
		if c.Method == byIP {
			window = "hour"
		}
		return fmt.Sprintf("The touch was %s before the purchase, and only the %s before it count.", ago(occurred.Sub(c.TouchedAt)), window)
	case reasonFuture:
		return fmt.Sprintf("The touch came %s after the purchase.", ago(c.TouchedAt.Sub(occurred)))
	case reasonMethodOff:
		return fmt.Sprintf("The campaign doesn't look for advocates by %s.", c.Method)
	}
	return causes[c.Cause]
}

// ago is a time in words, as exactly as it matters.
func ago(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours())/24)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	default:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
}
