package main

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// insides must not be told to anybody. The words are looked for one by one, for most are rare: together in one expression they take ten times as long.
var insides = regexp.MustCompile(`\.go:\d|goroutine \d`)

func tellsOfInsides(text string) bool {
	for _, word := range []string{"pq:", "SQLSTATE", "panic", "runtime error", "dial tcp", "/internal/", "go-json", "jsontext", "huma.", "violates ", `relation "`} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return (strings.Contains(text, ".go:") || strings.Contains(text, "goroutine ")) && insides.MatchString(text)
}

// settledCode is what is refused for what happened before, not for a member: probes of mergePeople may have made two of them one.
var settledCode = regexp.MustCompile(`"code":"(duplicate_entity|already_refunded|not_enough_points|self_referral)"`)

// longestProblem is a few times what the longest names and values in the probes need.
const longestProblem = 256 << 10

// judge says what is wrong with the answer to a probe, or nothing.
func (p probe) judge(a reply) string {
	switch {
	case a.status >= 500:
		return "a failure of ours"
	case a.status == 400 && strings.Contains(p.target, "/%") && a.body == "400 Bad Request": // package http's own, before anything of ours
		return ""
	case a.status >= 400 && !a.problem():
		return "no problem document"
	case a.status == 400 && p.names != nil && !settledCode.MatchString(a.body) && !mentions(fieldsOf(a), p.names):
		return fmt.Sprintf("the problem names none of %q", p.names)
	case a.status >= 400 && tellsOfInsides(a.body):
		return "tells of our insides"
	case a.status >= 400 && len(a.body) > longestProblem:
		return fmt.Sprintf("is a problem of %d bytes", len(a.body))
	case p.refuse && a.status < 400:
		return "was taken"
	case a.status < 400 && !strings.Contains(a.body, p.says):
		return fmt.Sprintf("doesn't say %s", p.says)
	case p.status != 0 && a.status != p.status:
		return fmt.Sprintf("is not %d", p.status)
	case a.header.Get("Access-Control-Allow-Origin") != "":
		return "lets pages of other origins read it"
	case strings.Contains(a.body, "evil.example/"):
		return "names a host that the client chose"
	}
	return ""
}

func mentions(text string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(text, name) })
}

// slow is longer than any answer may take.
const slow = 10 * time.Second

// matrix is every hostile input to every operation of its kind: operations, fields and parameters are those of the live description.
type matrix struct {
	ops []operation
	w   world
}

