// Package outcall calls addresses that merchants choose: their webhooks and their decision hook. Whoever may set such an address
// could make this server call its own network, so the address is looked at when the connection is made, after the name was looked up;
// redirects are not followed, proxies of the environment not used, answers cut, and every call has an end.
package outcall

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/talkable/talkable/internal/clock"
)

const (
	usualTimeout = 10 * time.Second
	dialTimeout  = 5 * time.Second
	answerMax    = 64 << 10
	headersMax   = 32 << 10
	idlePerHost  = 4
)

// Settings are what a client is made with. The zero values of Timeout and Answer mean 10 seconds and 64 KB.
type Settings struct {
	Private bool          // loopback and private networks may be called, and http: for development, and for shops beside this server
	Timeout time.Duration // of a call that names none, from its beginning to the end of the answer
	Answer  int           // bytes of an answer's body that are kept
	Agent   string        // User-Agent
	Now     clock.Clock
	Key     []byte      // of the secrets that are sealed
	Roots   *tls.Config // nil: the system's certificates
}

// Client calls addresses. It is safe for many at a time; Close ends its idle connections.
type Client struct {
	private bool
	timeout time.Duration
	answer  int
	agent   string
	now     clock.Clock
	key     []byte
	http    *http.Client
}

// New makes a client.
func New(s Settings) *Client {
	c := &Client{private: s.Private, timeout: s.Timeout, answer: s.Answer, agent: s.Agent, now: s.Now, key: s.Key}
	if c.timeout <= 0 {
		c.timeout = usualTimeout
	}
	if c.answer <= 0 {
		c.answer = answerMax
	}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: c.guard}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil,
			DialContext:            dialer.DialContext,
			TLSClientConfig:        s.Roots,
			TLSHandshakeTimeout:    dialTimeout,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // a small answer must not become a big one
			MaxResponseHeaderBytes: headersMax,
			MaxIdleConnsPerHost:    idlePerHost,
			MaxIdleConns:           256,
			IdleConnTimeout:        90 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Call is one request. Its method is POST.
type Call struct {
	URL     string
	Header  http.Header
	Body    []byte
	Timeout time.Duration // 0: the client's
}

// Answer is what came back, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // as much as is kept
	Cut    bool   // there was more
	Took   time.Duration
}

// Post calls an address and waits for the answer. An error means that there is none, or not all of it; how long that took is in the Answer. An address
// that may not be called is ErrForbidden.
func (c *Client) Post(ctx context.Context, call Call) (Answer, error) {
	began := c.now()
	a, err := c.post(ctx, call)
	a.Took = c.now().Sub(began)
	return a, err
}

func (c *Client) post(ctx context.Context, call Call) (Answer, error) {
	if wrong := c.Check(call.URL); wrong != "" { // it may have been set when private addresses were allowed
		return Answer{}, errors.Join(ErrForbidden, errors.New("the URL "+wrong))
	}
	timeout := call.Timeout
	if timeout <= 0 {
		timeout = c.timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return Answer{}, err
	}
	if call.Header != nil {
		req.Header = call.Header.Clone()
	}
	if c.agent != "" {
		req.Header.Set("User-Agent", c.agent)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	if a.Body, err = io.ReadAll(io.LimitReader(resp.Body, int64(c.answer)+1)); len(a.Body) > c.answer {
		a.Body, a.Cut = a.Body[:c.answer], true
	}
	return a, err
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reason names why a call had no answer, in a word of a closed set: forbidden, timeout, refused, name, tls or failed.
func Reason(err error) string {
	var name *net.DNSError
	var record tls.RecordHeaderError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, ErrForbidden):
		return "forbidden"
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.As(err, &name):
		return "name"
	case errors.As(err, &cert) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch):
		return "tls"
	case errors.As(err, &op) && op.Op == "dial":
		return "refused"
	default:
		return "failed"
	}
}
