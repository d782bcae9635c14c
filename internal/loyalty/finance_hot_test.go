package loyalty

import (
	"testing"
	"time"

	"github.com/lib/pq"
)

// busy is a site that books something of each kind in two wallets in every quarter of an hour of some days, as the sealer would have added it up.
func busy(t testing.TB, n int) *world {
	w := setup(t)
	s := club()
	s.Wallets = []Wallet{{Key: "stars", Name: "Stars"}}
	w.start(1, s)
	w.admin.MustExec(`
		insert into loyalty.turnover (site_id, at, name, kind, wallet, points, entries)
		select 1, $1::timestamptz + make_interval(mins => 15 * q), k.name, k.kind, a.wallet, k.points * a.times, 100
		from generate_series(0, 96 * $2::int - 1) q, (values ('points', 1), ('stars', 3)) a (wallet, times), (values ('issued', 'earn', -1000), ('member', 'earn', 900), ('pending', 'earn', 100), ('pending', 'activate', -90), ('member', 'activate', 90),
			('issued', 'claw_back', 10), ('member', 'claw_back', -10), ('member', 'redeem', -300), ('redeemed', 'redeem', 300), ('member', 'expire', -50), ('expired', 'expire', 50)) k (name, kind, points)
		order by q`, noon, n)
	w.admin.MustExec(`insert into loyalty.chain (site_id, place, txn_id, hash, entries, allocations, sums, sealed_at)
		select 1, 1, 0, sha256('x'), 1, 0, jsonb_object_agg(case when wallet = 'points' then name else wallet || ':' || name end, s), now()
		from (select wallet, name, sum(points) as s from loyalty.turnover group by 1, 2) x`)
	w.admin.MustExec(`analyze loyalty.turnover`)
	return w
}

// TestFinance_hot: a report looks at the quarters of its days, by their index, however many there are; what is owed is reckoned from the nearest moment that is known.
func TestFinance_hot(t *testing.T) {
	t.Parallel()
	w := busy(t, 200)
	last := noon.AddDate(0, 0, 200)
	w.clock.Move(200 * 24 * time.Hour)
	from := last.AddDate(0, 0, -30)
	begins, _ := daysOf(from, last)
	if n, plan := w.blocks(turnoverByDayQuery, 1, pq.Array(column(begins, stamp)), from, last); n > 8000 { // of some 32,000
		t.Errorf("%d blocks, %.3000s", n, plan)
	}
	if n, plan := w.blocks(turnoverBetweenQuery, 1, last.AddDate(0, 0, -2), last); n > 600 {
		t.Errorf("%d blocks, %.3000s", n, plan)
	}
	s := located(t, 1, "UTC")
	early, _, ok := dayOfRun("2026-05-01", s.Zone)
	if j := w.closed(s, "2026-04"); !ok || j.Liability <= 0 || j.Of("stars").Liability != 3*j.Liability {
		t.Fatalf("%+v", j)
	}
	near, err := balancesAt(t.Context(), w.db, 1, early, w.clock.Now()) // from the closing
	if err != nil {
		t.Fatal(err)
	}
	far, err := balancesAt(t.Context(), w.db, 1, early, early.Add(time.Hour)) // from now
	if err != nil || text(near) != text(far) || near[mainWallet]["member"] == 0 || near["stars"]["member"] == 0 {
		t.Errorf("%v and %v, %v", near, far, err)
	}
	if _, err := w.admin.Exec(`truncate loyalty.chain, loyalty.turnover, loyalty.closing`); err != nil { // there is no such ledger
		t.Fatal(err)
	}
}

// BenchmarkFinance reads days and closes months of a site that was busy for five years: some four million rows of quarters.
func BenchmarkFinance(b *testing.B) {
	w := busy(b, 5*365)
	b.Cleanup(func() { w.admin.MustExec(`truncate loyalty.chain, loyalty.turnover, loyalty.closing`) })
	w.clock.Move(5 * 365 * 24 * time.Hour)
	s, last := located(b, 1, "Asia/Kathmandu"), noon.AddDate(5, 0, -3)
	for _, c := range []struct {
		name string
		days int
		ago  int
	}{{"last month", 30, 0}, {"last year", 365, 0}, {"a month three years ago", 30, 3 * 365}} {
		b.Run(c.name, func(b *testing.B) {
			to := last.AddDate(0, 0, -c.ago)
			from := to.AddDate(0, 0, -c.days)
			begins, _ := daysOf(from, to)
			n, plan := w.blocks(turnoverByDayQuery, 1, pq.Array(column(begins, stamp)), from, to)
			for b.Loop() {
				if _, err := w.financeOf(b.Context(), s, "", from, to); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n), "blocks")
			b.Log(plan)
		})
	}
	b.Run("close a month", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			w.admin.MustExec(`truncate loyalty.closing`)
			w.closed(s, "2028-06")
			b.StartTimer()
			w.closed(s, "2028-07")
		}
	})
}
