package main

// tierSamples are of tiers that ask for more than lifetime points.
var tierSamples = []sample{
	{id: "replaceLoyaltyProgram", path: map[string]string{"id": "$program"}, body: `{"name":"Club 4","points_per_unit":1,"tiers":[{"name":"Silver","threshold":1000},{"name":"Gold","spend":5000,"orders":3,
		"referrals":2,"custom":9,"match":"any","benefits":"Free shipping","properties":{"icon":"sun"}}],"tier_plan":{"window":"rolling_months","length":12,"downgrade":"one_level","grace_days":30}}`},
	{id: "listLoyaltyTiers"},
	{id: "getMemberTier", path: map[string]string{"email": "ann@shop.example"}},
	{id: "createMemberToken", keepsNothing: true, path: map[string]string{"email": "ann@shop.example"}, body: `{"may":"redeem","expires_in":600}`},
	{id: "countTowardsTier", path: map[string]string{"email": "ann@shop.example"}, body: `{"source":"visit-77","amount":1,"occurred_at":"2026-03-01T12:00:00Z"}`},
	{id: "listTierChanges", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"},
}
