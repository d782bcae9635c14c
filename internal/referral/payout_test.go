package referral

import (
	"encoding/csv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// earns gives people money of their own, as if they had earned it.
func (p *place) earns(s site.Site, amount int64, people ...int64) {
	p.t.Helper()
	for _, person := range people {
		p.known[key{s.ID, person}] = customerapi.Person{ID: person, Email: "p" + itoa(person) + "@shop.example", FirstName: "=cmd()", LastName: "Lee, \"Ann\""}
		if _, _, err := p.adjust(p.t.Context(), s.ID, 1, person, adjustmentInput{Amount: amount, Currency: "USD", Note: "Thanks"}, idempotency.Key{}); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *place) batch(s site.Site, minimum int64) (payoutBatchJSON, error) {
	p.t.Helper()
	b, _, err := p.createBatch(p.t.Context(), s, 1, payoutBatchInput{Currency: "USD", Minimum: minimum}, idempotency.Key{})
	return b, err
}

func (p *place) approved(s site.Site, minimum int64) payoutBatchJSON {
	p.t.Helper()
	b, err := p.batch(s, minimum)
	if err == nil {
		b, _, err = p.approveBatch(p.t.Context(), s, 2, b.ID, idempotency.Key{})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *place) settled(s site.Site, id int64, in settleInput) payoutBatchJSON {
	p.t.Helper()
	b, _, err := p.settleBatch(p.t.Context(), s, id, in, idempotency.Key{})
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *place) lines(s site.Site, batch int64) []payoutLine {
	p.t.Helper()
	list, err := linesAfter(p.t.Context(), p.db, s.ID, batch, 0, mostLines)
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func TestPayout_pays_what_was_earned_and_takes_off_what_was_taken_back(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) {
		c.Incentives = []incentiveInput{{Identifier: "a", ActionType: "referrer", Kind: "commission", Percent: "10"}}
	})
	p.earns(p.two, 77, 10) // a twin with the same id
	p.touchedAt(p.one, uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 10_000, uuidOf(1)))
	b := p.approved(p.one, 1)
	if b.Amount != 1000 || b.Lines != 1 || b.Status != batchApproved {
		t.Fatalf("%+v", b)
	}
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 1, Subtotal: 10_000, RefundedTotal: 4_000}) // while it is under way
	b = p.settled(p.one, b.ID, settleInput{Rest: linePaid})
	if a := p.due(p.one, 10, "USD"); b.Status != batchDone || a.Balance != -400 || a.available() != -400 || a.Reserved != 0 {
		t.Fatalf("%+v, %+v", b, a)
	}
	if n := p.count(`select count(*) from referral.reward where status = 'Paid' and clawed = 400`); n != 1 {
		t.Errorf("%d rewards are paid", n)
	}
	if _, err := p.batch(p.one, 1); !fault.Is(err, fault.Conflict) {
		t.Errorf("a payout of a debt: %v", err)
	}
	p.earns(p.one, 1_500, 10)
	b = p.approved(p.one, 1_100)
	if b.Amount != 1_100 {
		t.Errorf("paid %d, with 400 to take off", b.Amount)
	}
	line := p.lines(p.one, b.ID)[0].ID
	p.settled(p.one, b.ID, settleInput{Lines: []lineOutcome{{ID: line, Status: linePaid, Reference: "T1"}}})
	p.settled(p.one, b.ID, settleInput{Lines: []lineOutcome{{ID: line, Status: linePaid}}}) // told twice
	p.settled(p.one, b.ID, settleInput{Lines: []lineOutcome{{ID: line, Status: lineFailed, Reason: "account closed"}}})
	if a := p.due(p.one, 10, "USD"); a.Balance != 1_100 || a.available() != 1_100 {
		t.Errorf("the money came back: %+v", a)
	}
	if _, _, err := p.settleBatch(t.Context(), p.one, b.ID, settleInput{Lines: []lineOutcome{{ID: line, Status: linePaid}}}, idempotency.Key{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a failed line is paid: %v", err)
	}
	if b = p.approved(p.one, 1); b.Amount != 1_100 {
		t.Errorf("the next batch has %d", b.Amount)
	}
	if a := p.due(p.two, 10, "USD"); a.Balance != 77 || a.Reserved != 0 {
		t.Errorf("the twin has %+v", a)
	}
	p.sound()
}

