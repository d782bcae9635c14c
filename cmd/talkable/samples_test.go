package main

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// hooked is a shop that takes every webhook, so that nothing is left to be tried again.
var hooked = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).URL

// sample is a request that an operation answers well. Played in their order, the samples are a story: things that an answer names
// (learn: name → place in the result) stand in later requests as $name.
type sample struct {
	id           string
	path         map[string]string // value of each path parameter
	query        string
	body         string
	kind         string // of the body, where it isn't JSON
	learn        map[string]string
	status       int    // where it isn't 200 or 201
	why          string // and why that is all there is to see
	fresh        string // what names the thing that is made; another each time, it makes another
	before       string // the body of a PUT to /people/gone@shop.example: makes what the operation uses up
	keepsNothing bool   // of what it makes: each answer is another, and there is nothing to repeat
	opens        string // a link that the friend opens next, whose visitor is $visitor from then on, and his friend offer $friendoffer
}

// nobody is, for each thing that a sample learns or names, one that exists nowhere.
var nobody = map[string]string{
	"$campaign": "987654321", "$pool": "987654321", "$endedpool": "987654321", "$backtest": "987654321", "$trial": "987654321", "$program": "987654321", "$lot": "987654321", "$hold": "987654321", "$code": "zzzzzzzzzz", "$visitor": "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b",
	"$purchase": "987654321", "$reward": "987654321", "$message": "987654321", "$person": "987654321", "$batch": "987654321", "$redemption": "987654321", "$merge": "987654321", "$prize": "987654321", "$mug": "987654321",
	"$couponlist": "987654321", "$ownlist": "987654321", "$job": "987654321", "$plan": "987654321", "$commission": "987654321", "$payout": "987654321", "$line": "987654321", "$asset": "987654321", "$action": "987654321", "$hook": "987654321", "$endedhook": "987654321", "$delivery": "987654321", "$referral": "987654321", "$byhand": "987654321", "$friendoffer": "987654321", "SAVE-ONE": "NO-SUCH-ONE", "c-gone": "c-never",
	"ann@shop.example": "nobody@shop.example", "mia@shop.example": "nobody@shop.example", "$invitation": "987654321", "$invitecode": "zzzzzzzzzz", "1001": "no-such-order",
}

