package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMetrics_have_closed_labels(t *testing.T) {
	h := newHouse(t)
	for i := range 50 {
		h.call("GET", fmt.Sprintf("/api/v2/scan%d", i), "")
		h.call("GET", fmt.Sprintf("/scan%d/.env", i), "")
		h.call("GET", fmt.Sprintf("/api/v2/people/ann%d", i), "")
		h.call("GET", fmt.Sprintf("/x/code%d", i), "")
		h.call(fmt.Sprintf("BREW%d", i), "/api/v2/people/ann", "")
		h.call("PUT", fmt.Sprintf("/api/v2/people/ann%d", i), "")
	}
	h.call("GET", "/api/v2/panic", "")
	h.call("GET", "/api/v2/site", "", "Authorization", "")
	count := func() map[string]float64 {
		families, err := h.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			if f.GetName() != "talkable_http_requests_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetValue())
				}
				got[strings.Join(labels, " ")] = m.GetCounter().GetValue()
			}
		}
		return got
	}
	want := map[string]float64{"GET unmatched 4xx": 100, "GET /api/v2/people/{slug} 2xx": 50, "GET /x/{code} 2xx": 50, "other unmatched 4xx": 50,
		"PUT unmatched 4xx": 50, "GET /api/v2/panic 5xx": 1, "GET /api/v2/site 4xx": 1}
	got := count()
	for end := time.Now().Add(longest); fmt.Sprint(got) != fmt.Sprint(want) && time.Now().Before(end); got = count() { // a request is counted after its answer
		time.Sleep(time.Millisecond)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestAccess_log(t *testing.T) {
	h := newHouse(t)
	lines := func() []map[string]any {
		var all []map[string]any
		for line := range strings.SplitSeq(strings.TrimSpace(h.log.String()), "\n") {
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			if m["message"] == "request" {
				all = append(all, m)
			}
		}
		return all
	}
	h.call("GET", "/api/v2/people/ann@shop.example?api_key="+h.secret+"&site_slug=my-store", "", "Authorization", "", "X-Request-Id", "r-1")
	h.call("GET", "/api/v2/people/ann@shop.example/nothing?email=bob@shop.example", "")
	h.call("GET", "/api/v2/panic", "")
	h.call("GET", "/api/v2/site", "", "User-Agent", "x\t\"y", "X-Request-Id", "a\tb")
	for end := time.Now().Add(longest); len(lines()) < 4 && time.Now().Before(end); { // a line follows its answer
		time.Sleep(time.Millisecond)
	}
	all := lines()
	if len(all) != 4 {
		t.Fatalf("%d lines: %s", len(all), h.log)
	}
	first := all[0]
	for name, want := range map[string]any{"log.level": "info", "ecs.version": "8.11.0", "service.name": "talkable", "http.request.method": "GET",
		"http.response.status_code": 200.0, "http.route": "/api/v2/people/{slug}", "url.path": "/api/v2/people/{slug}", "client.ip": "127.0.0.1",
		"http.request.id": "r-1", "site": "my-store"} {
		if first[name] != want {
			t.Errorf("%s: %v, want %v", name, first[name], want)
		}
	}
	if d, _ := first["event.duration"].(float64); d <= 0 || d > 20e9 {
		t.Errorf("event.duration: %v", first["event.duration"])
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(first["@timestamp"])); err != nil {
		t.Errorf("@timestamp: %v %v", at, err)
	}
	if all[1]["url.path"] != "/api/v2/people/*/nothing" || all[1]["http.route"] != unmatched {
		t.Errorf("%v", all[1])
	}
	if all[2]["log.level"] != "error" || all[2]["http.response.status_code"] != 500.0 {
		t.Errorf("%v", all[2])
	}
	for _, private := range []string{h.secret, h.public, "shop.example", "api_key", "\x1b"} {
		if strings.Contains(h.log.String(), private) {
			t.Errorf("%q is in the log", private)
		}
	}
}
