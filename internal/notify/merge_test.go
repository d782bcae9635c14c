package notify

import (
	"context"
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

func (b *bench) merges(siteID, survivor, duplicate int64) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onMerged(ctx, u, events(customerevent.PersonMerged{SiteID: siteID, MergeID: 1, SurvivorID: survivor, DuplicateID: duplicate, MergedAt: u.Now}))
	})
}

// TestMergedContacts: what is said to a duplicate, also what waits already, is said to the survivor, if that one wants it; on the twin site it is said to whom it was.
func TestMergedContacts(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.site(2, "Other")
	for _, site := range []int64{1, 2} {
		b.person(site, 7, "anna@example.com", "Anna")
		b.person(site, 8, "anna@work.example", "Anna")
	}
	b.earn(earned(1, 41, 8), earned(2, 41, 8))
	b.merges(1, 7, 8)
	b.merges(1, 7, 9) // who wasn't heard of yet
	b.earn(earned(1, 42, 8), earned(1, 43, 9))
	b.round()
	to := map[string]int{}
	for _, m := range b.arrived() {
		to[m.To[0]]++
	}
	if to["anna@example.com"] != 3 || to["anna@work.example"] != 1 {
		t.Errorf("arrived: %v", to)
	}
	b.unsubscribes(1, 7, "anna@example.com")
	b.earn(earned(1, 44, 8))
	b.want(1, "sent - 1", "sent - 1", "sent - 1", "suppressed unsubscribed 0")
	b.do(func(ctx context.Context, u *bus.Unit) error {
		return b.onUnmerged(ctx, u, events(customerevent.PersonUnmerged{SiteID: 1, MergeID: 1, SurvivorID: 7, DuplicateID: 8, UnmergedAt: u.Now}))
	})
	b.earn(earned(1, 45, 8))
	b.want(1, "sent - 1", "sent - 1", "sent - 1", "suppressed unsubscribed 0", "queued - 0")
}

// TestMergedSMSConsent: who wants no SMS as either gets none.
func TestMergedSMSConsent(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.person(1, 8, "anna@work.example", "Anna")
	for person, in := range map[int64]bool{7: true, 8: false} {
		b.do(func(ctx context.Context, u *bus.Unit) error {
			_, err := saveConsent(ctx, u, 1, person, in, u.Now)
			return err
		})
	}
	b.merges(1, 7, 8)
	if c, err := consentOf(t.Context(), b.DB, 1, 7); err != nil || c.OptedInAt != nil || c.OptedOutAt == nil {
		t.Errorf("%+v, %v", c, err)
	}
}
