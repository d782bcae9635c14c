package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLedgerCommand is what an auditor does: takes a dump beside the running platform, checks it without, and sees what was changed.
func TestLedgerCommand(t *testing.T) {
	t.Parallel()
	s := startServer(t, layout{})
	shop := newShop(t, s.demo)
	for _, number := range []string{"l-1", "l-2", "l-3"} {
		shop.buys(number, "ledger@shop.example", "")
	}
	eventually(t, "three orders have earned points", func() bool {
		return strings.Count(ask(t, shop, "GET", "/api/v2/loyalty/members/ledger@shop.example/entries", "").body, `"kind":"earn"`) == 3
	})
	file := filepath.Join(t.TempDir(), "ledger.ndjson")
	if out, err := talkable(t, s.environ, "ledger", "export", "--site", "demo", "--out", file); err != nil || out != "" {
		t.Fatalf("%s, %v", out, err)
	}
	key, err := talkable(t, s.environ, "ledger", "key")
	if err != nil || !regexp.MustCompile(`^[A-Za-z0-9+/]{43}=\n$`).MatchString(key) {
		t.Fatalf("%q, %v", key, err)
	}
	key = strings.TrimSpace(key)
	code := func(err error) int {
		var c exitCode
		if errors.As(err, &c) {
			return int(c)
		}
		if err != nil {
			return 1
		}
		return 0
	}
	auditor := []string{"TALKABLE_DATABASE_URL=postgres://nowhere.invalid/none", "TALKABLE_DATA_DIR=" + t.TempDir()}
	tampered := filepath.Join(t.TempDir(), "tampered.ndjson")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tampered, []byte(strings.Replace(string(text), `"points":`, `"points":9`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	const stranger = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	for _, c := range []struct {
		environ []string
		args    []string
		code    int
		says    string
	}{
		{auditor, []string{file}, 0, "all is as it should be"},
		{auditor, []string{file, "--key", key}, 0, "signatures, with the last line's, by " + key},
		{auditor, []string{file, "--key", stranger}, 2, "none of those given"},
		{auditor, []string{tampered}, 2, "first at line 2"},
		{auditor, []string{filepath.Join(t.TempDir(), "none")}, 1, "no such file"},
		{auditor, []string{file, "--key", "x"}, 1, "not a key"},
		{auditor, []string{file, "--site", "demo"}, 1, "not both"},
		{auditor, nil, 1, "name a FILE"},
		{s.environ, []string{"--site", "demo", "--key", key}, 0, "all is as it should be"},
		{s.environ, []string{"--site", "none"}, 1, "no such site"},
	} {
		out, err := talkable(t, c.environ, append([]string{"ledger", "verify"}, c.args...)...)
		if code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) || err == nil && !strings.Contains(out, c.says) {
			t.Errorf("%v: ends with %d, %s, %v; want %d, %q", c.args, code(err), out, err, c.code, c.says)
		}
	}
	if strings.Contains(string(text), "ledger@") {
		t.Error("the dump holds addresses")
	}
	if _, err := talkable(t, append(auditor, "TALKABLE_LEDGER_KEY=short"), "config"); err == nil || strings.Contains(err.Error(), "short") || !strings.Contains(err.Error(), "LEDGER_KEY") {
		t.Errorf("a key that is none: %v", err)
	}
	a := ask(t, shop, "GET", "/api/v2/loyalty/members/ledger@shop.example/statements.html", "", "Accept-Language", "de")
	if a.status != 200 || !strings.Contains(a.body, "Gesammelt") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
