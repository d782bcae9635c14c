package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMovesHereFromDub plays a move from the beginning to the first payout: old links and codes lead to their advocates, past referrals count and nothing
// follows from them, and what was owed is paid out. The second run of everything changes nothing, and a dry run changes nothing at all.
func TestMovesHereFromDub(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	db := open(t, l["TALKABLE_DATABASE_URL"])
	shop := newShop(t, s.demo)
	list := shop.say("POST", "/api/v2/coupon_lists", `{"name":"Advocates' own","kind":"multi-use","percent":10}`, 201)["coupon_list"].(map[string]any)["id"]
	campaign := fmt.Sprint(shop.say("POST", "/api/v2/campaigns", fmt.Sprintf(`{"name":"Partners","tags":["moved"],"attribution":{"personal_coupons":{"coupon_list_id":%v}},
		"incentives":[{"identifier":"c","action_type":"referrer","kind":"commission","percent":10},{"identifier":"third","action_type":"referrer","kind":"points","points":900,"terms":{"milestone":3}}]}`, list), 201)["campaign"].(map[string]any)["id"])
	file := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", "moving", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	settled(t, s, db)
	steps := []struct {
		kind, file           string
		fresh, failed, known int
	}{{"advocates", file("advocates.ndjson"), 3, 1, 0}, {"referrals", file("commissions.csv"), 4, 1, 0}, {"balances", file("commissions.csv"), 3, 2, 0}}
	run := func(more ...string) (out []string) {
		for _, step := range steps {
			args := []string{"import", step.kind, step.file, "--site", "demo", "--from", "dub"}
			if step.kind != "balances" {
				args = append(args, "--campaign", campaign)
			}
			text, err := talkable(t, s.environ, append(args, more...)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			out = append(out, text)
		}
		return out
	}
	has := func(out []string, what string, want func(i int) int) {
		t.Helper()
		for i, text := range out {
			if line := fmt.Sprintf("%-12s %d\n", what, want(i)); !strings.Contains(text, line) {
				t.Errorf("%s: there is no %q in\n%s", steps[i].kind, line, text)
			}
		}
	}
	before := census(t, db)
	out := run("--dry-run")
	has(out, "failed", func(i int) int { return steps[i].failed })
	before.same(t, census(t, db))
	mails := 0
	count := func(into *int, query string) {
		t.Helper()
		if err := db.Get(into, query); err != nil {
			t.Fatal(err)
		}
	}
	count(&mails, `select count(*) from notify.message`)
	out = run()
	has(out, "new", func(i int) int { return steps[i].fresh })
	has(out, "failed", func(i int) int { return steps[i].failed })
	if text := reportOf(t, steps[1].file); !strings.Contains(text, "is referred in this campaign already") {
		t.Errorf("report: %s", text)
	}
	settled(t, s, db)
	after := 0
	count(&after, `select count(*) from notify.message`)
	rewards, offers := 0, 0
	count(&rewards, `select count(*) from referral.reward w join referral.offer o using (site_id, campaign_id) where o.campaign_id = `+campaign)
	count(&offers, `select count(*) from referral.offer where created_at < '2025-05-01'`)
	if after != mails || rewards != 0 || offers != 2 {
		t.Errorf("%d messages more, %d rewards, %d old offers", after-mails, rewards, offers)
	}
	again := census(t, db)
	out = run()
	has(out, "new", func(int) int { return 0 })
	has(out, "unchanged", func(i int) int { return steps[i].fresh })
	settled(t, s, db)
	again.same(t, census(t, db), "*.cursor")

	// An old link, by the name that it had, leads to the shop as a friend of hers.
	var claim string
	if err := db.Get(&claim, `select o.claim_code from referral.offer o join customer.person p on p.site_id = o.site_id and p.id = o.person_id where p.email = 'mara@move.example' and o.campaign_id = $1`, campaign); err != nil {
		t.Fatal(err)
	}
	for host, paths := range map[string][]string{"refer.move.example": {"/mara", "/MARA-blog", "/Mara/"}, "": {"/mara"}} {
		for _, path := range paths {
			if status, to := opensOld(t, s.demo.Server+path, host); status != http.StatusFound || to != s.demo.Server+"/x/"+claim {
				t.Errorf("%s%s: %d %s, want /x/%s", host, path, status, to, claim)
			}
		}
	}
	for _, path := range []string{"/nobody", "/favicon.ico", "/api/v2/unknown", "/x/zzz"} {
		if status, _ := opensOld(t, s.demo.Server+path, "refer.move.example"); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	// The old code at checkout: her fourth friend, so the milestone of three isn't reached anew.
	shop.say("POST", "/api/v2/origins", `{"type":"Purchase","data":{"email":"kim@move.example","order_number":"move-1","subtotal":100,"coupon_codes":["mara10"]}}`, 201)
	settled(t, s, db)
	r := shop.say("GET", "/api/v2/origins/move-1/attribution", "", 200)
	if text, _ := json.Marshal(r); !strings.Contains(string(text), `"code_used"`) {
		t.Errorf("the code: %s", text)
	}
	milestones := 0
	count(&milestones, `select count(*) from referral.reward where milestone is not null and campaign_id = `+campaign)
	if milestones != 0 {
		t.Error("a milestone was rewarded that was reached elsewhere")
	}
	text, _ := json.Marshal(shop.say("GET", "/api/v2/origins/in_1/explain", "", 200))
	if !strings.Contains(string(text), `"cause":"moved"`) || !strings.Contains(string(text), `"track_method":"moved"`) {
		t.Errorf("why: %s", text)
	}
	// The next payout takes what was owed there, 8 + 4 + 3, and what she earned here, 10.
	batch := shop.say("POST", "/api/v2/payout_batches", `{"currency":"USD","minimum":100,"method":"manual","note":"first"}`, 201)["payout_batch"].(map[string]any)
	lines, _ := json.Marshal(shop.say("GET", fmt.Sprintf("/api/v2/payout_batches/%v/lines", batch["id"]), "", 200))
	if !strings.Contains(string(lines), `"amount":2500`) && !strings.Contains(string(lines), `"25.00"`) {
		t.Errorf("the payout: %v, %s", batch, lines)
	}
}

// opensOld opens an address by the name of another host.
func opensOld(t *testing.T, url, host string) (status int, to string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header.Get("Location")
}
