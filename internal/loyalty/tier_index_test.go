package loyalty

import (
	"strings"
	"testing"
	"time"

	"github.com/lib/pq"
)

// TestTiersAreFoundByIndexes: in a large site nobody is looked at whose tier isn't due, and a member's days are one look-up.
func TestTiersAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, yearly())
	w.admin.MustExec(`
		insert into loyalty.member (site_id, person_id, tiers_version, joined_at, tier, counted, tier_due_at)
		select 1, n, 1, '2026-01-01', case when n % 3 = 0 then 'Silver' else '' end, true,
			case when n % 3 = 0 then timestamptz '2027-01-31' + (n % 365) * interval '1 day' end
		from generate_series(1, 60000) n`)
	w.admin.MustExec(`insert into loyalty.account (site_id, owner_id, name, asset) select 1, id, 'member', 'points' from loyalty.member`)
	w.admin.MustExec(`insert into loyalty.merit_day select 1, m.id, date '2026-01-01' + d * 30, 1, 1, 1, 0, 0 from loyalty.member m, generate_series(0, 2) d`)
	w.admin.MustExec(`analyze loyalty.member, loyalty.account, loyalty.merit_day`)
	defer func() { // what was put in by hand is no member's history
		w.admin.MustExec(`delete from loyalty.merit_day`)
		w.admin.MustExec(`update loyalty.member set tier = '', counted = null, tier_due_at = null`)
	}()
	due := time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		what, query string
		args        []any
		uses        string
	}{
		{"who is due", lockingMembers(tiersDueBy), []any{int64(1), due, perPass}, "member_tier_due"},
		{"what counts", scores, []any{pq.Array([]int64{1}), pq.Array([]int64{7}), pq.Array([]string{"2026-01-01"}), pq.Array([]bool{false}), "2026-03-01"}, "merit_day_pkey"},
		{"how many are in a tier", countingMembers, []any{int64(1)}, "member_in_tier"},
	} {
		var lines []string
		if err := w.admin.Select(&lines, "explain (analyze, buffers, costs off) "+c.query, c.args...); err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		t.Logf("%s:\n%s", c.what, plan)
		if !strings.Contains(plan, c.uses) || c.what != "how many are in a tier" && strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s: not by %s\n%s", c.what, c.uses, plan)
		}
	}
}
