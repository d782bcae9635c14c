package referral

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/talkable/talkable/internal/customer/customerapi"
)

// carded is a place where n purchases earn gift cards, and a provider who sells them.
func carded(t *testing.T, n int64) (*place, *shopOfCards) {
	t.Helper()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "card", ActionType: "referrer", Kind: "gift_card", Amount: 500})
	p.known[key{1, 10}] = customerapi.Person{ID: 10, Email: "ann@shop.example"}
	shop := p.sellCards()
	for i := range n {
		p.refer(10, i+1, 1000)
	}
	return p, shop
}

// A reward that is taken back takes its gift card back, as long as that can be done, and says what became of it.
func TestGiftCards_are_cancelled_with_their_rewards(t *testing.T) {
	t.Parallel()
	p, shop := carded(t, 3)
	p.send(3)
	p.refund(1, 1000)
	p.refund(1, 1000) // again: nothing
	shop.state["ORDER2"] = "REDEEMED"
	p.refund(2, 1000)
	same(t, "taken back", p.cards(), []string{"1 cancelling Voided 0 ORDER1", "2 cancelling Voided 0 ORDER2", "3 sent Paid 1 ORDER3"})
	was := testutil.ToFloat64(p.metrics.Real.cardsLost)
	p.send(2)
	p.send(0)
	same(t, "asked", p.cards(), []string{"1 cancelled Voided 1 ORDER1", "2 kept Voided 1 ORDER2 status 422: Reward cannot be canceled", "3 sent Paid 1 ORDER3"})
	if n := testutil.ToFloat64(p.metrics.Real.cardsLost); was != 0 || n != 1 || len(shop.orders) != 3 {
		t.Errorf("%v lost before, %v after, of %d orders", was, n, len(shop.orders))
	}
	for reward, want := range map[int64]string{1: "cancelled false true", 2: "kept true true", 3: "sent false false"} {
		e, err := p.explainReward(t.Context(), 1, reward)
		if err != nil || fmt.Sprint(e.GiftCard.Status, " ", e.GiftCard.Lost, " ", e.GiftCard.RecalledAt != nil) != want {
			t.Errorf("%d: %+v %v", reward, e.GiftCard, err)
		}
	}
	shop.state["ORDER2"] = "" // the provider's people have made it possible
	if code, out, _ := p.call(p.one, "POST", "/api/v2/gift_cards/2/retry", "{}", ""); code != 200 {
		t.Fatalf("%d %v", code, out)
	}
	p.send(1)
	same(t, "tried again", p.cards()[1:2], []string{"2 cancelled Voided 1 ORDER2"})
	if code, _, _ := p.call(p.one, "POST", "/api/v2/gift_cards/2/retry", "{}", ""); code != 409 {
		t.Errorf("one that is cancelled: %d", code)
	}
	if n := p.count(`select count(*) from referral.giftcard where site_id = 2`); n != 0 {
		t.Errorf("the other site has %d", n)
	}
}

// What the provider did stays so, whatever became of its answers.
func TestGiftCards_whose_cancelling_was_not_answered_are_asked_for_again(t *testing.T) {
	t.Parallel()
	p, shop := carded(t, 1)
	p.send(1)
	p.refund(1, 1000)
	shop.next = []func(http.ResponseWriter) bool{says(500, "oops"), says(429, "too much"), lost}
	for range 4 { // the third is done and not answered: the fourth sees that it is
		p.send(1)
		p.clock.Move(10 * time.Minute)
	}
	same(t, "in the end", p.cards(), []string{"1 cancelled Voided 4 ORDER1"})
	if want := []string{"cancel ORDER1", "cancel ORDER1", "cancel ORDER1"}; !slices.Equal(shop.cancel, want) {
		t.Errorf("asked %q", shop.cancel)
	}
}

// An order whose fate isn't known when its reward is taken back is looked for, and not made.
func TestGiftCards_that_may_be_ordered_are_looked_for(t *testing.T) {
	t.Parallel()
	p, shop := carded(t, 3)
	shop.next = []func(http.ResponseWriter) bool{lost, says(500, "oops"), says(400, "Campaign is unknown")}
	p.send(3)
	for n := range int64(3) {
		p.refund(n+1, 1000)
	}
	p.clock.Move(time.Minute)
	p.send(2)
	same(t, "cards", p.cards(), []string{"1 cancelled Voided 1 ORDER1", "2 cancelled Voided 1", "3 failed Voided 1 status 400: Campaign is unknown"})
	if len(shop.orders) != 1 || shop.state["ORDER1"] != "CANCELED" || len(shop.bodies) != 3 {
		t.Errorf("%v %v after %d orders", shop.orders, shop.state, len(shop.bodies))
	}
}

// slowShop takes back a reward while its card is being ordered.
type slowShop struct {
	GiftCards
	meanwhile func()
}

func (s slowShop) Order(ctx context.Context, o GiftCardOrder) (string, error) {
	id, err := s.GiftCards.Order(ctx, o)
	s.meanwhile()
	return id, err
}

func TestGiftCards_under_way_are_cancelled_afterwards(t *testing.T) {
	t.Parallel()
	p, shop := carded(t, 1)
	p.giftCards = slowShop{p.giftCards, func() { p.refund(1, 1000) }}
	p.send(1)
	same(t, "ordered", p.cards(), []string{"1 cancelling Voided 0 ORDER1"})
	p.send(1)
	same(t, "cancelled", p.cards(), []string{"1 cancelled Voided 1 ORDER1"})
	if shop.state["ORDER1"] != "CANCELED" {
		t.Error(shop.state)
	}
	if _, err := p.root.Exec(`update referral.giftcard set status = 'kept', recalled_at = null`); err == nil {
		t.Error("the database takes one that is kept without being recalled")
	}
}

func TestGiftCard_settles_its_cancelling(t *testing.T) {
	for name, one := range map[string]struct {
		attempts int
		err      error
		status   string
	}{
		"done":                 {1, nil, cardCancelled},
		"no answer":            {1, errors.New("timeout"), cardCancelling},
		"no answer to the end": {cardAttempts, errors.New("timeout"), cardUncertain},
		"a no that may change": {1, &GiftCardError{Detail: "429"}, cardCancelling},
		"a no that didn't":     {cardAttempts, &GiftCardError{Detail: "429"}, cardKept},
		"a no for good":        {1, &GiftCardError{Final: true, Detail: "422"}, cardKept},
	} {
		g := giftCard{Status: cardCancelling, Attempts: one.attempts, LeaseUntil: &epoch, RecalledAt: &epoch}
		g.settleCancel("O", one.err, epoch, 0)
		if g.Status != one.status || g.LeaseUntil != nil || *g.OrderID != "O" || g.lost() != (one.status == cardKept) || (g.Error == nil) != (one.err == nil) {
			t.Errorf("%s: %+v", name, g)
		}
	}
}
