package loyalty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// TestRedemptionsAreFoundByIndexes: a page of a site's redemptions looks at what it shows, whatever is asked for and however long ago that was.
func TestRedemptionsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.admin.MustExec(`
		insert into loyalty.redemption (site_id, id, member_id, batch_id, status, description, points, traffic_source, kind, created_at, fulfilled_at, cancelled_at, cancel_txn_id, cancel_reason)
		select s, n, 7, 1 + n % 3, case when n % 500 = 0 then 'cancelled' when n % 700 = 0 then 'waiting' else 'fulfilled' end, 'Mug', 10, 'api', 'custom', $1::timestamptz - n / 2 * interval '10 minutes',
			case when n % 700 > 0 and n % 500 > 0 then $1::timestamptz end, case when n % 500 = 0 then $1::timestamptz end, case when n % 500 = 0 then n end, case when n % 500 = 0 then 'x' end
		from generate_series(1, 40000) n, generate_series(1, 2) s`, noon)
	w.admin.MustExec(`analyze loyalty.redemption`)
	defer w.admin.MustExec(`delete from loyalty.redemption`) // nobody paid for them
	long := noon.AddDate(0, 0, -120)
	for _, f := range []loyaltyapi.RedemptionFilter{{}, {Status: waiting}, {Status: cancelled}, {Status: fulfilled}, {BatchID: 2}, {From: long, To: long.AddDate(0, 0, 1)},
		{To: long}, {From: long, To: long.AddDate(0, 1, 0), Status: fulfilled}, {BatchID: 2, To: long}, {Status: cancelled, To: long}, {Status: waiting, To: long}} {
		where, args := redemptionFilter(f).where([]any{1, redemptionFilter(f).start().At, 0, 26})
		if n, plan := w.blocks(fmt.Sprintf(siteRedemptionsQuery, where), args...); n > 120 || strings.Contains(plan, `"Sort"`) {
			t.Errorf("%+v: %d blocks, %.3000s", f, n, plan)
		}
	}
	f := loyaltyapi.RedemptionFilter{To: long, Status: cancelled}
	var after loyaltyapi.AfterRedemption
	last, seen := noon, 0
	for more := true; more; {
		var page []loyaltyapi.Redemption
		var err error
		if page, more, err = w.SiteRedemptions(t.Context(), 1, f, after, 7); err != nil {
			t.Fatal(err)
		}
		for _, r := range page {
			if r.CreatedAt.After(last) || !r.CreatedAt.Before(long) || r.Status != cancelled {
				t.Errorf("%+v behind %s", r, last)
			}
			last, after, seen = r.CreatedAt, loyaltyapi.AfterRedemption{At: r.CreatedAt, ID: r.ID}, seen+1
		}
	}
	var want int
	if err := w.admin.Get(&want, `select count(*) from loyalty.redemption where site_id = 1 and status = 'cancelled' and created_at < $1`, long); err != nil || seen != want || want == 0 {
		t.Errorf("%d on pages, %d in all, %v", seen, want, err)
	}
}

// TestManyMembersAreCountedOnceInAWhile: to count them is to read an index to its end.
func TestManyMembersAreCountedOnceInAWhile(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	join := func(site, from, to int) {
		w.admin.MustExec(`insert into loyalty.member (site_id, person_id, tiers_version, joined_at, tier) select $1, n, 1, now(), case n when 5 then 'Silver' else '' end from generate_series($2::int, $3::int) n`, site, from, to)
	}
	defer w.admin.MustExec(`delete from loyalty.member`) // they have no accounts
	expect := func(site, all int64, at time.Time) {
		t.Helper()
		c, err := w.membersOf(t.Context(), w.db, site)
		if err != nil || c.all != all || c.in["Silver"] != 1 || !c.at.Equal(at) {
			t.Errorf("%+v, %v; want %d of %s", c, err, all, at)
		}
	}
	join(1, 1, countingAll+1)
	join(2, 1, 10)
	expect(1, countingAll+1, noon)
	expect(2, 10, noon)
	join(1, countingAll+2, countingAll+2)
	join(2, 11, 11)
	w.clock.Move(countsKept - time.Second)
	expect(1, countingAll+1, noon)
	expect(2, 11, w.clock.Now())
	w.admin.MustExec(`update loyalty.member set status = 'merged', merged_into = 1 where site_id = 1 and person_id = 9`)
	w.clock.Move(time.Second)
	expect(1, countingAll+1, w.clock.Now())
	for limit, more := range map[int64]bool{9: true, 10: true, 11: false, 100: false} {
		if s, err := spanOf(t.Context(), w.db, 2, limit); err != nil || s.More != more || s.Last-s.First != 10 && s.Last == 0 {
			t.Errorf("more than %d: %+v, %v", limit, s, err)
		}
	}
}
