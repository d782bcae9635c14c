package loyalty

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

var (
	errNothingCounts = fault.New(fault.Conflict, "nothing_counts", "The programme's tiers look at lifetime points only.")
	errSourceUsed    = fault.New(fault.Conflict, "source_used", "Another amount was counted with this source.")
)

const maxSource = 200

// checkCount says what is wrong with what the shop wants to count.
func checkCount(in loyaltyapi.TierCount, now time.Time) error {
	bad := fault.New(fault.Invalid, "invalid_tier_count", "What is to be counted is not valid.")
	if n := utf8.RuneCountInString(in.Source); n < 1 || n > maxSource || !printable(in.Source) {
		bad = bad.At("/source", "must have 1 to 200 printable characters")
	}
	if in.Amount == 0 || in.Amount > maxPoints || in.Amount < -maxPoints {
		bad = bad.At("/amount", "must be -1000000000000 to 1000000000000, and not 0")
	}
	if !in.At.IsZero() && (in.At.After(now) || in.At.Year() < 2000) {
		bad = bad.At("/occurred_at", "must be past, and after 1999")
	}
	if len(bad.Fields) > 0 {
		return bad
	}
	return nil
}

// CountTowards adds to a member's own counter what the shop says, once for each source.
func (m *Module) CountTowards(ctx context.Context, siteID, personID int64, in loyaltyapi.TierCount, key idempotency.Key) (out loyaltyapi.TierCounted, replayed bool, err error) {
	if err := checkCount(in, m.now()); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			if out, err = m.countTowards(ctx, u, person{siteID, personID}, in); err != nil {
				return err
			}
			out.Tier, err = memberTier(ctx, u, siteID, personID, u.Now)
			return err
		})
		return err
	})
	return out, replayed, err
}

func (m *Module) countTowards(ctx context.Context, u *bus.Unit, who person, in loyaltyapi.TierCount) (out loyaltyapi.TierCounted, err error) {
	h, p, err := lockActive(ctx, u, who)
	if err != nil {
		return out, err
	}
	if !p.TierPlan.Counted {
		return out, errNothingCounts
	}
	e := earning{SiteID: who.site, PersonID: who.id, Source: sourceOf(meritCustom, h.MemberID) + ":" + in.Source, Merit: meritCustom, Amount: in.Amount,
		EffectiveAt: moment(in.At, u.Now)}
	b := &books{now: u.Now, programs: map[int64]program{who.site: p}}
	if err := b.readMerits(ctx, u, meritsIn([]earning{e})); err != nil {
		return out, err
	}
	if err := b.readScores(ctx, u, []*holder{h}); err != nil {
		return out, err
	}
	if out.Counted = b.merit(h, e); out.Counted {
		b.placeBy(h, p, tierChange{Cause: meritCustom, Source: e.Source, At: e.EffectiveAt})
	}
	counted := b.merits[siteSource{e.SiteID, e.Source}]
	if counted.Amount != in.Amount {
		return out, errSourceUsed
	}
	in.Day = counted.Day.String()
	out.Count = in
	return out, m.save(ctx, u, b, []*holder{h}, nil, 0)
}
