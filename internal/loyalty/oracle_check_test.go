package loyalty

import (
	"fmt"
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
	const moved = `select coalesce(sum(seq), 0) + (select count(*) from loyalty.waiting) + (select count(*) from loyalty.txn)
		+ (select count(*) from loyalty.refusal) from loyalty.account`
	if err := w.admin.Get(&before, moved); err != nil {
		rt.Fatal(err)
	}
	if err := tryHear(w, h, site, batch...); err != nil {
		rt.Fatal(err)
	}
	if err := w.admin.Get(&after, moved); err != nil {
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
		var tier string
		if err := w.admin.Get(&tier, `select tier from loyalty.member where site_id = $1 and person_id = $2`, site, who); err != nil || tier != m.Tier {
			rt.Fatalf("tier %q is kept, %q is so; %v", tier, m.Tier, err)
		}
	}
}

// invariant checks what the ledger promises of all sites.
func (w *world) invariant(rt *rapid.T) {
	for _, name := range []string{"INV-02", "INV-04", "INV-06", "INV-07", "INV-09", "INV-11", "INV-22", "what was reinstated", "what is spent", "what the site keeps", "a hold is", "pending lots", "points are activated",
		"what one member gave", "a member's entries", "earned is", "what left by", "a merged member"} {
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
