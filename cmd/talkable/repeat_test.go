package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestEveryWriteIsRepeatable takes every operation that makes or changes something: sent ten times at once and again later with one Idempotency-Key, bare
// or quoted, it is done once and answers the same each time; with the key and another body, or at another operation, it is refused. A change that
// is repeated late does not undo a newer one.
func TestEveryWriteIsRepeatable(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "repeat")}), open(t, l["TALKABLE_DATABASE_URL"])
	other := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "repeat-other")})
	ops := operationsOf(t, s.demo.Server)
	w := play(t, shop, ops)
	writes, changed := 0, 0
	for _, op := range ops {
		if keyed := slices.Contains(op.params, param{"header", "Idempotency-Key", "string"}); keyed == (op.method == "GET" || op.id == "uploadCouponCodes") {
			t.Errorf("%s: that it takes an Idempotency-Key is said: %t", op.id, keyed)
		}
		one, _ := sampleOf(op.id)
		if op.body == nil || one.status != 0 || one.keepsNothing {
			continue // a refusal is not kept: nothing was done
		}
		writes++
		body, target, key := w.fill(one.body), one.target(op, w), "repeat-"+op.id
		if one.fresh != "" {
			body = strings.Replace(body, `"`+one.fresh+`"`, `"`+one.fresh+`-repeated"`, 1)
		}
		if op.id == "createLoyaltyProgram" {
			continue // the site has its only one; its twin, replaceLoyaltyProgram, is here
		}
		one.prepare(t, shop)
		var mu sync.Mutex
		var answers []reply
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				a := later(func() reply { return ask(t, shop, op.method, target, body, "Idempotency-Key", key) })
				mu.Lock()
				defer mu.Unlock()
				answers = append(answers, a)
			})
		}
		wg.Wait()
		settled(t, s, db)
		before := census(t, db)
		answers = append(answers, ask(t, shop, op.method, target, body, "Idempotency-Key", key), ask(t, shop, op.method, target, body, "Idempotency-Key", `"`+key+`"`))
		replayed := 0
		for _, a := range answers {
			if a.status == http.StatusConflict && len(answers) > 1 { // still under way elsewhere: a definite answer too
				continue
			}
			if a.header.Get("Idempotent-Replayed") == "true" {
				replayed++
			}
			if !one.good(a.status) || a.body != answers[len(answers)-1].body {
				t.Errorf("%s answered %d %s\n\tand later %d %s", op.id, a.status, a.body, answers[len(answers)-1].status, answers[len(answers)-1].body)
			}
		}
		if last := answers[len(answers)-2:]; !slices.ContainsFunc(last, func(a reply) bool { return a.header.Get("Idempotent-Replayed") == "true" }) || replayed == len(answers) {
			t.Errorf("%s: %d of %d answers say that they are a repetition; the last is %d %s", op.id, replayed, len(answers), answers[len(answers)-1].status, answers[len(answers)-1].body)
		}
		grown := put(body, []string{"unknown_member"}, `"x"`) // another request, whatever the operation makes of it
		if a := ask(t, shop, op.method, target, grown, "Idempotency-Key", key); a.status < 400 || a.status >= 500 || !a.problem() {
			t.Errorf("%s with another body: %d %s", op.id, a.status, a.body)
		}
		settled(t, s, db)
		before.same(t, census(t, db))
		if newer := another(body); op.method == "PUT" && newer != "" {
			if a := ask(t, shop, op.method, target, newer, "Idempotency-Key", key); a.status != http.StatusUnprocessableEntity || !a.problem() {
				t.Errorf("%s with another name: %d %s", op.id, a.status, a.body)
			}
			if a := ask(t, shop, op.method, target, newer); !one.good(a.status) {
				t.Errorf("%s changed anew: %d %s", op.id, a.status, a.body)
			}
			settled(t, s, db)
			before = census(t, db)
			if a := ask(t, shop, op.method, target, body, "Idempotency-Key", key); a.body != answers[0].body || a.header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("%s repeated late: %d %s", op.id, a.status, a.body)
			}
			settled(t, s, db)
			before.same(t, census(t, db))
			changed++
		}
		if a := ask(t, other, "POST", "/api/v2/visitors", `{"data":{}}`, "Idempotency-Key", key); a.status != http.StatusOK {
			t.Errorf("%s: the key on another site: %d %s", op.id, a.status, a.body)
		}
	}
	if writes < 18 || changed < 4 {
		t.Errorf("only %d operations make or change something, %d of them anew", writes, changed)
	}
	t.Logf("%d operations make or change something, %d of them anew", writes, changed)
}

// another is a body that sets something else, where there is a name or a description to set.
func another(body string) string {
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		return ""
	}
	for _, name := range []string{"name", "description"} {
		if _, has := members[name]; has {
			return put(body, []string{name}, `"Something else"`)
		}
	}
	return ""
}