// samples: an operation without one fails TestRouterAndDescriptionAgree.
var samples = append([]sample{
	{id: "getSite"},
	{id: "getTestClock", status: http.StatusConflict, why: "this is no test platform"},
	{id: "advanceTestClock", body: `{"by":"1s"}`, status: http.StatusConflict, why: "nor is it here"},
	{id: "createCouponList", learn: map[string]string{"couponlist": "coupon_list.id"}, body: `{"name":"Ten off","kind":"single-use","percent":10,"low_stock":1}`},
	{id: "createCouponList", learn: map[string]string{"ownlist": "coupon_list.id"}, body: `{"name":"Advocates' own","kind":"multi-use","percent":10}`},
	{id: "createCampaign", learn: map[string]string{"campaign": "campaign.id"}, body: `{"name":"Sample","status":"Live","tags":["sample"],
		"destination_url":"https://shop.example/welcome","attribution_days":30,"attribution":{"touch":"last","code_beats_link":true,
		"methods":["sticky_advocate","coupon","cookie","web_cookie","email","phone_number","share_email","ip_address"],"personal_coupons":{"coupon_list_id":$ownlist,"template":"{NAME}-####"}},"approval":{"mode":"automatic","delay_seconds":0},
		"joinable_category_names":["affiliate_member"],"live_period":{"starts_at":"2026-01-01T00:00:00Z","ends_at":"2199-01-01T00:00:00Z"},
		"incentives":[{"identifier":"points","action_type":"referrer","kind":"points","points":500}]}`},
	{id: "listCampaigns"},
	{id: "getCampaign", path: map[string]string{"id": "$campaign"}},
	{id: "replaceCampaign", path: map[string]string{"id": "$campaign"}, body: `{"name":"Sample 2","status":"Live","tags":["sample"],
		"destination_url":"https://shop.example/welcome","approval":{"mode":"automatic"},"attribution":{"personal_coupons":{"coupon_list_id":$ownlist}},"incentives":[{"identifier":"points","action_type":"referrer","kind":"points","points":500},
		{"identifier":"share","action_type":"referrer","kind":"commission","percent":10},
		{"identifier":"coupon","action_type":"click","kind":"coupon","coupon_code":"WELCOME10","coupon_percent":10}]}`},
	{id: "listCampaignTypes"},
	{id: "publishCampaignVersion", path: map[string]string{"id": "$campaign"}, body: `{"campaign":{"type":"invite","name":"Sample 3","status":"Live","tags":["sample"],"attribution":{"personal_coupons":{"coupon_list_id":$ownlist}},
		"destination_url":"https://shop.example/welcome","approval":{"mode":"automatic"},"join":{"customers":"new","origin_min_age":0,"origin_max_age":8760,"products":["p1"],"segments":["vip"],"custom_properties":{"colour":"red"},"criteria":"origin.subtotal >= 0"},
		"hold_out_percent":5,"texts":{"title":"Share"},"variants":[{"name":"a","weight":1,"incentives":["points"],"texts":{"title":"Give"}},{"name":"b"}],
		"incentives":[{"identifier":"points","action_type":"referrer","kind":"points","points":5}]},"effective_at":null,"reason":"To try it","based_on":null}`},
	{id: "listCampaignVersions", path: map[string]string{"id": "$campaign"}, query: "limit=5"},
	{id: "getCampaignVersion", path: map[string]string{"id": "$campaign", "version": "2"}},
	{id: "getCampaignExperiment", path: map[string]string{"id": "$campaign"}},
	{id: "rollBackCampaign", path: map[string]string{"id": "$campaign"}, body: `{"version":2,"reason":"It was better"}`},
	{id: "copyCampaign", path: map[string]string{"id": "$campaign"}, learn: map[string]string{"trial": "campaign.id"}, body: `{"name":"Sample, again"}`},
	{id: "dropTestData", path: map[string]string{"id": "$trial"}, body: `{}`}, {id: "getTestData", path: map[string]string{"id": "$trial"}},
	{id: "replacePlacements", body: `{"placements":[{"kind":"standalone","name":"Share page","campaigns":[{"campaign_id":$campaign,"weight":1}],"shown_on":[{"match":"path","value":"/share"}],
		"hidden_on":[{"match":"regex","value":"/cart$"}],"custom_properties":[{"name":"tier","is":"eq","value":"gold"}],"countries":["DE"],"devices":["mobile"]}]}`},
	{id: "listPlacements"},
	{id: "replaceCampaignLimits", path: map[string]string{"id": "$campaign"}, body: `{"limits":{"advocate_30_days":50,"advocate_total":500,"friends_per_offer":100,
		"budget":{"amount":1000000,"currency":"USD","period":"month"}}}`},
	{id: "getCampaignLimits", path: map[string]string{"id": "$campaign"}},
	{id: "listGiftCards", query: "status=failed&limit=5"},
	{id: "listRefusedRewards", query: "cause=budget&limit=5"},
	{id: "replaceCampaignLinks", path: map[string]string{"id": "$campaign"}, body: `{"claim_page":false,"gate":"none","opt_in":false,"expired_url":"https://shop.example/over","advocate_url":"https://shop.example/thanks",
		"friend_offer_hours":720,"share_until":"2199-01-01T00:00:00Z","claim_until":"2199-02-01T00:00:00Z"}`},
	{id: "getCampaignLinks", path: map[string]string{"id": "$campaign"}},
	{id: "replaceLinkSettings", body: `{"allowed_hosts":["shop.example","*.shop.example"],"ios_apps":["ABCDE12345.com.shop.app"],"android_apps":[{"package_name":"com.shop.app",
		"sha256_cert_fingerprints":["` + strings.Repeat("AB:", 31) + `CD"]}]}`},
	{id: "getLinkSettings"},
	{id: "replaceLook", body: `{"name":"Sample Shop","logo_url":"https://shop.example/logo.png","primary_color":"#1d4ed8","primary_color_dark":"#93b4ff","default_language":"de",
		"texts":{"en":{"claim_title":"{{advocate}} thinks of you"}}}`},
	{id: "getLook"},
	{id: "createLoyaltyProgram", learn: map[string]string{"program": "program.id"}, body: `{"name":"Club","points_per_unit":1,"points_per_referral":0,
		"expires_after_days":365,"status":"active","tiers":[{"name":"Silver","threshold":1000},{"name":"Gold","threshold":5000}]}`},
	{id: "listLoyaltyPrograms"},
	{id: "getLoyaltyProgram", path: map[string]string{"id": "$program"}},
	{id: "replaceLoyaltyProgram", path: map[string]string{"id": "$program"}, body: `{"name":"Club 2","points_per_unit":1,"tiers":[{"name":"Silver","threshold":1000}]}`},
	{id: "createAffiliateMember", learn: map[string]string{"code": "offer.short_url_code", "link": "offer.claim_url"}, opens: "$link", body: `{"data":{"email":"ann@shop.example","first_name":"Ann",
		"campaign_tags":["sample"],"customer_id":"c-ann","custom_properties":{"colour":"red"},"traffic_source":"api"}}`},
	{id: "getOffer", path: map[string]string{"code": "$code"}, query: "sharing_channels=facebook"},
	{id: "makePersonalCoupon", fresh: "ANN-OWN", path: map[string]string{"code": "$code"}, body: `{"code":"ANN-OWN"}`},
	{id: "listPersonalCoupons", path: map[string]string{"code": "$code"}},
	{id: "replaceSharingChannels", body: `{"custom":["pinterest"]}`},
	{id: "getSharingChannels"},
	{id: "shareOffer", path: map[string]string{"code": "$code"}, body: `{"channel":"facebook"}`},
	{id: "shareOfferByEmail", path: map[string]string{"code": "$code"}, body: `{"recipients":"carl@shop.example, dora@shop.example","subject":"Look","body":"You will like it","reminder":false}`},
	{id: "getClaimURLStatus", path: map[string]string{"code": "$code"}, query: "claim_url=$link"},
	{id: "trackVisit", path: map[string]string{"id": "$friendoffer"}},
	{id: "claimOffer", body: `{"advocate_email":"ann@shop.example","friend_email":"fred@shop.example","friend_phone":"+12025551234","campaign_tag":"sample"}`},
	{id: "createAsset", kind: "multipart/form-data; boundary=XX", learn: map[string]string{"asset": "asset.id"}, body: picture},
	{id: "listAssets", query: "content_type=image/&page=1&per_page=5"},
	{id: "getAsset", path: map[string]string{"id": "$asset"}},
	{id: "create-visitor", body: `{"data":{}}`},
	{id: "createOrigin", fresh: "1001", learn: map[string]string{"purchase": "origin.id"}, body: `{"type":"Purchase","data":{"email":"bob@shop.example","uuid":"$visitor",
		"order_number":"1001","subtotal":"120.00","currency_iso_code":"USD","coupon_codes":["WELCOME10"],
		"items":[{"product_id":"p1","category":"books","price":"60.00","quantity":2,"title":"Thing","url":"https://shop.example/p1","image_url":"https://shop.example/p1.png"}]}}`},
	{id: "createPurchase", fresh: "1002", body: `{"data":{"email":"ann@shop.example","order_number":"1002","subtotal":"10.00"}}`},
	{id: "createEvent", fresh: "e-1", body: `{"data":{"email":"ann@shop.example","event_number":"e-1","event_category":"newsletter"}}`},
	{id: "listRewards", query: "visitor_uuid=$visitor"},
	{id: "listFraudProfiles"},
	{id: "getFraudPolicy"},
	{id: "replaceFraudPolicy", body: `{"profile":"moderate","rules":{"self_referral_by_ip":"flag"},"thresholds":{"similar_email_distance":1,"velocity_days":7,"velocity_referrals":20,"ip_days":30,"address_days":90},
		"observe":true,"blocked_emails":["*@evil.example"],"blocked_ips":["198.51.100.0/24"],"qa_emails":["qa@shop.example"],"qa_ips":["192.0.2.1-192.0.2.9"],"flagged":{"resolution":"voided","after_days":30},
		"disposable_domains":["odd.example"],"ordinary_domains":["even.example"]}`},
	{id: "getCampaignFraudPolicy", path: map[string]string{"id": "$campaign"}},
	{id: "replaceCampaignFraudPolicy", path: map[string]string{"id": "$campaign"}, body: `{"profile":"low"}`},
	{id: "getAttribution", path: map[string]string{"id": "$purchase"}},
	{id: "updateReferral", path: map[string]string{"origin_slug": "1001"}, learn: map[string]string{"referral": "referral.id"}, body: `{"data":{"status":"approved"}}`},
	{id: "listReferrals", query: "limit=5"},
	{id: "listReferrals", query: "limit=5&status=approved&campaign_id=$campaign"},
	{id: "tryFraudPolicy", body: `{"profile":"high","rules":{"velocity":"block"},"thresholds":{"velocity_referrals":3},"limit":50}`},
	{id: "resolveReferral", path: map[string]string{"id": "$referral"}, body: `{"status":"approved","reason":"Both are known"}`},
	{id: "explainReferral", path: map[string]string{"id": "$referral"}, learn: map[string]string{"reward": "rewards.0.id"}},
	{id: "explainReward", path: map[string]string{"id": "$reward"}},
	{id: "retryGiftCard", path: map[string]string{"reward_id": "$reward"}, body: `{}`, status: http.StatusNotFound, why: "the reward is no gift card"},
	{id: "getReferralGraph", path: map[string]string{"id": "$referral"}},
	{id: "replaceCouponSupply", path: map[string]string{"id": "$couponlist"}, body: `{"url":"https://shop.example/codes","batch":50,"template":"SAVE-########","enabled":false}`},
	{id: "getCouponSupply", path: map[string]string{"id": "$couponlist"}},
	{id: "deleteCouponSupply", path: map[string]string{"id": "$couponlist"}},
	{id: "replaceMailHook", body: `{"url":"https://shop.example/mail","timeout_ms":1000,"on_failure":"send","enabled":false}`},
	{id: "getMailHook"},
	{id: "deleteMailHook"},
	{id: "replaceDecisionHook", body: `{"url":"https://shop.example/decide","timeout_ms":1000,"on_failure":"hold","clicks":true,"enabled":false}`},
	{id: "getDecisionHook"},
	{id: "replaceCampaignDecisionHook", path: map[string]string{"id": "$campaign"}, body: `{"url":"https://shop.example/decide","on_failure":"approve","enabled":false}`},
	{id: "getCampaignDecisionHook", path: map[string]string{"id": "$campaign"}},
	{id: "deleteCampaignDecisionHook", path: map[string]string{"id": "$campaign"}},
	{id: "deleteDecisionHook"},
	{id: "createReferral", learn: map[string]string{"byhand": "referral.id"}, body: `{"advocate":"bob@shop.example","origin":"1002","campaign_id":$campaign,"reason":"They called us","force":true}`},
	{id: "reattributeReferral", path: map[string]string{"id": "$byhand"}, body: `{"advocate":"bob@shop.example","reason":"It is his","force":true}`},
	{id: "explainOrigin", path: map[string]string{"id": "$purchase"}},
	{id: "listAudit", query: "subject=referral&limit=5"},
	{id: "postReferral", path: map[string]string{"origin_slug": "1001"}, body: `{"status":"approved"}`},
	{id: "createAffiliateMembers", body: `{"data":[{"email":"ann@shop.example"},{"email":"nobody"}],"create_offers":true}`},
	{id: "createPurchases", fresh: "1003", learn: map[string]string{"job": "job.id"}, body: `{"data":[{"email":"cid@shop.example","order_number":"1003","subtotal":5}],"create_offers":false}`},
	{id: "createEvents", fresh: "e-2", body: `{"data":[{"email":"cid@shop.example","event_number":"e-2","event_category":"newsletter"}]}`},
	{id: "getJob", path: map[string]string{"id": "$job"}, query: "limit=5"},
	{id: "previewRefund", path: map[string]string{"origin_slug": "1001"}, query: "amount=100"},
	{id: "refund-origin", path: map[string]string{"origin_slug": "1001"}, body: `{"data":{"refund_subtotal":1}}`},
	{id: "getPerson", path: map[string]string{"person_slug": "ann@shop.example"}, learn: map[string]string{"person": "person.id"}},
	{id: "createCommissionPlan", learn: map[string]string{"plan": "commission_plan.id"}, body: `{"name":"Partners","active":true,"currency":"USD","default":{"percent":"7.5"},"per_order":50,
		"rules":[{"product_id":"p1","percent":20},{"category":"books","per_item":25}],"caps":{"order":5000,"friend":20000,"month":100000},
		"recurring":{"months":12,"orders":10},"hold_days":30}`},
	{id: "listCommissionPlans", query: "limit=5"},
	{id: "getCommissionPlan", path: map[string]string{"id": "$plan"}},
	{id: "replaceCommissionPlan", path: map[string]string{"id": "$plan"}, body: `{"name":"Partners 2","default":{"percent":5},"recurring":{"orders":2}}`},
	{id: "putExchangeRates", path: map[string]string{"day": "2026-11-20"}, body: `{"rates":[{"from":"EUR","to":"USD","rate":"1.0834"}]}`},
	{id: "getExchangeRates", path: map[string]string{"day": "2026-11-20"}},
	{id: "listCommissions", query: "limit=5&status=earned&person_id=$person", learn: map[string]string{"commission": "commissions.0.id"}},
	{id: "explainCommission", path: map[string]string{"id": "$commission"}},
	{id: "holdCommission", path: map[string]string{"id": "$commission"}, body: `{"reason":"Looks odd"}`},
	{id: "releaseCommission", path: map[string]string{"id": "$commission"}, body: `{"reason":"Is well"}`},
	{id: "adjustAccount", path: map[string]string{"person_id": "$person"}, body: `{"amount":500,"currency":"EUR","note":"Sorry"}`},
	{id: "getLeaderboard", query: "person_id=$person&campaign_id=$campaign"},
	{id: "getCommissionAccount", path: map[string]string{"person_id": "$person"}},
	{id: "listAccountEntries", path: map[string]string{"person_id": "$person"}, query: "currency=EUR&limit=5"},
	{id: "previewPayout", query: "currency=EUR&minimum=100"},
	{id: "createPayoutBatch", learn: map[string]string{"payout": "payout_batch.id"}, body: `{"currency":"EUR","minimum":100,"method":"manual","note":"November"}`},
	{id: "listPayoutBatches", query: "limit=5"},
	{id: "getPayoutBatch", path: map[string]string{"id": "$payout"}},
	{id: "listPayoutLines", path: map[string]string{"id": "$payout"}, query: "limit=5", learn: map[string]string{"line": "payout_lines.0.id"}},
	{id: "exportPayoutBatch", path: map[string]string{"id": "$payout"}},
	{id: "approvePayoutBatch", path: map[string]string{"id": "$payout"}, body: `{}`},
	{id: "settlePayoutBatch", path: map[string]string{"id": "$payout"}, body: `{"rest":"paid","lines":[{"id":$line,"status":"paid","reference":"T-1","reason":"well"}]}`},
	{id: "cancelPayoutBatch", path: map[string]string{"id": "$payout"}, body: `{}`, status: http.StatusConflict, why: "the batch was paid"},
	{id: "getPersonTimeline", path: map[string]string{"person_slug": "ann@shop.example"}, query: "limit=5"},
	{id: "getLoyaltyMember", path: map[string]string{"email": "ann@shop.example"}},
	{id: "listMemberEntries", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"},
	{id: "listCouponLists", query: "limit=5"},
	{id: "getCouponList", path: map[string]string{"id": "$couponlist"}},
	{id: "replaceCouponList", path: map[string]string{"id": "$couponlist"}, body: `{"name":"Ten off, always","kind":"single-use","percent":10}`},
	{id: "uploadCouponCodes", path: map[string]string{"id": "$couponlist"}, kind: "text/plain", body: "SAVE-ONE\nSAVE-TWO\n"},
	{id: "generateCouponCodes", path: map[string]string{"id": "$couponlist"}, body: `{"template":"SAVE-########","count":3}`},
	{id: "listCouponListLog", path: map[string]string{"id": "$couponlist"}, query: "limit=5"},
	{id: "getCoupon", path: map[string]string{"code": "SAVE-ONE"}},
	{id: "getCouponPermission", path: map[string]string{"code": "SAVE-ONE", "person_slug": "ann@shop.example"}},
	{id: "getCouponBarcode", path: map[string]string{"code": "SAVE-ONE"}, query: "symbology=code128&format=png"},
	{id: "endCoupon", path: map[string]string{"code": "SAVE-ONE"}, body: `{}`},
	{id: "adjustPoints", path: map[string]string{"email": "ann@shop.example"}, body: `{"data":{"points":500,"description":"Sorry"}}`},
	{id: "listManualAdjustments", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"},
	{id: "listExpirations", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5", learn: map[string]string{"lot": "expirations.0.lot_id"}},
	{id: "extendPoints", path: map[string]string{"email": "ann@shop.example"}, body: `{"lot_ids":[$lot],"expires_at":"2199-12-31T00:00:00Z","note":"Our shop was closed"}`},
	{id: "holdPoints", path: map[string]string{"email": "ann@shop.example"}, learn: map[string]string{"hold": "hold.id"}, body: `{"points":10,"reference":"cart-77"}`},
	{id: "listHolds", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"}, {id: "getHold", path: map[string]string{"id": "$hold"}},
	{id: "commitHold", path: map[string]string{"id": "$hold"}, body: `{}`},
	{id: "restoreHold", path: map[string]string{"id": "$hold"}, body: `{"points":1}`},
	{id: "releaseHold", path: map[string]string{"id": "$hold"}, body: `{}`, status: http.StatusConflict, why: "the hold was committed"},
	{id: "explainTransaction", path: map[string]string{"id": "$lot"}},
	{id: "getStatement", path: map[string]string{"email": "ann@shop.example"}, query: "from=2026-01-01&to=2026-12-31&limit=5"},
	{id: "printStatement", path: map[string]string{"email": "ann@shop.example"}, query: "from=2026-11-01"},
	{id: "getLedger"},
	{id: "listLedgerCheckpoints", query: "limit=5"},
	{id: "createPointValue", path: map[string]string{"id": "$program"}, body: `{"from":"2026-01-01","points":100,"amount":100,"expected_breakage_bp":1500}`},
	{id: "listPointValues", path: map[string]string{"id": "$program"}},
	{id: "getFinanceDays", query: "from=2026-11-01&to=2026-11-30&format=json"},
	{id: "closeFinanceMonth", body: `{"month":"2999-01"}`, status: http.StatusConflict, why: "the month is not over"}, {id: "listFinanceClosings", query: "limit=5"},
	{id: "getFinanceClosing", path: map[string]string{"month": "2999-01"}, query: "format=html", status: http.StatusNotFound, why: "the month is not closed"},
	{id: "previewExpiry", path: map[string]string{"id": "$program"}, query: "limit=5", body: `{"expiry_rule":"end_of_year","expires_after_days":30,"expiry_day":""}`},
	{id: "listExpiryRuns", query: "limit=5"}, {id: "getExpiryRun", path: map[string]string{"id": "2001-01-01"}, status: http.StatusNotFound, why: "nothing expired then"},
	{id: "reverseExpiryRun", path: map[string]string{"id": "2001-01-01"}, body: `{"grace_days":30,"note":"It was wrong"}`, status: http.StatusNotFound, why: "nothing expired then"},
	{id: "activatePoints", path: map[string]string{"id": "$lot"}, body: `{"note":"Delivered"}`}, {id: "cancelPoints", path: map[string]string{"id": "$lot"}, body: `{}`, status: http.StatusConflict, why: "the points can be spent already"},
	{id: "listPendingPoints", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"}, {id: "transferPoints", path: map[string]string{"email": "ann@shop.example"}, body: `{"to":"bob@shop.example","points":1,"note":"Happy birthday"}`},
	{id: "getPointsBalance", path: map[string]string{"email": "ann@shop.example"}, query: "as_of=2026-11-01T00:00:00Z"},
	{id: "createActionConfig", path: map[string]string{"id": "$program"}, learn: map[string]string{"action": "action_config.id"}, fresh: "review", body: `{"identifier":"review","name":"A review","points":50,"period":"day"}`},
	{id: "listActionConfigs", path: map[string]string{"id": "$program"}},
	{id: "replaceActionConfig", path: map[string]string{"id": "$program", "config_id": "$action"}, body: `{"identifier":"review","name":"A review","description":"Of a product","points":60,"period":"day"}`},
	{id: "collectAction", path: map[string]string{"email": "ann@shop.example"}, body: `{"data":{"type":"review"}}`},
	{id: "listCollectActions", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"},
	{id: "createRedemptionBatch", path: map[string]string{"id": "$program"}, learn: map[string]string{"batch": "redemption_batch.id"}, body: `{"description":"A mug","points_cost":10,"position":1}`},
	{id: "listProgramRedemptionBatches", path: map[string]string{"id": "$program"}},
	{id: "replaceRedemptionBatch", path: map[string]string{"id": "$program", "batch_id": "$batch"}, body: `{"description":"A big mug","points_cost":10,"position":1}`},
	{id: "listRedemptionBatches", path: map[string]string{"email": "ann@shop.example"}},
	{id: "redeemPoints", path: map[string]string{"email": "ann@shop.example"}, learn: map[string]string{"redemption": "action.redemption_id"}, body: `{"data":{"redemption_batch_id":$batch}}`},
	{id: "listRedeemActions", path: map[string]string{"email": "ann@shop.example"}, query: "limit=5"},
	{id: "listWaitingRedemptions", query: "limit=5"},
	{id: "getRedemption", path: map[string]string{"id": "$redemption"}},
	{id: "cancelRedemption", path: map[string]string{"id": "$redemption"}, body: `{"reason":"Out of mugs"}`},
	{id: "listMessages", query: "email=ann@shop.example&limit=5", learn: map[string]string{"message": "messages.0.id"}},
	{id: "getMessage", path: map[string]string{"id": "$message"}},
	{id: "listWebhookTypes"},
	{id: "createWebhook", learn: map[string]string{"hook": "webhook.id"}, body: `{"url":"` + hooked + `/hook","style":"standard","types":["points.expired"],
		"description":"The shop","enabled":true,"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`},
	{id: "createWebhook", learn: map[string]string{"endedhook": "webhook.id"}, body: `{"url":"` + hooked + `/hook","types":["points.expired"]}`},
	{id: "deleteWebhook", path: map[string]string{"id": "$endedhook"}, body: `{}`},
	{id: "listWebhooks", query: "limit=5"},
	{id: "getWebhook", path: map[string]string{"id": "$hook"}},
	{id: "replaceWebhook", path: map[string]string{"id": "$hook"}, body: `{"url":"` + hooked + `/hook2","types":["points.expired"],"description":"Our shop","enabled":true}`},
	{id: "getWebhookSecret", path: map[string]string{"id": "$hook"}},
	{id: "rotateWebhookSecret", path: map[string]string{"id": "$hook"}, body: `{"keep_hours":1,"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}`},
	{id: "sendWebhookSample", path: map[string]string{"id": "$hook"}, learn: map[string]string{"delivery": "delivery.id"}, body: `{"type":"points.expired"}`},
	{id: "listWebhookDeliveries", query: "webhook_id=$hook&type=points.expired&limit=5"},
	{id: "getWebhookDelivery", path: map[string]string{"id": "$delivery"}},
	{id: "resendWebhookDelivery", path: map[string]string{"id": "$delivery"}, body: `{}`},
	{id: "resendWebhookDeliveries", path: map[string]string{"id": "$hook"}, body: `{"since":"2026-01-01T00:00:00Z"}`},
	{id: "resendMessage", path: map[string]string{"id": "$message"}, body: `{}`, status: http.StatusConflict, why: "the message was sent; only failed ones are sent again"},
	{id: "listMails"},
	{id: "replaceMail", path: map[string]string{"template": "friend_reward"}, body: `{"enabled":true,"delay_minutes":5,"subject":"For {{first_name}}","message":"You get {{reward}}.","when":"mail.amount >= 0"}`},
	{id: "replaceSMSConsent", path: map[string]string{"person_id": "$person"}, body: `{"opted_in":true}`},
	{id: "getSMSConsent", path: map[string]string{"person_id": "$person"}},
	{id: "updatePerson", path: map[string]string{"person_slug": "ann@shop.example"}, body: `{"data":{"first_name":"Ann","last_name":"Lee","identifier_hash":"9f86d081",
		"custom_properties":{"n":5,"vip":true},"gated_param_subscribed":true,"unsubscribed":false}}`},
	{id: "getPersonalData", path: map[string]string{"person_slug": "ann@shop.example"}},
	{id: "listReferralsAsAdvocate", path: map[string]string{"person_slug": "ann@shop.example"}, query: "limit=5"},
	{id: "listReferralsAsFriend", path: map[string]string{"person_slug": "ann@shop.example"}, query: "limit=5"},
	{id: "listPersonRewards", path: map[string]string{"person_slug": "ann@shop.example"}, query: "limit=5"},
	{id: "listPersonShares", path: map[string]string{"person_slug": "ann@shop.example"}, query: "limit=5"},
	{id: "listTrafficSources"},
	{id: "updateLoyaltyMember", path: map[string]string{"email": "ann@shop.example"}, body: `{"data":{"custom_properties":{"contest":true,"n":123},"member_dates":[{"identifier":"birthday","date":"1990-05-17"}]}}`},
	{id: "mergePeople", learn: map[string]string{"merge": "merge.id"}, body: `{"survivor":"cid@shop.example","duplicate":"gone@shop.example","reason":"One person"}`, before: `{"data":{"customer_id":"c-gone"}}`},
	{id: "listMerges", query: "limit=5"}, {id: "getMerge", path: map[string]string{"id": "$merge"}},
	{id: "undoMerge", path: map[string]string{"id": "$merge"}, body: `{"reason":"They are two"}`},
	{id: "listMergeSuggestions", query: "limit=5"},
	{id: "unsubscribePerson", path: map[string]string{"person_slug": "ann@shop.example"}, body: `{}`},
	{id: "anonymizePerson", path: map[string]string{"person_slug": "c-gone"}, body: `{}`, before: `{"data":{"customer_id":"c-gone"}}`},
	{id: "deleteAsset", path: map[string]string{"id": "$asset"}},
	{id: "listMetrics"},
	{id: "getMetric", path: map[string]string{"metric": "total_sales_sum"}, query: "start_date=2026-01-01&end_date=2026-12-31&traffic_sources=ios,web&sharing_channels=email&device_type=mobile&campaign_ids=1"},
	{id: "detalizeMetric", path: map[string]string{"metric": "offers"}, query: "start_date=2026-01-01&end_date=2026-12-31&detalize_by[campaigns]=true&campaign_tags=sample&detalize_by[split_test]=true&detalize_by[sharing_channels]=true&traffic_sources[]=ios&mobile_visitor=true"},
	{id: "segmentizeMetric", path: map[string]string{"metric": "total_sales_sum"}, query: "start_date=2026-01-01&end_date=2026-12-31&segment_by[period]=month&segment_by[traffic_sources]=true"},
}, slices.Concat(tierSamples, memberSamples, earningSamples, rewardSamples, codeSamples, achievementSamples)...)

// picture is a form with an image of one pixel.
var picture = func() string {
	var out bytes.Buffer
	if err := png.Encode(&out, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err)
	}
	return "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"logo.png\"\r\nContent-Type: image/png\r\n\r\n" + out.String() + "\r\n--XX--\r\n"
}()

func sampleOf(id string) (sample, bool) {
	i := slices.IndexFunc(samples, func(s sample) bool { return s.id == id })
	if i < 0 {
		return sample{}, false
	}
	return samples[i], true
}

// world is what the samples learned on one site: "$name" → value.
type world map[string]string

// fill puts the world's things into a text.
func (w world) fill(text string) string {
	return thing.ReplaceAllStringFunc(text, func(name string) string {
		if v, ok := w[name]; ok {
			return v
		}
		return name
	})
}

var thing = regexp.MustCompile(`\$[a-z]+`)

// target is the path and query of an operation's sample, with things of the world.
func (s sample) target(op operation, w world) string {
	path := parameter.ReplaceAllStringFunc(op.path, func(p string) string { return w.fill(s.path[strings.Trim(p, "{}")]) })
	if s.query != "" {
		path += "?" + w.fill(s.query)
	}
	return path
}

// headers are those that the sample needs beside the usual ones.
func (s sample) headers(more ...string) []string {
	if s.kind != "" {
		more = append(more, "Content-Type", s.kind)
	}
	return more
}

func (s sample) good(status int) bool {
	if s.status != 0 {
		return status == s.status
	}
	return status == http.StatusOK || status == http.StatusCreated
}

// play sends every sample, in order, and returns what was learned.
func play(t testing.TB, s shop, ops []operation) world {
	t.Helper()
	w := world{}
	for _, one := range samples {
		i := slices.IndexFunc(ops, func(o operation) bool { return o.id == one.id })
		if i < 0 {
			continue // TestRouterAndDescriptionAgree tells
		}
		one.prepare(t, s)
		var wrong string
		within(longest, func() bool { // what follows from events comes a moment later
			wrong = w.learn(one, ask(t, s, ops[i].method, one.target(ops[i], w), w.fill(one.body), one.headers()...))
			return wrong == ""
		})
		if wrong != "" {
			t.Fatalf("sample %s: %s", one.id, wrong)
		}
		if one.opens != "" {
			w["$visitor"], w["$friendoffer"] = s.arrives(w.fill(one.opens))
		}
	}
	return w
}

// prepare makes what the operation uses up.
func (s sample) prepare(t testing.TB, shop shop) {
	t.Helper()
	if s.before == "" {
		return
	}
	if a := ask(t, shop, http.MethodPut, "/api/v2/people/gone@shop.example", s.before); a.status != http.StatusOK {
		t.Fatalf("before %s: %d %s", s.id, a.status, a.body)
	}
}
