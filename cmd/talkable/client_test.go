package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// published is one of Talkable's published clients: what it sends goes to a running server byte by byte, and what it reads of the answer is
// looked at in its way.
type published struct {
	t       testing.TB
	address string
	head    string // header lines that go with every request
	key     string
}

// send writes a request as the client does, and again if it is told to come back: line is its method and target, more are header lines, body
// its bytes ("-": it sends none).
func (p published) send(line, body string, more ...string) (s seen) {
	p.t.Helper()
	within(longest, func() bool {
		s = p.sent(line, body, more...)
		return s.status != http.StatusServiceUnavailable
	})
	return s
}

func (p published) sent(line, body string, more ...string) seen {
	p.t.Helper()
	request := line + " HTTP/1.1\r\nHost: " + p.address + "\r\nConnection: close\r\n" + strings.ReplaceAll(p.head, "KEY", p.key)
	for _, h := range more {
		request += h + "\r\n"
	}
	if body != "-" {
		request += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	} else {
		request += "\r\n"
	}
	conn, err := net.Dial("tcp", p.address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(longest))
	if _, err := io.WriteString(conn, request); err != nil {
		p.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		p.t.Fatalf("%s: %v", line, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if method, target, ok := strings.Cut(line, " "); ok {
		if u, err := url.Parse(target); err == nil {
			asDescribed(p.t, &http.Request{Method: method, URL: u}, res, text)
		}
	}
	s := seen{t: p.t, line: line, status: res.StatusCode, kind: res.Header.Get("Content-Type"), text: string(text)}
	if err := json.Unmarshal(text, &s.all); err != nil || s.all == nil {
		p.t.Errorf("%s: %d %s is no object of JSON", line, s.status, text) // every client gives up on it
	}
	s.result, _ = s.all["result"].(map[string]any)
	return s
}

// seen is an answer.
type seen struct {
	t           testing.TB
	line        string
	status      int
	kind, text  string
	all, result map[string]any
}

// fine: all clients take a success only as JSON with ok and a result that is an object.
func (s seen) fine(status int) seen {
	s.t.Helper()
	if s.status != status || s.all["ok"] != true || s.result == nil || !strings.HasPrefix(s.kind, "application/json") {
		s.t.Errorf("%s: %d %q %s", s.line, s.status, s.kind, s.text)
	}
	return s
}

// refused: the Ruby client raises error_message, the others look at the status.
func (s seen) refused(status int, message string) {
	s.t.Helper()
	if s.status != status || s.all["ok"] != false || s.all["error_message"] != message {
		s.t.Errorf("%s: %d %s\n\twant %d %s", s.line, s.status, s.text, status, message)
	}
}

// at is what stands at a place; there says whether the last name is there at all.
func (s seen) at(place string) (v any, there bool) {
	v, there = s.result, true
	for step := range strings.SplitSeq(place, ".") {
		switch in := v.(type) {
		case map[string]any:
			v, there = in[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, there
}

// want fails unless a value of type T stands there.
func want[T any](s seen, place string) T {
	s.t.Helper()
	v, _ := s.at(place)
	out, ok := v.(T)
	if !ok {
		s.t.Errorf("%s: %s is %v (%T), want %T\n\t%s", s.line, place, v, v, out, s.text)
	}
	return out
}

// is fails unless these values stand there; places and values alternate. nil means that the name is there and null.
func (s seen) is(pairs ...any) {
	s.t.Helper()
	for i := 0; i+1 < len(pairs); i += 2 {
		place := pairs[i].(string)
		if v, there := s.at(place); !there || v != pairs[i+1] {
			s.t.Errorf("%s: %s is %v (there: %v), want %v\n\t%s", s.line, place, v, there, pairs[i+1], s.text)
		}
	}
}

// shape fails unless each place holds a value of the kind that the client's types have: text, number, truth, object, list, text? (or null).
func (s seen) shape(kinds map[string]string) {
	s.t.Helper()
	for place, kind := range kinds {
		v, there := s.at(place)
		is := map[string]bool{"null": v == nil}
		switch v.(type) {
		case string:
			is["text"] = true
		case float64:
			is["number"] = true
		case bool:
			is["truth"] = true
		case map[string]any:
			is["object"] = true
		case []any:
			is["list"] = true
		}
		name, optional := strings.CutSuffix(kind, "?")
		if !there || !is[name] && !(optional && is["null"]) {
			s.t.Errorf("%s: %s is %v (there: %v), want %s\n\t%s", s.line, place, v, there, kind, s.text)
		}
	}
}

// offerShape is what the clients read of an offer.
func offerShape(at string) map[string]string {
	return map[string]string{at + ".id": "number", at + ".email": "text?", at + ".short_url_code": "text", at + ".show_url": "text", at + ".claim_url": "text",
		at + ".coupon_code": "text?", at + ".incentives": "object", at + ".trigger_widget": "truth", at + ".campaign_tags": "list"}
}

// rewardShape is what the clients read of a reward.
func rewardShape(at string) map[string]string {
	return map[string]string{at + ".id": "number", at + ".reason": "text", at + ".status": "text", at + ".incentive_type": "text",
		at + ".incentive_description": "text", at + ".incentive_custom_description": "text?", at + ".amount": "number?", at + ".coupon": "object?", at + ".coupon_code": "text?"}
}

// environOf is a setting of the running server.
func environOf(t testing.TB, s *served, name string) string {
	t.Helper()
	for _, e := range s.environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	t.Fatalf("no %s", name)
	return ""
}
