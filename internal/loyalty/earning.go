package loyalty

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Why something earned nothing.
const (
	refusedCurrency = "currency"        // not the programme's
	refusedSmall    = "below_one_point" // the rate gives less than a point
	refusedPaused   = "paused"
	refusedLarge    = "too_many_points" // beyond any sensible posting: a mistake somewhere
	refusedNoRule   = "no_rule"         // none of the rules gives anything for it
	refusedNoMember = "no_member"       // and the programme makes nobody one who doesn't ask, or isn't invited; a member's state bars, too
)

// earning is what a rule decided about one thing that may earn points.
type earning struct {
	SiteID, PersonID                         int64
	Source                                   string // what it is for; earns once
	Reason                                   string // of loyaltyevent
	Points                                   int64  // 0: nothing
	Refused                                  string // why nothing, where that is worth keeping
	Joins                                    bool   // makes the person a member even without points
	Merit                                    string // kind of what it counts towards tiers beside points; "": nothing
	Amount                                   int64  // of a merit
	OriginID, ReferralID, RewardID, FriendID int64
	Rule                                     string
	feat                                     *thing    // what achievements count of it; nil: there are none
	points                                   *thing    // and of the points that it earns
	occasion                                 *occasion // nil, or what rules have still to decide, once the member is locked
	EffectiveAt                              time.Time
	ExpiresAt                                *time.Time
	Pending                                  bool       // can't be spent yet
	ActivatesAt                              *time.Time // when it can be; nil: when somebody says so
	ArrivedAt                                time.Time  // when its waiting ended before it was heard of
	GoAhead                                  string     // an earning that need not wait any longer
	Guest                                    bool       // nobody knows yet who it is

	Wallet string    // that the points are of; "": the main one
	also   []earning // what it may earn in other wallets
}

// rule is how a decision is kept: the rule, its version, and what it saw.
type rule struct {
	Rule             string     `json:"rule"`
	ProgramID        int64      `json:"program_id"`
	Version          int        `json:"version"`
	Status           string     `json:"status,omitempty"`
	PointsPerUnit    int64      `json:"points_per_unit,omitempty"`
	Currency         string     `json:"currency,omitempty"`
	Digits           *int       `json:"digits,omitempty"`
	Subtotal         int64      `json:"subtotal,omitempty"`
	OrderCurrency    string     `json:"order_currency,omitempty"`
	PointsPer        int64      `json:"points_per_referral,omitempty"`
	RewardPoints     int64      `json:"reward_points,omitempty"`
	ExpiresAfterDays *int       `json:"expires_after_days,omitempty"`
	ExpiryRule       string     `json:"expiry_rule,omitempty"`
	ExpiresAt        *time.Time `json:"expires_at,omitempty"`
	Action           string     `json:"action,omitempty"`
	ActionID         int64      `json:"action_id,omitempty"`
	ActionVersion    int        `json:"action_version,omitempty"`
	Place            int        `json:"place,omitempty"`
	On               string     `json:"on,omitempty"`
	Trace            *trace     `json:"trace,omitempty"`
	PendingRule      string     `json:"pending_rule,omitempty"`
	ActivatesAt      *time.Time `json:"activates_at,omitempty"`
	Points           int64      `json:"points"`
	Refused          string     `json:"refused,omitempty"`
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // structs of plain fields always encode
	}
	return string(b)
}

func sourceOf(thing string, id int64) string { return thing + ":" + strconv.FormatInt(id, 10) }

