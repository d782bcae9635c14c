package referral

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
)

// shopOfCards is a server that speaks as Tremendous documents it: 200 for a new order, 201 for a known external_id, errors as JSON.
type shopOfCards struct {
	mu     sync.Mutex
	orders map[string]string // external_id → id
	state  map[string]string // id → what became of it; "" while it is executed
	bodies []string
	cancel []string                           // the orders that were to be cancelled, as often as that was asked for
	next   []func(w http.ResponseWriter) bool // what the next requests meet; true: and no order is made
}

func (s *shopOfCards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("Authorization") == "Bearer secret" && !strings.HasSuffix(r.URL.Path, "/orders") {
		s.serveOrder(w, r)
		return
	}
	var in struct {
		ExternalID string `json:"external_id"`
	}
	if err := json.Unmarshal(body, &in); err != nil || r.Method != http.MethodPost || r.URL.Path != "/api/v2/orders" || r.Header.Get("Authorization") != "Bearer secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.bodies = append(s.bodies, string(body))
	var mischief func(w http.ResponseWriter) bool
	if len(s.next) > 0 {
		mischief, s.next = s.next[0], s.next[1:]
		if mischief != nil && mischief(nil) {
			mischief(w)
			return
		}
	}
	id, known := s.orders[in.ExternalID]
	if !known {
		id = fmt.Sprintf("ORDER%d", len(s.orders)+1)
		s.orders[in.ExternalID] = id
	}
	if mischief != nil { // made, but the answer is lost
		panic(http.ErrAbortHandler)
	}
	if known {
		w.WriteHeader(http.StatusCreated)
	}
	_, _ = fmt.Fprintf(w, `{"order":{"id":%q,"external_id":%q,"status":"EXECUTED","payment":{"total":5.0},"rewards":[{"id":"R"}]}}`, id, in.ExternalID)
}

