package main

// earningSamples are of the rules of earning. They are a change that is scheduled for long after and taken back, so that the story earns as it did.
var earningSamples = []sample{
	{id: "explainEarning", path: map[string]string{"source": "origin:$purchase"}},
	{id: "replaceLoyaltyProgram", path: map[string]string{"id": "$program"}, body: `{"name":"Club 3","points_per_unit":1,"pool_size":4,"tiers":[{"name":"Silver","threshold":1000}],"effective_at":"2090-01-01T00:00:00Z",
		"earning":{"stacking":"best","exclude":{"products":["voucher"],"categories":["gift cards"],"coupons":true},"rules":[{"key":"chairs","name":"Chairs","on":"purchase","kind":"per_money","points":2,"per_amount":100,
		"products":["chair"],"categories":["seats"],"starts_at":"2090-01-01T00:00:00Z","ends_at":"2091-01-01T00:00:00Z","hours":{"weekdays":["mon"],"from":"17:00","to":"19:00"},
		"when":"origin.first_purchase","limits":[{"per":"day","points":100,"times":1}],"cooldown_minutes":60,"budget":1000},{"key":"silver","kind":"multiplier","multiplier":20000,"tiers":["Silver"]},
		{"key":"birthday","on":"date","date":"birthday","kind":"fixed","points":50},{"key":"review","on":"event","event_category":"review","kind":"fixed","points":5,"paused":true}]}}`},
	{id: "listRuleBudgets", path: map[string]string{"id": "$program"}},
	{id: "getScheduledLoyaltyProgram", path: map[string]string{"id": "$program"}},
	{id: "cancelScheduledLoyaltyProgram", path: map[string]string{"id": "$program"}},
	{id: "listLoyaltyProgramVersions", path: map[string]string{"id": "$program"}, query: "limit=5"},
	{id: "getLoyaltyProgramVersion", path: map[string]string{"id": "$program", "version": "1"}},
	{id: "createBacktest", learn: map[string]string{"backtest": "backtest.id"}, status: 202, body: `{"programmes":[{"name":"Club 4","points_per_unit":3,"tiers":[{"name":"Silver","threshold":1000}]},{"name":"Club 5","points_per_unit":1,
		"earning":{"rules":[{"key":"seats","kind":"per_item","points":3,"products":["chair"]}]}}],"from":"1999-01-01","to":"1999-12-31","redeem":"when 500","point_value":"100=1.00","go_ahead_days":7,"opening":true}`},
	{id: "listBacktests", query: "limit=5"},
	{id: "getBacktest", path: map[string]string{"id": "$backtest"}},
	{id: "getBacktestReport", path: map[string]string{"id": "$backtest"}, status: 409, why: "there were no orders then"},
	{id: "getBacktestPeople", path: map[string]string{"id": "$backtest"}, status: 409, why: "nor people"},
	{id: "cancelBacktest", path: map[string]string{"id": "$backtest"}, body: `{}`},
	{id: "tryEarningRules", path: map[string]string{"id": "$program"}, body: `{"on":"purchase","subtotal":8500,"currency":"USD","coupon_codes":["WELCOME10"],"first_purchase":true,
		"occurred_at":"2026-11-01T12:00:00Z","tier":"Silver","earned":1000,"segments":["vip"],
		"history":{"orders":3,"spent":12000,"refunded":500,"first_at":"2025-01-01T12:00:00Z","last_at":"2026-01-01T12:00:00Z","segments":["web"]},"items":[{"product_id":"chair","category":"seats","price":2000,"quantity":2}],
		"earning":{"rules":[{"key":"chairs","kind":"per_item","points":3,"products":["chair"]}]}}`},
}
