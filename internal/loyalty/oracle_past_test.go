package loyalty

import (
	"time"

	"pgregory.net/rapid"
)

// past is what everybody had at each moment at which something happened.
type past map[time.Time]map[pastPurse]int64

// pastPurse is somebody's wallet.
type pastPurse struct {
	wallet string
	who    int64
}

func (h past) keep(at time.Time, o *oracle) {
	h[at] = map[pastPurse]int64{}
	for _, x := range o.each() {
		for who := range x.people {
			h[at][pastPurse{x.wallet, who}], _ = x.balance(who)
		}
	}
}

// movedQuery is what the events of a site say that people have at a moment: by what each of them moved, not by the balances that they name.
const movedQuery = `
	select person, wallet, sum(points) as points from (
		select coalesce(payload ->> 'wallet', '') as wallet, (payload ->> 'person_id')::bigint as person, (payload ->> 'points')::bigint * case
				when (payload ->> 'pending')::boolean then 0
				when type in ('loyalty.points_earned.v1', 'loyalty.points_adjusted.v1', 'loyalty.points_activated.v1', 'loyalty.points_reinstated.v1', 'loyalty.redemption_cancelled.v1') then 1
				when type in ('loyalty.points_clawed_back.v1', 'loyalty.points_expired.v1', 'loyalty.points_redeemed.v1', 'loyalty.points_transferred.v1', 'loyalty.points_merged.v1', 'loyalty.points_pooled.v1') then -1
				when payload ->> 'change' in ('release', 'restore') then 1
				when payload ->> 'change' = 'hold' then -1
				else 0 end as points
		from loyalty.waiting where site = $1 and at <= $2 and type <> 'loyalty.points_expiring.v1'
		union all
		select coalesce(payload ->> 'wallet', ''), (payload ->> 'to_person_id')::bigint, (payload ->> 'points')::bigint
		from loyalty.waiting where site = $1 and at <= $2 and type in ('loyalty.points_transferred.v1', 'loyalty.points_merged.v1', 'loyalty.points_pooled.v1')) moved
	where points is not null group by person, wallet`

// remembered checks that what people had at any moment of the past is what it was then, and what the events until then add up to.
func (w *world) remembered(rt *rapid.T, site int64, h past) {
	for at, had := range h {
		var rows []struct {
			Person, Points int64
			Wallet         string
		}
		if err := w.admin.Select(&rows, movedQuery, site, at); err != nil {
			rt.Fatal(err)
		}
		told := map[pastPurse]int64{}
		for _, r := range rows {
			told[pastPurse{r.Wallet, r.Person}] = r.Points
		}
		for of, want := range had {
			b, err := w.BalanceIn(w.t.Context(), site, of.who, of.wallet, at)
			if err != nil || b.Points != want || told[of] != want {
				rt.Fatalf("site %d person %d %s at %s: the ledger says %d, the events %d, want %d; %v", site, of.who, of.wallet, at, b.Points, told[of], want, err)
			}
		}
	}
}
