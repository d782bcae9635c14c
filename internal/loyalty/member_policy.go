package loyalty

import (
	"cmp"
	"slices"
	"strings"
)

// How people become members.
const (
	enrolAutomatic  = "" // by what earns points
	enrolRequest    = "on_request"
	enrolInvitation = "by_invitation"
)

const (
	earnsAlso     = "earn"
	earnsNothing  = "none"
	closedForfeit = "forfeit"
)

const maxWindow = 3650 // days

// memberPolicy is what a programme says of who is a member, and what they may do before and after. Its zero is a programme that makes members of all
// who earn points.
type memberPolicy struct {
	Enrolment        string `json:"enrolment,omitempty"`
	CandidateEarning string `json:"candidate_earning,omitempty"` // "": they earn
	SuspendedEarning string `json:"suspended_earning,omitempty"` // "": they don't
	ClosedPoints     string `json:"closed_points,omitempty"`     // "": they are kept
	ClosedDays       int    `json:"closed_points_days,omitempty"`
	GuestDays        int    `json:"guest_claim_days,omitempty"` // 0: guests are people like others
}

func (p memberPolicy) checkMembers(at func(pointer, format string, args ...any)) {
	oneOf := func(pointer, value string, choices ...string) {
		if !slices.Contains(choices, value) {
			at(pointer, "must be %s", strings.Join(choices, " or "))
		}
	}
	v := p.view()
	oneOf("/enrolment", v.Enrolment, "automatic", enrolRequest, enrolInvitation)
	oneOf("/candidate_earning", v.CandidateEarning, earnsAlso, earnsNothing)
	oneOf("/suspended_earning", v.SuspendedEarning, earnsNothing, earnsAlso)
	oneOf("/closed_points", v.ClosedPoints, "keep", closedForfeit)
	if p.GuestDays < 0 || p.GuestDays > maxWindow {
		at("/guest_claim_days", "must be 0 to %d", maxWindow)
	}
	switch {
	case p.ClosedDays < 0 || p.ClosedDays > maxWindow:
		at("/closed_points_days", "must be 0 to %d", maxWindow)
	case p.ClosedDays > 0 && p.ClosedPoints != closedForfeit:
		at("/closed_points_days", "is for forfeit only")
	}
}

// MemberPolicyBody is it as it is sent. It and MemberPolicyView are exported because huma looks into no other embedded struct.
type MemberPolicyBody struct {
	Enrolment        string `json:"enrolment,omitempty" default:"automatic" doc:"How people become members: automatic, by what earns points; on_request, by POST /loyalty/members; by_invitation, when they accept an invitation" example:"automatic"`
	CandidateEarning string `json:"candidate_earning,omitempty" default:"earn" doc:"What earns points for candidates: earn, all that does for members, and they can spend them once they are members; none" example:"earn"`
	SuspendedEarning string `json:"suspended_earning,omitempty" default:"none" doc:"What earns points for members who are suspended: none; earn, all that does for others" example:"none"`
	ClosedPoints     string `json:"closed_points,omitempty" default:"keep" doc:"What becomes of the points of members who leave, or are erased: keep, they end at their dates; forfeit, they end closed_points_days later" example:"forfeit"`
	ClosedDays       int    `json:"closed_points_days,omitempty" default:"0" doc:"For forfeit, 0 to 3650; 0: at once" example:"30"`
	GuestDays        int    `json:"guest_claim_days,omitempty" default:"0" doc:"How long the points wait that guests earn, of whom only the hash of an address is known: 0 to 3650; 0: guests are members as others" example:"180"`
}

func (b MemberPolicyBody) policy() memberPolicy {
	return memberPolicy{Enrolment: unless(b.Enrolment, "automatic"), CandidateEarning: unless(b.CandidateEarning, earnsAlso), SuspendedEarning: unless(b.SuspendedEarning, earnsNothing),
		ClosedPoints: unless(b.ClosedPoints, "keep"), ClosedDays: b.ClosedDays, GuestDays: b.GuestDays}
}

// MemberPolicyView is it as it is answered.
type MemberPolicyView struct {
	Enrolment        string `json:"enrolment" enum:"automatic,on_request,by_invitation"`
	CandidateEarning string `json:"candidate_earning" enum:"earn,none"`
	SuspendedEarning string `json:"suspended_earning" enum:"none,earn"`
	ClosedPoints     string `json:"closed_points" enum:"keep,forfeit"`
	ClosedDays       int    `json:"closed_points_days"`
	GuestDays        int    `json:"guest_claim_days" doc:"0: guests are members as others"`
}

func (p memberPolicy) view() MemberPolicyView {
	return MemberPolicyView{Enrolment: cmp.Or(p.Enrolment, "automatic"), CandidateEarning: cmp.Or(p.CandidateEarning, earnsAlso),
		SuspendedEarning: cmp.Or(p.SuspendedEarning, earnsNothing), ClosedPoints: cmp.Or(p.ClosedPoints, "keep"), ClosedDays: p.ClosedDays, GuestDays: p.GuestDays}
}
