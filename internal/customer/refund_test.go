package customer

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/timeline"
)

func TestRefund(t *testing.T) {
	t.Parallel()

	t.Run("parts add up, what is left goes back without an amount, and then nothing is", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.must(purchase("1", "a@example.com", 10044))
		r, err := b.Refund(t.Context(), b.a, "1", Refund{Amount: ptr[int64](2511)})
		if err != nil || r.RefundedTotal != 2511 || r.RefundedAt == nil || r.Email != "a@example.com" {
			t.Fatalf("got %+v, %v", r, err)
		}
		_, err = b.Refund(t.Context(), b.a, "1", Refund{Amount: ptr[int64](7534)})
		wantFault(t, err, fault.Invalid, "refund_exceeds")
		for _, amount := range []int64{0, -1} {
			_, err = b.Refund(t.Context(), b.a, "1", Refund{Amount: &amount})
			wantFault(t, err, fault.Invalid, "invalid_request")
		}
		at := noon.Add(-time.Hour)
		r, err = b.Refund(t.Context(), b.a, "1", Refund{RefundedAt: at})
		if err != nil || r.RefundedTotal != 10044 || !r.RefundedAt.Equal(at) {
			t.Fatalf("got %+v, %v", r, err)
		}
		_, err = b.Refund(t.Context(), b.a, "1", Refund{})
		if f := wantFault(t, err, fault.Invalid, "already_refunded"); f.Detail != "Origin has already been refunded" {
			t.Errorf("got %q", f.Detail)
		}
		told := toldOf[customerevent.OriginRefunded](b)
		if len(told) != 2 || told[0].Full || told[0].RefundedTotal != 2511 || !told[1].Full || told[1].Refunded != 7533 || told[1].RefundedTotal != 10044 {
			t.Errorf("told %+v", told)
		}
	})

	t.Run("an order of nothing is refunded once", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.must(purchase("1", "a@example.com", 0))
		if _, err := b.Refund(t.Context(), b.a, "1", Refund{}); err != nil {
			t.Fatal(err)
		}
		_, err := b.Refund(t.Context(), b.a, "1", Refund{})
		wantFault(t, err, fault.Invalid, "already_refunded")
	})

	t.Run("events go by category and number, unknown and foreign ones alike are not found", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.must(customerapi.Origin{Type: customerevent.Event, Category: "a:b", Number: "c:d", Subtotal: 5, Verified: true})
		if _, err := b.Refund(t.Context(), b.a, "a:b:c:d", Refund{}); err != nil {
			t.Error(err)
		}
		for _, slug := range []string{"nope", "", "a:b", "x\x00", "\xff"} {
			_, err := b.Refund(t.Context(), b.a, slug, Refund{})
			if f := wantFault(t, err, fault.Invalid, "origin_not_found"); f.Detail != "No origin found by `origin_slug`." {
				t.Errorf("got %q", f.Detail)
			}
		}
		_, err := b.Refund(t.Context(), b.b, "a:b:c:d", Refund{})
		wantFault(t, err, fault.Invalid, "origin_not_found")
	})

	t.Run("what only a browser told can't be refunded", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		in := purchase("1", "a@example.com", 5)
		in.Verified = false
		b.must(in)
		_, err := b.Refund(t.Context(), b.a, "1", Refund{})
		wantFault(t, err, fault.Invalid, "origin_unverified")
	})

	t.Run("a key counts once, even when its answer is forgotten", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 1)
		b.must(purchase("1", "a@example.com", 100))
		in := Refund{Amount: ptr[int64](40), Idempotency: idempotency.Key{Value: "k", Fingerprint: "f"}}
		first, err := b.Refund(t.Context(), b.a, "1", in)
		again, err2 := b.Refund(t.Context(), b.a, "1", in)
		if err != nil || err2 != nil || first.Replayed || !again.Replayed || again.RefundedTotal != 40 {
			t.Errorf("got %+v, %v then %+v, %v", first, err, again, err2)
		}
		b.clock.Move(8 * 24 * time.Hour)
		if err := b.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if late, err := b.Refund(t.Context(), b.a, "1", in); err != nil || late.RefundedTotal != 40 {
			t.Errorf("got %+v, %v", late, err)
		}
		if n := b.count("refund"); n != 1 {
			t.Errorf("%d refunds", n)
		}
	})

	t.Run("three of 60 % at once: one is accepted", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t, 4)
		b.must(purchase("1", "a@example.com", 100))
		gate, errs := make(chan struct{}), make([]error, 3)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				<-gate
				_, errs[i] = b.Refund(t.Context(), b.a, "1", Refund{Amount: ptr[int64](60)})
			})
		}
		close(gate)
		wg.Wait()
		accepted := 0
		for _, err := range errs {
			if err == nil {
				accepted++
			} else {
				wantFault(t, err, fault.Invalid, "refund_exceeds")
			}
		}
		if accepted != 1 || b.count("refund") != 1 {
			t.Errorf("%d accepted, %d rows", accepted, b.count("refund"))
		}
	})
}

