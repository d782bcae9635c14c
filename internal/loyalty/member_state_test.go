package loyalty

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// become brings a member to another state as the API does, and lets the timer do what comes of it.
func (w *world) become(siteID, personID int64, turn string) error {
	w.t.Helper()
	_, _, err := w.Turn(w.t.Context(), siteID, personID, loyaltyapi.Turn{Turn: turn, Note: "because", KeyID: 9}, noKey)
	if err == nil {
		w.pass(w.t.Context())
	}
	return err
}

func (w *world) status(siteID, personID int64) string {
	w.t.Helper()
	var s string
	if err := w.admin.Get(&s, `select coalesce((select status from loyalty.member where site_id = $1 and person_id = $2), 'none')`, siteID, personID); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// TestTurned: every state and turn, as in docs/loyalty.md.
func TestTurned(t *testing.T) {
	want := map[string]string{
		"candidate accepted": active, "closed accepted": active, "candidate confirmed": active, "candidate reactivated": active, "candidate closed": closed, "candidate erased": erased, "candidate lapsed": closed,
		"active suspended": suspended, "active closed": closed, "active erased": erased,
		"suspended reactivated": active, "suspended closed": closed, "suspended erased": erased,
		"closed reactivated": active, "closed erased": erased,
		"suspended suspended": suspended, "active reactivated": active, "closed closed": closed, // it changes nothing
	}
	for _, from := range []string{prospect, active, suspended, closed, erased, mergedIn} {
		for turn := range turns {
			to, err := turned(from, turn)
			if expected, ok := want[from+" "+turn]; ok && (err != nil || to != expected) {
				t.Errorf("%s %s: %s, %v", from, turn, to, err)
			} else if !ok && (to != from || !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), from)) {
				t.Errorf("%s %s: %s, %v", from, turn, to, err)
			}
		}
	}
}

// TestTogether: it makes no difference who survives, and nobody escapes a suspension.
func TestTogether(t *testing.T) {
	states := []string{prospect, active, suspended, closed}
	rapid.Check(t, func(t *rapid.T) {
		one, two, three := rapid.SampledFrom(states).Draw(t, "one"), rapid.SampledFrom(states).Draw(t, "two"), rapid.SampledFrom(states).Draw(t, "three")
		both := together(one, two)
		switch {
		case both != together(two, one), together(both, three) != together(one, together(two, three)), together(one, one) != one:
			t.Fatal("order matters")
		case (both == suspended) != (one == suspended || two == suspended), both != one && both != two:
			t.Fatalf("%s and %s are %s", one, two, both)
		}
	})
}

