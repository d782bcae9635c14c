package outcall_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/leaktest"
	"github.com/talkable/talkable/internal/outcall"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func client(t *testing.T, s outcall.Settings) *outcall.Client {
	s.Now = time.Now
	c := outcall.New(s)
	t.Cleanup(c.Close)
	return c
}

func TestCheck(t *testing.T) {
	open, closed := client(t, outcall.Settings{Private: true}), client(t, outcall.Settings{})
	const fine = ""
	for raw, want := range map[string]struct{ closed, private string }{
		"https://shop.example/hook?a=1":          {fine, fine},
		"https://shop.example:8443/":             {fine, fine},
		"https://8.8.8.8/":                       {fine, fine},
		"https://[2606:4700::1111]/":             {fine, fine},
		"http://shop.example/hook":               {"https", fine},
		"http://127.0.0.1:9000/":                 {"https", fine},
		"https://127.0.0.1/":                     {"public", fine},
		"https://10.1.2.3/":                      {"public", fine},
		"https://[::ffff:10.1.2.3]/":             {"public", fine},
		"https://[fd00::1]/":                     {"public", fine},
		"https://[::1]/":                         {"public", fine},
		"https://169.254.169.254/latest":         {"public", "public"},
		"https://[fe80::1]/":                     {"public", "public"},
		"https://[fe80::1%25eth0]/":              {"public", "public"},
		"https://[64:ff9b::a00:1]/":              {"public", "public"},
		"https://[2002:7f00:1::]/":               {"public", "public"},
		"https://0.0.0.0/":                       {"public", "public"},
		"https://100.64.0.1/":                    {"public", "public"},
		"https://255.255.255.255/":               {"public", "public"},
		"https://224.0.0.1/":                     {"public", "public"},
		"https://user:word@shop.example/":        {"password", "password"},
		"https://shop.example/#part":             {"fragment", "fragment"},
		"https://shop.example:0/":                {"port", "port"},
		"https://shop.example:99999/":            {"port", "port"},
		"https://shop.example:/":                 {"port", "port"},
		"ftp://shop.example/":                    {"https", "https"},
		"file:///etc/passwd":                     {"address", "address"},
		"https://":                               {"address", "address"},
		"https:shop.example":                     {"address", "address"},
		"https://shop.example/a b":               {"address", "address"},
		"https://shop.example/\r\nX: y":          {"address", "address"},
		"//shop.example/":                        {"https", "https"},
		"":                                       {"address", "address"},
		"https://a/" + strings.Repeat("a", 2000): {"2000", "2000"},
	} {
		for _, c := range []struct {
			kind string
			c    *outcall.Client
			want string
		}{{"closed", closed, want.closed}, {"private", open, want.private}} {
			if got := c.c.Check(raw); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%s: %.60q is %q, want %q", c.kind, raw, got, c.want)
			}
		}
	}
}

func TestPost_hands_over_and_brings_back(t *testing.T) {
	var got *http.Request
	var body bytes.Buffer
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = body.ReadFrom(r.Body)
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer shop.Close()
	c := client(t, outcall.Settings{Private: true, Agent: "talkable/1"})
	a, err := c.Post(t.Context(), outcall.Call{URL: shop.URL + "/hook", Header: http.Header{"X-One": {"1"}}, Body: []byte("hello")})
	if err != nil || a.Status != http.StatusFound || got.URL.Path != "/hook" || got.Header.Get("X-One") != "1" || got.UserAgent() != "talkable/1" ||
		got.Method != http.MethodPost || body.String() != "hello" || a.Took <= 0 {
		t.Fatalf("%+v, %v; the shop got %+v %q", a, err, got, body.String())
	}
}

func TestPost_refuses_where_a_name_leads_inside(t *testing.T) {
	called := false
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	defer inside.Close()
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = client(t, outcall.Settings{}).Post(t.Context(), outcall.Call{URL: "https://localhost:" + port + "/"})
	if !errors.Is(err, outcall.ErrForbidden) || outcall.Reason(err) != "forbidden" || called {
		t.Fatalf("got %v, called %t", err, called)
	}
}

func TestPost_ends(t *testing.T) {
	release := make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
		case "/drip":
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-release
		case "/cut":
			panic(http.ErrAbortHandler)
		default:
			<-release
		}
	}))
	defer shop.Close()
	defer close(release)
	c := client(t, outcall.Settings{Private: true, Answer: 1000})
	if a, err := c.Post(t.Context(), outcall.Call{URL: shop.URL + "/long"}); err != nil || len(a.Body) != 1000 || !a.Cut {
		t.Errorf("a long answer: %d bytes, cut %t, %v", len(a.Body), a.Cut, err)
	}
	for path, want := range map[string]struct {
		reason  string
		timeout time.Duration
	}{"/never": {"timeout", 50 * time.Millisecond}, "/drip": {"timeout", 50 * time.Millisecond}, "/cut": {"failed", time.Minute}} {
		_, err := c.Post(t.Context(), outcall.Call{URL: shop.URL + path, Timeout: want.timeout})
		if err == nil || outcall.Reason(err) != want.reason {
			t.Errorf("%s: %v is %s, want %s", path, err, outcall.Reason(err), want.reason)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Post(ctx, outcall.Call{URL: shop.URL}); !errors.Is(err, context.Canceled) {
		t.Errorf("whose caller is gone: %v", err)
	}
	if _, err := c.Post(t.Context(), outcall.Call{URL: "http://" + freeport.Address(t)}); outcall.Reason(err) != "refused" {
		t.Errorf("a closed port: %v is %s", err, outcall.Reason(err))
	}
	if _, err := c.Post(t.Context(), outcall.Call{URL: strings.Replace(shop.URL, "http:", "https:", 1)}); outcall.Reason(err) != "tls" {
		t.Errorf("no TLS: %v is %s", err, outcall.Reason(err))
	}
}

func TestSign(t *testing.T) {
	// The specification's own example.
	at := time.Unix(1614265330, 0)
	body := []byte(`{"test": 2432232314}`)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	h, err := outcall.Sign([]string{secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
	if err != nil || h.Get(outcall.HeaderSignature) != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Fatalf("%v, %v", h, err)
	}
	other := outcall.NewSecret()
	both, err := outcall.Sign([]string{other, secret}, "m", at, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		what   string
		secret string
		h      http.Header
		body   string
		now    time.Time
		want   bool
	}{
		{"as it was sent", secret, h, string(body), at, true},
		{"a little late", secret, h, string(body), at.Add(5 * time.Minute), true},
		{"too late", secret, h, string(body), at.Add(5*time.Minute + time.Second), false},
		{"from the future", secret, h, string(body), at.Add(-6 * time.Minute), false},
		{"another body", secret, h, `{}`, at, false},
		{"another secret", other, h, string(body), at, false},
		{"one of two", secret, both, string(body), at, true},
		{"the other of two", other, both, string(body), at, true},
		{"no headers", secret, http.Header{}, string(body), at, false},
		{"no secret", "", h, string(body), at, false},
	} {
		if got := outcall.Verify(one.secret, one.h, []byte(one.body), one.now, 5*time.Minute); got != one.want {
			t.Errorf("%s: %t", one.what, got)
		}
	}
	for _, bad := range []string{"", "whsec_", "whsec_!!", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} {
		if _, err := outcall.Sign([]string{bad}, "m", at, body); err == nil {
			t.Errorf("secret %q was taken", bad)
		}
	}
}
