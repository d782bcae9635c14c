package main

import (
	"slices"
	"testing"
)

// TestClientIOS sends what the iOS SDK sends, with a public key: forms whose keys are in their order, in both encodings that its networking
// library has had, and parameters in the query of GETs. It takes a success only with a content type of JSON, and doesn't look at ok.
func TestClientIOS(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	p := published{t: t, address: s.address, key: s.demo.PublicKey,
		head: "User-Agent: Talkable iOS SDK v1.5.1 API\r\nAccept-Language: en;q=1\r\nAccept: */*\r\nAuthorization: Bearer KEY\r\n"}
	const uuid, web = "d3b07384-d9a0-4c1b-8a3f-0c7a2f1f5b1e", "7d444840-9dc0-41d1-b245-5ffdce74fad2"
	const form, multi = "Content-Type: application/x-www-form-urlencoded", "Content-Type: multipart/form-data; boundary=Boundary+8D0F6A1B2C3D4E5F"
	part := func(pairs ...string) (body string) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if i > 0 {
				body += "\r\n"
			}
			body += "--Boundary+8D0F6A1B2C3D4E5F\r\nContent-Disposition: form-data; name=\"" + pairs[i] + "\"\r\n\r\n" + pairs[i+1]
		}
		return body + "\r\n--Boundary+8D0F6A1B2C3D4E5F--\r\n"
	}
	var code string

	t.Run("11 14 37 40 affiliate member", func(t *testing.T) {
		p.t = t
		a := p.send("POST /api/v2/origins", part("data[alternative_visitor_uuid]", web, "data[campaign_tags][]", "ios-invite", "data[campaign_tags][]", "invite", "data[email]", "ios@shop.example",
			"data[first_name]", "Zoë & Co", "data[gender]", "", "data[ip_address]", "current", "data[person_custom_properties][theme]", "dark", "data[traffic_source]", "ios", "data[uuid]", uuid,
			"site_slug", "demo", "type", "AffiliateMember"), multi).fine(201)
		a.is("origin.type", "AffiliateMember", "origin.email", "ios@shop.example", "origin.ip_address", "127.0.0.1")
		a.shape(offerShape("offer"))
		code = want[string](a, "offer.short_url_code")
		b := p.send("POST /api/v2/origins", "data[alternative_visitor_uuid]="+web+"&data[campaign_tags][]=ios-invite&data[campaign_tags][]=invite&data[email]=ios%40shop.example&data[first_name]=Zo%C3%AB%20%26%20Co&"+
			"data[gender]=&data[ip_address]=current&data[person_custom_properties][theme]=dark&data[traffic_source]=ios&data[uuid]="+uuid+"&site_slug=demo&type=AffiliateMember", form).fine(201)
		b.is("origin.id", want[float64](a, "origin.id"), "offer.short_url_code", code)
		channels := p.send("POST /api/v2/origins", "data%5Bcampaign_tags%5D=invite&data%5Bemail%5D=ios%40shop.example&data%5Bsharing_channels%5D%5B%5D=facebook&data%5Buuid%5D="+uuid+"&site_slug=demo&type=AffiliateMember", form)
		channels.fine(201).shape(map[string]string{"offer.claim_links.facebook": "text"}) // where its guide reads them
	})
	t.Run("11 the server's picture of a person is that of JSON", func(t *testing.T) {
		secret := newShop(t, s.demo)
		secret.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": "known@shop.example"}}, nil)
		var person struct {
			Person struct {
				First  string            `json:"first_name"`
				Custom map[string]string `json:"custom_properties"`
			} `json:"person"`
		}
		q := published{t: t, address: s.address, key: s.demo.APIKey, head: p.head}
		q.send("POST /api/v2/origins", part("data[email]", "known@shop.example", "data[first_name]", "Zoë & Co", "data[person_custom_properties][theme]", "dark", "data[person_custom_properties][vip]", "1",
			"site_slug", "demo", "type", "AffiliateMember"), multi).fine(201)
		secret.must("GET", "/api/v2/people/known@shop.example", nil, &person)
		if person.Person.First != "Zoë & Co" || person.Person.Custom["theme"] != "dark" || person.Person.Custom["vip"] != "1" {
			t.Errorf("%+v", person)
		}
	})
	t.Run("11 purchase with items", func(t *testing.T) {
		p.t = t
		pairs := []string{"data[campaign_tags][]", "ios-post-purchase", "data[coupon_code][]", "A", "data[coupon_code][]", "B", "data[email]", "ios@shop.example", "data[ip_address]", "current",
			"data[items][][price]", "5.05", "data[items][][product_id]", "p-1", "data[items][][quantity]", "2", "data[items][][price]", "1", "data[items][][product_id]", "p-2", "data[items][][quantity]", "1",
			"data[order_number]", "I-1", "data[subtotal]", "11.1", "data[traffic_source]", "ios", "data[uuid]", uuid, "site_slug", "demo", "type", "Purchase"}
		p.send("POST /api/v2/origins", part(pairs...), multi).fine(201).is("origin.order_number", "I-1", "origin.subtotal", 11.1, "origin.coupon_code", "A,B", "offer", nil)
		db := open(t, environOf(t, s, "TALKABLE_DATABASE_URL"))
		var items []string
		if err := db.Select(&items, `select i.product_id || ' ' || i.price || ' ' || i.quantity from customer.origin_item i
			join customer.origin o on o.site_id = i.site_id and o.id = i.origin_id where o.number = 'I-1' order by i.position`); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(items, []string{"p-1 505 2", "p-2 100 1"}) {
			t.Errorf("the items are %q", items)
		}
	})
	t.Run("26 the event of an installation", func(t *testing.T) {
		p.t = t
		for range 2 {
			p.send("POST /api/v2/origins", part("data[alternative_visitor_uuid]", web, "data[event_category]", "ios_app_installed", "data[event_number]", "e621e1f8-c36c-495a-93fc-0c247a3e6e5f",
				"data[ip_address]", "current", "data[traffic_source]", "ios", "data[uuid]", uuid, "site_slug", "demo", "type", "Event"), multi).fine(201).
				is("origin.type", "Event", "origin.subtotal", 0.0, "origin.event_category", "ios_app_installed")
		}
	})
	t.Run("28 29 an error has its status", func(t *testing.T) {
		p.t = t
		p.send("POST /api/v2/origins", part("data[email]", "x@y.example", "site_slug", "demo", "type", "Foo"), multi).refused(400, "`type` must be within [\"AffiliateMember\", \"Purchase\", \"Event\"]")
		p.send("POST /api/v2/origins", part("data[email]", "abc", "data[order_number]", "I-2", "data[subtotal]", "1", "site_slug", "demo", "type", "Purchase"), multi).refused(400, "Email isn't valid")
		p.send("POST /api/v2/origins", part("data[email]", "x@y.example", "site_slug", "elsewhere", "type", "AffiliateMember"), multi).refused(400, "No site found by ``site_slug``.")
	})
	t.Run("49 73 offer and rewards", func(t *testing.T) {
		p.t = t
		p.send("GET /api/v2/offers/"+code+"?site_slug=demo", "-").fine(200).shape(offerShape("offer"))
		p.send("GET /api/v2/offers/"+code+"?sharing_channels%5B%5D=facebook&site_slug=demo", "-").fine(200).shape(map[string]string{"offer.claim_links.facebook": "text"})
		p.send("GET /api/v2/rewards?site_slug=demo&visitor_uuid="+uuid, "-").fine(200).shape(map[string]string{"rewards": "list"})
	})
}
