package loyalty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/outcall"
)

// warehouse is a merchant's program that is asked to fulfil redemptions.
type warehouse struct {
	sync.Mutex
	answers []string // of the next calls; "500" is an error, nothing left: silence
	asked   []fulfilQuestion
	signed  bool // all of them
	secret  string
	now     func() time.Time
	during  func() // while it is asked
}

func (h *warehouse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var q fulfilQuestion
	_ = json.Unmarshal(body, &q)
	h.Lock()
	h.asked = append(h.asked, q)
	h.signed = h.signed && r.Header.Get(outcall.HeaderID) == q.ID && outcall.Verify(h.secret, r.Header, body, h.now(), time.Minute)
	answer := "500"
	if len(h.answers) > 0 {
		answer, h.answers = h.answers[0], h.answers[1:]
	}
	during := h.during
	h.Unlock()
	if during != nil {
		during()
	}
	if answer == "500" {
		w.WriteHeader(http.StatusInternalServerError)
	}
	_, _ = io.WriteString(w, answer)
}

type known map[int64]customerapi.Person

func (k known) People(_ context.Context, _ int64, ids []int64) (map[int64]customerapi.Person, error) {
	return k, nil
}

func (known) Pasts(_ context.Context, _ int64, asked []customerapi.Moment) ([]customerapi.Past, error) {
	return make([]customerapi.Past, len(asked)), nil
}