// TestSuspended: all stays, nothing is spent, nothing is earned unless the programme says so; expiry goes on, and a hold that there is can be committed.
func TestSuspended(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(30)
	p := w.start(1, s)
	s.SuspendedEarning = earnsAlso
	w.start(2, s)
	mug := w.offer(1, p.ID, 40, 0)
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 6_000), w.bought(site, 8, 2, 1_000))
	}
	held, err := w.Hold(t.Context(), 1, 7, 50, "cart", time.Hour, noKey)
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Move(time.Minute)
	for _, site := range []int64{1, 2} {
		if err := w.become(site, 7, turnSuspend); err != nil {
			t.Fatal(err)
		}
	}
	for what, err := range map[string]error{
		"redeem": second(w.Redeem(t.Context(), 1, 7, mug, "api", noKey)), "hold": second(w.Hold(t.Context(), 1, 7, 1, "more", time.Hour, noKey)),
		"give": third(w.Transfer(t.Context(), 1, 7, 8, 1, "", noKey)),
	} {
		if f, ok := fault.Of(err); !errors.Is(err, errInactive) || !ok || len(f.Fields) != 1 || f.Fields[0].Detail != "is suspended" {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := w.Transfer(t.Context(), 1, 8, 7, 1, "", noKey); !errors.Is(err, errReceiver) {
		t.Errorf("get: %v", err)
	}
	if err := w.become(1, 7, turnSuspend); err != nil {
		t.Errorf("suspended again: %v", err)
	}
	if _, err := w.endHold(t.Context(), 1, held.Hold.ID, kindCommit, 0, noKey); err != nil {
		t.Errorf("commit: %v", err)
	}
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, w.bought(site, 7, 3, 2_000))
		hear(w, w.originsRefunded, site, w.refund(site, 3, 1, 1_000, 2_000))
	}
	w.expect(1, 7, `550, 0 pending, 600 earned, tier ""`)
	w.expect(2, 7, `700, 0 pending, 700 earned, tier ""`)
	if _, err := w.Adjust(t.Context(), 1, 7, 5, "sorry", noKey); err != nil {
		t.Errorf("adjust: %v", err)
	}
	w.clock.Move(40 * 24 * time.Hour)
	w.pass(t.Context())
	w.expect(1, 7, `0, 0 pending, 600 earned, tier ""`)
	if err := w.become(1, 7, turnReactivate); err != nil {
		t.Fatal(err)
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 4, 1_000))
	w.expect(1, 7, `100, 0 pending, 700 earned, tier ""`)
	var refused string
	if err := w.admin.Get(&refused, `select string_agg(source || ' ' || reason, ', ') from loyalty.refusal`); err != nil || refused != "origin:3 suspended" {
		t.Errorf("refused %q, %v", refused, err)
	}
	changes, more, err := w.MemberChanges(t.Context(), 1, 7, loyaltyapi.AfterID{}, 1)
	if err != nil || !more || len(changes) != 1 || changes[0].Cause != turnReactivate || *changes[0].KeyID != 9 || *changes[0].Note != "because" || *changes[0].From != suspended {
		t.Errorf("%+v, %v", changes, err)
	}
	if told := w.told(1); told["loyalty.member_status_changed.v1"] != 2 || told["loyalty.member_joined.v1"] != 2 {
		t.Errorf("told %v", told)
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// TestClosed: the points of who leaves are kept, or end after the days that the programme says, also those that are pending, that are held or that come back of
// a redemption; refunds and cancellations after that leave nothing. Who comes back in time finds them.
func TestClosed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy    memberPolicy
		after     int // days
		want      string
		back      string // after coming back, buying, and getting back the points of a redemption
		forfeited bool
	}{
		"kept":              {memberPolicy{}, 20, `510, 200 pending`, `650, 200 pending`, false},
		"forfeited at once": {memberPolicy{ClosedPoints: closedForfeit}, 0, `0, 0 pending`, `100, 0 pending`, true},
		"in time":           {memberPolicy{ClosedPoints: closedForfeit, ClosedDays: 10}, 9, `510, 200 pending`, `650, 200 pending`, false},
		"too late":          {memberPolicy{ClosedPoints: closedForfeit, ClosedDays: 10}, 11, `0, 0 pending`, `100, 0 pending`, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			s := club()
			p := w.start(1, s)
			mug := w.offer(1, p.ID, 40, 0)
			hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 6_000))
			s.PendingRule, s.memberPolicy, s.RestoreGraceDays = untilEvent, c.policy, 30
			w.configured(1, p.ID, s)
			hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 2_000))
			spent, err := w.Redeem(t.Context(), 1, 7, mug, "api", noKey)
			if err != nil {
				t.Fatal(err)
			}
			held, err := w.Hold(t.Context(), 1, 7, 50, "cart", 30*24*time.Hour/5, noKey)
			if err != nil {
				t.Fatal(err)
			}
			w.clock.Move(time.Minute)
			if err := w.become(1, 7, turnClose); err != nil {
				t.Fatal(err)
			}
			if _, err := w.endHold(t.Context(), 1, held.Hold.ID, kindRelease, 0, noKey); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Adjust(t.Context(), 1, 7, 5, "sorry", noKey); !errors.Is(err, errInactive) {
				t.Errorf("adjust: %v", err)
			}
			w.clock.Move(time.Duration(c.after) * 24 * time.Hour)
			w.pass(t.Context())
			hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 9_000)) // earns nothing
			hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 500, 6_000))
			if c.forfeited {
				w.expectStart(1, 7, `0, 0 pending`)
				if _, err := w.Cancel(t.Context(), 1, spent.Redemption.ID, "out of mugs", noKey); err != nil {
					t.Fatal(err)
				}
				w.assertLedger()
			}
			w.expectStart(1, 7, c.want)
			if err := w.become(1, 7, turnReactivate); err != nil {
				t.Fatal(err)
			}
			s.PendingRule = ""
			w.configured(1, p.ID, s)
			hear(w, w.originsRecorded, 1, w.bought(1, 7, 4, 1_000))
			if !c.forfeited {
				if _, err := w.Cancel(t.Context(), 1, spent.Redemption.ID, "out of mugs", noKey); err != nil {
					t.Fatal(err)
				}
			}
			w.expectStart(1, 7, c.back)
		})
	}
}

func (w *world) expectStart(site, personID int64, want string) {
	w.t.Helper()
	m, err := w.Member(w.t.Context(), site, personID)
	if got := fmt.Sprintf("%d, %d pending", m.Balance, m.Pending); err != nil || got != want {
		w.t.Errorf("person %d has %s, want %s; %v", personID, got, want, err)
	}
}