// serveOrder shows an order by its external_id, and cancels its one reward, whose id is that of the order with R before it: unless it is redeemed.
func (s *shopOfCards) serveOrder(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/") // "", api, v2, orders or rewards, id, cancel or reject
	id, known := s.orders[parts[4]]
	if r.Method == http.MethodPost {
		id, known = strings.TrimPrefix(parts[4], "R-"), slices.Contains(slices.Collect(maps.Values(s.orders)), strings.TrimPrefix(parts[4], "R-"))
	}
	answer := func(status int, text string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
	switch {
	case !known:
		answer(http.StatusNotFound, `{"errors":{"message":"Not found"}}`)
		return
	case r.Method == http.MethodGet:
		status := cmp.Or(s.state[id], "EXECUTED")
		if status == "REDEEMED" {
			status = "EXECUTED"
		}
		answer(http.StatusOK, fmt.Sprintf(`{"order":{"id":%q,"status":%q,"rewards":[{"id":%q}]}}`, id, status, "R-"+id))
		return
	}
	s.cancel = append(s.cancel, parts[5]+" "+id)
	var mischief func(w http.ResponseWriter) bool
	if len(s.next) > 0 {
		mischief, s.next = s.next[0], s.next[1:]
	}
	switch {
	case mischief != nil && mischief(nil):
		mischief(w)
	case s.state[id] == "REDEEMED" || s.state[id] == "CANCELED":
		answer(http.StatusUnprocessableEntity, `{"errors":{"message":"Reward cannot be canceled"}}`)
	default:
		s.state[id] = "CANCELED"
		if mischief != nil {
			panic(http.ErrAbortHandler)
		}
		answer(http.StatusOK, fmt.Sprintf(`{"reward":{"id":%q}}`, "R-"+id))
	}
}

// says answers with a status and an error, and makes no order.
func says(status int, message string) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		if w != nil {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"errors":{"message":%q,"payload":{}}}`, message)
		}
		return true
	}
}

// lost makes the order and loses the answer.
func lost(http.ResponseWriter) bool { return false }

func (p *place) sellCards() *shopOfCards {
	p.t.Helper()
	shop := &shopOfCards{orders: map[string]string{}, state: map[string]string{}}
	server := httptest.NewServer(shop)
	p.t.Cleanup(server.Close)
	provider, err := NewTremendous(server.URL+"/api/v2/", "secret", "balance", "CAMPAIGN")
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(provider.client.CloseIdleConnections)
	p.giftCards = provider
	return shop
}

func (p *place) send(want int) {
	p.t.Helper()
	if n, err := p.SendGiftCards(p.t.Context()); err != nil || n != want {
		p.t.Fatalf("tried %d, %v; want %d", n, err, want)
	}
}

func (p *place) cards() []string {
	p.t.Helper()
	var out []string
	err := p.root.Select(&out, `select r.origin_id || ' ' || g.status || ' ' || w.status || ' ' || g.attempts || coalesce(' ' || g.order_id, '') || coalesce(' ' || g.error, '')
		from referral.giftcard g join referral.reward w on w.site_id = g.site_id and w.id = g.reward_id
		join referral.referral r on r.site_id = w.site_id and r.id = w.referral_id order by g.reward_id`)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func TestGiftCards_88_are_ordered_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "card", ActionType: "referrer", Kind: "gift_card", Amount: 500})
	p.known[key{1, 10}] = customerapi.Person{ID: 10, Email: "ann@shop.example", FirstName: "Ann", LastName: "Lee"}
	p.refer(10, 1, 1000)
	same(t, "without a provider", p.cards(), []string{"1 queued Unpaid 0"})
	p.send(0)
	shop := p.sellCards()
	p.told()
	p.send(1)
	same(t, "ordered", p.cards(), []string{"1 sent Paid 1 ORDER1"})
	if told := p.told(); len(told) != 1 || !strings.HasPrefix(told[0], "gift_card_sent referral:") {
		t.Errorf("told %v", told)
	}
	id := p.count(`select reward_id from referral.giftcard`)
	want := fmt.Sprintf(`{"external_id":"talkable-1-reward-%d","payment":{"funding_source_id":"balance"},"reward":{"campaign_id":"CAMPAIGN",`+
		`"value":{"denomination":5.00,"currency_code":"USD"},"recipient":{"name":"Ann Lee","email":"ann@shop.example"},"delivery":{"method":"EMAIL"}}}`, id)
	if len(shop.bodies) != 1 || shop.bodies[0] != want {
		t.Errorf("it was told %q, want %s", shop.bodies, want)
	}

	shop.next = []func(http.ResponseWriter) bool{says(500, "oops"), lost, says(402, "Not enough funds"), nil}
	p.refer(10, 2, 1000)
	for n := range 4 { // the answer to the second is lost: the order is there, and is found again
		p.send(1)
		p.send(0)
		if n == 2 {
			same(t, "no money", p.cards()[1:], []string{"2 queued Unpaid 3 status 402: Not enough funds"})
		}
		p.clock.Move(10 * time.Minute)
	}
	same(t, "in the end", p.cards()[1:], []string{"2 sent Paid 4 ORDER2"})
	if len(shop.orders) != 2 {
		t.Errorf("%d orders", len(shop.orders))
	}
}

func TestGiftCards_that_fail_wait_for_a_person(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "card", ActionType: "referrer", Kind: "gift_card", Amount: 500})
	shop := p.sellCards()
	p.refer(10, 1, 1000) // nobody knows an address
	p.refer(11, 2, 1000)
	p.refer(12, 3, 1000)
	p.known[key{1, 11}], p.known[key{1, 12}] = customerapi.Person{ID: 11, Email: "b@shop.example"}, customerapi.Person{ID: 12, Email: "c@shop.example"}
	p.refund(3, 1000)
	shop.next = []func(http.ResponseWriter) bool{says(400, "Campaign is unknown")}
	p.send(3)
	same(t, "cards", p.cards(), []string{"1 failed Unpaid 1 nobody knows an e-mail address of the person", "2 failed Unpaid 1 status 400: Campaign is unknown", "3 cancelled Voided 0"})

	code, out, _ := p.call(p.one, "GET", "/api/v2/gift_cards?status=failed&limit=1", nil, "")
	list := out["result"].(map[string]any)["gift_cards"].([]any)
	if code != 200 || len(list) != 1 || out["result"].(map[string]any)["next_cursor"] == nil {
		t.Fatalf("%d %v", code, out)
	}
	if code, out, _ := p.call(p.one, "GET", "/api/v2/gift_cards?status=lost", nil, ""); code != 400 {
		t.Errorf("a status that there isn't: %d %v", code, out)
	}
	path := fmt.Sprintf("/api/v2/gift_cards/%v/retry", list[0].(map[string]any)["reward_id"])
	if code, out, _ := p.call(p.two, "POST", path, "{}", ""); code != 404 {
		t.Errorf("the other site: %d %v", code, out)
	}
	for range 2 {
		if code, out, _ := p.call(p.one, "POST", path, "{}", "again"); code != 200 {
			t.Errorf("again: %d %v", code, out)
		}
	}
	p.send(1)
	same(t, "again", p.cards()[1:2], []string{"2 sent Paid 2 ORDER1"})
	if code, _, _ := p.call(p.one, "POST", path, "{}", ""); code != 409 {
		t.Errorf("one that was sent: %d", code)
	}
}

func TestGiftCards_whose_sender_died_are_sent_once(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.promising(p.one, incentiveInput{Identifier: "card", ActionType: "referrer", Kind: "gift_card", Amount: 500})
	shop := p.sellCards()
	p.known[key{1, 10}] = customerapi.Person{ID: 10, Email: "ann@shop.example"}
	for n := range int64(6) {
		p.refer(10, n+1, 1000)
	}
	if _, err := p.root.Exec(`update referral.giftcard set status = 'sending', attempts = 1, lease_until = $1`, p.clock.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	p.send(0)
	p.clock.Move(2 * time.Minute)
	var gate, done sync.WaitGroup
	gate.Add(1)
	for range 4 {
		done.Go(func() {
			gate.Wait()
			if _, err := p.SendGiftCards(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	gate.Done()
	done.Wait()
	if n := p.count(`select count(*) from referral.giftcard where status = 'sent'`); n != 6 || len(shop.bodies) != 6 {
		t.Errorf("%d sent by %d calls", n, len(shop.bodies))
	}
}

func TestGiftCard_settles(t *testing.T) {
	for name, one := range map[string]struct {
		attempts int
		err      error
		status   string
		wait     time.Duration
	}{
		"ordered":                 {1, nil, cardSent, 0},
		"no answer":               {1, errors.New("timeout"), cardQueued, 30 * time.Second},
		"no answer, third time":   {3, errors.New("timeout"), cardQueued, 2 * time.Minute},
		"no answer, late":         {cardAttempts - 1, errors.New("timeout"), cardQueued, 6 * time.Hour},
		"no answer to the end":    {cardAttempts, errors.New("timeout"), cardUncertain, 0},
		"a no that may change":    {1, &GiftCardError{Detail: "402"}, cardQueued, 30 * time.Second},
		"a no that never changed": {cardAttempts, fmt.Errorf("x: %w", &GiftCardError{Detail: "402"}), cardFailed, 0},
		"a no for good":           {1, &GiftCardError{Final: true, Detail: "400"}, cardFailed, 0},
	} {
		g := giftCard{Status: cardSending, Attempts: one.attempts, NextAt: epoch}
		g.settle("O", one.err, epoch, 0)
		if g.Status != one.status || one.wait > 0 && g.NextAt.Sub(epoch) != one.wait || (g.Status == cardSent) != (g.OrderID != nil) || g.LeaseUntil != nil {
			t.Errorf("%s: %+v", name, g)
		}
	}
	if w := cardWait(1, 1); w != 36*time.Second {
		t.Errorf("with jitter %s", w)
	}
}

func TestTremendous_is_understood(t *testing.T) {
	for name, one := range map[string]struct {
		status int
		said   string
		id     string
		final  bool
		answer bool
	}{
		"made":          {200, `{"order":{"id":"A","status":"EXECUTED"}}`, "A", false, true},
		"known":         {201, `{"order":{"id":"A","status":"PENDING APPROVAL"}}`, "A", false, true},
		"failed":        {200, `{"order":{"id":"A","status":"FAILED"}}`, "", true, true},
		"no funds":      {402, `{"errors":{"message":"Not enough funds"}}`, "", false, true},
		"wrong key":     {401, `{}`, "", false, true},
		"wrong request": {422, `{"errors":{"message":"x"}}`, "", true, true},
		"busy":          {429, ``, "", false, true},
		"broken":        {503, `<html>`, "", false, false},
		"nonsense":      {200, `<html>`, "", false, false},
		"another page":  {302, ``, "", false, false},
		"no order":      {200, `{"order":{}}`, "", false, false},
		"did not wait":  {408, ``, "", false, false},
	} {
		a, err := readTremendous(one.status, []byte(one.said))
		id := ""
		if err == nil {
			id, err = a.ordered()
		}
		var said *GiftCardError
		answered := err == nil || errors.As(err, &said)
		if id != one.id || (err == nil) != (one.id != "") || answered != one.answer || said != nil && said.Final != one.final {
			t.Errorf("%s: %q %v", name, id, err)
		}
	}
	for _, bad := range [][4]string{{"", "k", "b", "c"}, {"ftp://x", "k", "b", "c"}, {"https://x", "", "b", "c"}, {"https://x", "k", "b", ""}} {
		if _, err := NewTremendous(bad[0], bad[1], bad[2], bad[3]); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}
