package referral

import (
	"context"
	"errors"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralevent"
	"github.com/talkable/talkable/internal/web"
)

// Facts is who knows what was told of an origin, and whom a slug means. It is asked before a transaction, for what people do by hand.
type Facts interface {
	Person(ctx context.Context, siteID int64, slug string) (customerapi.Person, error)
	ToldOrigin(ctx context.Context, siteID int64, slug string) (customerevent.OriginRecorded, error)
	ToldOriginByID(ctx context.Context, siteID, id int64) (customerevent.OriginRecorded, error)
}

// byHand is how a referral was found that a person says there is.
const byHand = "manual"

// causeReattributed is why a referral is voided that turned out to be another advocate's.
const causeReattributed = "reattributed"

var (
	errNoOrigin     = fault.New(fault.NotFound, "origin_not_found", "No such purchase or event.")
	errNoAdvocate   = fault.New(fault.NotFound, "person_not_found", "No such person.").At("/advocate", "is nobody whom the site knows")
	errSuperseded   = fault.New(fault.Conflict, "referral_superseded", "Another referral has taken the place of this one.")
	errHasReferral  = fault.New(fault.Conflict, "origin_has_referral", "This purchase or event has made a referral already; it can be re-attributed.")
	errFriendTaken  = fault.New(fault.Conflict, "friend_already_referred", "The friend has another referral in this campaign, which counts; what followed from it can't be given to somebody else alone.")
	errFactsMissing = errors.New("referral: nobody was named who knows origins")
)

// manualInput asks for a referral that no link led to.
type manualInput struct {
	web.SiteBody
	Advocate   string `json:"advocate" doc:"The advocate: an e-mail address, a customer id, or another person_slug" example:"ann@shop.example"`
	Origin     string `json:"origin" doc:"What the friend did: an order number, or CATEGORY:NUMBER of an event" example:"1001"`
	CampaignID int64  `json:"campaign_id"`
	Reason     string `json:"reason" doc:"Kept in the audit log; 1 to 1000 characters"`
	Force      bool   `json:"force,omitempty" doc:"Overrule the fraud rules and the campaign's state; what they say is kept all the same"`
}

// reattributionInput gives a referral to another advocate.
type reattributionInput struct {
	web.SiteBody
	Advocate string `json:"advocate" doc:"Whose referral it is: an e-mail address, a customer id, or another person_slug" example:"ann@shop.example"`
	Reason   string `json:"reason" doc:"Kept in the audit log; 1 to 1000 characters"`
	Force    bool   `json:"force,omitempty" doc:"Overrule the fraud rules; what they say is kept all the same"`
}

// errManual makes one fault of what was found wrong.
func (f *findings) errManual() error {
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "invalid_request", "The request can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return e
}

func (in manualInput) check() error {
	var f findings
	checkText(&f, "/advocate", in.Advocate, 1, 320)
	checkText(&f, "/origin", in.Origin, 1, 2100)
	checkText(&f, "/reason", in.Reason, 1, 1000)
	checkNumber(&f, "/campaign_id", &in.CampaignID, 1, mostID)
	return f.errManual()
}

func (in reattributionInput) check() error {
	var f findings
	checkText(&f, "/advocate", in.Advocate, 1, 320)
	checkText(&f, "/reason", in.Reason, 1, 1000)
	return f.errManual()
}

// asserted is a referral as somebody says that it is.
type asserted struct {
	advocate int64
	origin   customerevent.OriginRecorded
	campaign *campaign
	refunded refund
	force    bool
	keyID    int64
	reason   string
	replaces int64 // the referral whose place it takes; 0: none
}

// check says why there can be no such referral, whoever asks. Only what the campaign's state forbids can be forced.
func (a asserted) check() error {
	no := func(code, detail string) error { return fault.New(fault.Invalid, code, "%s", detail) }
	switch o := a.origin; {
	case o.Type == customerevent.AffiliateMember:
		return no("origin_is_sign_up", "A sign-up makes no referral.")
	case !o.Verified:
		return no("origin_not_verified", "Only a browser has told of this; tell it with the secret key first.")
	case o.PersonID == 0:
		return no("nobody_known", "Nobody is known to have done this.")
	case o.PersonID == a.advocate:
		return no("self_referral", "Nobody refers himself: the advocate did this.")
	case a.refunded.full:
		return no("origin_refunded", "All of this was refunded.")
	case !a.force && !a.campaign.claimable(o.OccurredAt):
		return no("campaign_not_live", "The campaign wasn't live then.")
	}
	return nil
}

// settle gives a referral that the fraud rules have judged its first status by hand: what is forced passes.
func (a asserted) settle(r *referral, now time.Time) {
	if r.Status != referralevent.Pending && !a.force {
		return
	}
	r.Status, r.Cause = referralevent.Pending, causeManual
	a.campaign.approveWhenDue(r, now)
}

// approveWhenDue lets a pending referral be approved as the campaign says: by a person, later, or at once.
func (c *campaign) approveWhenDue(r *referral, now time.Time) {
	if r.Status != referralevent.Pending || c.ApprovalMode != automatic {
		return
	}
	due := c.due(now)
	if r.ApproveAt = &due; !due.After(now) {
		r.Status, r.Cause, r.ApproveAt = referralevent.Approved, causeAutomatic, nil
	}
}

// same says that a living referral is what is asked for, so that nothing is left to do.
func (a asserted) same(r *referral) bool {
	return r.AdvocateID == a.advocate && r.CampaignID == a.campaign.ID && r.Status != referralevent.Voided && r.Status != referralevent.Blocked
}

// give puts a referral out of the way, as when it is somebody else's: it is voided, unless it counts no more anyway.
func (r *referral) give(cause string, keyID int64, reason string, now time.Time) (was string) {
	was = r.Status
	r.Superseded, r.ApproveAt, r.UpdatedAt = r.ID, nil, now
	switch was {
	case referralevent.Pending, referralevent.Flagged, referralevent.Approved:
		r.Status, r.Cause, r.KeyID, r.Note = referralevent.Voided, cause, orNull(keyID), orNull(reason)
	}
	return was
}

// revoke takes back all that is left of a reward, and says what to tell; nil when nothing is.
func (w *reward) revoke(cause string, now time.Time) *referralevent.RewardClawedBack {
	told := w.clawBack(&referral{ID: deref(w.ReferralID), RefundedFull: true}, now)
	if told != nil {
		told.Cause = cause
	}
	return told
}
