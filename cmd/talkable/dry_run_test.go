package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/freeport"
)

// TestDryRunsLeaveNothing takes every operation that takes dry_run, in the story of the samples: it answers as it does a moment later in earnest, says that
// it was a dry run, and no table has another row and no counter of business facts another number, whatever else went on meanwhile. All others that write refuse it.
func TestDryRunsLeaveNothing(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	internal := freeport.Address(t)
	s := startServer(t, l, "TALKABLE_INTERNAL_LISTEN="+internal)
	shop, db := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "dry-run")}), open(t, l["TALKABLE_DATABASE_URL"])
	ops := operationsOf(t, s.demo.Server)
	w, tried := world{}, 0
	for n, one := range samples {
		i := slices.IndexFunc(ops, func(o operation) bool { return o.id == one.id })
		if i < 0 {
			continue // TestRouterAndDescriptionAgree tells
		}
		op, key := ops[i], fmt.Sprintf("dry-%d", n)
		one.prepare(t, shop)
		target, body := one.target(op, w), w.fill(one.body)
		var dry reply
		rehearsed := slices.Contains(op.params, param{"query", "dry_run", "string"})
		switch {
		case op.method == http.MethodGet:
		case rehearsed:
			tried++
			var counted []string
			for try := range 3 { // what went before may be counted a moment after it is in the books: that counts once, and a dry run that counted would each time
				settled(t, s, db)
				before, counts := census(t, db), countersOf(t, internal)
				dry = asOften(func() reply {
					return ask(t, shop, op.method, dryRunOf(target), body, one.headers("Idempotency-Key", key)...)
				}, one)
				settled(t, s, db)
				if before.same(t, census(t, db)); t.Failed() {
					t.Fatalf("a dry run of %s left something: %d %s", op.id, dry.status, dry.body)
				}
				if counted = counts.changed(countersOf(t, internal)); len(counted) == 0 {
					break
				}
				t.Logf("%s, try %d: %q", op.id, try, counted)
			}
			if len(counted) > 0 {
				t.Fatalf("a dry run of %s was counted: %q", op.id, counted)
			}
			if one.status == 0 && !strings.Contains(dry.body, `"dry_run":true`) {
				t.Errorf("a dry run of %s doesn't say that it is one: %s", op.id, dry.body)
			}
			for _, value := range []string{"", "1", "TRUE", "yes", "true&dry_run=true"} {
				if a := ask(t, shop, op.method, strings.Replace(dryRunOf(target), "dry_run=true", "dry_run="+value, 1), body, one.headers()...); a.status != http.StatusBadRequest {
					t.Errorf("%s with dry_run=%s: %d %s", op.id, value, a.status, a.body)
				}
			}
		default:
			if a := ask(t, shop, op.method, dryRunOf(target), body, one.headers()...); a.status != http.StatusBadRequest || !strings.Contains(a.body, `"dry_run_not_possible"`) {
				t.Errorf("%s takes no dry_run, and answered %d %s", op.id, a.status, a.body)
			}
		}
		var wrong string
		real := asOften(func() reply {
			a := ask(t, shop, op.method, target, body, one.headers("Idempotency-Key", key)...)
			wrong = w.learn(one, a)
			return a
		}, one)
		if wrong != "" {
			t.Fatalf("sample %s: %s", one.id, wrong)
		}
		if rehearsed && !one.keepsNothing && (dry.status != real.status || outline(t, dry.body) != outline(t, real.body)) {
			t.Errorf("%s: the dry run answered %d %s\n\tand in earnest it is %d %s", op.id, dry.status, dry.body, real.status, real.body)
		}
		if one.opens != "" {
			w["$visitor"], w["$friendoffer"] = shop.arrives(w.fill(one.opens))
		}
	}
	if tried < 12 {
		t.Errorf("only %d operations take dry_run", tried)
	}
	t.Logf("%d operations take dry_run", tried)
}

func dryRunOf(target string) string {
	if strings.Contains(target, "?") {
		return target + "&dry_run=true"
	}
	return target + "?dry_run=true"
}

// asOften asks until the answer is good: what follows from events comes a moment later.
func asOften(ask func() reply, one sample) (a reply) {
	within(longest, func() bool {
		a = ask()
		return one.good(a.status)
	})
	return a
}

// outline is an answer's members and their kinds, without what differs between what would be and what is: numbers, dates, and that it is a dry run.
func outline(t testing.TB, body string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if top, ok := v.(map[string]any); ok {
		delete(top, "dry_run")
		delete(top, "instance") // the request's id
	}
	text, err := json.Marshal(outlined(v))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func outlined(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "tier_moves") // says only a dry run
		for name, of := range v {
			v[name] = outlined(of)
		}
		return v
	case []any:
		for i := range v {
			v[i] = outlined(v[i])
		}
		return v
	case float64:
		return "number"
	case string:
		if _, err := time.Parse(time.RFC3339, v); err == nil {
			return "date"
		}
		for _, drawn := range []string{"whsec_", "msg_", "inv_"} { // anew each time
			if strings.HasPrefix(v, drawn) {
				return drawn
			}
		}
		return v
	default:
		return v
	}
}
