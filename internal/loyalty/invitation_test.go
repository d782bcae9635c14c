package loyalty

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// invites asks people, and returns what came of each, and their codes.
func (w *world) invites(site int64, people ...int64) (results string, codes map[int64]string) {
	w.t.Helper()
	out, _, err := w.Invite(w.t.Context(), site, loyaltyapi.Invite{PersonIDs: people, Days: 10, Note: "spring", KeyID: 4}, noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	codes = map[int64]string{}
	for _, i := range out {
		all = append(all, i.Result)
		if i.Invitation != nil {
			codes[i.PersonID] = i.Invitation.Code
		}
	}
	return strings.Join(all, " "), codes
}

func (w *world) accepts(site int64, code string) string {
	w.t.Helper()
	out, _, err := w.AcceptInvitation(w.t.Context(), site, code, 0, noKey)
	if f, ok := fault.Of(err); ok {
		return f.Code
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(out.Accepted)
}

// TestInvitations: whom they make what, once each, and how they end. The twin site has the same people and codes of its own.
func TestInvitations(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.Enrolment = enrolInvitation
	for _, site := range []int64{1, 2} {
		p := w.start(site, club())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1_000), w.bought(site, 8, 2, 1_000), w.bought(site, 9, 3, 1_000))
		w.configured(site, p.ID, s)
		if err := w.become(site, 8, turnSuspend); err != nil {
			t.Fatal(err)
		}
		if err := w.become(site, 9, turnClose); err != nil {
			t.Fatal(err)
		}
	}
	got, codes := w.invites(1, 7, 8, 9, 10, 11, 10, 12)
	if want := "active suspended invited invited invited already_invited invited"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	again, same := w.invites(1, 10, 9)
	if again != "already_invited already_invited" || same[10] != codes[10] {
		t.Errorf("%s", again)
	}
	_, twins := w.invites(2, 10)
	for what, c := range map[string]struct {
		site int64
		code string
		want string
	}{"another site's": {2, codes[10], "invitation_not_found"}, "unknown": {1, "x", "invitation_not_found"}, "the twin's": {2, twins[10], "true"}} {
		if got := w.accepts(c.site, c.code); got != c.want {
			t.Errorf("%s: %s", what, got)
		}
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 10, 20, 1_000), w.bought(1, 13, 21, 1_000))
	if got := w.status(1, 10) + " " + w.status(1, 13) + " " + w.status(1, 9); got != "candidate none closed" {
		t.Error(got)
	}
	for _, who := range []int64{10, 9} {
		if first, second := w.accepts(1, codes[who]), w.accepts(1, codes[who]); first != "true" || second != "true" {
			t.Errorf("%d: %s, %s", who, first, second)
		}
		w.expectStart(1, who, "100, 0 pending")
	}
	open, _, err := w.Invitations(t.Context(), 1, invitationOpen, loyaltyapi.AfterID{}, 10)
	if err != nil || len(open) != 2 || open[0].PersonID != 12 || *open[0].Note != "spring" {
		t.Fatalf("%+v, %v", open, err)
	}
	for range 2 {
		if i, _, err := w.revokeInvitation(t.Context(), 1, open[0].ID, 0, noKey); err != nil || i.Status != invitationRevoked {
			t.Errorf("%+v, %v", i, err)
		}
	}
	if got := w.accepts(1, codes[12]); got != "invitation_revoked" {
		t.Error(got)
	}
	w.clock.Move(10 * 24 * time.Hour)
	if got := w.accepts(1, codes[11]); got != "invitation_lapsed" {
		t.Error(got)
	}
	if got, fresh := w.invites(1, 11); got != "invited" || fresh[11] == codes[11] {
		t.Errorf("%s", got)
	}
	list, more, err := w.Invitations(t.Context(), 1, invitationLapsed, loyaltyapi.AfterID{}, 10)
	if err != nil || more || len(list) != 1 || list[0].PersonID != 11 {
		t.Errorf("%+v, %v", list, err)
	}
	if told := w.told(1); told["loyalty.member_invited.v1"] != 5 || told["loyalty.invitation_ended.v1"] != 3 || told["loyalty.member_joined.v1"] != 4 {
		t.Errorf("told %v", told)
	}
	w.clock.Move(keepInvitations + 20*24*time.Hour)
	w.pass(t.Context())
	if list, _, err := w.Invitations(t.Context(), 1, "", loyaltyapi.AfterID{}, 10); err != nil || len(list) != 0 {
		t.Errorf("%d are left, %v", len(list), err)
	}
}

// TestInvitationsAtOnce: of twenty who invite somebody at once one does, and of twenty who accept one makes a member.
func TestInvitationsAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	atOnce := func(do func(i int) error) {
		gate, results := make(chan struct{}), make([]error, 20)
		var all sync.WaitGroup
		for i := range results {
			all.Go(func() { <-gate; results[i] = do(i) })
		}
		close(gate)
		all.Wait()
		for _, err := range results {
			if err != nil {
				t.Error(err)
			}
		}
	}
	codes := make([]string, 20)
	atOnce(func(i int) error {
		out, _, err := w.Invite(t.Context(), 1, loyaltyapi.Invite{PersonIDs: []int64{7, 8}, Days: 10}, noKey)
		if err == nil {
			codes[i] = out[0].Invitation.Code + out[1].Invitation.Code
		}
		return err
	})
	for _, c := range codes {
		if c != codes[0] || c == "" {
			t.Fatalf("%q and %q", c, codes[0])
		}
	}
	atOnce(func(int) error {
		_, _, err := w.AcceptInvitation(t.Context(), 1, codes[0][:len(codes[0])/2], 0, idempotency.Key{})
		return err
	})
	if told := w.told(1); told["loyalty.member_invited.v1"] != 2 || told["loyalty.invitation_ended.v1"] != 1 || told["loyalty.member_joined.v1"] != 1 || told["loyalty.member_status_changed.v1"] != 3 {
		t.Errorf("told %v", told)
	}
}

// TestInvitationsOfWhoIsNot: who was merged accepts as who they are by then; who was erased can't, and is asked nothing.
func TestInvitationsOfWhoIsNot(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.Enrolment = enrolInvitation
	w.start(1, s)
	_, codes := w.invites(1, 7, 8, 9, 10)
	w.merges(1, 1, 20, 7) // 20 is no member: becomes the candidate that 7 was
	w.merges(1, 2, 8, 9)
	hear(w, w.anonymized, 1, customerevent.PersonAnonymized{SiteID: 1, PersonID: 10})
	if got := w.status(1, 20) + " " + w.status(1, 8); got != "candidate candidate" {
		t.Error(got)
	}
	if one, two, three := w.accepts(1, codes[7]), w.accepts(1, codes[9]), w.accepts(1, codes[8]); one+" "+two+" "+three != "true true true" {
		t.Errorf("%s, %s, %s", one, two, three)
	}
	if got := w.status(1, 20) + " " + w.status(1, 8) + " " + w.accepts(1, codes[10]); got != "active active invitation_revoked" {
		t.Error(got)
	}
	if told := w.told(1); told["loyalty.member_joined.v1"] != 2 {
		t.Errorf("told %v", told)
	}
	if got, _ := w.invites(1, 10); got != erased {
		t.Error(got)
	}
}
