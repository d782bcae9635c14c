package referral

import (
	"testing"
	"time"

	"github.com/talkable/talkable/internal/idempotency"
)

// Two who are one are paid as one: what both have earned reaches the minimum together, a debt of one is paid by the other, and there is one line. Each keeps its account:
// what comes back of a payout goes to whom it came from, and after the parting each is paid alone.
func TestPayout_pays_merged_people_as_one(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.earns(p.two, 300, 10, 11) // twins with the same ids, who are two
	p.earns(p.one, 300, 10, 11)
	p.earns(p.one, 450, 12)
	p.merges(p.one, 1, 10, 11)
	p.sound()
	before, err := p.preview(t.Context(), 1, "USD", 500)
	if err != nil || before.Payees != 1 || before.Amount != 600 || before.Below != 1 || len(before.Sample) != 1 || before.Sample[0] != (previewLineJSON{10, 600}) {
		t.Fatalf("preview %+v, %v", before, err)
	}
	if _, err := p.batch(p.two, 500); err == nil {
		t.Error("the twins were paid together")
	}
	b := p.approved(p.one, 500)
	lines := p.lines(p.one, b.ID)
	if b.Amount != 600 || len(lines) != 1 || lines[0].PersonID != 10 {
		t.Fatalf("%+v, %+v", b, lines)
	}
	p.sound()
	if mine, other := p.due(p.one, 10, "USD"), p.due(p.one, 11, "USD"); mine.Balance != 600 || mine.Reserved != 600 || other.Balance != 0 {
		t.Errorf("while it is under way: %+v, %+v", mine, other)
	}
	p.parts(p.one, 1, 10, 11) // what is under way goes on
	p.settled(p.one, b.ID, settleInput{Lines: []lineOutcome{{ID: lines[0].ID, Status: linePaid}}})
	p.sound()
	p.settled(p.one, b.ID, settleInput{Lines: []lineOutcome{{ID: lines[0].ID, Status: lineFailed, Reason: "came back"}}})
	p.sound()
	if mine, other := p.due(p.one, 10, "USD"), p.due(p.one, 11, "USD"); mine.available() != 300 || other.available() != 300 {
		t.Errorf("what came back: %+v, %+v", mine, other)
	}
	if _, err := p.batch(p.one, 500); err == nil {
		t.Error("parted, they were paid together")
	}

	p.merges(p.one, 2, 11, 10) // the other way round, and with a debt
	p.earns(p.one, -500, 10)   // an adjustment is the survivor's
	if mine, other := p.due(p.one, 10, "USD"), p.due(p.one, 11, "USD"); mine.available() != 300 || other.available() != -200 {
		t.Errorf("adjusted: %+v, %+v", mine, other)
	}
	list, err := p.accountsOf(t.Context(), 1, 10)
	if err != nil || len(list) != 1 || list[0].Available != 100 {
		t.Errorf("as one %+v, %v", list, err)
	}
	b, err = p.batch(p.one, 1)
	if err != nil || b.Amount != 550 || b.Lines != 2 {
		t.Fatalf("%+v, %v", b, err)
	}
	p.sound()
	if _, _, err := p.cancelBatch(t.Context(), p.one, b.ID, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	p.sound()
	if mine, other := p.due(p.one, 10, "USD"), p.due(p.one, 11, "USD"); mine.available() != 300 || other.available() != -200 {
		t.Errorf("cancelled: %+v, %+v", mine, other)
	}
	entries, err := entriesBefore(t.Context(), p.db, 1, []int64{10, 11}, "USD", 0, 100)
	if err != nil || int64(len(entries)) != p.count(`select count(*) from referral.account_entry where site_id = 1 and person_id in (10, 11)`) {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	rest, err := entriesBefore(t.Context(), p.db, 1, []int64{10, 11}, "USD", entries[2].ID, 100)
	if err != nil || len(rest) != len(entries)-3 || rest[0].ID != entries[3].ID {
		t.Errorf("%d of %d entries on the next page, %v", len(rest), len(entries), err)
	}
}

// A survivor who never earned anything is paid what the duplicate has.
func TestPayout_pays_the_survivor_for_the_duplicate(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.earns(p.one, 700, 11)
	p.merges(p.one, 1, 10, 11)
	b := p.approved(p.one, 1)
	lines := p.lines(p.one, b.ID)
	if b.Amount != 700 || len(lines) != 1 || lines[0].PersonID != 10 {
		t.Fatalf("%+v, %+v", b, lines)
	}
	p.settled(p.one, b.ID, settleInput{Rest: linePaid})
	p.sound()
	for _, person := range []int64{10, 11} {
		if a := p.due(p.one, person, "USD"); a.Balance != 0 || a.Reserved != 0 {
			t.Errorf("%d: %+v", person, a)
		}
	}
}

// A plan's caps are of a person and of a friend, by whichever ids both were known.
func TestCommissions_caps_see_merged_people_as_one(t *testing.T) {
	t.Parallel()
	p := setup(t)
	month, friend := int64(1500), int64(1200)
	plan := p.plan(p.one, commissionPlanInput{Default: percent("10"), Caps: &commissionCapsInput{Month: month, Friend: friend}})
	p.pays(p.one, plan.ID, nil)
	buys := func(advocate, friend, origin, subtotal int64) int64 {
		t.Helper()
		p.touchedAt(p.one, uuidOf(int(origin)), advocate)
		p.tell(p.purchase(p.one, origin, friend, subtotal, uuidOf(int(origin))))
		return p.count(`select coalesce(sum(amount), 0)::bigint from referral.commission where site_id = 1 and origin_id = $1`, origin)
	}
	if got := buys(10, 20, 1, 10_000); got != 1000 {
		t.Fatalf("the first %d", got)
	}
	if got := buys(11, 21, 2, 4_000); got != 400 { // another advocate, with room of its own
		t.Fatalf("the other's %d", got)
	}
	p.merges(p.one, 1, 10, 11)
	if got := buys(11, 22, 3, 10_000); got != 100 { // 1400 of 1500 are used by both
		t.Errorf("merged, the month leaves %d", got)
	}
	p.parts(p.one, 1, 10, 11)
	p.clock.Move(24 * time.Hour)
	if got := buys(11, 23, 4, 20_000); got != 1100 { // what the survivor got meanwhile stays its own
		t.Errorf("parted, the month leaves %d", got)
	}
	if n := p.count(`select count(*) from referral.commission_cap where used > 1500`); n != 0 {
		t.Errorf("%d caps are overdrawn", n)
	}
	p.sound()
}
