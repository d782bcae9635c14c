package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// reply is an answer as it came.
type reply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// problem says whether the body is a problem of this status, in the media type of problems.
func (r reply) problem() bool {
	var p struct {
		OK     *bool  `json:"ok"`
		Type   string `json:"type"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}
	return strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") && json.Unmarshal([]byte(r.body), &p) == nil &&
		p.OK != nil && !*p.OK && p.Type != "" && p.Status == r.status && p.Detail != ""
}

// ask sends a request as it stands. headers are pairs and go over those of a usual request; an empty value takes one away.
func ask(t testing.TB, s shop, method, path, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if req.Header.Del(headers[i]); headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	began := time.Now()
	res, err := s.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{status: res.StatusCode, header: res.Header, body: string(text), took: time.Since(began)}
}
