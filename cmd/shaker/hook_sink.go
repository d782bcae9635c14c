package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hookSink is the merchants' server: a path for each site and style. It remembers what came, and misbehaves while asked to.
type hookSink struct {
	server *http.Server
	base   string
	tally  *tally
	rude   atomic.Bool

	mu      sync.Mutex
	secrets map[string]string   // by path
	came    map[string][]coming // by webhook-id
	wrong   []string            // what no receiver would take
}

// coming is a request that came.
type coming struct {
	path, body string // the JSON, or the payload of Talkable's form
	taken      bool   // answered with a 2xx
}

func openHookSink(t *tally) (*hookSink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &hookSink{base: "http://" + l.Addr().String(), tally: t, secrets: map[string]string{}, came: map[string][]coming{}}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(l) }() // until close
	return s, nil
}

func (s *hookSink) close() error { return s.server.Close() }

// expect notes the secret that signs what comes to a path.
func (s *hookSink) expect(path, secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[path] = secret
}

// ServeHTTP takes a message. The first attempt of some messages fails, and the second of fewer, so that every message gets through
// soon after the first try.
func (s *hookSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // its sender was killed
	}
	id := r.Header.Get("Webhook-Id")
	s.mu.Lock()
	body, wrong := s.judge(r, raw)
	tries := len(s.came[id])
	manner := ""
	if s.rude.Load() {
		manner = manners(id, tries)
	}
	s.came[id] = append(s.came[id], coming{path: r.URL.Path, body: body, taken: manner == "" || manner == slowly || manner == hangsUp})
	if wrong != "" {
		s.wrong = append(s.wrong, fmt.Sprintf("%s %s: %s", r.URL.Path, id, wrong))
	}
	s.mu.Unlock()
	if manner != "" {
		s.tally.reach("fault "+faultHook, 1)
		s.tally.reach("webhooks that the sink "+manner, 1)
	}
	switch manner {
	case refuses:
		w.WriteHeader(http.StatusInternalServerError)
	case slowly:
		time.Sleep(700 * time.Millisecond)
	case hangsUp: // it has the message, and its sender can't know
		panic(http.ErrAbortHandler)
	}
}

// What the sink does instead of answering at once.
const (
	refuses = "refused"
	slowly  = "was slow to take"
	hangsUp = "took without an answer"
)

// manners are how the sink meets an attempt.
func manners(id string, tries int) string {
	h := fnv.New32a()
	fmt.Fprint(h, id, tries)
	n := h.Sum32() % 100
	switch {
	case tries > 1 || tries == 1 && n >= 30:
		return ""
	case n < 12:
		return refuses
	case n < 24:
		return hangsUp
	case n < 36:
		return slowly
	}
	return ""
}

// judge is what a receiver checks: the signature over the bytes that came, and the moment of the attempt.
func (s *hookSink) judge(r *http.Request, raw []byte) (body, wrong string) {
	secret, ok := s.secrets[r.URL.Path]
	if !ok {
		return string(raw), "nobody is there"
	}
	if !signedWith(secret, r.Header, raw) {
		wrong = "its signature is not that of this webhook"
	}
	if at := r.Header.Get("Webhook-Timestamp"); wrong == "" && !recent(at) {
		wrong = "its attempt was at " + at
	}
	if !strings.HasSuffix(r.URL.Path, "/talkable") {
		return string(raw), wrong
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil || form.Get("key") != secret || r.Header.Get("X-Talkable-Signature") != talkableSignature(secret, form.Get("payload")) {
		wrong = "its form is not signed by this webhook"
	}
	return form.Get("payload"), wrong
}

// recent says whether a moment is at most a minute away: replicas are frozen for less.
func recent(seconds string) bool {
	var n int64
	_, err := fmt.Sscan(seconds, &n)
	return err == nil && time.Since(time.Unix(n, 0)).Abs() < time.Minute
}

// signedWith checks a signature as the Standard Webhooks specification says.
func signedWith(secret string, h http.Header, raw []byte) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), raw)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return strings.Contains(" "+h.Get("Webhook-Signature")+" ", " "+want+" ")
}

func talkableSignature(secret, payload string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(payload))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(mac.Sum(nil))))
}

// hookPath is where a site is told things in a style.
func hookPath(site int, style string) string { return fmt.Sprintf("/%d/%s", site, style) }

// makeHooks has a site's merchant told of approved referrals, in both styles.
func (w *world) makeHooks(ctx context.Context, site int, s shop) error {
	for style, kind := range map[string]string{"standard": "referral.approved", "talkable": "referral_web_hook"} {
		path := hookPath(site, style)
		id, err := w.create(ctx, s, "/api/v2/webhooks", "webhook", object{"url": w.hooks.base + path, "style": style, "types": []string{kind}})
		if err != nil {
			return err
		}
		var got struct{ Result struct{ Secrets []string } }
		r := w.replicas[0].send(ctx, s.Key, "GET", fmt.Sprintf("/api/v2/webhooks/%d/secret", id), nil, "")
		if r.err == nil && r.status == http.StatusNotFound {
			return fmt.Errorf("webhook %d: %w", id, errVanished)
		}
		if err := json.Unmarshal(r.body, &got); r.err != nil || err != nil || len(got.Result.Secrets) == 0 {
			return errors.Join(fmt.Errorf("the secret of webhook %d: %d %s", id, r.status, r.body), r.err, err)
		}
		w.hooks.expect(path, got.Result.Secrets[0])
	}
	return nil
}
