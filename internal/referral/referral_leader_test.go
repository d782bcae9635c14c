package referral

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
)

func TestLeaderboard_ranks_who_referred_the_most(t *testing.T) {
	t.Parallel()
	p := setup(t)
	n := int64(0)
	refer := func(siteID, campaign, advocate, times int64, status string, qa bool, at time.Time) {
		for range times {
			n++
			p.root.MustExec(`insert into referral.referral (site_id, campaign_id, offer_id, origin_id, advocate_id, friend_id, status, cause, track_method, subtotal, currency, fraud,
				occurred_at, created_at, updated_at, qa) values ($1, $2, 1, $3, $4, $3, $5, 'created', 'cookie', 100, 'USD', '{}', $6, $6, $6, $7)`, siteID, campaign, n, advocate, status, at, qa)
		}
	}
	refer(1, 1, 10, 3, "approved", false, epoch)
	refer(1, 2, 10, 1, "approved", false, epoch)
	refer(1, 1, 11, 3, "approved", false, epoch)
	refer(1, 1, 12, 1, "approved", false, epoch)
	refer(1, 1, 12, 9, "pending", false, epoch)
	refer(1, 1, 12, 9, "approved", true, epoch)
	refer(1, 1, 13, 9, "approved", false, epoch.AddDate(0, -1, 0)) // another month
	refer(2, 1, 14, 9, "approved", false, epoch)
	p.known[key{1, 10}] = customerapi.Person{FirstName: "Ann"}
	for query, want := range map[string]string{
		"":                              "1 10 Ann 4; 2 11  3; 3 12  1 | ",
		"campaign_id=1":                 "1 10 Ann 3; 1 11  3; 3 12  1 | ",
		"campaign_id=1&limit=1":         "1 10 Ann 3 | ",
		"limit=1&person_id=12":          "1 10 Ann 4 | 3 12  1",
		"person_id=10&limit=2":          "1 10 Ann 4; 2 11  3 | 1 10 Ann 4",
		"person_id=99":                  "1 10 Ann 4; 2 11  3; 3 12  1 | ",
		"campaign_id=3":                 " | ",
		"from=2026-10-01&to=2026-10-31": "1 13  9 | ",
	} {
		code, got, _ := p.call(p.one, "GET", "/api/v2/leaderboard?"+query, nil, "")
		if code != 200 {
			t.Fatal(query, code, got)
		}
		out := into[leaderboard](t, got)
		show := func(l leader) string { return fmt.Sprint(l.Rank, " ", l.PersonID, " ", l.FirstName, " ", l.Referrals) }
		var rows []string
		for _, l := range out.Leaders {
			rows = append(rows, show(l))
		}
		text := strings.Join(rows, "; ") + " | "
		if out.Person != nil {
			text += show(*out.Person)
		}
		if text != want {
			t.Errorf("%s: %q, want %q", query, text, want)
		}
	}
	for _, bad := range []string{"limit=0", "limit=101", "campaign_id=-1", "from=soon", "from=2020-01-01&to=2026-01-01"} {
		if code, got, _ := p.call(p.one, "GET", "/api/v2/leaderboard?"+bad, nil, ""); code != 400 && code != 422 {
			t.Errorf("%s: %d %v", bad, code, got)
		}
	}
}