// TestErased: nothing says any more who it was, or why they left; the state says that. They earn nothing, and are nobody's survivor.
func TestErased(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 6_000))
		if err := w.become(site, 7, turnSuspend); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		hear(w, w.anonymized, 1, customerevent.PersonAnonymized{SiteID: 1, PersonID: 7}, customerevent.PersonAnonymized{SiteID: 1, PersonID: 70})
	}
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 6_000))
	w.expect(1, 7, `600, 0 pending, 600 earned, tier ""`)
	if one, two := w.status(1, 7), w.status(2, 7); one != erased || two != suspended {
		t.Errorf("%s, %s", one, two)
	}
	if err := w.become(1, 7, turnReactivate); !fault.Is(err, fault.Conflict) {
		t.Errorf("came back: %v", err)
	}
	var notes int
	if err := w.admin.Get(&notes, `select count(*) from loyalty.member_change where site_id = 1 and note is not null`); err != nil || notes != 0 {
		t.Errorf("%d notes are left, %v", notes, err)
	}
	list, _, err := w.Memberships(t.Context(), 1, erased, loyaltyapi.AfterMember{}, 5)
	if err != nil || len(list) != 1 || list[0].PersonID != 7 || list[0].Cause != turnErase || list[0].Balance != 600 {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestEnrolment: who becomes a member by what, and what earns for whom.
func TestEnrolment(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for site, how := range []string{1: enrolAutomatic, 2: enrolRequest, 3: enrolInvitation, 4: enrolRequest} {
		if site == 0 {
			continue
		}
		s := club()
		if s.Enrolment = how; site == 4 {
			s.CandidateEarning = earnsNothing
		}
		w.start(int64(site), s)
	}
	join := func(site, person int64, as bool) string {
		out, _, err := w.Enrol(t.Context(), site, person, loyaltyapi.Enrolment{Candidate: as, KeyID: 3}, noKey)
		if f, ok := fault.Of(err); ok {
			return f.Code
		} else if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(out.Status, " ", out.Known)
	}
	for site, want := range map[int64]string{1: "active 100, active 30, active false, active true, candidate false, active false", 2: "none, candidate 30, active false, active true, candidate false, active false",
		3: "none, candidate 30, invitation_needed, invitation_needed, candidate false, invitation_needed", 4: "none, none, active false, active true, candidate false, active false"} {
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 1_000))
		hear(w, w.rewardsIssued, site, w.rewarded(site, 8, 1, 30))
		var got []string
		for _, person := range []int64{7, 8} {
			state := w.status(site, person)
			if state != "none" {
				state += fmt.Sprint(" ", w.balance(site, person))
			}
			got = append(got, state)
		}
		got = append(got, join(site, 9, false), join(site, 9, false), join(site, 10, true), join(site, 10, false))
		if all := strings.Join(got, ", "); all != want {
			t.Errorf("site %d: %s\nwant %s", site, all, want)
		}
		hear(w, w.originsRecorded, site, w.bought(site, 9, 2, 1_000))
	}
	w.expectStart(2, 9, "100, 0 pending")
	w.expectStart(4, 9, "100, 0 pending")
	if told := w.told(2); told["loyalty.member_joined.v1"] != 2 || told["loyalty.member_status_changed.v1"] != 3 {
		t.Errorf("told %v", told)
	}
	if got := join(7, 9, false); got != "no_program" {
		t.Error(got)
	}
}

// TestCandidateEarns: points wait in the balance of who is no member yet, and joining is a reason for more, once.
func TestCandidateEarns(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.Enrolment, s.Earning = enrolRequest, &earnPlan{EarnTerms: EarnTerms{Stacking: stackAll, Rules: []earnRule{{Key: "welcome", On: onJoin, Kind: kindFixed, Points: 25}}}}
	p := w.start(1, s)
	mug := w.offer(1, p.ID, 40, 0)
	if _, _, err := w.Enrol(t.Context(), 1, 7, loyaltyapi.Enrolment{Candidate: true}, noKey); err != nil {
		t.Fatal(err)
	}
	w.pass(t.Context())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1_000))
	w.expectStart(1, 7, "100, 0 pending")
	if _, err := w.Redeem(t.Context(), 1, 7, mug, "api", noKey); !errors.Is(err, errInactive) {
		t.Errorf("redeem: %v", err)
	}
	w.clock.Move(time.Hour)
	for range 2 {
		if _, _, err := w.Enrol(t.Context(), 1, 7, loyaltyapi.Enrolment{}, noKey); err != nil {
			t.Fatal(err)
		}
		w.pass(t.Context())
	}
	w.expectStart(1, 7, "125, 0 pending")
	m, err := w.Member(t.Context(), 1, 7)
	if err != nil || !m.JoinedAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("joined %v, %v", m.JoinedAt, err)
	}
	w.clock.Move(time.Second)
	if _, err := w.Redeem(t.Context(), 1, 7, mug, "api", noKey); err != nil {
		t.Error(err)
	}
}
