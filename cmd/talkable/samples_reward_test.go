package main

import "net/http"

// rewardSamples are of what points buy beside Talkable's batches.
var rewardSamples = []sample{
	{id: "createRedemptionBatch", path: map[string]string{"id": "$program"}, learn: map[string]string{"prize": "redemption_batch.id"}, body: `{"description":"A red mug","points_cost":1,"position":2,
		"kind":"product","terms":{"sku":"MUG-RED","fulfilment":"merchant","starts_at":"2026-01-01T00:00:00Z","ends_at":"2199-01-01T00:00:00Z","min_balance":1,"when":"person.events >= 0 && member.earned >= 0","stock":100000,
		"limits":[{"of":"member","per":"month","times":100000},{"of":"all","per":"day","times":100000}]}}`},
	{id: "createRedemptionBatch", path: map[string]string{"id": "$program"}, body: `{"description":"Pay with points","points_cost":10,"kind":"payment",
		"terms":{"amount":10,"currency":"USD","min_points":10,"max_points":1000,"from_tier":"Silver"}}`},
	{id: "createRedemptionBatch", path: map[string]string{"id": "$program"}, body: `{"description":"A coupon of your own","points_cost":10,"kind":"generated_coupon","coupon_list_id":$couponlist,
		"terms":{"code_template":"POINTS-########"}}`},
	{id: "listMemberRewards", path: map[string]string{"email": "ann@shop.example"}},
	{id: "redeemReward", path: map[string]string{"email": "ann@shop.example"}, learn: map[string]string{"mug": "redemption.id"},
		body: `{"redemption_batch_id":$prize,"reference":"order-77","traffic_source":"app"}`},
	{id: "fulfilRedemption", path: map[string]string{"id": "$mug"}, body: `{"note":"Parcel 4711"}`},
	{id: "explainRedemption", path: map[string]string{"id": "$mug"}},
	{id: "listWaitingRedemptions", query: "status=all&redemption_batch_id=$prize&from=2026-01-01T00:00:00Z&to=2199-01-01T00:00:00Z&limit=5"},
	{id: "replaceFulfilmentHook", body: `{"url":"` + hooked + `/fulfil","timeout_ms":3000,"deadline_minutes":60,"on_failure":"wait","enabled":true}`},
	{id: "getFulfilmentHook"},
	{id: "retryRedemptionGiftCard", path: map[string]string{"redemption_id": "$mug"}, body: `{}`, status: http.StatusNotFound, why: "the redemption is no gift card"},
}
