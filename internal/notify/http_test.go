package notify

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/mailsink"
	"github.com/talkable/talkable/internal/timeline"
)

func list(t *testing.T, b *bench, siteID int64, query string) (ids []int64, next string) {
	t.Helper()
	code, body := call(t, b.server(siteID), "GET", "/api/v2/messages?"+query)
	if code != 200 {
		t.Fatal(code, body)
	}
	var answer struct {
		OK     bool
		Result struct {
			Messages   []message
			NextCursor *string `json:"next_cursor"`
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatal(err)
	}
	ids = []int64{}
	for _, m := range answer.Result.Messages {
		ids = append(ids, m.ID)
		if m.HTML != nil || m.Text != nil {
			t.Error("a list holds bodies")
		}
	}
	if answer.Result.NextCursor != nil {
		next = *answer.Result.NextCursor
	}
	return ids, next
}

func TestMessagesAPI(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.site(2, "Other")
	b.person(2, 7, "anna@example.com", "Anna")
	b.person(1, 8, "", "")
	b.data(func(m mailsink.Mail) mailsink.Reply { return mailsink.Reply{} })
	b.earn(earned(1, 1, 7))
	b.earn(earned(1, 2, 8))
	b.earn(earned(1, 3, 7))
	b.round()
	b.earn(earned(1, 4, 7))
	b.earn(earned(2, 1, 7)) // message 5, of site 2

	for query, want := range map[string][]int64{
		"":                          {4, 3, 2, 1},
		"status=sent":               {3, 1},
		"status=failed":             {2},
		"status=queued":             {4},
		"person_id=8":               {2},
		"email=ANNA@example.com":    {4, 3, 1},
		"email=nobody@example.com":  {},
		"person_id=7&status=queued": {4},
	} {
		if got, _ := list(t, b, 1, query); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	page, next := list(t, b, 1, "limit=3")
	rest, end := list(t, b, 1, "limit=3&cursor="+url.QueryEscape(next))
	if !slices.Equal(page, []int64{4, 3, 2}) || !slices.Equal(rest, []int64{1}) || end != "" {
		t.Errorf("pages: %v %v %q", page, rest, end)
	}
	if got, _ := list(t, b, 2, ""); !slices.Equal(got, []int64{5}) {
		t.Errorf("site 2: %v", got)
	}
	for path, want := range map[string]int{
		"/api/v2/messages?cursor=" + next + "x": 400, "/api/v2/messages?status=odd": 400, "/api/v2/messages?limit=101": 400,
		"/api/v2/messages/5": 404, "/api/v2/messages/99": 404, "/api/v2/messages/x": 400,
	} {
		if code, body := call(t, b.server(1), "GET", path); code != want || !strings.Contains(body, `"ok":false`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, _ := call(t, b.server(2), "GET", "/api/v2/messages?cursor="+url.QueryEscape(next)); code != 400 {
		t.Errorf("a cursor of another site: %d", code)
	}
	for name, path := range map[string]string{"sent.json": "/api/v2/messages/1", "failed.json": "/api/v2/messages/2", "queued.json": "/api/v2/messages/4"} {
		code, body := call(t, b.server(1), "GET", path)
		if code != 200 {
			t.Fatal(code, body)
		}
		var tidy map[string]any
		if err := json.Unmarshal([]byte(body), &tidy); err != nil {
			t.Fatal(err)
		}
		result := tidy["result"].(map[string]any)
		for _, part := range []string{"text", "html"} {
			if s, ok := result[part].(string); ok {
				result[part] = fmt.Sprintf("%d characters", len(s))
			}
		}
		text, _ := json.MarshalIndent(tidy, "", "  ")
		golden(t, name, string(text)+"\n")
	}
}

func TestResend(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.person(1, 8, "", "")
	b.earn(earned(1, 1, 8))
	b.round()
	b.want(1, "failed no_address 0")
	if code, _ := call(t, b.server(2), "POST", "/api/v2/messages/1/resend"); code != 404 {
		t.Errorf("another site's message: %d", code)
	}
	b.clock.Move(time.Hour)
	b.person(1, 8, "found@example.com", "")
	code, first := call(t, b.server(1), "POST", "/api/v2/messages/1/resend", "Idempotency-Key", "k1")
	again, second := call(t, b.server(1), "POST", "/api/v2/messages/1/resend", "Idempotency-Key", "k1")
	if code != 200 || again != 200 || first != second {
		t.Fatalf("%d %s\n%d %s", code, first, again, second)
	}
	if code, body := call(t, b.server(1), "POST", "/api/v2/messages/1/resend"); code != 409 || !strings.Contains(body, "message_not_resendable") {
		t.Errorf("queued already: %d %s", code, body)
	}
	b.round()
	b.want(1, "sent - 1")
	if m := b.arrived(); len(m) != 1 || m[0].To[0] != "found@example.com" {
		t.Errorf("mails: %+v", m)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.person(1, 8, "", "")
	b.earn(earned(1, 1, 7), earned(1, 2, 7), earned(1, 3, 8)) // all at one moment
	b.round()
	b.clock.Move(time.Minute)
	b.earn(earned(1, 4, 7), earned(2, 1, 7))
	all, err := b.Timeline(t.Context(), 1, 7, timeline.Place{}, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		got = append(got, fmt.Sprintf("%s %d", e.Type, e.ID))
	}
	want := []string{"message_queued 4", "message_sent 2", "message_sent 1", "message_queued 2", "message_queued 1"}
	if !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	var place timeline.Place
	var paged []timeline.Entry
	for range 10 {
		page, err := b.Timeline(t.Context(), 1, 7, place, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if !place.Older(e) {
				t.Errorf("%v isn't older than %v", e, place)
			}
		}
		paged = append(paged, page...)
		place = page[len(page)-1].Place()
	}
	if len(paged) != len(all) {
		t.Errorf("%d paged, %d at once", len(paged), len(all))
	}
	hers, err := b.Timeline(t.Context(), 1, 8, timeline.Place{}, 5)
	if err != nil || len(hers) != 2 || hers[1].Type != "message_failed" || hers[1].Data["reason"] != noAddress {
		t.Errorf("%+v %v", hers, err)
	}
}

func TestBodiesAreDropped(t *testing.T) {
	t.Parallel()
	b := ready(t)
	b.earn(earned(1, 1, 7))
	b.round()
	b.clock.Move(bodiesStay - time.Hour)
	b.earn(earned(1, 2, 99)) // waits for its contact
	for _, step := range []struct {
		move time.Duration
		gone bool
	}{{0, false}, {2 * time.Hour, true}} {
		b.clock.Move(step.move)
		if err := b.tidy(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		m, err := messageByID(t.Context(), b.DB, 1, 1)
		if err != nil || (m.HTML == nil) != step.gone || (m.BodyDroppedAt != nil) != step.gone {
			t.Errorf("%+v %v", m, err)
		}
	}
	if m, err := messageByID(t.Context(), b.DB, 1, 2); err != nil || m.BodyDroppedAt != nil {
		t.Errorf("%+v %v", m, err)
	}
}
