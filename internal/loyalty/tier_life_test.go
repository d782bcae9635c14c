package loyalty

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// at moves the clock to a day.
func (w *world) at(year int, month time.Month, day int) {
	w.clock.Move(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Sub(w.clock.Now()))
}

func (w *world) approved(siteID, advocateID, referralID int64) referralevent.ReferralApproved {
	return referralevent.ReferralApproved{SiteID: siteID, ReferralID: referralID, AdvocateID: advocateID, FriendID: 99, ApprovedAt: w.clock.Now()}
}

func (w *world) voided(siteID, advocateID, referralID int64) referralevent.ReferralVoided {
	return referralevent.ReferralVoided{SiteID: siteID, ReferralID: referralID, AdvocateID: advocateID, FriendID: 99, Was: referralevent.Approved, VoidedAt: w.clock.Now()}
}

func (w *world) tierOf(siteID, personID int64) loyaltyapi.MemberTier {
	w.t.Helper()
	out, err := w.MemberTier(w.t.Context(), siteID, personID)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

func (w *world) tiersDue() int {
	w.t.Helper()
	n, err := w.TiersDue(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// fact is an order, a referral or something of the shop's, as the naive reference knows it.
type fact struct {
	person, subtotal, refunded int64
	day                        time.Time
	kind                       string
	heard, gone                bool
}

func (f fact) counts() (c counts) {
	if f.heard && !f.gone {
		switch f.kind {
		case meritOrder:
			c[countSpend], c[countOrders] = f.subtotal-f.refunded, 1
		case meritReferral:
			c[countReferrals] = 1
		case meritCustom:
			c[countCustom] = f.subtotal
		}
	}
	return c
}

// TestTiersAgainstALife: whatever is heard, late, early, twice or before what it takes back, each member's tier is the one that a life day by
// day leads to, as it is read at once and as the timer leaves it.
func TestTiersAgainstALife(t *testing.T) {
	t.Parallel()
	w := setup(t)
	site := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		site++
		s := club()
		s.ExpiresAfterDays, s.Tiers = nil, append(slices.Clone(naiveTiers), tier{Name: "Top", Custom: 5})
		s.TierPlan = plans(rt)
		w.start(site, s)
		facts := map[string]*fact{}
		get := func(source, kind string) *fact {
			if facts[source] == nil {
				facts[source] = &fact{kind: kind}
			}
			return facts[source]
		}
		small := rapid.Int64Range(1, 6)
		for range rapid.IntRange(3, 10).Draw(rt, "steps") {
			id := small.Draw(rt, "id")
			who, subtotal := id%2+1, 3*id
			late := w.clock.Now().AddDate(0, 0, -rapid.SampledFrom([]int{0, 0, 1, 40, 380}).Draw(rt, "late"))
			switch rapid.SampledFrom([]string{"buy", "buy", "refund", "approve", "void", "count", "wait", "wait"}).Draw(rt, "step") {
			case "buy":
				if f := get(sourceOf("origin", id), meritOrder); !f.heard {
					f.person, f.subtotal, f.day, f.heard = who, subtotal, late, true
				}
				o := w.bought(site, who, id, subtotal)
				o.OccurredAt = late
				again(rt, w, w.originsRecorded, site, o)
			case "refund":
				total := rapid.Int64Range(1, subtotal).Draw(rt, "total")
				f := get(sourceOf("origin", id), meritOrder)
				f.refunded, f.gone = max(f.refunded, total), f.gone || total == subtotal
				again(rt, w, w.originsRefunded, site, w.refund(site, id, total, total, subtotal))
			case "approve":
				if f := get(sourceOf("referral", id), meritReferral); !f.heard {
					f.person, f.day, f.heard = who, late, true
				}
				r := w.approved(site, who, id)
				r.ApprovedAt = late
				again(rt, w, w.referralsApproved, site, r)
			case "void":
				get(sourceOf("referral", id), meritReferral).gone = true
				again(rt, w, w.referralsVoided, site, w.voided(site, who, id))
			case "count":
				in := loyaltyapi.TierCount{Source: fmt.Sprint(id), Amount: id, At: late}
				out, _, err := w.CountTowards(t.Context(), site, who, in, noKey)
				if f := get(fmt.Sprint("custom:", id), meritCustom); err == nil && out.Counted != !f.heard {
					rt.Fatalf("%+v: %+v; counted before: %v", in, out, f.heard)
				} else if err == nil && !f.heard {
					f.person, f.subtotal, f.day, f.heard = who, id, late, true
				}
			case "wait":
				w.clock.Move(time.Duration(rapid.SampledFrom([]int{1, 7, 30, 200}).Draw(rt, "days")) * 24 * time.Hour)
				if rapid.Bool().Draw(rt, "the timer comes by") {
					w.tiersDue()
				}
			}
			for who := range int64(2) {
				w.compareTier(rt, site, who+1, s, facts)
			}
		}
		w.tiersDue()
		if n := w.tiersDue(); n != 0 {
			rt.Fatalf("the timer finds %d again", n)
		}
		for who := range int64(2) {
			if want := w.compareTier(rt, site, who+1, s, facts); want != w.stored(site, who+1) {
				rt.Fatalf("site %d: person %d is left in %q, want %q", site, who+1, w.stored(site, who+1), want)
			}
		}
		if site%someInvariants == 1 {
			w.invariant(rt)
		}
		w.over(rt)
	})
}

// again hears something twice; the second time changes nothing.
func again[T bus.Payload](rt *rapid.T, w *world, h bus.Handler[T], site int64, body T) {
	twice(rt, w, h, site, []T{body})
}

func (w *world) stored(site, person int64) (tier string) {
	w.t.Helper()
	if err := w.admin.Get(&tier, `select coalesce((select tier from loyalty.member where site_id = $1 and person_id = $2), '')`, site, person); err != nil {
		w.t.Fatal(err)
	}
	return tier
}

func (w *world) compareTier(rt *rapid.T, site, who int64, s settings, facts map[string]*fact) string {
	m, err := w.Member(w.t.Context(), site, who)
	if err != nil {
		return "" // is no member yet
	}
	date := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	n := life{plan: s.TierPlan, tiers: s.Tiers, joined: date(m.JoinedAt), facts: map[time.Time]counts{}, known: map[time.Time]int{}}
	today := date(w.clock.Now())
	first := today
	for _, f := range facts {
		if c := f.counts(); f.person == who && c != (counts{}) {
			d := date(f.day)
			n.facts[d] = n.facts[d].plus(c)
			if d.Before(first) {
				first = d
			}
		}
	}
	want, level := "", n.live(first, today)[today]
	if level > 0 {
		want = s.Tiers[level-1].Name
	}
	got := w.tierOf(site, who)
	if orBlank(got.Tier) != want || m.Tier != want {
		rt.Fatalf("site %d person %d on %s: tier %q and %q, want %q; %+v\n%+v", site, who, today.Format(time.DateOnly), orBlank(got.Tier), m.Tier, want, s.TierPlan, n.facts)
	}
	if sum := seen(n.counts(today)); got.Counters.Spend != sum.Spend || got.Counters.Orders != sum.Orders || got.Counters.Referrals != sum.Referrals || got.Counters.Custom != sum.Custom {
		rt.Fatalf("site %d person %d counts %+v, want %+v", site, who, got.Counters, sum)
	}
	return want
}

// TestAnyOrderOfRefundsEndsTheSame: the same purchases and refunds, in every order, leave the same days behind.
func TestAnyOrderOfRefundsEndsTheSame(t *testing.T) {
	t.Parallel()
	w := setup(t)
	s := yearly()
	order := func(site int64) customerevent.OriginRecorded { return w.bought(site, 7, 1, 60_000) }
	steps := []func(site int64){
		func(site int64) { hear(w, w.originsRecorded, site, order(site)) },
		func(site int64) { hear(w, w.originsRefunded, site, w.refund(site, 1, 1, 5_000, 60_000)) },
		func(site int64) { hear(w, w.originsRefunded, site, w.refund(site, 1, 2, 20_000, 60_000)) },
		func(site int64) { hear(w, w.originsRecorded, site, w.bought(site, 7, 2, 1_000)) },
	}
	site := int64(0)
	var orders func(done []int)
	orders = func(done []int) {
		if len(done) == len(steps) {
			site++
			w.start(site, s)
			for _, i := range done {
				steps[i](site)
			}
			got := w.tierOf(site, 7)
			if orBlank(got.Tier) != "Silver" || got.Counters.Spend != 41_000 || got.Counters.Orders != 2 {
				t.Errorf("%v: %+v", done, got)
			}
			return
		}
		for i := range steps {
			if !slices.Contains(done, i) {
				orders(append(slices.Clone(done), i))
			}
		}
	}
	orders(nil)
}
