package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/fault"
)

// client speaks to a running server through its public API, as a merchant's shop does.
type client struct {
	server, key string
	http        *http.Client
}

func newClient(server, key string) *client {
	return &client{server: server, key: key, http: &http.Client{Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// comesBack is how long a client repeats what it is told to repeat: a server that has much to do says so.
const comesBack = time.Minute

// call sends body (nil: none) and decodes the result member of the answer into result (nil: not wanted). headers are pairs. What is
// answered with 503 and Retry-After it sends again.
func (c *client) call(ctx context.Context, method, path string, body, result any, headers ...string) error {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return err
		}
	}
	var got answered
	for end := time.Now().Add(comesBack); ; {
		var err error
		if got, err = c.send(ctx, method, path, sent, headers); err != nil {
			return err
		}
		pause, err := strconv.Atoi(got.retryAfter)
		if got.code != http.StatusServiceUnavailable || err != nil || time.Now().After(end) {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(pause) * time.Second):
		}
	}
	return read(got.text, method+" "+path+": "+got.status, result)
}

// read takes the result out of an answer. what is told of one that is none.
func read(text []byte, what string, result any) error {
	var answer struct {
		OK           bool            `json:"ok"`
		Result       json.RawMessage `json:"result"`
		ErrorMessage string          `json:"error_message"`
		Errors       []fault.Field   `json:"errors"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return errors.New(what + ", and not JSON")
	}
	if !answer.OK {
		return &refusal{what: what, detail: answer.ErrorMessage, fields: answer.Errors}
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
}

// refusal is an answer that is no success.
type refusal struct {
	what, detail string
	fields       []fault.Field
}

func (r *refusal) Error() string {
	message := r.what + ": " + r.detail
	for _, f := range r.fields {
		message += fmt.Sprintf("\n  %s: %s", f.Pointer, f.Detail)
	}
	return message
}

// answered is an answer that was read.
type answered struct {
	code               int
	status, retryAfter string
	text               []byte
}

// send sends one request and reads its answer.
func (c *client) send(ctx context.Context, method, path string, body []byte, headers []string) (answered, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, bytes.NewReader(body))
	if err != nil {
		return answered{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		return answered{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	return answered{res.StatusCode, res.Status, res.Header.Get("Retry-After"), text}, err
}

// visit opens a link as a browser does and returns where it leads.
func (c *client) visit(ctx context.Context, link string) (location string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36")
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFound {
		return "", fmt.Errorf("GET %s: %s instead of a redirect", link, res.Status)
	}
	return res.Header.Get("Location"), nil
}
