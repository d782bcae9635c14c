package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/migrations"
)

// TestPeople goes through Talkable's operations on persons as their clients call them; the numbers are those of the conformance cases.
func TestPeople(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "people")})
	other := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "people-other")})
	db := open(t, l["TALKABLE_DATABASE_URL"])
	check := func(method, path, body string, status int, want ...string) string {
		t.Helper()
		a := ask(t, shop, method, "/api/v2"+path, body)
		if a.status != status {
			t.Errorf("%s %s %s: %d %s, want %d", method, path, body, a.status, a.body, status)
		}
		for _, w := range want {
			if !strings.Contains(a.body, w) {
				t.Errorf("%s %s %s: %s\nlacks %s", method, path, body, a.body, w)
			}
		}
		return a.body
	}
	for _, seeded := range []client{*shop.client, *other.client} {
		if err := seedCampaign(t.Context(), &seeded); err != nil {
			t.Fatal(err)
		}
		if err := seedProgramme(t.Context(), &seeded); err != nil {
			t.Fatal(err)
		}
	}
	const ann, bob = "/people/ann.x@shop.example", "/people/bob@shop.example"
	const nobody = "\"error_message\":\"No person found by `person_slug`.\""

	// 85: nobody, before anything.
	for _, op := range []string{"", "/personal_data", "/referrals_as_advocate", "/referrals_as_friend", "/rewards", "/shares_by", "/timeline"} {
		check("GET", ann+op, "", 400, nobody)
	}
	check("POST", ann+"/anonymize", `{"site_slug":"people"}`, 400, nobody)
	check("PUT", "/people/batman", `{"data":{"first_name":"Bruce"}}`, 400, nobody)
	check("GET", "/traffic_sources", "", 200, `{"ok":true,"result":[]}`)

	// A PUT makes the person; 83, 86: the username names it from then on.
	check("PUT", ann, `{"site_slug":"people","data":{"username":"batman","first_name":"Ann"}}`, 200, `"email":"ann.x@shop.example"`, `"username":"batman"`,
		`"gender":null`, `"custom_properties":{}`, `"sub_choice":false,"subscribed_at":null,"opted_in_at":null,"phone_opted_in_at":null,"unsubscribed_at":null`,
		`"events_count":0`, `"referral_counts":{"approved":0,"pending":0,"total":0}`, `"reward_counts":{"paid":0,"total":0,"unpaid":0}`, `"share_counts":{"total":0}`, `"referred_by":null,"last_invited_by":null`)
	check("GET", "/people/batman", "", 200, `"username":"batman"`)
	eventually(t, "the name leads to Ann", func() bool {
		return strings.Contains(ask(t, shop, "GET", "/api/v2/people/batman", "").body, `/by/people/batman"`)
	})
	check("PUT", "/people/batman", `{"data":{"username":"new_name","custom_properties":{"n":123,"vip":true,"out":false},"gated_param_subscribed":"1"}}`, 200, `"username":"new_name"`,
		`"custom_properties":{"n":"123","out":"f","vip":"t"}`, `"sub_choice":true`)
	check("GET", "/people/batman", "", 400, nobody)

	check("PUT", "/people/plus+tag@shop.example", `{"data":{}}`, 200, `"email":"plus+tag@shop.example"`) // as the gem writes it: nothing escaped
	check("GET", "/people/plus%2Btag%40shop.example", "", 200, `"email":"plus+tag@shop.example"`)

	// 88, 89 and other refusals.
	check("PUT", ann, `{"data":{"foo":1}}`, 400, `"error_message":"found unpermitted parameter: :foo"`)
	check("PUT", ann, `{"data":{"foo":1,"bar":{"x":[]},"first_name":"X"}}`, 400, `"error_message":"found unpermitted parameters: :bar, :foo"`)
	check("PUT", bob, `{"data":{"username":"NEW_NAME"}}`, 422, `"error_message":"Validation failed: Username has already been taken. Please try another one."`)
	check("GET", bob, "", 400, nobody)
	check("PUT", ann, `{"data":{"email":"no address"}}`, 422, `"error_message":"Validation failed: Email isn't valid"`)
	check("PUT", ann, `{"data":{"custom_properties":{"Big":1}}}`, 422, `"error_message":"Validation failed: Identifier can contain lowercase letters, numbers and '_' only and cannot begin with a number"`)
	check("PUT", ann, `{"data":{"unsubscribed_at":"yesterday"}}`, 422, `Validation failed: Unsubscribed at`)
	for _, bad := range []string{`{}`, `{"data":[]}`, `{"data":{"custom_properties":{"a":[1]}}}`, `{"data":{"unsubscribed":"perhaps"}}`, `{"data":{"first_name":{}}}`} {
		check("PUT", ann, bad, 400, `"ok":false`)
	}
	check("GET", ann, "", 200, `"first_name":"Ann"`)

	check("PUT", "/fraud/policy", `{"profile":"basic","observe":true}`, 200) // keeps what people are seen with

	// The story: Ann shares, Bob buys.
	tale := tale{advocate: "ann.x@shop.example", friend: "bob@shop.example", order: "1001"}
	tale.tell(shop)
	tale.tell(other)
	tale.ends(shop)
	tale.ends(other)
	check("POST", "/origins", `{"type":"Purchase","data":{"email":"bob@shop.example","order_number":"1002","subtotal":"7.50","ip_address":"192.0.2.77","traffic_source":"ios","shipping_zip":"77777"}}`, 201)
	check("GET", bob, "", 200, `"referred_by":"ann.x@shop.example","last_invited_by":"ann.x@shop.example"`, `"events_count":2`)

	// 95: lists of persons.
	referral := []string{`"status":"approved"`, `"referred_subtotal":80.00`, `"ad_rewarded":true`, `"track_method":"cookie"`, `"advocate_person":{"id":`,
		`"email":"ann.x@shop.example"`, `"friend_person":{"id":`, `"email":"bob@shop.example"`, `"advocate_rewards":[{"id":`, `"next_cursor":null`}
	asAdvocate := check("GET", ann+"/referrals_as_advocate", "", 200, append(referral, `"referrals":[{"id":`)...)
	if asFriend := check("GET", bob+"/referrals_as_friend", "", 200, referral...); asFriend != asAdvocate {
		t.Errorf("as friend %s\nas advocate %s", asFriend, asAdvocate)
	}
	for _, path := range []string{ann + "/referrals_as_friend", bob + "/referrals_as_advocate"} {
		check("GET", path, "", 200, `"result":{"referrals":[],"next_cursor":null}`)
	}
	rewards := check("GET", ann+"/rewards?limit=1", "", 200, `"rewards":[{"id":`, `"reason":"referrer"`, `"next_cursor":"`)
	next := regexp.MustCompile(`"next_cursor":"([^"]+)"`).FindStringSubmatch(rewards)[1]
	if second := check("GET", ann+"/rewards?limit=1&cursor="+next, "", 200, `"next_cursor":null`); second == rewards {
		t.Errorf("the second page is the first: %s", second)
	}
	check("GET", bob+"/rewards?cursor="+next, "", 400, `"code":"invalid_cursor"`)
	check("GET", bob+"/rewards", "", 200, `"reason":"click"`) // earned as a visitor, before anybody knew
	check("GET", bob, "", 200, `"reward_counts":{"paid":1,"total":1,"unpaid":0}`)
	check("GET", ann+"/shares_by", "", 200, `"shares":[]`)                                   // 94
	check("GET", "/traffic_sources", "", 200, `{"ok":true,"result":[{"identifier":"ios"}]}`) // 113

	// 116: a member's properties and dates.
	const member = "/loyalty/members/ann.x@shop.example"
	check("PUT", member, `{"data":{"custom_properties":{"contest":true,"n":123},"member_dates":[{"identifier":"birthday","date":"1990-05-17"}]}}`, 200,
		`"custom_properties":{"contest":"t","n":"123","out":"f","vip":"t"}`, `"member_dates":[{"identifier":"birthday","date":"1990-05-17"}]`, `"points_balance":500`)
	check("GET", member, "", 200, `"member_dates":[{"identifier":"birthday","date":"1990-05-17"}]`)
	for _, bad := range []string{`{}`, `[1]`, `"x"`, `[{"date":"1990-05-17"}]`, `[{"identifier":"x","date":1}]`, `[[]]`, `true`} {
		check("PUT", member, `{"data":{"member_dates":`+bad+`}}`, 400, "\"error_message\":\"Invalid member_dates format, expected an array of objects with ``date`` and ``identifier`` keys\"")
	}
	const badName = `"error_message":"Validation failed: Identifier can contain lowercase letters, numbers and '_' only and cannot begin with a number"`
	check("PUT", member, `{"data":{"custom_properties":{"1st":1}}}`, 422, badName)
	check("PUT", member, `{"data":{"custom_properties":{"fine":1},"member_dates":[{"identifier":"1st","date":"1990-05-17"}]}}`, 422, badName)
	if body := check("GET", member, "", 200); strings.Contains(body, "fine") {
		t.Errorf("half a change was made: %s", body)
	}
	check("PUT", "/loyalty/members/nobody@shop.example", `{"data":{}}`, 400, `"error_message":"Loyalty member not found"`)

	// 91 and unsubscribing: no mail to Ann, and Carol is made.
	check("POST", "/people/nobody/unsubscribe", `{"site_slug":"people"}`, 422, `"error_message":"Validation failed: Email isn't valid"`)
	check("POST", "/people/carol@shop.example/unsubscribe", "", 200, `"email":"carol@shop.example"`, `"unsubscribed_at":"20`)
	check("POST", ann+"/unsubscribe", `{"site_slug":"people"}`, 200, `"unsubscribed_at":"20`)
	settled(t, s, db)
	tale.friend, tale.order = "dora@shop.example", "1003"
	tale.tell(shop)
	kept := [][4]string{ // what is answered to these is kept; the last is what a repetition says later
		{"PUT", ann, `{"data":{"last_name":"Lee","username":"new_name"}}`, `"username":null`},
		{"PUT", member, `{"data":{"custom_properties":{"a":1},"member_dates":[{"identifier":"birthday","date":"1990-05-17"}]}}`},
		{"POST", "/origins", `{"type":"Purchase","data":{"email":"bob@shop.example","order_number":"1004","subtotal":1,"ip_address":"192.0.2.77"}}`, `"email":null`},
		{"POST", "/origins/1004/refund", `{}`, `"email":null`},
	}
	for i, a := range kept {
		if got := ask(t, shop, a[0], "/api/v2"+a[1], a[2], "Idempotency-Key", fmt.Sprint("k", i)); got.status > 201 {
			t.Errorf("%v: %d %s", a, got.status, got.body)
		}
	}
	eventually(t, "the mail is suppressed", func() bool {
		return strings.Contains(ask(t, shop, "GET", "/api/v2/messages?email=ann.x@shop.example&status=suppressed", "").body, `"reason":"unsubscribed"`)
	})
	check("GET", ann+"/timeline", "", 200, `"type":"message_suppressed"`)
	check("PUT", ann, `{"data":{"unsubscribed":false}}`, 200, `"unsubscribed_at":null`)

	settled(t, s, db) // points, mail and lists are heard of by different modules

	// Personal data, then 92: none of it is left anywhere but in the logs of events, and the facts are.
	check("GET", bob+"/personal_data", "", 200, `{"ok":true,"result":{"person":{"email":"bob@shop.example","first_name":null,"last_name":null,"username":null,"customer_id":null,"created_at":"`,
		`"opted_in_at":null,"phone_opted_in_at":null,"unsubscribed_at":null,"origins":[{"type":"Purchase","created_at":"`, `"ip_address":"192.0.2.77","order_number":"1002","subtotal":7.50`)
	check("GET", member, "", 200, `"points_balance":1000`)
	ip := customerapi.Fingerprint("ip", "192.0.2.77")
	ip = strings.Join([]string{ip[:8], ip[8:12], ip[12:16], ip[16:20], ip[20:]}, "-")
	var browsers []string
	if err := db.Select(&browsers, `select i.visitor_id::text from referral.identity i
		join customer.person p on p.site_id = i.site_id and p.id = i.person_id join gateway.site s on s.site_id = i.site_id
		where s.slug = 'people' and p.email in ('ann.x@shop.example', 'bob@shop.example')`); err != nil || len(browsers) == 0 {
		t.Fatalf("%q %v", browsers, err)
	}
	if len(traces(t, db, "people", ip)) == 0 || len(traces(t, db, "people", browsers...)) == 0 {
		t.Error("nothing would be found")
	}
	for _, path := range []string{ann, bob} {
		gone := check("POST", path+"/anonymize", `{"site_slug":"people"}`, 200, `"username":null`, `"first_name":null,"last_name":null,"phone_number":null`, `"custom_properties":{}`)
		if !regexp.MustCompile(`"email":"[0-9a-f-]{36}@anonymized\.email"`).MatchString(gone) {
			t.Errorf("anonymized: %s", gone)
		}
		check("GET", path, "", 400, nobody)
		check("GET", path+"/personal_data", "", 400, nobody)
		address := regexp.MustCompile(`[0-9a-f-]{36}@anonymized\.email`).FindString(gone)
		check("PUT", "/people/"+address, `{"data":{"first_name":"Back"}}`, 422, `Validation failed: Person has been anonymized`)
		if path == ann {
			settled(t, s, db)
			check("GET", "/loyalty/members/"+address, "", 400, `"code":"member_not_active"`)
			check("GET", "/loyalty/members/"+address+"/membership", "", 200, `"status":"erased"`)
			check("GET", "/loyalty/members/"+address+"/entries", "", 200, `"balance":1000`)
			check("PUT", "/loyalty/members/"+address, `{"data":{"member_dates":[{"identifier":"birthday","date":"1990-05-17"}]}}`, 422, `Validation failed: Person has been anonymized`)
			check("GET", "/people/"+address, "", 200, `"referral_counts":{"approved":2,"pending":0,"total":2}`)
		}
	}
	settled(t, s, db)
	for i, a := range kept { // repeated late: done once, and nobody is named
		got := ask(t, shop, a[0], "/api/v2"+a[1], a[2], "Idempotency-Key", fmt.Sprint("k", i))
		if a[3] != "" && (got.status > 201 || got.header.Get("Idempotent-Replayed") != "true" || !strings.Contains(got.body, a[3])) {
			t.Errorf("%v repeated: %d %s", a, got.status, got.body)
		}
	}
	for where, n := range traces(t, db, "people", "ann.x@", "bob@shop", "192.0.2.77", "77777", "new_name", "1990-05-17") {
		t.Errorf("%d rows of %s still tell who they were", n, where)
	}
	for where, n := range traces(t, db, "people", append(browsers, ip)...) {
		table, _, _ := strings.Cut(where, " ")
		switch table {
		case "referral.visit", "referral.friend_offer", "referral.reward", "customer.visitor", "analytics.visitor_day": // what browsers did, whose ever they are
		default:
			t.Errorf("%d rows of %s still tell whose browser it was, or from where they came", n, where)
		}
	}
	if a := ask(t, other, "GET", "/api/v2"+ann, ""); a.status != 200 { // the twin's are as they were
		t.Errorf("the twin: %d %s", a.status, a.body)
	}
	if len(traces(t, db, "people-other", "ann.x@", "bob@shop")) == 0 {
		t.Error("nothing would be found")
	}
}

// traces counts, by table, the rows of a site that hold one of the texts. Logs of events, which keep theirs until they are dropped, have
// no site.
func traces(t testing.TB, db *sqlx.DB, slug string, texts ...string) map[string]int {
	t.Helper()
	var site int64
	if err := db.Get(&site, `select site_id from gateway.site where slug = $1`, slug); err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, m := range migrations.Modules {
		var tables []string
		if err := db.Select(&tables, `select quote_ident(nspname) || '.' || quote_ident(relname) from pg_catalog.pg_class c
			join pg_catalog.pg_namespace n on n.oid = c.relnamespace join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attname = 'site_id'
			where nspname = $1 and relkind in ('r', 'p') and not relispartition`, m); err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			for _, text := range texts {
				var n int
				if err := db.Get(&n, fmt.Sprintf(`select count(*) from %s x where site_id = $1 and position($2 in x::text) > 0`, table), site, text); err != nil {
					t.Fatalf("%s: %v", table, err)
				}
				if n > 0 {
					out[table+" ("+text+")"] += n
				}
			}
		}
	}
	return out
}