func TestAmountOf(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := origin{Subtotal: rapid.Int64Range(0, 1000).Draw(t, "subtotal"), Currency: "USD", Verified: true}
		for range rapid.IntRange(1, 20).Draw(t, "refunds") {
			var asked *int64
			if rapid.Bool().Draw(t, "named") {
				asked = ptr(rapid.Int64Range(-5, 1100).Draw(t, "asked"))
			}
			amount, err := o.amountOf(asked)
			if err != nil {
				continue
			}
			if asked != nil && amount != *asked || asked == nil && amount != o.Subtotal-o.RefundedTotal {
				t.Fatalf("asked %v, got %d", asked, amount)
			}
			o.RefundedTotal, o.RefundedAt = o.RefundedTotal+amount, &noon
			if o.RefundedTotal < 0 || o.RefundedTotal > o.Subtotal {
				t.Fatalf("refunded %d of %d", o.RefundedTotal, o.Subtotal)
			}
		}
	})
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	at := noon.Add(-48 * time.Hour)
	who := customerapi.Identity{Email: "a@example.com"}
	b.must(customerapi.Origin{Type: customerevent.AffiliateMember, Person: who, Verified: true, OccurredAt: at})
	for i := range 5 {
		in := purchase(numbered(i), who.Email, 1050)
		in.OccurredAt = at // all at one moment: the ids order them
		b.must(in)
	}
	r, err := b.Refund(t.Context(), b.a, numbered(0), Refund{})
	if err != nil {
		t.Fatal(err)
	}
	var all []timeline.Entry
	for place := (timeline.Place{}); ; {
		page, err := b.Timeline(t.Context(), 1, r.PersonID, place, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		place = page[len(page)-1].Place()
	}
	if len(all) != 7 || all[0].Type != "refunded" || all[0].Summary != "Got back 10.50 USD of order-0" || all[6].Type != "purchased" && all[6].Type != "signed_up" {
		t.Errorf("got %d: %+v", len(all), all)
	}
	for i := 1; i < len(all); i++ {
		if !all[i-1].Place().Older(all[i]) {
			t.Errorf("%+v isn't older than %+v", all[i], all[i-1])
		}
	}
	if later, _ := b.Timeline(t.Context(), 1, r.PersonID, timeline.Place{At: at, Module: "loyalty"}, 10); len(later) != 6 {
		t.Errorf("after loyalty's at that moment: %d", len(later))
	}
	if before, _ := b.Timeline(t.Context(), 1, r.PersonID, timeline.Place{At: at, Module: "a"}, 10); len(before) != 0 {
		t.Errorf("after a's at that moment: %d", len(before))
	}
	if foreign, _ := b.Timeline(t.Context(), 2, r.PersonID, timeline.Place{}, 10); len(foreign) != 0 {
		t.Errorf("the other site sees %v", foreign)
	}
}

// TestRefund_of_who_is_forgotten_meanwhile: the answers that are kept with refunds' keys don't say who it was, however the two come together.
func TestRefund_of_who_is_forgotten_meanwhile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 8)
	for i := range 10 {
		email, number := fmt.Sprintf("gone-%d@example.com", i), fmt.Sprint("g", i)
		if _, err := b.Record(t.Context(), b.a, purchase(number, email, 1000)); err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		var wg sync.WaitGroup
		for part := range 4 {
			wg.Go(func() {
				<-gate
				_, err := b.Refund(t.Context(), b.a, number, Refund{Amount: ptr(int64(100)), Idempotency: idempotency.Key{Value: fmt.Sprint(number, "-", part), Fingerprint: "f"}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			<-gate
			if _, _, err := b.Anonymize(t.Context(), 1, email, idempotency.Key{}); err != nil {
				t.Error(err)
			}
		})
		close(gate)
		wg.Wait()
	}
	var kept, left int
	if err := b.admin().QueryRow(`select count(*), count(*) filter (where i::text like '%gone-%') from customer.idempotency i where site_id = 1`).Scan(&kept, &left); err != nil || kept != 40 || left != 0 {
		t.Errorf("%d of %d answers say who it was: %v", left, kept, err)
	}
}
