package referral

import (
	"encoding/json"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// Causes of a status.
const (
	causeAutomatic = "automatic"
	causeDelay     = "delay"
	causeManual    = "manual"
	causeRefund    = "refund"
	causeFraud     = "fraud"
	causeCreated   = "created"
)

// unblocked is the word by which Talkable's clients ask for the way from blocked to pending.
const unblocked = "unblocked"

// referral links an advocate's offer to what a friend did.
type referral struct {
	SiteID        int64      `db:"site_id"`
	ID            int64      `db:"id"`
	CampaignID    int64      `db:"campaign_id"`
	OfferID       int64      `db:"offer_id"`
	OriginID      int64      `db:"origin_id"`
	AdvocateID    int64      `db:"advocate_id"`
	FriendID      int64      `db:"friend_id"`
	Status        string     `db:"status"`
	Cause         string     `db:"cause"`
	TrackMethod   string     `db:"track_method"`
	Subtotal      int64      `db:"subtotal"`
	Currency      string     `db:"currency"`
	RefundedTotal int64      `db:"refunded_total"`
	RefundedFull  bool       `db:"refunded_full"`
	Fraud         string     `db:"fraud"`
	QA            bool       `db:"qa"`
	Deed          *string    `db:"deed"`       // what conditions may ask of the origin
	KeyID         *int64     `db:"key_id"`     // who asked for the present status
	Note          *string    `db:"note"`       // and why
	Superseded    int64      `db:"superseded"` // its own id, once another referral has taken its place
	Replaces      *int64     `db:"replaces"`   // the one whose place it took
	ApproveAt     *time.Time `db:"approve_at"`
	OccurredAt    time.Time  `db:"occurred_at"`
	CreatedAt     time.Time  `db:"created_at"`
	UpdatedAt     time.Time  `db:"updated_at"`
}

// inProgress is where a referral is before it is there: its first status is a step from it.
const inProgress = "in_progress"

// allowed is the whole graph of a referral's states. The table referral_graph holds the same, and a trigger keeps to it.
func allowed(from, to string) bool {
	switch from {
	case inProgress:
		return to == referralevent.Pending || to == referralevent.Flagged || to == referralevent.Approved || to == referralevent.Blocked
	case referralevent.Pending:
		return to == referralevent.Flagged || to == referralevent.Approved || to == referralevent.Voided || to == referralevent.Blocked
	case referralevent.Flagged:
		return to == referralevent.Pending || to == referralevent.Approved || to == referralevent.Voided || to == referralevent.Blocked
	case referralevent.Blocked:
		return to == referralevent.Pending
	default:
		return false // approved and voided are final
	}
}

// checkStatus refuses words that are none of the API's.
func checkStatus(word string) error {
	switch word {
	case referralevent.Pending, referralevent.Flagged, referralevent.Approved, referralevent.Voided, referralevent.Blocked, unblocked:
		return nil
	}
	return fault.New(fault.Invalid, "invalid_status", "The status must be pending, flagged, approved, voided, blocked or unblocked.").
		At("/data/status", "is none of them")
}

// step says which status a word of the API asks for, and whether it is another than the present one.
func (r *referral) step(word string) (to string, changes bool, err error) {
	if err := checkStatus(word); err != nil {
		return "", false, err
	}
	if to = word; word == unblocked {
		to = referralevent.Pending
	}
	switch {
	case to == r.Status:
		return to, false, nil
	case !allowed(r.Status, to), word == unblocked && r.Status != referralevent.Blocked:
		return "", false, errStep(r.Status, word)
	}
	return to, true, nil
}

// errStep is Invalid and not Conflict because Talkable's clients are answered with 400.
func errStep(from, to string) error {
	return fault.New(fault.Invalid, "referral_step_not_allowed", "A referral that is %s cannot become %s.", from, to)
}

// key of the referral's events.
func (r *referral) key() string { return "referral:" + itoa(r.ID) }

func (r *referral) created() referralevent.ReferralCreated {
	_, d := r.origin()
	told := referralevent.ReferralCreated{SiteID: r.SiteID, ReferralID: r.ID, CampaignID: r.CampaignID, OfferID: r.OfferID,
		OriginID: r.OriginID, AdvocateID: r.AdvocateID, FriendID: r.FriendID, Status: r.Status, TrackMethod: r.TrackMethod,
		Subtotal: r.Subtotal, Currency: r.Currency, QA: r.QA, FirstOrder: d.First, OccurredAt: r.OccurredAt, CreatedAt: r.CreatedAt,
		Channel: d.Channel, TrafficSource: d.Source, DeviceType: d.Device, EventCategory: categoryOf(d.Type, d.Category), Variant: d.Variant,
		UTMSource: d.UTM.Source, UTMMedium: d.UTM.Medium, UTMCampaign: d.UTM.Campaign}
	if r.Status == referralevent.Approved { // told by ReferralApproved, which follows
		told.Status = referralevent.Pending
	}
	switch r.Status {
	case referralevent.Blocked:
		told.Reasons = because(r.findings(), verdictBlocked)
	case referralevent.Flagged:
		told.Reasons = because(r.findings(), verdictFlagged)
	}
	return told
}

func (r *referral) approved(now time.Time) referralevent.ReferralApproved {
	_, d := r.origin()
	return referralevent.ReferralApproved{SiteID: r.SiteID, ReferralID: r.ID, CampaignID: r.CampaignID, OfferID: r.OfferID, OriginID: r.OriginID,
		AdvocateID: r.AdvocateID, FriendID: r.FriendID, Subtotal: r.Subtotal, Currency: r.Currency, Cause: r.Cause,
		TrackMethod: r.TrackMethod, FirstOrder: d.First, OccurredAt: r.OccurredAt, ApprovedAt: now, QA: r.QA,
		Channel: d.Channel, TrafficSource: d.Source, DeviceType: d.Device, EventCategory: categoryOf(d.Type, d.Category), Variant: d.Variant,
		UTMSource: d.UTM.Source, UTMMedium: d.UTM.Medium, UTMCampaign: d.UTM.Campaign}
}

func (r *referral) voided(was string, now time.Time) referralevent.ReferralVoided {
	_, d := r.origin()
	return referralevent.ReferralVoided{SiteID: r.SiteID, ReferralID: r.ID, CampaignID: r.CampaignID, OriginID: r.OriginID,
		AdvocateID: r.AdvocateID, FriendID: r.FriendID, Status: r.Status, Was: was, Cause: r.Cause, VoidedAt: now, QA: r.QA,
		Channel: d.Channel, TrafficSource: d.Source, DeviceType: d.Device, EventCategory: categoryOf(d.Type, d.Category), Variant: d.Variant,
		UTMSource: d.UTM.Source, UTMMedium: d.UTM.Medium, UTMCampaign: d.UTM.Campaign}
}

// findings are what the fraud rules found when the referral was made.
func (r *referral) findings() []finding {
	var out []finding
	if err := json.Unmarshal([]byte(r.Fraud), &out); err != nil {
		return nil // the column is written by us only
	}
	return out
}

// answer is the referral in the shape that the edge is given.
func (r *referral) answer(rewards []reward, now time.Time, zone *time.Location) referralapi.Referral {
	out := referralapi.Referral{ID: r.ID, Status: r.Status, CampaignID: r.CampaignID, OfferID: r.OfferID, OriginID: r.OriginID,
		AdvocateID: r.AdvocateID, FriendID: r.FriendID, Subtotal: r.Subtotal, Currency: r.Currency, TrackMethod: r.TrackMethod,
		Fraud: verdicts(r.findings()), FraudDetails: details(r.findings()), QA: r.QA, Cause: r.Cause,
		RefundedTotal: r.RefundedTotal, Superseded: r.Superseded != 0, Replaces: r.Replaces, OccurredAt: r.OccurredAt, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
		AdvocateRewards: []referralapi.Reward{}, FriendRewards: []referralapi.Reward{}}
	if r.Status == referralevent.Pending {
		out.ApproveAt = r.ApproveAt
	}
	for _, w := range rewards {
		if w.Side == sideAdvocate {
			out.AdvocateRewards = append(out.AdvocateRewards, w.present(now, zone))
			out.AdvocateGot = out.AdvocateGot || w.Status != rewardVoided
		} else {
			out.FriendRewards = append(out.FriendRewards, w.present(now, zone))
		}
	}
	return out
}
