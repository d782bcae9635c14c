package main

import (
	"fmt"
	"net/url"
	"testing"
)

// TestMetricsAreTakenApart: what a shop tells is found again by channel, traffic source, device, category and variant, as a dashboard asks for it.
func TestMetricsAreTakenApart(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	shop := newShop(t, s.demo)
	shop.must("POST", "/api/v2/campaigns", object{"name": "apart", "status": "Live", "tags": []string{"apart"}, "destination_url": "https://shop.example/welcome",
		"incentives": []object{{"identifier": "points", "action_type": "referrer", "kind": "points", "points": 500}},
		"variants":   []object{{"name": "a"}, {"name": "b", "weight": 0}}}, nil)
	var told struct {
		Offer struct {
			ClaimLinks map[string]string `json:"claim_links"`
		} `json:"offer"`
	}
	shop.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": "apart@shop.example", "campaign_tags": "apart", "traffic_source": "footer",
		"sharing_channels": []string{"facebook"}}}, &told)
	friend := newVisitor(t, s.demo.Server)
	var at *url.URL
	eventually(t, "the visit is written down", func() bool { // on a busy machine a link may lead on without
		led := friend.open("GET", told.Offer.ClaimLinks["facebook"], nil,
			"User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1")
		var err error
		if at, err = url.Parse(led.location); err != nil {
			t.Fatal(err)
		}
		return at.Query().Get("talkable_visitor_offer_id") != ""
	})
	shop.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": "friend-apart@shop.example", "uuid": at.Query().Get("tkbl_cvuuid"),
		"order_number": "apart-1", "subtotal": "80.00", "traffic_source": "app"}}, nil)
	shop.must("POST", "/api/v2/origins", object{"type": "Event", "data": object{"email": "friend-apart@shop.example", "event_category": "apart_quiz", "event_number": "1"}}, nil)
	shop.must("POST", "/api/v2/origins/apart-1/refund", object{"data": object{"refund_subtotal": "8.00"}}, nil)

	const days = "start_date=2020-01-01&end_date=2099-01-01"
	for query, want := range map[string]string{
		"offers/detalize?campaign_tags=apart&detalize_by[traffic_sources]=true&detalize_by[event_categories]=true":                "[map[event_category:affiliate_member formatted:1 plain:1 result_type:number traffic_source:footer]]",
		"visits/detalize?campaign_tags=apart&mobile_visitor=true&detalize_by[sharing_channels]=true&detalize_by[split_test]=true": "[map[formatted:1 plain:1 result_type:number sharing_channel:facebook split_test:a]]",
		"visits_unique/detalize?campaign_tags=apart&sharing_channels[]=facebook&detalize_by[device_types]=true":                   "[map[device_type:mobile formatted:1 plain:1 result_type:number]]",
		"talkable_sales_sum/detalize?campaign_tags=apart&detalize_by[sharing_channels]=true&detalize_by[traffic_sources]=true":    "[map[formatted:$80 plain:80 result_type:money sharing_channel:facebook traffic_source:app]]",
		"refunded_sales_sum/detalize?traffic_sources=app&detalize_by[event_categories]=true":                                      "[map[event_category:purchase formatted:$8 plain:8 result_type:money]]",
		"events/detalize?event_categories=apart_quiz&detalize_by[event_categories]=true":                                          "[map[event_category:apart_quiz formatted:1 plain:1 result_type:number]]",
		"sign_up/detalize?traffic_sources=footer&detalize_by[sharing_channels]=true":                                              "[map[formatted:1 plain:1 result_type:number sharing_channel:]]", // not kept by it
	} {
		var got struct {
			Detalized []object `json:"detalized"`
		}
		eventually(t, query+" is "+want, func() bool {
			got.Detalized = nil
			return shop.call(t.Context(), "GET", "/api/v2/metrics/"+query+"&"+days, nil, &got) == nil && fmt.Sprint(got.Detalized) == want
		})
	}
	var metric struct {
		Plain      float64  `json:"plain"`
		PassedOver []string `json:"passed_over"`
	}
	shop.must("GET", "/api/v2/metrics/offers?sharing_channels=email&campaign_tags=apart&"+days, nil, &metric)
	if metric.Plain != 1 || fmt.Sprint(metric.PassedOver) != "[sharing_channels]" {
		t.Errorf("%+v", metric)
	}
}
