package referral

import (
	"context"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// numbered are deeds whose slugs are order numbers.
type numbered struct {
	deeds
	orders map[string]int64
}

func (n numbered) ToldOrigin(ctx context.Context, siteID int64, slug string) (customerevent.OriginRecorded, error) {
	return n.ToldOriginByID(ctx, siteID, n.orders[slug])
}

// TestExplain_by_order_number asks as support does, who have an order number and no id.
func TestExplain_by_order_number(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.bought(p.purchase(p.one, 1, 20, 10_044), p.purchase(p.one, 2, 21, 10_044))
	p.facts = numbered{p.facts.(deeds), map[string]int64{"A-1001": 1, "1": 2}}
	for asked, want := range map[string]float64{ // 0: there is none
		"1": 1, "1?by=id": 1, "1?by=slug": 2, "A-1001": 1, "A-1001?by=slug": 1,
		"3": 0, "3?by=slug": 0, "A-1001?by=id": 0, "A-1002": 0, "99999999999999999999": 0,
	} {
		at, query, _ := strings.Cut(asked, "?")
		code, out, _ := p.call(p.one, "GET", "/api/v2/origins/"+at+"/explain?"+query, nil, "")
		if want == 0 {
			if code != 404 {
				t.Errorf("%s: %d %v", asked, code, out)
			}
			continue
		}
		if code != 200 || out["result"].(map[string]any)["origin_id"] != want {
			t.Errorf("%s: %d %v", asked, code, out)
		}
		if code, out, _ = p.call(p.one, "GET", "/api/v2/origins/"+at+"/attribution?"+query, nil, ""); code != 200 {
			t.Errorf("attribution of %s: %d %v", asked, code, out)
		}
	}
	if code, _, _ := p.call(p.two, "GET", "/api/v2/origins/A-1001/explain", nil, ""); code != 404 {
		t.Errorf("the other site's: %d", code)
	}
	if code, _, _ := p.call(p.one, "GET", "/api/v2/origins/1/explain?by=name", nil, ""); code != 400 {
		t.Errorf("by what there isn't: %d", code)
	}
}
