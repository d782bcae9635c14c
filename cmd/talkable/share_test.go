package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// say asks an operation and reads its result.
func (s shop) say(method, path, body string, status int, headers ...string) map[string]any {
	s.t.Helper()
	a := ask(s.t, s, method, path, body, headers...)
	var got struct{ Result map[string]any }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != status {
		s.t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.body)
	}
	return got.Result
}

// refuses says whether an operation is refused in these words.
func (s shop) refuses(method, path, body string, status int, message string) {
	s.t.Helper()
	a := ask(s.t, s, method, path, body)
	var got struct {
		OK      *bool  `json:"ok"`
		Message string `json:"error_message"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != status || got.OK == nil || *got.OK || got.Message != message {
		s.t.Errorf("%s %s %s: %d %s, want %q", method, path, body, a.status, a.body, message)
	}
}

// offerOf makes an advocate's offer of the demo campaign.
func (s shop) offerOf(email string) map[string]any {
	s.t.Helper()
	return s.say("POST", "/api/v2/origins", `{"type":"AffiliateMember","data":{"email":"`+email+`","first_name":"Ann","campaign_tags":["invite"]}}`, 201)["offer"].(map[string]any)
}

// TestShares plays the conformance cases of shares, with Talkable's own requests, against a running server.
func TestShares(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, s.demo), open(t, l["TALKABLE_DATABASE_URL"])
	public := newShop(t, demoFile{Server: s.demo.Server, APIKey: first(makeKey(t, s, "demo", "--public"))})
	offer := shop.offerOf("share-ann@shop.example")
	at := "/api/v2/offers/" + offer["short_url_code"].(string)

	t.Run("61, 62: a social share", func(t *testing.T) {
		for _, body := range []string{`{"channel":"facebook"}`, `{"channel":{"channel":"facebook"}}`, `{"channel":"facebook_message","site_slug":"demo"}`} {
			got := shop.say("POST", at+"/shares/social", body, 200)
			share := got["share"].(map[string]any)
			if reward, has := got["reward"]; !has || reward != nil || share["type"] != "SocialOfferShare" || !strings.Contains(share["short_url"].(string), "/x/") {
				t.Errorf("%s: %v", body, got)
			}
			names := slices.Sorted(maps.Keys(share))
			if fmt.Sprint(names) != "[campaign channel_identifier friend_clicks_count friends_count id offer shared_at short_url type]" {
				t.Error(names)
			}
			if share["offer"].(map[string]any)["email"] != "share-ann@shop.example" {
				t.Errorf("%v", share["offer"])
			}
		}
		got := public.say("POST", at+"/shares/social", `{"channel":"sms"}`, 200)["share"].(map[string]any)
		if got["offer"].(map[string]any)["email"] != nil {
			t.Error("a public key reads an address")
		}
	})
	t.Run("64: a channel that is none", func(t *testing.T) {
		for _, body := range []string{`{"channel":"nope"}`, `{"channel":""}`, `{}`, `{"channel":null}`, `{"channel":{}}`} {
			shop.refuses("POST", at+"/shares/social", body, 400, "`channel` is invalid")
		}
		shop.refuses("POST", "/api/v2/offers/unknown/shares/social", `{"channel":"facebook"}`, 400, "No offer found by id.")
	})
	t.Run("65, 68, 70, 71: an e-mail share", func(t *testing.T) {
		got := shop.say("POST", at+"/shares/email", `{"recipients":"Bob@x.example,carl@x.example, bob@X.example","subject":"Hey","body":"See https://evil.example","reminder":false}`, 200)
		stats, to := got["stats"].(map[string]any), got["recipients"].(map[string]any)
		if got["success"] != true || got["validation_only"] != false || stats["currently_sent"] != 2.0 || stats["total_sent"] != 2.0 || stats["left_emails"] != 23.0 || len(to) != 2 {
			t.Errorf("%v", got)
		}
		if reward, has := got["reward"]; !has || reward != nil {
			t.Errorf("%v", got)
		}
		bob := to["Bob@x.example"].(map[string]any)
		if fmt.Sprint(bob) != "map[blacklisted:false blocklisted:false currently_sent:true email_valid:true meets_criteria:true previously_sent:false self_referral:false sharable:true unsubscribed:false]" {
			t.Errorf("%v", bob)
		}
		got = public.say("POST", at+"/shares/email", `{"recipients":"carl@x.example\ndora@x.example\r\nno address","email":{"subject":"Hi","body":"Yo","reminder":true},"offer":{"code":"x"},"channel":"email"}`, 200)
		to = got["recipients"].(map[string]any)
		if got["stats"].(map[string]any)["currently_sent"] != 1.0 || to["carl@x.example"].(map[string]any)["previously_sent"] != true ||
			to["carl@x.example"].(map[string]any)["sharable"] != false || to["no address"].(map[string]any)["email_valid"] != false {
			t.Errorf("%v", got)
		}
		got = shop.say("POST", at+"/shares/email", `{"recipients":"SHARE-ann@shop.example"}`, 200)
		self := got["recipients"].(map[string]any)["SHARE-ann@shop.example"].(map[string]any)
		if got["success"] != false || self["self_referral"] != true || self["sharable"] != false || self["currently_sent"] != false {
			t.Errorf("%v", got)
		}
		var mail struct {
			Messages []map[string]any
		}
		eventually(t, "each friend has one e-mail", func() bool {
			n := 0
			for _, who := range []string{"bob", "carl", "dora"} {
				shop.must("GET", "/api/v2/messages?email="+who+"@x.example", nil, &mail)
				if len(mail.Messages) == 1 && mail.Messages[0]["status"] == "sent" && mail.Messages[0]["template"] == "share" {
					n++
				}
			}
			return n == 3
		})
		shop.must("GET", "/api/v2/messages?email=bob@x.example", nil, &mail)
		text := shop.say("GET", fmt.Sprintf("/api/v2/messages/%.0f", mail.Messages[0]["id"]), "", 200)
		if words := fmt.Sprint(text["text"]); text["subject"] != "Hey" || strings.Contains(words, "evil") || !strings.Contains(words, "/x/") || !strings.Contains(words, "Ann recommends") {
			t.Errorf("%v", text)
		}
		if who := shop.say("GET", "/api/v2/people/share-ann@shop.example", "", 200)["person"].(map[string]any)["share_counts"]; fmt.Sprint(who) != "map[email:3 facebook:2 facebook_message:1 sms:1 total:7]" {
			t.Errorf("%v", who)
		}
	})
	t.Run("67: recipients are needed", func(t *testing.T) {
		for _, body := range []string{`{}`, `{"recipients":""}`, `{"recipients":" ,\n , "}`, `{"recipients":null}`, `{"recipients":[]}`} {
			shop.refuses("POST", at+"/shares/email", body, 400, "`recipients` is required")
		}
		shop.refuses("POST", "/api/v2/offers/unknown/shares/email", `{"recipients":"a@b.cd"}`, 400, "No offer found by id.")
	})
	t.Run("only looking changes nothing; unsubscribed people and more than 25 get none", func(t *testing.T) {
		other := shop.offerOf("share-eve@shop.example")["short_url_code"].(string)
		var many []string
		for i := range 30 {
			many = append(many, fmt.Sprintf("many%d@x.example", i))
		}
		settled(t, s, db)
		before := census(t, db)
		got := shop.say("POST", "/api/v2/offers/"+other+"/shares/email", `{"recipients":"`+strings.Join(many, ",")+`","validation_only":true}`, 200)
		if stats := got["stats"].(map[string]any); got["success"] != true || got["validation_only"] != true || stats["currently_sent"] != 0.0 || stats["sent_limit_exceeded"] != true || stats["left_emails"] != 25.0 {
			t.Errorf("%v", got)
		}
		before.same(t, census(t, db))
		if _, err := db.Exec(`update customer.person set unsubscribed_at = now() where email_norm = 'bob@x.example'`); err != nil {
			t.Fatal(err)
		}
		got = shop.say("POST", "/api/v2/offers/"+other+"/shares/email", `{"recipients":"bob@x.example,`+strings.Join(many, ",")+`"}`, 200, "Idempotency-Key", "many")
		stats, bob := got["stats"].(map[string]any), got["recipients"].(map[string]any)["bob@x.example"].(map[string]any)
		if bob["unsubscribed"] != true || bob["currently_sent"] != false || stats["currently_sent"] != 25.0 || stats["left_emails"] != 0.0 || stats["sent_limit_exceeded"] != true {
			t.Errorf("%v", got)
		}
		settled(t, s, db)
		if before = census(t, db); !strings.HasPrefix(before["referral.share"], "32 ") { // 3 and 4 of the other offer
			t.Errorf("%v", before["referral.share"])
		}
		again := ask(t, shop, "POST", "/api/v2/offers/"+other+"/shares/email", `{"recipients":"bob@x.example,`+strings.Join(many, ",")+`"}`, "Idempotency-Key", "many")
		if again.status != http.StatusOK || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%d %s", again.status, again.body)
		}
		before.same(t, census(t, db))
	})
}
