package main

import "net/http"

// tierSamples are of tiers that ask for more than lifetime points.
var tierSamples = []sample{
	{id: "createPool", body: `{"name":"The Millers","owner":"bob@shop.example","members":["ann@shop.example"],"spending":"all"}`, status: http.StatusConflict, why: "the programme has no pools yet"},
	{id: "replaceLoyaltyProgram", path: map[string]string{"id": "$program"}, body: `{"name":"Club 4","points_per_unit":1,"pool_size":4,"tiers":[{"name":"Silver","threshold":1000},{"name":"Gold","spend":5000,"orders":3,
		"referrals":2,"custom":9,"match":"any","benefits":"Free shipping","properties":{"icon":"sun"}}],"tier_plan":{"window":"rolling_months","length":12,"downgrade":"one_level","grace_days":30}}`},
	{id: "listLoyaltyTiers"},
	{id: "getMemberTier", path: map[string]string{"email": "ann@shop.example"}},
	{id: "createMemberToken", keepsNothing: true, path: map[string]string{"email": "ann@shop.example"}, body: `{"may":"redeem","expires_in":600}`},
	{id: "createPool", learn: map[string]string{"endedpool": "pool.id"}, body: `{"name":"The Smiths","owner":"ann@shop.example"}`},
	{id: "closePool", path: map[string]string{"id": "$endedpool"}, body: `{}`},
	{id: "createPool", learn: map[string]string{"pool": "pool.id"}, body: `{"name":"The Millers","owner":"bob@shop.example","members":["ann@shop.example"],"spending":"all"}`},
	{id: "adjustManyPoints", body: `{"rows":[{"member":"ann@shop.example","points":10,"reference":"easter-1","note":"Easter","counts_for_tier":true,"expires_at":"2199-12-31T00:00:00Z"},{"member":"stranger@shop.example","points":10,"reference":"easter-2"}]}`},
	{id: "listPools", query: "status=open&limit=5"}, {id: "getPool", path: map[string]string{"id": "$pool"}}, {id: "getMemberPool", path: map[string]string{"email": "ann@shop.example"}},
	{id: "updatePool", path: map[string]string{"id": "$pool"}, body: `{"name":"The Millers","spending":"owner","owner":"bob@shop.example"}`},
	{id: "removePoolMember", path: map[string]string{"id": "$pool", "email": "ann@shop.example"}},
	{id: "addPoolMember", path: map[string]string{"id": "$pool"}, body: `{"member":"ann@shop.example"}`},
	{id: "countTowardsTier", path: map[string]string{"email": "ann@shop.example"}, body: `{"source":"visit-77","amount":1,"occurred_at":"2026-03-01T12:00:00Z"}`},
	{id: "listTierChanges", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"},
}
