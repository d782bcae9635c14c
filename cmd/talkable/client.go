package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

// call sends body (nil: none) and decodes the result member of the answer into result (nil: not wanted). headers are pairs.
func (c *client) call(ctx context.Context, method, path string, body, result any, headers ...string) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server+path, sent)
	if err != nil {
		return err
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
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return err
	}
	var answer struct {
		OK           bool            `json:"ok"`
		Result       json.RawMessage `json:"result"`
		ErrorMessage string          `json:"error_message"`
		Errors       []fault.Field   `json:"errors"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("%s %s: %s, and not JSON", method, path, res.Status)
	}
	if !answer.OK {
		message := answer.ErrorMessage
		for _, f := range answer.Errors {
			message += fmt.Sprintf("\n  %s: %s", f.Pointer, f.Detail)
		}
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, message)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Result, result)
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
