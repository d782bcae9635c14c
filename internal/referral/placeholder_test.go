package referral

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckDestination_with_placeholders(t *testing.T) {
	t.Parallel()
	for destination, fine := range map[string]bool{
		"https://shop.example/discount/{{coupon_code}}?redirect=/":            true,
		"https://shop.example/?c={{ coupon_code }}&n={{advocate.first_name}}": true,
		"https://shop.example#{{visitor_uuid}}":                               true,
		"https://shop.example?{{sharing_channel}}=1":                          true,
		"https://{{coupon_code}}/":                                            false,
		"https://shop.example{{coupon_code}}/":                                false,
		"https://shop.example:{{coupon_code}}/":                               false,
		"{{coupon_code}}://shop.example/":                                     false,
		"https://{{advocate.first_name}}@shop.example/":                       false,
		"https://shop.example/{{password}}":                                   false,
		"https://shop.example/{{coupon_code":                                  false,
		"https://shop.example/{{{{coupon_code}}}}":                            false,
		"https://shop.example/{{COUPON_CODE}}":                                false,
	} {
		if err := checkDestination(destination); (err == nil) != fine {
			t.Errorf("%s: %v", destination, err)
		}
	}
}

func TestFilled(t *testing.T) {
	t.Parallel()
	l, err := landingOf("https://shop.example/discount/{{coupon_code}}?n={{ advocate.first_name }}&to=%2F#{{coupon_code}}")
	if err != nil || !l.needs(holeCoupon) || l.needs(holeVisitor) {
		t.Fatalf("%+v %v", l, err)
	}
	for code, want := range map[string]string{
		"SAVE10":           "https://shop.example/discount/SAVE10?n=Ann+Lee&to=%2F&v=1#SAVE10",
		"A/B?c#d%":         "https://shop.example/discount/A%2FB%3Fc%23d%25?n=Ann+Lee&to=%2F&v=1#A%2FB%3Fc%23d%25",
		"..":               "https://shop.example/discount/?n=Ann+Lee&to=%2F&v=1#",
		"{{visitor_uuid}}": "https://shop.example/discount/%7B%7Bvisitor_uuid%7D%7D?n=Ann+Lee&to=%2F&v=1#%7B%7Bvisitor_uuid%7D%7D",
	} {
		if got := l.filled(map[string]string{holeCoupon: code, holeAdvocate: "Ann Lee"}).with(parameter{"v", "1"}); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", code, got, want)
		}
	}
	if got := l.filled(nil).with(); got != "https://shop.example/discount/?n=&to=%2F#" {
		t.Errorf("nothing known: %s", got)
	}
}

// Whatever fills the placeholders, the friend is led to the host that the merchant named, and the parts keep their number.
func TestFilled_never_leaves_the_host(t *testing.T) {
	t.Parallel()
	l, err := landingOf("https://shop.example/a/{{coupon_code}}/b?x={{advocate.first_name}}&y=2#z{{campaign.name}}")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		nasty := rapid.OneOf(rapid.String(), rapid.StringMatching(`[./\\@:?#&%\r\n{}]{0,8}[a-z]{0,4}`), rapid.SampledFrom([]string{"//evil.example", "@evil.example", "..", "%2e%2e"}))
		values := map[string]string{holeCoupon: nasty.Draw(t, "coupon"), holeAdvocate: nasty.Draw(t, "name"), holeCampaignTag: nasty.Draw(t, "campaign")}
		got := l.filled(values).with(parameter{"v", "1"})
		u, err := url.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "shop.example" || u.User != nil {
			t.Fatalf("%q leads to %q: %v", values, got, err)
		}
		if strings.Count(u.EscapedPath(), "/") != 3 || len(u.Query()) != 3 || u.Query().Get("y") != "2" || u.Query().Get("x") != values[holeAdvocate] {
			t.Fatalf("%q leads to %q", values, got)
		}
		if strings.ContainsAny(got, "\r\n \\") {
			t.Fatalf("%q leads to %q", values, got)
		}
	})
}
