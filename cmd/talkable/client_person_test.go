package main

import (
	"regexp"
	"testing"
)

// TestClientRubyPeople sends what the gem sends of people.
func TestClientRubyPeople(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	p := published{t: t, address: s.address, key: s.demo.APIKey,
		head: "User-Agent: Talkable Gem/1.3.0\r\nContent-Type: application/json\r\nAccept: application/json\r\nAuthorization: Bearer KEY\r\n"}
	shop := newShop(t, s.demo)
	shop.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": "bruce+1@shop.example", "username": "batman", "first_name": "Bruce"}}, nil)
	shop.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": "clark@shop.example", "username": "superman"}}, nil)

	t.Run("83 86 88 89 found and changed", func(t *testing.T) {
		p.t = t
		p.send("GET /api/v2/people/batman?site_slug=demo", "-").fine(200).is("person.username", "batman")
		p.send("GET /api/v2/people/bruce+1@shop.example?site_slug=demo", "-").fine(200).is("person.username", "batman")
		p.send("PUT /api/v2/people/batman", `{"data":{"username":"new_name"},"site_slug":"demo"}`).fine(200).is("person.username", "new_name", "person.email", "bruce+1@shop.example")
		p.send("PUT /api/v2/people/new_name", `{"data":{"foo":"x"},"site_slug":"demo"}`).refused(400, "found unpermitted parameter: :foo")
		p.send("PUT /api/v2/people/new_name", `{"data":{"username":"superman"},"site_slug":"demo"}`).refused(422, "Validation failed: Username has already been taken. Please try another one.")
	})
	t.Run("95 lists", func(t *testing.T) {
		p.t = t
		for list, name := range map[string]string{"referrals_as_advocate": "referrals", "referrals_as_friend": "referrals", "rewards": "rewards", "shares_by": "shares"} {
			p.send("GET /api/v2/people/new_name/"+list+"?site_slug=demo", "-").fine(200).shape(map[string]string{name: "list"})
		}
	})
	t.Run("91 unsubscribed", func(t *testing.T) {
		p.t = t
		p.send("POST /api/v2/people/clark@shop.example/unsubscribe", `{"site_slug":"demo"}`).fine(200).shape(map[string]string{"person.unsubscribed_at": "text"})
		p.send("POST /api/v2/people/never@shop.example/unsubscribe", `{"site_slug":"demo"}`).fine(200).is("person.email", "never@shop.example")
		p.send("POST /api/v2/people/no-address/unsubscribe", `{"site_slug":"demo"}`).refused(422, "Validation failed: Email isn't valid")
	})
	t.Run("92 personal data, and anonymized", func(t *testing.T) {
		p.t = t
		p.send("GET /api/v2/people/new_name/personal_data?site_slug=demo", "-").fine(200).shape(map[string]string{"person.email": "text", "person.first_name": "text?", "person.last_name": "text?",
			"person.username": "text?", "person.customer_id": "text?", "person.created_at": "text", "person.opted_in_at": "text?", "person.phone_opted_in_at": "text?", "person.unsubscribed_at": "text?",
			"person.origins": "list", "person.origins.0.type": "text", "person.origins.0.created_at": "text", "person.origins.0.ip_address": "text?"})
		a := p.send("POST /api/v2/people/new_name/anonymize", `{"site_slug":"demo"}`).fine(200)
		a.is("person.username", nil, "person.first_name", nil, "person.last_name", nil)
		if email := want[string](a, "person.email"); !regexp.MustCompile(`^[0-9a-f-]{36}@anonymized\.email$`).MatchString(email) {
			t.Error(email)
		}
		p.send("GET /api/v2/people/bruce+1@shop.example?site_slug=demo", "-").refused(400, "No person found by `person_slug`.")
	})
}
