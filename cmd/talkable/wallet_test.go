package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestWallets goes through what a merchant and a checkout do with a programme of several wallets: stars make the tier, credit is spent.
func TestWallets(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "purses")})
	const programs, ann, bob = "/api/v2/loyalty/programs", "/api/v2/loyalty/members/ann@shop.example", "bob@shop.example"
	const club = `{"name":"Club","points_per_unit":1,"tiers":[{"name":"Silver","threshold":40}],"wallets":[
		{"key":"stars","name":"Stars","spendable":false,"counts_for_tier":true},{"key":"credit","name":"Credit","transferable":true,"expires_after_days":30}],
		"earning":{"rules":[{"key":"stars","kind":"per_money","points":1,"wallet":"stars"},{"key":"credit","kind":"fixed","points":5,"wallet":"credit"}]}}`
	for bad, where := range map[string]string{`"key":"stars"`: "/wallets/0/key", `"name":"Credit"`: "/wallets/1/name", `"wallet":"credit"`: "/earning/rules/1/wallet"} {
		broken := strings.Replace(club, bad, map[string]string{"/wallets/0/key": `"key":"points"`, "/wallets/1/name": `"name":"STARS"`, "/earning/rules/1/wallet": `"wallet":"gems"`}[where], 1)
		if a := ask(t, shop, "POST", programs, broken); a.status != 400 || !strings.Contains(a.body, where) {
			t.Errorf("%s: %d %s", where, a.status, a.body)
		}
	}
	made := shop.say("POST", programs, club, 201)
	program := programs + "/" + dig(made, "program.id")
	if shown := fmt.Sprint(made); !strings.Contains(shown, "spendable:false") || !strings.Contains(shown, "spendable:true") || dig(made, "program.wallets.1.expiry_rule") != "rolling" {
		t.Error(shown)
	}
	shop.buys("w-1", "ann@shop.example", "")
	shop.buys("w-2", bob, "")
	has := func(want ...string) {
		t.Helper()
		eventually(t, fmt.Sprint("Ann has ", want), func() bool {
			body := ask(t, shop, "GET", ann, "").body
			for _, w := range want {
				if !strings.Contains(body, w) {
					return false
				}
			}
			return true
		})
	}
	has(`"points_balance":50`, `"key":"stars","name":"Stars","balance":50`, `"key":"credit","name":"Credit","balance":5`, `"tier":"Silver"`)
	has(`"expiring_next":{"points":5`)
	eventually(t, "Bob is a member", func() bool { return ask(t, shop, "GET", "/api/v2/loyalty/members/"+bob, "").status == 200 })

	given := shop.say("POST", ann+"/manual_adjustment_actions", `{"data":{"points":20,"description":"Sorry","wallet":"credit"}}`, 200)
	if dig(given, "action.wallet") != "credit" || dig(given, "loyalty_member.points_balance") != "50" || dig(given, "loyalty_member.wallets.1.balance") != "25" {
		t.Errorf("%v", given)
	}
	batch := shop.say("POST", program+"/redemption_batches", `{"description":"A mug","points_cost":10,"wallet":"credit"}`, 201)
	spent := shop.say("POST", ann+"/redeem_actions", `{"data":{"redemption_batch_id":`+dig(batch, "redemption_batch.id")+`}}`, 200)
	held := shop.say("POST", ann+"/holds", `{"points":5,"reference":"cart","wallet":"credit"}`, 201)
	if dig(spent, "loyalty_member.wallets.1.balance") != "15" || dig(held, "balance") != "10" || dig(held, "hold.wallet") != "credit" {
		t.Errorf("%v, %v", spent, held)
	}
	shop.say("POST", "/api/v2/loyalty/holds/"+dig(held, "hold.id")+"/commit", `{}`, 200)
	shop.say("POST", ann+"/transfers", `{"to":"`+bob+`","points":2,"wallet":"credit"}`, 201)
	has(`"points_balance":50`, `"key":"credit","name":"Credit","balance":8`)
	shop.say("POST", ann+"/extensions", `{"expires_at":"2199-12-31T00:00:00Z","note":"closed","wallet":"credit"}`, 200)
	for path, want := range map[string]string{"/balance?wallet=credit": `"points":8`, "/balance": `"points":50`, "/entries?wallet=stars": `"points":50`, "/expirations?wallet=credit": `2199-12-31`,
		"/statements?wallet=credit": `"closing_balance":8`, "/rewards": `"wallet":"credit"`, "/balance?wallet=points": `"points":50`} {
		if a := ask(t, shop, "GET", ann+path, ""); a.status != 200 || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	for _, refused := range [][4]string{
		{"GET", ann + "/balance?wallet=gems", "", "wallet_not_found"}, {"GET", ann + "/statements?wallet=gems", "", "wallet_not_found"}, {"GET", ann + "/entries?wallet=gems", "", "wallet_not_found"},
		{"POST", ann + "/holds", `{"points":5,"reference":"cart","wallet":"stars"}`, "wallet_not_spendable"}, {"POST", ann + "/holds", `{"points":5,"reference":"cart","wallet":"gems"}`, "wallet_not_found"},
		{"POST", ann + "/transfers", `{"to":"` + bob + `","points":2,"wallet":"stars"}`, "wallet_not_transferable"},
		{"POST", ann + "/manual_adjustment_actions", `{"data":{"points":1,"wallet":"gems"}}`, "wallet_not_found"},
		{"POST", program + "/redemption_batches", `{"description":"A mug","points_cost":10,"wallet":"stars"}`, "invalid_redemption_batch"},
	} {
		if a := ask(t, shop, refused[0], refused[1], refused[2]); a.status != 400 || !strings.Contains(a.body, refused[3]) {
			t.Errorf("%s: %d %s", refused[1], a.status, a.body)
		}
	}
	if a := ask(t, shop, "PUT", program, `{"name":"Club","points_per_unit":1}`); a.status != 409 || !strings.Contains(a.body, "wallet_in_use") {
		t.Errorf("%d %s", a.status, a.body)
	}
	trial := shop.say("POST", program+"/trial", `{"subtotal":1000}`, 200)
	if dig(trial, "trial.wallets.0.points") != "10" || dig(trial, "trial.wallets.1.wallet") != "credit" {
		t.Errorf("%v", trial)
	}
	preview := shop.say("GET", "/api/v2/origins/w-1/refund_preview", "", 200)
	if dig(preview, "refund_preview.wallets.0.due") != "50" || dig(preview, "refund_preview.wallets.1.due") != "5" {
		t.Errorf("%v", preview)
	}
	shop.say("POST", "/api/v2/origins/w-1/refund", `{}`, 200)
	has(`"points_balance":0`, `"key":"stars","name":"Stars","balance":0`, `"key":"credit","name":"Credit","balance":3`, `"tier":null`)
	if code := ask(t, shop, "GET", "/api/v2/people/ann@shop.example/timeline", ""); !strings.Contains(code.body, "(wallet stars)") {
		t.Error(code.body)
	}
}
