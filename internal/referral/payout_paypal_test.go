package referral

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

// paypalServer speaks PayPal's documented answers, and pays each sender_batch_id once.
type paypalServer struct {
	*httptest.Server
	mu      sync.Mutex
	batches map[string]*paypalOrder // by sender_batch_id
	paid    map[string]int          // by sender_item_id
	status  map[string]string       // of items
	state   string                  // of batches; "": SUCCESS, as soon as PayPal has gone through them
	fail    func(w http.ResponseWriter, r *http.Request, heard bool) bool
	tokens  int
}

func newPayPalServer(t *testing.T) *paypalServer {
	s := &paypalServer{batches: map[string]*paypalOrder{}, paid: map[string]int{}, status: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/oauth2/token", func(w http.ResponseWriter, r *http.Request) {
		if id, secret, ok := r.BasicAuth(); !ok || id != "client" || secret != "secret" || r.FormValue("grant_type") != "client_credentials" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tokens++
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":32400}`, s.tokens)
	})
	mux.HandleFunc("POST /v1/payments/payouts", s.signed(func(w http.ResponseWriter, r *http.Request) {
		var o paypalOrder
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			http.Error(w, `{"name":"INVALID_REQUEST"}`, http.StatusBadRequest)
			return
		}
		if s.fail != nil && s.fail(w, r, false) {
			return
		}
		id := o.Header.SenderBatchID
		if s.batches[id] != nil {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"name":"USER_BUSINESS_ERROR","message":"User business error.","debug_id":"1","details":[{"field":"SENDER_BATCH_ID","issue":"Batch with given sender_batch_id already exists",
				"link":[{"href":"https://api.sandbox.paypal.com/v1/payments/payouts/P-%s","rel":"self","method":"GET"}]}]}`, id)
			return
		}
		s.batches[id] = &o
		for _, i := range o.Items {
			s.paid[i.SenderItemID]++
		}
		if s.fail != nil && s.fail(w, r, true) {
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"batch_header":{"payout_batch_id":"P-%s","batch_status":"PENDING","sender_batch_header":{"sender_batch_id":"%s"}}}`, id, id)
	}))
	mux.HandleFunc("GET /v1/payments/payouts/{id}", s.signed(func(w http.ResponseWriter, r *http.Request) {
		o := s.batches[strings.TrimPrefix(r.PathValue("id"), "P-")]
		if o == nil {
			http.Error(w, `{"name":"RESOURCE_NOT_FOUND"}`, http.StatusNotFound)
			return
		}
		var items []string
		for _, i := range o.Items {
			status, wrong := s.status[i.SenderItemID], ""
			if status == "" {
				status = "SUCCESS"
			}
			if status == "FAILED" {
				wrong = `,"errors":{"name":"RECEIVER_ACCOUNT_LOCKED","message":"Receiver's account is locked"}`
			}
			items = append(items, fmt.Sprintf(`{"payout_item_id":"I-%s","transaction_status":"%s","payout_item":{"sender_item_id":"%s"}%s}`, i.SenderItemID, status, i.SenderItemID, wrong))
		}
		fmt.Fprintf(w, `{"batch_header":{"payout_batch_id":"%s","batch_status":"%s"},"items":[%s],"total_items":%d,"total_pages":1}`, r.PathValue("id"), cmp.Or(s.state, "SUCCESS"), strings.Join(items, ","), len(items))
	}))
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// fails has calls fail from now on as fn says; nil: none.
func (s *paypalServer) fails(fn func(w http.ResponseWriter, r *http.Request, heard bool) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fn
}

