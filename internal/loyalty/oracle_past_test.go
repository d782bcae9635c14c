package loyalty

import (
	"time"

	"pgregory.net/rapid"
)

// past is what everybody had at each moment at which something happened.
type past map[time.Time]map[int64]int64

func (h past) keep(at time.Time, o *oracle) {
	h[at] = map[int64]int64{}
	for who := range o.people {
		h[at][who], _ = o.balance(who)
	}
}

// movedQuery is what the events of a site say that people have at a moment: by what each of them moved, not by the balances that they name.
const movedQuery = `
	select person, sum(points) as points from (
		select (payload ->> 'person_id')::bigint as person, (payload ->> 'points')::bigint * case
				when (payload ->> 'pending')::boolean then 0
				when type in ('loyalty.points_earned.v1', 'loyalty.points_adjusted.v1', 'loyalty.points_activated.v1', 'loyalty.points_reinstated.v1', 'loyalty.redemption_cancelled.v1') then 1
				when type in ('loyalty.points_clawed_back.v1', 'loyalty.points_expired.v1', 'loyalty.points_redeemed.v1', 'loyalty.points_transferred.v1', 'loyalty.points_merged.v1') then -1
				when payload ->> 'change' in ('release', 'restore') then 1
				when payload ->> 'change' = 'hold' then -1
				else 0 end as points
		from loyalty.waiting where site = $1 and at <= $2 and type <> 'loyalty.points_expiring.v1'
		union all
		select (payload ->> 'to_person_id')::bigint, (payload ->> 'points')::bigint
		from loyalty.waiting where site = $1 and at <= $2 and type in ('loyalty.points_transferred.v1', 'loyalty.points_merged.v1')) moved
	where points is not null group by person`

// remembered checks that what people had at any moment of the past is what it was then, and what the events until then add up to.
func (w *world) remembered(rt *rapid.T, site int64, h past) {
	for at, had := range h {
		var rows []struct{ Person, Points int64 }
		if err := w.admin.Select(&rows, movedQuery, site, at); err != nil {
			rt.Fatal(err)
		}
		told := map[int64]int64{}
		for _, r := range rows {
			told[r.Person] = r.Points
		}
		for who, want := range had {
			b, err := w.BalanceAt(w.t.Context(), site, who, at)
			if err != nil || b.Points != want || told[who] != want {
				rt.Fatalf("site %d person %d at %s: the ledger says %d, the events %d, want %d; %v", site, who, at, b.Points, told[who], want, err)
			}
		}
	}
}
