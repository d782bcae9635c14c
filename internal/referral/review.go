package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

var errReferralNotFound = fault.New(fault.NotFound, "referral_not_found", "No such referral.")

// referralJSON is a referral in our own shape.
type referralJSON struct {
	ID            int64                `json:"id"`
	Status        string               `json:"status" enum:"pending,flagged,approved,voided,blocked"`
	Cause         string               `json:"cause" doc:"Of the status: created, fraud, automatic, delay, manual, refund, hook, flagged_delay or reattributed"`
	CampaignID    int64                `json:"campaign_id"`
	OfferID       int64                `json:"offer_id"`
	OriginID      int64                `json:"origin_id"`
	AdvocateID    int64                `json:"advocate_id" doc:"Person"`
	FriendID      int64                `json:"friend_id" doc:"Person"`
	Subtotal      int64                `json:"subtotal" doc:"Minor units"`
	Currency      string               `json:"currency"`
	RefundedTotal int64                `json:"refunded_total" doc:"Minor units"`
	TrackMethod   string               `json:"track_method"`
	QAGenerated   bool                 `json:"qa_generated"`
	FraudDetails  *string              `json:"fraud_details"`
	Superseded    bool                 `json:"superseded" doc:"Another referral has taken its place, because it is another advocate's"`
	Replaces      *int64               `json:"replaces" doc:"The referral whose place it took"`
	Policies      referralapi.Verdicts `json:"fraud_policies_status"`
	ApproveAt     *time.Time           `json:"approve_at" doc:"When it will be approved by itself; null if it won't"`
	OccurredAt    time.Time            `json:"occurred_at"`
	CreatedAt     time.Time            `json:"created_at"`
	UpdatedAt     time.Time            `json:"updated_at"`
}

func showReferral(r referralapi.Referral) referralJSON {
	return referralJSON{ID: r.ID, Status: r.Status, Cause: r.Cause, CampaignID: r.CampaignID, OfferID: r.OfferID, OriginID: r.OriginID, AdvocateID: r.AdvocateID,
		FriendID: r.FriendID, Subtotal: r.Subtotal, Currency: r.Currency, RefundedTotal: r.RefundedTotal, TrackMethod: r.TrackMethod, QAGenerated: r.QA,
		Superseded: r.Superseded, Replaces: r.Replaces,
		FraudDetails: r.FraudDetails, Policies: r.Fraud, ApproveAt: instant(r.ApproveAt), OccurredAt: r.OccurredAt.UTC(), CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC()}
}

// resolutionInput is what a person has decided about a referral.
type resolutionInput struct {
	web.SiteBody
	Status string `json:"status" doc:"approved, voided, blocked, or unblocked"`
	Reason string `json:"reason" doc:"Kept in the history; 1 to 1000 characters"`
}

func (in resolutionInput) check() error {
	var f findings
	switch in.Status {
	case referralevent.Approved, referralevent.Voided, referralevent.Blocked, unblocked:
	default:
		f.add("/status", "must be approved, voided, blocked or unblocked")
	}
	checkText(&f, "/reason", in.Reason, 1, 1000)
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "invalid_resolution", "The resolution can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return e
}

// resolve moves a referral for a reason that is kept; replayed says that the Idempotency-Key had done it before.
func (m *Module) resolve(ctx context.Context, s site.Site, id, keyID int64, in resolutionInput, k idempotency.Key) (referralJSON, bool, error) {
	if err := in.check(); err != nil {
		return referralJSON{}, false, err
	}
	step := referralapi.Step{Status: in.Status, Cause: causeManual, KeyID: keyID, Note: in.Reason}
	r, replayed, err := m.step(ctx, stepping{s: s, id: id, to: step, key: k, missing: errReferralNotFound})
	return showReferral(r), replayed, err
}
