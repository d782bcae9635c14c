package loyalty

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
)

// twice hears a batch, and hears it again, which must change nothing.
func twice[T bus.Payload](rt *rapid.T, w *world, h bus.Handler[T], site int64, batch []T) {
	if err := tryHear(w, h, site, batch...); err != nil {
		rt.Fatal(err)
	}
	var before, after int64
	const moved = `select coalesce(sum(seq), 0) + (select count(*) from loyalty.waiting where site = $1) + (select count(*) from loyalty.txn where site_id = $1)
		+ (select count(*) from loyalty.refusal where site_id = $1) from loyalty.account where site_id = $1`
	if err := w.admin.Get(&before, moved, site); err != nil {
		rt.Fatal(err)
	}
	if err := tryHear(w, h, site, batch...); err != nil {
		rt.Fatal(err)
	}
	if err := w.admin.Get(&after, moved, site); err != nil {
		rt.Fatal(err)
	}
	if before != after {
		rt.Fatalf("a replay of %+v changed something", batch)
	}
}

func (w *world) compare(rt *rapid.T, site int64, o *oracle) {
	for who := range o.people {
		if o.unions[who] != nil {
			continue
		}
		balance, earned := o.balance(who)
		m, err := w.Member(w.t.Context(), site, who)
		if err != nil {
			rt.Fatal(err)
		}
		if m.Balance != balance || m.Earned != earned {
			rt.Fatalf("site %d person %d has %d of %d earned, want %d of %d", site, who, m.Balance, m.Earned, balance, earned)
		}
		var left []int64
		waiting := 0
		for _, g := range o.people[who].grants {
			if waiting += g.count("waiting"); !g.pending {
				left = append(left, int64(g.count("live")))
			}
		}
		if m.Pending != int64(waiting) {
			rt.Fatalf("site %d person %d has %d pending, want %d", site, who, m.Pending, waiting)
		}
		if want, got := strings.Trim(fmt.Sprint(left), "[]"), w.lots(site, who); got != want {
			rt.Fatalf("site %d person %d has lots %s, want %s", site, who, got, want)
		}
		for i, x := range o.others {
			var left []int64
			waiting := 0
			for _, g := range x.people[who].grants {
				if waiting += g.count("waiting"); !g.pending {
					left = append(left, int64(g.count("live")))
				}
			}
			if got := m.Wallets[i].Pending; got != int64(waiting) {
				rt.Fatalf("site %d person %d has %d %s pending, want %d", site, who, got, x.wallet, waiting)
			}
			balance, _ := x.balance(who)
			if want, got := strings.Trim(fmt.Sprint(left), "[]"), w.lotsIn(site, who, x.wallet); got != want || m.Wallets[i].Balance != balance {
				rt.Fatalf("site %d person %d has %d %s in lots %s, want %d in %s", site, who, m.Wallets[i].Balance, x.wallet, got, balance, want)
			}
		}
		var tier string
		if err := w.admin.Get(&tier, `select tier from loyalty.member where site_id = $1 and person_id = $2`, site, who); err != nil || tier != m.Tier {
			rt.Fatalf("tier %q is kept, %q is so; %v", tier, m.Tier, err)
		}
	}
}

// over ends a sequence: what was told is looked at no more, and who asks the outbox reads all of it. The ledger stays, for what is checked of all sites.
func (w *world) over(rt *rapid.T) {
	if _, err := w.admin.Exec(`truncate loyalty.outbox`); err != nil {
		rt.Fatal(err)
	}
}

// census counts what happened in all sequences: a property says nothing of what never did.
type census map[string]int

func (c census) of(kind string) string {
	c["step "+kind]++
	return kind
}

// ledger adds what became of the steps: transactions by kind, those of further wallets, merges, pools, changes of tier.
func (c census) ledger(w *world) {
	var rows []struct {
		Kind string
		N    int
	}
	if err := w.admin.Select(&rows, `
		select kind, count(*) as n from loyalty.txn group by 1 union all select 'in another wallet', count(*) from loyalty.txn where wallet is not null
		union all select 'merges', count(*) from loyalty.member_merge union all select 'merges undone', count(*) from loyalty.member_merge where undone_at is not null
		union all select 'pools', count(*) from loyalty.pool union all select 'pooled spendings', count(*) from loyalty.redemption where pooled
		union all select 'tiers up or down', count(*) from loyalty.tier_change union all select to_status, count(*) from loyalty.member_change group by 1`); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range rows {
		c[r.Kind] += r.N
	}
}

// String is in one line, for make properties to show.
func (c census) String() string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(c)) {
		out = append(out, fmt.Sprint(kind, " ", c[kind]))
	}
	return strings.Join(out, ", ")
}

// someInvariants is how many sequences there are to a look at all sites: it costs more the more there are. After the test they are looked at anyway.
const someInvariants = 20

// invariant checks what the ledger promises of all sites.
func (w *world) invariant(rt *rapid.T) {
	for _, name := range []string{"entries, lots", "INV-01", "INV-02", "INV-04", "INV-06", "INV-07", "INV-09", "INV-11", "INV-22", "what was reinstated", "what is spent", "what the site keeps", "a hold is", "pending lots", "points are activated",
		"what one member gave", "a member's entries", "earned is", "what left by", "a merged member", "what one of a pool", "an open pool"} {
		for full, query := range invariants {
			if len(full) > len(name) && full[:len(name)] == name {
				var n int
				if err := w.admin.Get(&n, fmt.Sprintf(`select count(*) from (%s) broken`, query)); err != nil || n > 0 {
					rt.Fatalf("%s: %d rows, %v", full, n, err)
				}
			}
		}
	}
}