// probes are made for one operation after the other, as all together would fill the memory; made again, they are the same. Built for the
// race detector, with which a request takes ten times as long, they are a part: each row once an operation, at each operation another of its
// probes. What the detector looks for is in the ways that requests go, not in the values; `make test` sends all of them to a build without it.
func (m matrix) probes() iter.Seq[probe] {
	return func(yield func(probe) bool) {
		for turn, op := range m.ops {
			s, ok := sampleOf(op.id)
			if !ok {
				continue // TestRouterAndDescriptionAgree tells
			}
			all := probes(op, s, m.w)
			if raceDetector {
				all = onceARow(all, turn)
			}
			for _, p := range all {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// onceARow takes one probe of each row, whose turn it is.
func onceARow(all []probe, turn int) (out []probe) {
	rows := map[string][]probe{}
	for _, p := range all {
		rows[p.row] = append(rows[p.row], p)
	}
	for _, row := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, rows[row][turn%len(rows[row])])
	}
	return out
}

// volley sends probes, several at once, judges the answers, and hands those that are as they should be to see, one at a time.
func volley(t testing.TB, s shop, all iter.Seq[probe], see func(p probe, status int)) {
	t.Helper()
	client := &http.Client{Timeout: longest, Transport: checked{t, &http.Transport{MaxIdleConnsPerHost: 8}}, CheckRedirect: s.http.CheckRedirect}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var late []probe
	look := func(p probe, a reply) {
		if wrong := p.judge(a); wrong != "" {
			t.Errorf("%s\n\t%s: %d %.400s", p, wrong, a.status, a.body)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if a.took > slow {
			late = append(late, p)
		}
		see(p, a.status)
	}
	next := make(chan probe)
	for range 8 {
		wg.Go(func() {
			for p := range next {
				look(p, later(func() reply { return p.send(t, client, s) }))
			}
		})
	}
	for p := range all {
		next <- p
	}
	close(next)
	wg.Wait()
	for _, p := range late { // what took long among others has to be quick by itself
		if a := quick(slow, func() reply { return p.send(t, client, s) }); a.took > slow {
			t.Errorf("%s\n\ttook %s", p, a.took)
		}
	}
}

func (p probe) send(t testing.TB, client *http.Client, s shop) reply {
	t.Helper()
	a, err := p.sent(client, s)
	if err != nil {
		t.Errorf("%s: %v", p, err)
	}
	return a
}

func (p probe) sent(client *http.Client, s shop) (reply, error) {
	var sent io.Reader
	if p.body != "" {
		sent = strings.NewReader(p.body)
	}
	req, err := http.NewRequest(p.method, s.server+"/", sent)
	if err != nil {
		return reply{}, err
	}
	path, query, _ := strings.Cut(p.target, "?")
	req.URL.RawQuery, req.URL.RawPath = query, path
	if req.URL.Path, err = url.PathUnescape(path); err != nil { // not escaped: sent as it stands
		req.URL.Opaque = "//" + req.URL.Host + path
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	if p.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.host != "" {
		req.Host = p.host
	}
	for i := 0; i+1 < len(p.headers); i += 2 {
		if req.Header.Del(p.headers[i]); p.headers[i+1] != "" {
			req.Header.Set(p.headers[i], p.headers[i+1])
		}
	}
	began := time.Now()
	res, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, header: res.Header, body: string(text), took: time.Since(began)}, err
}

// again are the probes of a kind, to be sent once more. Why they are refused may be another reason then: the member whom they are about may be none
// any more, under a name that one of them gave her another may have had her anonymized. So it isn't asked for.
func again(all iter.Seq[probe], kind func(p probe) bool) iter.Seq[probe] {
	return func(yield func(probe) bool) {
		for p := range all {
			if p.names = nil; kind(p) && !yield(p) {
				return
			}
		}
	}
}

// TestHostileInputOfEveryKind sends the matrix. No request may fail, and what is refused, refused again when all else has come to rest, changes
// nothing. Some are refused for what others have made of the site just then (a name that is taken, points that are spent, too many of
// a thing) and may be taken later: these are sent until the site is in a state in which it takes none of them.
func TestHostileInputOfEveryKind(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l, "TALKABLE_RATE_LIMIT=10000000", "TALKABLE_LOG_LEVEL=error")
	shop, db := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "hostile")}), open(t, l["TALKABLE_DATABASE_URL"])
	ops := operationsOf(t, s.demo.Server)
	m := matrix{ops, play(t, shop, ops)}
	began, rows, requests := time.Now(), map[string]int{}, 0
	var doubtful []probe
	volley(t, shop, m.probes(), func(p probe, status int) {
		requests++
		if rows[p.row]++; status >= 400 && !p.refuse {
			doubtful = append(doubtful, p)
		}
	})
	t.Logf("%d operations, %d kinds of input, %d requests in %s, %d of them refused for reasons that may pass", len(ops), len(rows), requests, time.Since(began), len(doubtful))
	var before rowsOf
	for pass := 1; ; pass++ {
		settled(t, s, db)
		before = census(t, db)
		was := again(slices.Values(doubtful), func(probe) bool { return true })
		doubtful = nil
		taken := map[string]int{}
		volley(t, shop, was, func(p probe, status int) {
			if status < 400 {
				taken[p.op]++
			} else {
				doubtful = append(doubtful, p)
			}
		})
		t.Logf("of these were taken later: %v", taken)
		if len(taken) == 0 {
			break
		}
		if pass > 2 { // what is made and ended in turns (a pool, a challenge) is taken one a pass: no use to wait for all of its kind
			doubtful = slices.DeleteFunc(doubtful, func(p probe) bool { return taken[p.op] > 0 })
		}
	}
	volley(t, shop, again(m.probes(), func(p probe) bool { return p.refuse }), func(probe, int) {})
	settled(t, s, db)
	before.same(t, census(t, db))
	t.Logf("all in %s", time.Since(began))
	if testing.Verbose() {
		for _, row := range slices.Sorted(maps.Keys(rows)) {
			t.Logf("%6d %s", rows[row], row)
		}
	}
}
