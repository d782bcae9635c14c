package loyalty

import (
	"errors"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// guestBought is a purchase of somebody of whom only a hash is known.
func (w *world) guestBought(site, person, origin, subtotal int64) customerevent.OriginRecorded {
	o := w.bought(site, person, origin, subtotal)
	o.Guest = true
	return o
}

// TestGuests: what a guest earns waits, with the dates of its earning, until customer says who the guest is; a refund before or after that takes its part,
// and each is claimed once. What nobody claims ends. The twin site, where guests are people as others, sees nothing of it.
func TestGuests(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.ExpiresAfterDays = days(100)
	w.start(2, s)
	s.GuestDays = 30
	p := w.start(1, s)
	mug := w.offer(1, p.ID, 40, 0)
	for _, site := range []int64{1, 2} {
		hear(w, w.originsRefunded, site, w.refund(site, 1, 1, 1_000, 6_000))
		hear(w, w.originsRecorded, site, w.guestBought(site, 7, 1, 6_000), w.guestBought(site, 8, 2, 2_000), w.guestBought(site, 9, 3, 1_000))
		hear(w, w.originsRecorded, site, w.guestBought(site, 7, 4, 1_000), w.bought(site, 20, 5, 500))
		hear(w, w.originsRefunded, site, w.refund(site, 1, 2, 3_000, 6_000))
	}
	w.expectStart(1, 7, "400, 0 pending")
	if one, two := w.status(1, 7), w.status(2, 7); one != prospect || two != active {
		t.Errorf("%s, %s", one, two)
	}
	if _, err := w.Redeem(t.Context(), 1, 7, mug, "api", noKey); !errors.Is(err, errInactive) {
		t.Errorf("a guest redeems: %v", err)
	}
	w.clock.Move(10 * 24 * time.Hour)
	w.merges(1, 1, 20, 7) // a member
	w.merges(1, 2, 21, 8) // nobody yet: the purchase makes one of them
	w.merges(1, 1, 20, 7)
	w.expectStart(1, 20, "450, 0 pending")
	w.expectStart(1, 21, "200, 0 pending")
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 3, 6_000, 6_000))
	w.expectStart(1, 20, "150, 0 pending")
	hear(w, w.originsRecorded, 1, w.guestBought(1, 20, 6, 1_000)) // by the hash, which leads to the member
	w.expectStart(1, 20, "250, 0 pending")
	if got := w.status(1, 20) + " " + w.status(1, 21); got != "active active" {
		t.Error(got)
	}
	if _, err := w.Redeem(t.Context(), 1, 20, mug, "api", noKey); err != nil {
		t.Error(err)
	}
	w.clock.Move(20 * 24 * time.Hour)
	w.pass(t.Context())
	if got := w.status(1, 9); got != closed {
		t.Errorf("whom nobody claimed is %s", got)
	}
	w.expectStart(1, 9, "0, 0 pending")
	w.merges(1, 3, 22, 9) // too late
	if got := w.status(1, 22); got != active {
		t.Error(got)
	}
	w.expectStart(1, 22, "0, 0 pending")
	w.parts(1, 1, 20, 7)
	if got := w.status(1, 20) + " " + w.status(1, 7); got != "active candidate" {
		t.Error(got)
	}
	w.clock.Move(71 * 24 * time.Hour) // a hundred and one days after the purchases
	w.pass(t.Context())
	w.expectStart(1, 21, "0, 0 pending")
	w.expectStart(2, 7, "0, 0 pending")
	if got := w.told(1)["loyalty.member_joined.v1"]; got != 3 {
		t.Errorf("%d joined", got)
	}
}

// TestGuestSaysWhoTheyAre: a guest whose own row gets the address is a member by the next purchase, with all that there is.
func TestGuestSaysWhoTheyAre(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := club()
	s.GuestDays = 30
	w.start(1, s)
	hear(w, w.originsRecorded, 1, w.guestBought(1, 7, 1, 6_000))
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 2, 1_000), w.bought(1, 7, 3, 1_000))
	w.clock.Move(31 * 24 * time.Hour)
	w.pass(t.Context())
	w.expectStart(1, 7, "800, 0 pending")
	if got, told := w.status(1, 7), w.told(1); got != active || told["loyalty.member_joined.v1"] != 1 || told["loyalty.member_status_changed.v1"] != 2 {
		t.Errorf("%s, told %v", got, told)
	}
}

// TestGuestsOfProgrammes: where candidates earn nothing, guests don't, nor where people join only on request but guests aren't waited for.
func TestGuestsOfProgrammes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for site, p := range map[int64]memberPolicy{1: {GuestDays: 30, CandidateEarning: earnsNothing}, 2: {Enrolment: enrolRequest}, 3: {Enrolment: enrolRequest, GuestDays: 30}} {
		s := club()
		s.memberPolicy = p
		w.start(site, s)
		hear(w, w.originsRecorded, site, w.guestBought(site, 7, 1, 6_000))
	}
	if got := w.status(1, 7) + " " + w.status(2, 7) + " " + w.status(3, 7); got != "none none candidate" {
		t.Error(got)
	}
	w.merges(3, 1, 8, 7) // who hasn't asked yet: a candidate, for as long
	w.expectStart(3, 8, "600, 0 pending")
	w.clock.Move(31 * 24 * time.Hour)
	w.pass(t.Context())
	if got := w.status(3, 8); got != closed {
		t.Error(got)
	}
}
