package referral

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a filter finds is what is left of the whole list, page by page; nothing of the other site.
func TestReferrals_by_status_campaign_and_days(t *testing.T) {
	t.Parallel()
	p := setup(t)
	first, second := p.campaign(p.one, nil), p.campaign(p.one, func(c *campaignInput) { c.Name = "Second" })
	p.campaign(p.two, nil)
	insert := func(siteID, campaign, n int64, status string, at time.Time) {
		p.root.MustExec(`insert into referral.referral (site_id, campaign_id, offer_id, origin_id, advocate_id, friend_id, status, cause, track_method, subtotal, currency, fraud,
			occurred_at, created_at, updated_at) values ($1, $2, 1, $3, 10, $3, $4, 'created', 'cookie', 100, 'USD', '{}', $5, $6, $6)`, siteID, campaign, n, status, at, epoch)
	}
	statuses := []string{"pending", "flagged", "approved", "blocked", "voided"}
	for n := range int64(40) {
		status := statuses[n%5]
		if status == "voided" {
			status = "pending"
		}
		campaign := []int64{first.ID, second.ID}[n/5%2]
		at := epoch.Add(-time.Duration(n*n%40) * 7 * time.Hour)
		insert(1, campaign, n, status, at)
		insert(2, campaign, n, status, at)
	}
	p.root.MustExec(`update referral.referral set status = 'voided' where origin_id % 5 = 4`)

	read := func(query string) (all []referralJSON) {
		t.Helper()
		for next := ""; ; {
			code, out, _ := p.call(p.one, "GET", "/api/v2/referrals?limit=7&cursor="+next+query, nil, "")
			if code != 200 {
				t.Fatalf("%s: %d %v", query, code, out)
			}
			page := into[referralsResult](t, out)
			if all = append(all, page.Referrals...); page.NextCursor == nil {
				return all
			}
			next = *page.NextCursor
		}
	}
	whole := read("")
	if len(whole) != 40 || !slices.IsSortedFunc(whole, func(a, b referralJSON) int { return b.OccurredAt.Compare(a.OccurredAt) }) {
		t.Fatalf("%d of 40, or not in order", len(whole))
	}
	days := map[string][2]time.Time{"": {firstTime, lastTime}, "&from=2026-11-15&to=2026-11-16": {epoch.Add(-132 * time.Hour), epoch.Add(-84 * time.Hour)},
		"&from=2026-11-18": {epoch.Add(-60 * time.Hour), lastTime}}
	for _, status := range append(statuses, "") {
		for _, campaign := range []int64{0, first.ID, second.ID} {
			for query, between := range days {
				var want []int64
				for _, r := range whole {
					if (status == "" || r.Status == status) && (campaign == 0 || r.CampaignID == campaign) && !r.OccurredAt.Before(between[0]) && r.OccurredAt.Before(between[1]) {
						want = append(want, r.ID)
					}
				}
				if status != "" {
					query += "&status=" + status
				}
				if campaign != 0 {
					query += fmt.Sprint("&campaign_id=", campaign)
				}
				var got []int64
				for _, r := range read(query) {
					got = append(got, r.ID)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %v, want %v", query, got, want)
				}
			}
		}
	}
	for _, bad := range []string{"status=open", "from=2026-13-01", "from=2020-01-01&to=2026-01-01", "campaign_id=-1", "campaign_id=x"} {
		if code, out, _ := p.call(p.one, "GET", "/api/v2/referrals?"+bad, nil, ""); code != 400 && code != 422 {
			t.Errorf("%s: %d %v", bad, code, out)
		}
	}
	_, out, _ := p.call(p.one, "GET", "/api/v2/referrals?limit=7&status=approved", nil, "")
	next := *into[referralsResult](t, out).NextCursor
	if code, _, _ := p.call(p.one, "GET", "/api/v2/referrals?limit=7&status=voided&cursor="+next, nil, ""); code != 400 {
		t.Errorf("the cursor of another list: %d", code)
	}
}

// Each way to ask walks its index and sorts nothing.
func TestReferrals_lists_have_an_index(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	const page = ` and (r.occurred_at, r.id) < ('9999-01-01', 0) and r.occurred_at >= '2026-01-01' and r.occurred_at < '2026-02-01' order by r.occurred_at desc, r.id desc limit 26`
	for query, index := range map[string]string{"": "referral_by_time", " and r.status = 'approved'": "referral_by_status", " and r.campaign_id = 7": "referral_by_campaign"} {
		tx := p.root.MustBegin()
		tx.MustExec(`set local enable_seqscan = off; set local enable_bitmapscan = off`)
		var plan []string
		if err := tx.Select(&plan, `explain select `+referralColumns+` from referral.referral r where r.site_id = 1`+query+page); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(plan, "\n"); !strings.Contains(all, index) || strings.Contains(all, "Sort") {
			t.Errorf("%s\n%s", query, all)
		}
		_ = tx.Rollback()
	}
}