// signed lets calls with the newest token in, one at a time.
func (s *paypalServer) signed(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", s.tokens) {
			http.Error(w, `{"error":"invalid_token"}`, http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// paypalPlace is a module that pays by it, and people with money.
func paypalPlace(t *testing.T) (*place, *paypalServer) {
	p, s := setup(t), newPayPalServer(t)
	pay := NewPayPal(s.URL+"/", "client", "secret")
	t.Cleanup(pay.http.CloseIdleConnections)
	p.payer = pay
	p.earns(p.one, 1_050, 10, 11, 12)
	return p, s
}

func (p *place) byPayPal() payoutBatchJSON {
	p.t.Helper()
	b, _, err := p.createBatch(p.t.Context(), p.one, 1, payoutBatchInput{Currency: "USD", Method: "paypal", Note: "Thank you"}, idempotency.Key{})
	if err == nil {
		b, _, err = p.approveBatch(p.t.Context(), p.one, 1, b.ID, idempotency.Key{})
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

func (p *place) tendAll(times int) payoutBatchJSON {
	p.t.Helper()
	for range times {
		if _, err := p.TendPayouts(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
		p.clock.Move(2 * time.Hour)
	}
	list, err := batchesBefore(p.t.Context(), p.db, 1, 0, 1)
	if err != nil {
		p.t.Fatal(err)
	}
	return list[0].json()
}

func TestPayPal_pays_and_tells_what_became_of_each(t *testing.T) {
	t.Parallel()
	p, s := paypalPlace(t)
	p.known[key{1, 12}] = customerapi.Person{ID: 12} // without an address
	b := p.byPayPal()
	lines := p.lines(p.one, b.ID)
	s.status[itoa(lines[0].ID)] = "UNCLAIMED"
	if b = p.tendAll(2); b.Status != batchApproved || b.Reference == nil {
		t.Fatalf("%+v", b)
	}
	for _, o := range s.batches {
		if len(o.Items) != 2 || o.Items[0].Amount != (paypalAmount{"10.50", "USD"}) || o.Items[0].Receiver != "p10@shop.example" || o.Items[0].RecipientType != "EMAIL" || o.Items[0].Note != "Thank you" {
			t.Errorf("sent %+v", o)
		}
	}
	if _, _, err := p.cancelBatch(t.Context(), p.one, b.ID, idempotency.Key{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("cancelled what PayPal has: %v", err)
	}
	if _, _, err := p.settleBatch(t.Context(), p.one, b.ID, settleInput{Rest: linePaid}, idempotency.Key{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("settled what PayPal has: %v", err)
	}
	s.status[itoa(lines[0].ID)] = "FAILED"
	s.tokens++ // PayPal forgets the token
	if b = p.tendAll(1); b.Status != batchDone {
		t.Errorf("%+v", b)
	}
	got := []string{}
	for _, l := range p.lines(p.one, b.ID) {
		got = append(got, l.Status+" "+l.Reason)
	}
	if want := "failed FAILED: Receiver's account is locked|paid |failed no e-mail address is known"; strings.Join(got, "|") != want {
		t.Errorf("got %q", got)
	}
	for person, want := range map[int64]int64{10: 1_050, 11: 0, 12: 1_050} {
		if a := p.due(p.one, person, "USD"); a.available() != want {
			t.Errorf("%d has %+v", person, a)
		}
	}
	p.sound()
}

// Items go their ways one look after another: what is open stays with PayPal and nobody gets it otherwise, what is paid is paid for good, what
// comes back is owed again, and paid by the next batch.
func TestPayPal_items_go_their_ways(t *testing.T) {
	t.Parallel()
	p, s := paypalPlace(t)
	b := p.byPayPal()
	lines := p.lines(p.one, b.ID)
	for _, step := range []struct {
		batch, items string // what PayPal says of it and of each
		lines        string // what they are then
		status       string
		open         [3]int64 // what each could be paid by another batch
	}{
		{"PENDING", "PENDING PENDING PENDING", "sent sent sent", batchApproved, [3]int64{}},
		{"PROCESSING", "PENDING PENDING PENDING", "sent sent sent", batchApproved, [3]int64{}},
		{"PROCESSING", "SUCCESS UNCLAIMED ONHOLD", "paid sent sent", batchApproved, [3]int64{}},
		{"SUCCESS", "SUCCESS UNCLAIMED ONHOLD", "paid sent sent", batchApproved, [3]int64{}},
		{"SUCCESS", "SUCCESS RETURNED ONHOLD", "paid failed sent", batchApproved, [3]int64{1: 1_050}},
		{"SUCCESS", "SUCCESS RETURNED FAILED", "paid failed failed", batchDone, [3]int64{1: 1_050, 2: 1_050}},
	} {
		s.mu.Lock()
		s.state = step.batch
		for i, status := range strings.Fields(step.items) {
			s.status[itoa(lines[i].ID)] = status
		}
		s.mu.Unlock()
		b = p.tendAll(2) // sent first, then asked about; later asked about twice
		var got []string
		for _, l := range p.lines(p.one, b.ID) {
			got = append(got, l.Status)
		}
		if strings.Join(got, " ") != step.lines || b.Status != step.status {
			t.Errorf("after %s (%s): lines %v of a batch that is %s", step.items, step.batch, got, b.Status)
		}
		for i, want := range step.open {
			if a := p.due(p.one, int64(10+i), "USD"); a.available() != want {
				t.Errorf("after %s: person %d has %+v, could be paid %d", step.items, 10+i, a, want)
			}
		}
		p.sound()
	}
	clear(s.status)
	second := p.byPayPal()
	if b = p.tendAll(3); b.ID != second.ID || b.Status != batchDone || len(s.batches) != 2 {
		t.Errorf("the next batch: %+v", b)
	}
	var again []int64
	for _, l := range p.lines(p.one, second.ID) {
		again = append(again, l.PersonID)
	}
	if !slices.Equal(again, []int64{11, 12}) {
		t.Errorf("the next batch pays %v", again)
	}
	for person := range int64(3) {
		if a := p.due(p.one, 10+person, "USD"); a.Balance != 0 {
			t.Errorf("in the end %d has %+v", 10+person, a)
		}
	}
	p.sound()
}

// Calls that break off are repeated, and pay nobody twice; an address that is forgotten meanwhile changes nothing.
func TestPayPal_pays_once(t *testing.T) {
	t.Parallel()
	p, s := paypalPlace(t)
	calls := 0
	s.fails(func(w http.ResponseWriter, _ *http.Request, heard bool) bool {
		switch calls++; {
		case calls == 1: // PayPal is in trouble
			http.Error(w, "sorry", http.StatusServiceUnavailable)
			return true
		case heard: // its answer is lost
			panic(http.ErrAbortHandler)
		}
		return false
	})
	p.byPayPal()
	b := p.tendAll(2)
	delete(p.known, key{1, 11})
	if b.Trouble == nil || b.Reference != nil {
		t.Errorf("after two failures: %+v", b)
	}
	s.fails(nil)
	if b = p.tendAll(3); b.Status != batchDone || b.Trouble != nil {
		t.Errorf("%+v", b)
	}
	for _, l := range p.lines(p.one, b.ID) {
		if s.paid[itoa(l.ID)] != 1 || l.Status != linePaid {
			t.Errorf("line %+v, paid %d times", l, s.paid[itoa(l.ID)])
		}
	}
	p.sound()
}

// An order that PayPal refuses at once fails, and everybody has the money; credentials that it doesn't know are repaired by the merchant.
func TestPayPal_refuses(t *testing.T) {
	t.Parallel()
	p, s := paypalPlace(t)
	s.fails(func(w http.ResponseWriter, _ *http.Request, _ bool) bool {
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"name":"INSUFFICIENT_FUNDS","message":"Sender does not have sufficient funds."}`)
		return true
	})
	if p.byPayPal(); p.tendAll(1).Status != batchDone || p.due(p.one, 10, "USD").available() != 1_050 {
		t.Error("a refused batch isn't given back")
	}
	good := p.payer
	p.payer = NewPayPal(s.URL, "client", "wrong")
	p.byPayPal()
	b := p.tendAll(1)
	if b.Status != batchApproved || b.Trouble == nil || !strings.Contains(*b.Trouble, "credentials") {
		t.Errorf("%+v", b)
	}
	s.fails(nil)
	p.payer = good
	if b = p.tendAll(2); b.Status != batchDone || p.due(p.one, 10, "USD").Balance != 0 {
		t.Errorf("%+v", b)
	}
	p.sound()
}

// Two replicas don't call about one batch at the same time.
func TestPayPal_is_called_by_one_replica(t *testing.T) {
	t.Parallel()
	p, _ := paypalPlace(t)
	p.byPayPal()
	first, err := p.claimBatch(context.Background())
	if err != nil || first == nil {
		t.Fatal(first, err)
	}
	if second, err := p.claimBatch(context.Background()); err != nil || second != nil {
		t.Errorf("claimed twice: %+v, %v", second, err)
	}
}
