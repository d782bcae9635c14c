package loyalty

import (
	"slices"
	"time"

	"pgregory.net/rapid"
)

// past is what everybody had from each moment on at which something happened.
type past []moments

type moments struct {
	at  time.Time
	had map[pastPurse]pastHeld
}

// pastHeld is what was in it, and of the main one what was pending.
type pastHeld struct{ points, pending int64 }

// pastPurse is somebody's wallet.
type pastPurse struct {
	wallet string
	who    int64
}

func (h past) keep(at time.Time, o *oracle) past {
	had := map[pastPurse]pastHeld{}
	for _, x := range o.each() {
		for who, p := range x.people {
			balance, _ := x.balance(who)
			held := pastHeld{points: balance}
			for _, g := range p.grants {
				held.pending += int64(g.count("waiting"))
			}
			had[pastPurse{x.wallet, who}] = held
		}
	}
	if n := len(h); n > 0 && h[n-1].at.Equal(at) { // what happened last at a moment is what there was
		return append(h[:n-1], moments{at, had})
	}
	return append(h, moments{at, had})
}

// at is what everybody had at a moment.
func (h past) at(at time.Time) map[pastPurse]pastHeld {
	for _, m := range slices.Backward(h) {
		if !m.at.After(at) {
			return m.had
		}
	}
	return nil
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

// remembered checks that what people had at any moment of the past is what it was then, and what the events until then add up to: at each step, a
// second before and after it, and at seconds in between, as they come.
func (w *world) remembered(rt *rapid.T, site int64, h past) {
	if len(h) == 0 {
		return
	}
	first, last := h[0].at, h[len(h)-1]
	var asked []time.Time
	for _, m := range h {
		asked = append(asked, m.at, m.at.Add(time.Microsecond), m.at.Add(-time.Microsecond))
	}
	for range 10 {
		asked = append(asked, first.Add(time.Duration(rapid.Int64Range(-3600, int64(last.at.Sub(first)/time.Second)+3600).Draw(rt, "second"))*time.Second))
	}
	for _, at := range asked {
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
		then := h.at(at)
		for of := range last.had {
			b, err := w.BalanceIn(w.t.Context(), site, of.who, of.wallet, at)
			if want := then[of]; err != nil || b.Points != want.points || told[of] != want.points || b.Pending != want.pending {
				rt.Fatalf("site %d person %d %s at %s: the ledger says %d and %d pending, the events %d, want %+v; %v", site, of.who, of.wallet, at, b.Points, b.Pending, told[of], want, err)
			}
		}
	}
}
