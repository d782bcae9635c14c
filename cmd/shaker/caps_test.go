package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestCaps: refusals are right where there was no room, and wrong where there was.
func TestCaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says    string
		tag     string
		refused map[int]string // by friend
		back    []int          // friends who send all back
		friends int            // of one advocate
		want    string
	}{
		{"fewer than the limit", tagCap, nil, nil, 2, ""},
		{"one too many is refused", tagCap, map[int]string{3: byLimit}, nil, 4, ""},
		{"one too many is rewarded", tagCap, nil, nil, 4, "ann@x has 4 rewards of 4 referrals; there was room for 3; ann@x has 4 rewards; 3 are the limit"},
		{"one is refused for whom there was room", tagCap, map[int]string{0: byLimit}, nil, 2, "ann@x has 1 rewards of 2 referrals; there was room for 2"},
		{"what goes back makes room", tagCap, nil, []int{0}, 4, ""},
		{"a cause that is another campaign's", tagCap, map[int]string{3: byBudget}, nil, 4, "o-3 is refused its reward: budget"},
		{"as many as there is money for", tagBudget, map[int]string{0: byBudget}, nil, 5, ""},
		{"refused although there is money", tagBudget, map[int]string{0: byBudget}, nil, 4, "3 rewards of 4 referrals were given; there was money for 4"},
		{"more than there is money for", tagBudget, nil, nil, 5, "5 rewards of 5 referrals were given; there was money for 4; 1250 of 1070 are spent"},
		{"what goes back is money again", tagBudget, nil, []int{1}, 5, ""},
	} {
		var history []attempt
		for n := range c.friends {
			who := func(kind string, set func(*op)) attempt {
				return at(fmt.Sprint(kind, n), kind, yes, func(o *op) {
					o.Email, o.Order, o.Visitor, o.Amount = fmt.Sprintf("bob-%d@x", n), fmt.Sprint("o-", n), fmt.Sprint("v-", n), 1000
					set(o)
				})
			}
			history = append(history, who(kindVisit, func(o *op) { o.Advocate, o.Campaign = "ann@x", c.tag }), who(kindPurchase, func(*op) {}),
				who(kindStatus, func(o *op) { o.Status = "approved" }))
		}
		for _, n := range c.back {
			history = append(history, at(fmt.Sprint("refund", n), kindRefund, yes, func(o *op) { o.Order, o.Key, o.Amount = fmt.Sprint("o-", n), "k", 0 }))
		}
		l := expect(toldHistory(history...), 0)
		l.Refused = map[string]string{}
		for n, cause := range c.refused {
			l.Refused[fmt.Sprint("o-", n)] = cause
		}
		if got := strings.Join(l.caps(c.tag).rows, "; "); got != c.want {
			t.Errorf("%s: %s; want %s", c.says, got, c.want)
		}
	}
}
