package gateway

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// accepted checks with another decoder what the scan let pass.
func accepted(t *testing.T, raw []byte, doc document) {
	t.Helper()
	if !utf8.Valid(raw) {
		t.Fatalf("accepted invalid UTF-8: %q", raw)
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		var syntax *json.SyntaxError
		if members == nil || strings.Contains(err.Error(), "invalid") {
			t.Fatalf("accepted %q: %v %v", raw, err, syntax)
		}
		return // a number that is no float64; the operation's types see to it
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if strings.ContainsRune(v, 0) {
				t.Fatalf("accepted NUL in %q", raw)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				walk(k)
				walk(e)
			}
		}
	}
	walk(members)
	slug, there := members["site_slug"]
	if text, _ := slug.(string); there != (doc.site != nil) || there && *doc.site != text {
		t.Fatalf("site_slug of %q: %v", raw, doc.site)
	}
	if key, _ := members["api_key"].(string); key != doc.apiKey {
		t.Fatalf("api_key of %q: %q", raw, doc.apiKey)
	}
}

func TestScan_reads_the_top_only(t *testing.T) {
	for _, c := range []struct {
		body string
		site any
		key  string
	}{
		{`{"site_slug":"a"}`, "a", ""},
		{`{"data":{"site_slug":"a","api_key":"k"}}`, nil, ""},
		{`{"data":["site_slug","a"],"api_key":"k"}`, nil, "k"},
		{`{"x":"site_slug","y":"api_key"}`, nil, ""},
		{`{"site_slug":5}`, "", ""},
		{`{"site_slug":null}`, "", ""},
		{`{"site_slug":["a"]}`, "", ""},
		{`{"site_slug":{"site_slug":"a"},"api_key":"k"}`, "", "k"},
		{`{"site\u005fslug":"a"}`, "a", ""},
		{`{"api_key":["k"]}`, nil, ""},
		{`{"":{"":"x"},"api_key":"k"}`, nil, "k"},
		{`{}`, nil, ""},
	} {
		doc, err := scan([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		var site any
		if doc.site != nil {
			site = *doc.site
		}
		if site != c.site || doc.apiKey != c.key {
			t.Errorf("%s: got %v %q", c.body, site, doc.apiKey)
		}
		accepted(t, []byte(c.body), doc)
	}
}

func BenchmarkScan(b *testing.B) {
	body := []byte(`{"site_slug":"demo","type":"Purchase","data":{"email":"ann@shop.example","order_number":"1001","subtotal":100.44,"coupon_codes":["A","B"],"items":[{"product_id":"p1","price":"10.00","quantity":2},{"product_id":"p2","price":"10.00","quantity":2}]}}`)
	for b.Loop() {
		if _, err := scan(body); err != nil {
			b.Fatal(err)
		}
	}
}

// TestScan_takes_a_whole_batch: a thousand rows of an operation that takes a thousand.
func TestScan_takes_a_whole_batch(t *testing.T) {
	row := `{"email":"ann@shop.example","order_number":"1","subtotal":1,"order_date":"2026-03-01","items":[{"product_id":"chair","price":1,"quantity":1}]},`
	if _, err := scan([]byte(`{"data":[` + strings.Repeat(row, 999) + strings.TrimSuffix(row, ",") + `]}`)); err != nil {
		t.Error(err)
	}
}