func TestPayout_cancelled_gives_back(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.earns(p.one, 500, 10, 11, 12)
	p.earns(p.one, 90, 13)
	preview, err := p.preview(t.Context(), 1, "USD", 100)
	if err != nil || preview.Payees != 3 || preview.Amount != 1500 || preview.Below != 1 || len(preview.Sample) != 3 {
		t.Errorf("%+v, %v", preview, err)
	}
	b := p.approved(p.one, 100)
	lines := p.lines(p.one, b.ID)
	p.settled(p.one, b.ID, settleInput{Lines: []lineOutcome{{ID: lines[0].ID, Status: linePaid}, {ID: lines[1].ID, Status: lineFailed, Reason: "unknown"}}})
	b, _, err = p.cancelBatch(t.Context(), p.one, b.ID, idempotency.Key{})
	if err != nil || b.Status != batchDone {
		t.Fatalf("%+v, %v", b, err)
	}
	if _, _, err = p.cancelBatch(t.Context(), p.one, b.ID, idempotency.Key{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("cancelled twice: %v", err)
	}
	for person, want := range map[int64]int64{10: 0, 11: 500, 12: 500, 13: 90} {
		if a := p.due(p.one, person, "USD"); a.available() != want {
			t.Errorf("%d has %+v", person, a)
		}
	}
	if _, _, err := p.cancelBatch(t.Context(), p.two, b.ID, idempotency.Key{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("by another site: %v", err)
	}
	p.sound()
}

func TestPayout_list_is_safe_for_spreadsheets(t *testing.T) {
	t.Parallel()
	p := setup(t)
	people := make([]int64, csvChunk+1)
	for i := range people {
		people[i] = int64(i + 1)
	}
	p.earns(p.one, 1234, people...)
	b, err := p.batch(p.one, 1)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := p.writeCSV(t.Context(), &payoutBatch{SiteID: 1, ID: b.ID, Currency: "USD"}, &text); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(text.String())).ReadAll()
	if err != nil || len(rows) != csvChunk+2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if got := strings.Join(rows[1][1:8], " "); got != `1 p1@shop.example '=cmd() Lee, "Ann" 12.34 USD pending` {
		t.Errorf("%q", got)
	}
}

// Of two batches that are made at once, each entry is in one; a claw-back meanwhile is in the account, whichever comes first.
func TestPayout_races(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) {
		c.Incentives = []incentiveInput{{Identifier: "a", ActionType: "referrer", Kind: "commission", Percent: "10"}}
	})
	for i := range int64(8) {
		p.touchedAt(p.one, uuidOf(int(i)), 10+i)
		p.tell(p.purchase(p.one, i+1, 100+i, 10_000, uuidOf(int(i))))
	}
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			<-gate
			if b, err := p.batch(p.one, 1); err == nil {
				if _, _, err = p.approveBatch(t.Context(), p.one, 1, b.ID, idempotency.Key{}); err == nil {
					_, _, err = p.settleBatch(t.Context(), p.one, b.ID, settleInput{Rest: linePaid}, idempotency.Key{})
				}
				if err != nil {
					t.Error(err)
				}
			} else if !fault.Is(err, fault.Conflict) {
				t.Error(err)
			}
		})
	}
	for i := range int64(8) {
		wg.Go(func() {
			<-gate
			if err := p.hear(customerevent.OriginRefunded{SiteID: 1, OriginID: i + 1, Subtotal: 10_000, RefundedTotal: 2_500}); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	wg.Wait()
	p.sound()
	// Either way each of them has 750 in all: paid so far, and in the account.
	if n := p.count(`select count(*) from (select person_id, sum(amount) filter (where kind <> 'paid') as owed from referral.account_entry group by 1) x where owed <> 750`); n != 0 {
		t.Errorf("%d people have earned something else", n)
	}
}

// Whatever is done to a batch and its accounts, in any order, nothing is lost or paid twice.
func TestPayout_model(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.earns(p.one, 1, 10, 11, 12) // they are known
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			person := rapid.Int64Range(10, 12).Draw(rt, "person")
			open, err := batchesBefore(t.Context(), p.db, 1, 0, 1)
			if err != nil {
				rt.Fatal(err)
			}
			switch rapid.IntRange(0, 5).Draw(rt, "what") {
			case 0, 1:
				p.earns(p.one, rapid.SampledFrom([]int64{-300, -20, 50, 400}).Draw(rt, "amount"), person)
			case 2:
				_, err = p.batch(p.one, rapid.SampledFrom([]int64{1, 200}).Draw(rt, "minimum"))
			case 3:
				if len(open) > 0 {
					_, _, err = p.approveBatch(t.Context(), p.one, 1, open[0].ID, idempotency.Key{})
				}
			case 4:
				if len(open) > 0 {
					l := rapid.SampledFrom(p.lines(p.one, open[0].ID)).Draw(rt, "line")
					in := settleInput{Lines: []lineOutcome{{ID: l.ID, Status: rapid.SampledFrom([]string{linePaid, lineFailed}).Draw(rt, "outcome")}}}
					_, _, err = p.settleBatch(t.Context(), p.one, open[0].ID, in, idempotency.Key{})
				}
			case 5:
				if len(open) > 0 {
					_, _, err = p.cancelBatch(t.Context(), p.one, open[0].ID, idempotency.Key{})
				}
			}
			if err != nil && !fault.Is(err, fault.Conflict) {
				rt.Fatal(err)
			}
		}
	})
	p.sound()
	if n := p.count(`select count(*) from (select a.person_id, a.balance, coalesce((select sum(e.amount) from referral.account_entry e where e.person_id = a.person_id and e.kind = 'adjusted'), 0)
		- coalesce((select sum(l.amount) from referral.payout_line l where l.person_id = a.person_id and l.status = 'paid'), 0) as want from referral.account a) x where balance <> want`); n != 0 {
		t.Errorf("%d balances aren't what was given less what was paid", n)
	}
}

