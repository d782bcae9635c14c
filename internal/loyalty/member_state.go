package loyalty

import (
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// States of a member, beside active. Who is merged stands for another member, whose state counts.
const (
	prospect  = "candidate" // may earn, can't spend yet: was invited, wasn't confirmed, or is a guest
	suspended = "suspended" // keeps what there is, and spends nothing
	closed    = "closed"    // has left
	erased    = "erased"    // nobody knows any more who it was
	mergedIn  = "merged"
)

// Causes of a change of state: what members go through.
const (
	turnEnrol      = "enrolled" // from none
	turnReward     = "reward"   // from none: a reward waits for who is no member
	turnConfirm    = "confirmed"
	turnSuspend    = "suspended"
	turnReactivate = "reactivated"
	turnClose      = "closed"
	turnErase      = "erased"
	turnLapse      = "lapsed" // a candidate who never became a member
	turnInvite     = "invited"
	turnGuest      = "guest"    // from none: has bought, and nobody knows yet who it is
	turnAccept     = "accepted" // an invitation
	turnMerge      = "merged"   // with somebody in another state
	turnPart       = "parted"
)

// turns are all changes of state that are asked for: from where each leads where.
var turns = map[string]map[string]string{
	turnConfirm:    {prospect: active},
	turnAccept:     {prospect: active, closed: active},
	turnSuspend:    {active: suspended},
	turnReactivate: {prospect: active, suspended: active, closed: active},
	turnClose:      {prospect: closed, active: closed, suspended: closed},
	turnErase:      {prospect: erased, active: erased, suspended: erased, closed: erased},
	turnLapse:      {prospect: closed},
}

// wishes are the states to which members are brought by somebody's word: to ask for that in which they are changes nothing.
var wishes = map[string]string{turnSuspend: suspended, turnReactivate: active, turnClose: closed}

// turned is the state to which a turn leads from another.
func turned(from, turn string) (to string, err error) {
	if to, ok := turns[turn][from]; ok {
		return to, nil
	}
	if wishes[turn] == from {
		return from, nil
	}
	return from, fault.New(fault.Conflict, "member_status", "A member who is %s can't be %s.", from, turn).At("path.email", "is "+from)
}

// together is the state of two members who are one person: who is suspended as either is suspended, so that nobody escapes by a second account;
// else who is a member as either is one.
func together(one, two string) string {
	for _, state := range []string{suspended, active, prospect, closed} {
		if one == state || two == state {
			return state
		}
	}
	return one
}

// barred is why a member of a state earns nothing; "": it does. What a programme says of it goes by what it says now.
func (p policy) barred(status string) string {
	switch {
	case status == active,
		status == prospect && p.CandidateEarning != earnsNothing,
		status == suspended && p.SuspendedEarning == earnsAlso:
		return ""
	}
	return status
}

// forfeitAt is when the points end of who leaves now; nil: they keep their own dates.
func (p policy) forfeitAt(now time.Time) *time.Time {
	if p.ClosedPoints != closedForfeit {
		return nil
	}
	at := moment(now, now).AddDate(0, 0, p.ClosedDays)
	return &at
}

// joins is as what, and since when, somebody becomes a member who earns something and is none.
func (p policy) joins(e earning, now time.Time) joining {
	j := joining{at: moment(e.EffectiveAt, now), as: p.joinsAs(e), cause: turnReward}
	if e.Guest && j.as == prospect {
		until := moment(now, now).AddDate(0, 0, p.GuestDays)
		j.cause, j.forfeit = turnGuest, &until
	}
	return j
}

// joinsAs is as what somebody becomes a member who earns something and is none; "": as nothing. A guest waits to be claimed. Who must ask first, or be invited, becomes none by a
// purchase, but a reward that was promised waits for them.
func (p policy) joinsAs(e earning) string {
	switch {
	case e.Guest && p.GuestDays > 0:
		if p.CandidateEarning == earnsNothing {
			return ""
		}
		return prospect
	case p.Enrolment == enrolAutomatic:
		return active
	case e.Reason == loyaltyevent.ForReward && p.CandidateEarning != earnsNothing:
		return prospect
	}
	return ""
}

// keeps says that somebody of this state can be given points.
func keeps(status string) bool { return status == prospect || status == active || status == suspended }

// notActive is Talkable's refusal, with the state in which the member is.
func notActive(status string) error {
	return errInactive.At("path.email", "is "+status).Because(errInactive)
}

// forfeited says that a member has no right to points any more, in whichever wallet.
func (h *holder) forfeited(now time.Time) bool {
	at := h.self().ForfeitAt
	return at != nil && !at.After(now)
}

// barred is why somebody earns nothing, whatever it is; h is nil for who is no member.
func (b *books) barred(h *holder, e earning) string {
	switch {
	case h == nil && b.programs[e.SiteID].joinsAs(e) == "":
		return refusedNoMember
	case h == nil || h.Status == active:
		return ""
	}
	return b.programs[e.SiteID].barred(h.Status)
}

// bar keeps that something earned nothing because of the state of whom it was for.
func (b *books) bar(e earning, why string) {
	if e.Points == 0 && e.Refused == "" && e.occasion == nil { // it would have earned nothing anyway
		return
	}
	if e.occasion != nil {
		p := e.occasion.by
		e = p.decided(e, rule{Rule: "rules", On: e.occasion.on})
	}
	e.Refused = why
	b.refused = append(b.refused, e)
}