// forOrigin decides what a purchase or event earns. Its caller has seen that it is verified and whose it is.
func (p program) forOrigin(o customerevent.OriginRecorded) earning {
	e := earning{SiteID: o.SiteID, PersonID: o.PersonID, Source: sourceOf("origin", o.OriginID), Reason: loyaltyevent.ForPurchase,
		OriginID: o.OriginID, EffectiveAt: o.OccurredAt, Guest: o.Guest, Joins: o.Type == customerevent.Purchase && p.Status == active}
	e.Merit, e.Amount = p.meritOf(o)
	e.feat = p.featOfOrigin(o)
	if p.earner != nil {
		return p.byRules(e, ofOrigin(o))
	}
	if p.PointsPerUnit == 0 || o.Subtotal <= 0 { // the rule does not speak of it
		return e
	}
	digits := p.Digits
	r := rule{Rule: "purchase", PointsPerUnit: p.PointsPerUnit, Currency: p.Currency, Digits: &digits, Subtotal: o.Subtotal, OrderCurrency: o.Currency}
	points, sane := p.pointsFor(o.Subtotal)
	switch {
	case p.Status != active:
		e.Refused = refusedPaused
	case o.Currency != p.Currency:
		e.Refused = refusedCurrency
	case !sane:
		e.Refused = refusedLarge
	case points == 0:
		e.Refused = refusedSmall
	default:
		e.Points = points
	}
	return p.decided(e, r)
}

// forReward takes over what module referral decided: a reward that was issued is owed, also by a paused programme.
func (p program) forReward(w referralevent.RewardIssued) earning {
	e := earning{SiteID: w.SiteID, PersonID: w.PersonID, Source: sourceOf("reward", w.RewardID), Reason: loyaltyevent.ForReward,
		OriginID: w.OriginID, ReferralID: w.ReferralID, RewardID: w.RewardID, FriendID: w.FriendID, EffectiveAt: w.IssuedAt, Points: w.Points}
	if w.Points > maxPoints {
		e.Points, e.Refused = 0, refusedLarge
	}
	return p.decided(e, rule{Rule: "reward", RewardPoints: w.Points})
}

// forReferral decides what an approved referral earns its advocate beside its rewards.
func (p program) forReferral(r referralevent.ReferralApproved) earning {
	e := earning{SiteID: r.SiteID, PersonID: r.AdvocateID, Source: sourceOf("referral", r.ReferralID), Reason: loyaltyevent.ForReferral,
		OriginID: r.OriginID, ReferralID: r.ReferralID, FriendID: r.FriendID, EffectiveAt: r.ApprovedAt}
	if p.waitsForEvent() && r.OriginID != 0 {
		e.GoAhead = sourceOf("origin", r.OriginID)
	}
	e.feat = p.featOfReferral(r)
	if p.TierPlan.Counted && p.Status == active {
		e.Merit, e.Joins = meritReferral, true
	}
	if p.earner != nil {
		return p.byRules(e, ofReferralApproved(r))
	}
	if e.Points = p.PointsPerReferral; e.Points > 0 && p.Status != active {
		e.Points, e.Refused = 0, refusedPaused
	}
	return p.decided(e, rule{Rule: "referral", PointsPer: p.PointsPerReferral})
}

// byRules leaves a decision to the programme's rules, if one of them speaks of such a thing.
func (p program) byRules(e earning, o *occasion) earning {
	for _, w := range p.Wallets {
		if in := p.forWallet(w.Key); in.earner != nil && in.spoken(o) {
			e.also = append(e.also, in.byRules(e.inWallet(w.Key), o.again()))
		}
	}
	if !p.spoken(o) {
		return e
	}
	if p.Status != active {
		e.Refused = refusedPaused
		return p.decided(e, rule{Rule: "rules", On: o.on})
	}
	o.by, e.occasion, e.points = p, o, p.featOfPoints(e)
	e.Points = 1 // whatever it will be: as many as are decided wait as one would
	e = p.pend(e)
	e.Points = 0
	return e
}

// decided completes a decision with its expiry and with the text that is kept of it.
func (p program) decided(e earning, r rule) earning {
	r.ProgramID, r.Version, r.Status, r.Points, r.Refused = p.ID, p.Version, p.Status, e.Points, e.Refused
	if e.points == nil {
		e.points = p.featOfPoints(e)
	}
	switch e = p.pend(e); {
	case e.Pending: // gets its date when it is activated
		r.PendingRule, r.ActivatesAt = p.PendingRule, e.ActivatesAt
	case e.Points > 0:
		e.ExpiresAt = p.expiry(e.EffectiveAt)
		r.ExpiresAfterDays, r.ExpiryRule, r.ExpiresAt = p.ExpiresAfterDays, p.ExpiryRule, e.ExpiresAt
	}
	if !p.unkept {
		e.Rule = text(r)
	}
	return e
}
