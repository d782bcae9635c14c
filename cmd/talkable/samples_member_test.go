package main

// memberSamples are of members' states.
var memberSamples = []sample{
	{id: "enrolLoyaltyMember", fresh: "mia@shop.example", body: `{"person":"mia@shop.example","note":"Asked for it at the till"}`},
	{id: "listLoyaltyMembers", query: "status=active&limit=5"},
	{id: "suspendLoyaltyMember", path: map[string]string{"email": "mia@shop.example"}, body: `{"note":"Too many refunds"}`},
	{id: "reactivateLoyaltyMember", path: map[string]string{"email": "mia@shop.example"}, body: `{"note":"It was a mistake"}`},
	{id: "closeLoyaltyMember", path: map[string]string{"email": "mia@shop.example"}, body: `{"note":"Asked for it by mail"}`},
	{id: "getMembership", path: map[string]string{"email": "mia@shop.example"}},
	{id: "listMemberChanges", path: map[string]string{"email": "mia@shop.example"}, query: "limit=5"},
	{id: "createLoyaltyInvitations", learn: map[string]string{"invitation": "invitations.0.invitation.id"}, fresh: "ina@shop.example", body: `{"emails":["ina@shop.example"],"expires_in_days":30,"note":"Spring event"}`},
	{id: "listLoyaltyInvitations", query: "status=open&limit=5"},
	{id: "revokeLoyaltyInvitation", path: map[string]string{"id": "$invitation"}, body: `{}`},
	{id: "createLoyaltyInvitations", learn: map[string]string{"invitecode": "invitations.0.invitation.code"}, fresh: "ivy@shop.example", body: `{"emails":["ivy@shop.example"]}`},
	{id: "acceptLoyaltyInvitation", body: `{"code":"$invitecode"}`},
}
