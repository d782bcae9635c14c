package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestMergedPeople: over all modules, two who bought are one and two again; a dry run moves nothing.
func TestMergedPeople(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "merging")})
	for _, seed := range []error{seedCampaign(t.Context(), shop.client), seedProgramme(t.Context(), shop.client)} {
		if seed != nil {
			t.Fatal(seed)
		}
	}
	balance := func(slug string) string {
		a := ask(t, shop, "GET", "/api/v2/loyalty/members/"+slug, "")
		_, after, _ := strings.Cut(a.body, `"points_balance":`)
		n, _, _ := strings.Cut(after, ",")
		return n
	}
	has := func(slug, want string) {
		t.Helper()
		eventually(t, fmt.Sprintf("%s has %s points", slug, want), func() bool { return balance(slug) == want })
	}
	const ann, work = "ann@shop.example", "ann@work.example"
	for i, slug := range []string{ann, work, work} {
		shop.buys(fmt.Sprint("m-", i), slug, "")
	}
	has(ann, "50")
	has(work, "100")
	const body = `{"survivor":"` + ann + `","duplicate":"` + work + `","reason":"She wrote from both"}`
	dry := shop.say("POST", "/api/v2/people/merges?dry_run=true", body, 201)
	if dig(dry, "merge.purchases_count") != "2" || balance(work) != "100" {
		t.Errorf("dry: %v, %s", dry, balance(work))
	}
	merged := shop.say("POST", "/api/v2/people/merges", body, 201)
	has(ann, "150")
	has(work, "150")
	shop.buys("m-3", work, `,"customer_id":"c-77"`)
	has("c-77", "200")
	shop.say("POST", "/api/v2/origins/m-1/refund", `{"data":{"refund_subtotal":"20"}}`, 200)
	has(ann, "180")
	timeline := ask(t, shop, "GET", "/api/v2/people/"+work+"/timeline?limit=100", "").body
	for _, want := range []string{`order m-0"`, `order m-1"`, `order m-3"`, "points_came_by_merge", "points_left_by_merge"} {
		if !strings.Contains(timeline, want) {
			t.Errorf("the timeline lacks %s: %s", want, timeline)
		}
	}
	shop.say("POST", "/api/v2/people/merges/"+dig(merged, "merge.id")+"/undo", `{"reason":"They are sisters"}`, 200)
	has(ann, "100")
	has(work, "80")
	shop.say("POST", "/api/v2/origins/m-2/refund", `{}`, 200)
	has(work, "30")
	has(ann, "100")
	if audit := ask(t, shop, "GET", "/api/v2/audit?subject=person", "").body; !strings.Contains(audit, `"person.unmerged"`) || !strings.Contains(audit, `"They are sisters"`) {
		t.Error(audit)
	}
}