// hooked gives sites 1 and 2 a warehouse, a product that it sends, and a member 7 with 1000 points each; it returns the product of site 1.
func (w *world) hooked(onFailure string) (*warehouse, int64) {
	w.t.Helper()
	h := &warehouse{signed: true, now: w.clock.Now}
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	w.calls = outcall.New(outcall.Settings{Private: true, Now: w.clock.Now})
	w.t.Cleanup(w.calls.Close)
	w.people = known{7: {ID: 7, Email: "ann@shop.example", FirstName: "Ann"}}
	var batch int64
	for _, site := range []int64{2, 1} {
		p := w.start(site, club())
		hear(w, w.originsRecorded, site, w.bought(site, 7, 1, 10_000))
		batch = w.reward(site, p.ID, 100, rewardProduct, loyaltyapi.RewardTerms{SKU: "MUG", Fulfilment: byHook, Stock: new(int64(5))})
	}
	code, body, _ := w.serve(1)("PUT", "/api/v2/loyalty/fulfilment_hook", "", fmt.Sprintf(`{"url":%q,"deadline_minutes":60,"on_failure":%q}`, server.URL, onFailure))
	var out struct {
		Result fulfilHookAnswer `json:"result"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || code != 200 {
		w.t.Fatal(code, body, err)
	}
	h.secret = *out.Result.Hook.Secret
	return h, batch
}

// asks lets the timer ask n questions.
func (w *world) asks(n int) {
	w.t.Helper()
	if got, err := w.AskHooks(w.t.Context()); err != nil || got != n {
		w.t.Errorf("asked %d, %v; want %d", got, err, n)
	}
}

func TestFulfilmentHook(t *testing.T) {
	t.Parallel()
	const yes, no, later = `{"status":"fulfilled","note":"Parcel 1"}`, `{"status":"refused","note":"No mugs"}`, `{"status":"later"}`
	for name, c := range map[string]struct {
		answers   []string
		onFailure string
		tries     int
		status    string
		state     string
		note      string
	}{
		"at once":                     {[]string{yes}, onFailureWait, 1, fulfilled, askAnswered, "Parcel 1"},
		"at the third try":            {[]string{"500", `{"status":"maybe"}`, yes}, onFailureWait, 3, fulfilled, askAnswered, "Parcel 1"},
		"refused":                     {[]string{no}, onFailureWait, 1, cancelled, askAnswered, "No mugs"},
		"refused after an error":      {[]string{"500", no}, onFailureCancel, 2, cancelled, askAnswered, "No mugs"},
		"later":                       {[]string{later}, onFailureCancel, 1, waiting, askAnswered, ""},
		"never, and somebody decides": {nil, onFailureWait, 11, waiting, askFailed, ""},
		"never, and it is cancelled":  {nil, onFailureCancel, 11, cancelled, askFailed, "The shop did not answer in time."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			h, batch := w.hooked(c.onFailure)
			h.answers = c.answers
			a, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey)
			if err != nil || a.Redemption.Status != waiting {
				t.Fatalf("%+v, %v", a.Redemption, err)
			}
			for i := range c.tries {
				w.asks(1)
				w.clock.Move(pauseAfter(i + 1))
			}
			w.asks(0)
			story := w.story(1, a.Redemption.ID)
			note := deref(story.Note) + deref(story.CancelReason)
			if story.Status != c.status || story.Hook.State != c.state || note != c.note || story.Hook.Tries != c.tries || len(h.asked) != c.tries || !h.signed {
				t.Errorf("%+v, %+v; asked %d times, signed %v; want %+v", story.Redemption, story.Hook, len(h.asked), h.signed, c)
			}
			want := int64(900)
			if c.status == cancelled {
				want = 1000
			}
			if left := *w.mine(1, 7, batch).StockLeft; w.balance(1, 7) != want || left != 4+(want-900)/100 {
				t.Errorf("balance %d, %d in stock", w.balance(1, 7), left)
			}
			q := h.asked[0]
			if q.Type != "redemption.fulfilment" || q.Redemption.ID != a.Redemption.ID || q.Member.Email != "ann@shop.example" || *q.Redemption.SKU != "MUG" || q.ID != h.asked[len(h.asked)-1].ID {
				t.Errorf("asked %+v", q)
			}
		})
	}
}

// story is what a redemption's explanation says.
func (w *world) story(site, id int64) loyaltyapi.RedemptionStory {
	w.t.Helper()
	code, body, _ := w.serve(site)("GET", fmt.Sprint("/api/v2/loyalty/redemptions/", id, "/explain"), "", "")
	var out struct {
		Result struct {
			Redemption struct {
				loyaltyapi.Redemption
				History []loyaltyapi.RedemptionStep
				Hook    *struct {
					State    string
					Tries    int
					Attempts []fulfilAttempt
				}
			}
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || code != 200 {
		w.t.Fatal(code, body, err)
	}
	r := out.Result.Redemption
	story := loyaltyapi.RedemptionStory{Redemption: r.Redemption, History: r.History}
	if r.Hook != nil {
		if len(r.Hook.Attempts) != min(r.Hook.Tries, attemptsKept) {
			w.t.Errorf("%d attempts of %d tries are kept", len(r.Hook.Attempts), r.Hook.Tries)
		}
		story.Hook = &loyaltyapi.FulfilmentAsk{State: r.Hook.State, Tries: r.Hook.Tries}
	}
	return story
}

// While the shop is asked nobody else cancels; what was cancelled before is not asked about; and what the merchant says first stands.
func TestCancellingAgainstTheHook(t *testing.T) {
	t.Parallel()
	w := setup(t)
	h, batch := w.hooked(onFailureWait)
	redeem := func() int64 {
		t.Helper()
		a, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey)
		if err != nil {
			t.Fatal(err)
		}
		return a.Redemption.ID
	}
	cancel := func(id int64) error {
		_, err := w.Cancel(context.WithoutCancel(t.Context()), 1, id, "Changed my mind", noKey)
		return err
	}
	id := redeem()
	h.answers = []string{`{"status":"fulfilled"}`}
	h.during = func() {
		if err := cancel(id); !errors.Is(err, errAsking) {
			t.Errorf("while it is asked: %v", err)
		}
	}
	w.asks(1)
	h.during = nil
	if r := w.story(1, id); r.Status != fulfilled || len(r.History) != 1 && len(r.History) != 2 {
		t.Errorf("%+v", r)
	}
	if err := cancel(id); err != nil { // what the merchant hands out he may take back
		t.Error(err)
	}

	id = redeem()
	if err := cancel(id); err != nil {
		t.Fatal(err)
	}
	w.asks(1)
	if r := w.story(1, id); r.Hook.State != askMoot || len(h.asked) != 1 {
		t.Errorf("%+v; asked %d times", r.Hook, len(h.asked))
	}

	id = redeem()
	h.answers = []string{`{"status":"refused"}`}
	h.during = func() {
		if _, _, err := w.Fulfil(context.WithoutCancel(t.Context()), 1, id, "By hand", 5, noKey); err != nil {
			t.Error(err)
		}
	}
	w.asks(1)
	if r := w.story(1, id); r.Status != fulfilled || *r.Note != "By hand" || w.balance(1, 7) != 900 {
		t.Errorf("%+v, balance %d", r, w.balance(1, 7))
	}
	h.during = nil

	id = redeem() // whoever asked has died
	w.admin.MustExec(`update loyalty.fulfilment_ask set state = 'asking', tries = 1, attempts = '[{}]', next_at = $2 where redemption_id = $1`, id, w.clock.Now().Add(hookLease))
	w.asks(0)
	w.clock.Move(hookLease)
	h.answers = []string{`{"status":"fulfilled"}`}
	w.asks(1)
	if r := w.story(1, id); r.Status != fulfilled || r.Hook.Tries != 2 {
		t.Errorf("%+v, %+v", r, r.Hook)
	}
}

// Without a hook, or with one that is switched off, redemptions wait for the merchant.
func TestNobodyIsAsked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	h, batch := w.hooked(onFailureCancel)
	call, twin := w.serve(1), w.serve(2)
	const path = "/api/v2/loyalty/fulfilment_hook"
	if code, body, _ := twin("GET", path, "", ""); code != 200 || !strings.Contains(body, `"url":null`) {
		t.Errorf("the twin's: %d %s", code, body)
	}
	for what, bad := range map[string]string{"no address": `{"url":"shop"}`, "no patience": `{"url":"https://shop.example","deadline_minutes":10081}`, "no idea": `{"url":"https://shop.example","on_failure":"cry"}`} {
		if code, body, _ := call("PUT", path, "", bad); code != 400 || !strings.Contains(body, "invalid_fulfilment_hook") {
			t.Errorf("%s: %d %s", what, code, body)
		}
	}
	if code, body, _ := call("PUT", path, "off", `{"url":"https://shop.example","enabled":false}`); code != 200 || !strings.Contains(body, `"secret":null`) {
		t.Errorf("%d %s", code, body)
	}
	a, err := w.Redeem(t.Context(), 1, 7, batch, "api", noKey)
	if err != nil {
		t.Fatal(err)
	}
	w.asks(1)
	if r := w.story(1, a.Redemption.ID); r.Status != waiting || r.Hook.State != askFailed || len(h.asked) != 0 {
		t.Errorf("%+v, %+v", r, r.Hook)
	}
	if _, _, err := w.Fulfil(t.Context(), 1, a.Redemption.ID, "", 5, noKey); err != nil {
		t.Error(err)
	}
	if code, _, _ := twin("GET", fmt.Sprint("/api/v2/loyalty/redemptions/", a.Redemption.ID, "/explain"), "", ""); code != 404 {
		t.Errorf("the twin reads it: %d", code)
	}
}