func TestHold_keeps_a_commission_from_payouts(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, func(c *campaignInput) {
		c.Incentives = []incentiveInput{{Identifier: "a", ActionType: "referrer", Kind: "commission", Percent: "10"}}
	})
	p.touchedAt(p.one, uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 10_000, uuidOf(1)))
	id := p.commissionsOf(p.one, 10)[0].ID
	why := reasonInput{Reason: "Looks odd"}
	for range 2 {
		if c, _, err := p.holdOne(t.Context(), 1, 7, id, why, idempotency.Key{}); err != nil || !c.Held {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	p.tell(customerevent.OriginRefunded{SiteID: 1, OriginID: 1, Subtotal: 10_000, RefundedTotal: 1_000})
	if _, err := p.batch(p.one, 1); !fault.Is(err, fault.Conflict) {
		t.Errorf("paid what is on hold: %v", err)
	}
	p.sound()
	for range 2 {
		if c, _, err := p.releaseOne(t.Context(), 1, 7, id, why, idempotency.Key{}); err != nil || c.Held {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	if b, err := p.batch(p.one, 1); err != nil || b.Amount != 900 {
		t.Errorf("%+v, %v", b, err)
	}
	if _, _, err := p.holdOne(t.Context(), 1, 7, id, why, idempotency.Key{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("held what a payout has: %v", err)
	}
	e, err := p.explainCommission(t.Context(), 1, id)
	if err != nil || len(e.Entries) != 4 || e.Payout == nil || e.Payout.Status != linePending || *e.Entries[0].Note != why.Reason {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := p.explainCommission(t.Context(), 2, id); !fault.Is(err, fault.NotFound) {
		t.Errorf("by another site: %v", err)
	}
	p.sound()
}
