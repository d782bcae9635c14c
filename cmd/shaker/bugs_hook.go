package main

// hookBugs are mistakes with what merchants are told.
var hookBugs = []bug{
	{Name: "hook-outside", Says: "deliveries are committed before the cursor of their event, and nothing makes them unique: a kill in between makes them twice",
		Edits: []edit{
			{"internal/notify/hook_announce.go", "insertDeliveries(ctx, u, deliveries, u.Now)\n", "insertDeliveries(ctx, m.DB, deliveries, u.Now)\n	time.Sleep(100 * time.Millisecond)\n"},
			{"internal/notify/hook_announce.go", "	\"slices\"\n", "	\"slices\"\n	\"time\"\n"},
			{"internal/notify/store_hook_delivery.go", "		on conflict on constraint delivery_once do nothing\n		returning type", "		returning type"},
			{"migrations/notify/00020_webhook.sql", "	constraint delivery_once unique (site_id, endpoint_id, occasion),\n", ""},
		}},
	{Name: "hook-of-the-twin", Says: "secrets are remembered by style, whichever site's: the twin's messages are signed with the wrong one",
		Only: []string{"webhook"},
		Edits: []edit{
			{"internal/notify/hook_send.go", "	secret, err := m.Calls.Open(e.SiteID, e.Secret)\n	if err != nil {\n		return outcall.Call{}, err\n	}\n", `	secret, err := m.Calls.Open(e.SiteID, e.Secret)
	if err != nil {
		return outcall.Call{}, err
	}
	if first, known := remembered.LoadOrStore(e.Style, secret); known {
		secret = first.(string)
	}
`},
			{"internal/notify/hook_send.go", "// call is the request", "var remembered sync.Map\n\n// call is the request"},
			{"internal/notify/hook_send.go", "	\"net/url\"\n", "	\"net/url\"\n	\"sync\"\n"},
		}},
	{Name: "hook-new-id", Says: "every attempt has an id of its own: a receiver that took one takes the next for news",
		Only:  []string{"webhook"},
		Edits: []edit{{"internal/notify/hook_send.go", "outcall.Sign(secrets, e.MessageID, now, body)", "outcall.Sign(secrets, e.MessageID+itoa(int64(e.Claim)), now, body)"}}},
	{Name: "hook-refused-delivered", Says: "any answer counts as delivered: what a receiver refused is never sent again",
		Only:  []string{"webhook"},
		Edits: []edit{{"internal/notify/hook_delivery.go", "status >= 200 && status < 300", "status >= 200"}}},
}
