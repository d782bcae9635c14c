package loyalty

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// shown are batches with what is left of their stock.
func shown(ctx context.Context, db sqlx.QueryerContext, now time.Time, batches []redemptionBatch) ([]loyaltyapi.RedemptionBatch, error) {
	out := views(batches)
	var keys []countKey
	for i := range batches {
		if k, _, ok := batches[i].stock(now); ok {
			keys = append(keys, k)
		}
	}
	counts, err := countsOf(ctx, db, keys, "offset 0")
	if err != nil {
		return nil, err
	}
	for i := range batches {
		if k, stock, ok := batches[i].stock(now); ok {
			left := max(stock-counts[k].taken(), 0)
			out[i].StockLeft = &left
		}
	}
	return out, nil
}

func shownOne(ctx context.Context, db sqlx.QueryerContext, now time.Time, b redemptionBatch) (loyaltyapi.RedemptionBatch, error) {
	out, err := shown(ctx, db, now, []redemptionBatch{b})
	if err != nil {
		return loyaltyapi.RedemptionBatch{}, err
	}
	return out[0], nil
}

// stock is how many there are of a batch in all, and the count of those that are gone; false: no end of them.
func (b *redemptionBatch) stock(now time.Time) (countKey, int64, bool) {
	for _, l := range b.limitsAt(now) {
		if l.Of == ofAll && l.Per == spanEver {
			return l.key(b.SiteID, b.ID, 0), l.most, true
		}
	}
	return countKey{}, 0, false
}

// taken is what a count has come to; one that isn't there is at zero.
func (c *rewardCount) taken() int64 {
	if c == nil {
		return 0
	}
	return c.Taken
}

// Rewards are what a member could spend points on, by position, each with the reasons why it can't be had now. They are decided as they
// are read, by what redeeming would ask.
func (m *Module) Rewards(ctx context.Context, siteID, personID int64) ([]loyaltyapi.Reward, error) {
	r, err := m.clubMember(ctx, siteID, personID)
	if err != nil {
		return nil, err
	}
	programs, err := programsOf(ctx, m.db, siteID)
	if err != nil {
		return nil, err
	}
	p, now := programs[0], m.now()
	batches, err := batchesOf(ctx, m.db, siteID, p.ID, false)
	if err != nil {
		return nil, err
	}
	s, err := standingOf(ctx, m.db, p, r, now)
	if err != nil {
		return nil, err
	}
	members := append(pq.Int64Array{r.ID}, r.Duplicates...)
	counts, err := countsOfAll(ctx, m.db, now, batches, members)
	if err != nil {
		return nil, err
	}
	views, err := shown(ctx, m.db, now, batches)
	if err != nil {
		return nil, err
	}
	var had map[string]walletRow
	if len(p.Wallets) > 0 {
		if had, err = walletRows(ctx, m.db, siteID, r.ID); err != nil {
			return nil, err
		}
	}
	balance, err := spendableOf(ctx, m.db, p, r)
	if err != nil {
		return nil, err
	}
	who := candidate{members: members, tier: p.nameOf(s.level)}
	var whom *criteria.Facts
	out := make([]loyaltyapi.Reward, len(batches))
	for i := range batches {
		ask := func() error {
			who.unmet, err = batches[i].unmet(ctx, now, criteria.Member{ID: r.ID, Tier: who.tier, Earned: r.Earned, Status: r.Status, JoinedAt: r.JoinedAt}, whom)
			return err
		}
		if errors.Is(ask(), errWho) {
			if whom, err = m.whom(ctx, siteID, personID); err == nil {
				err = ask()
			}
		}
		if err != nil {
			return nil, err
		}
		who.balance = balance
		if wallet := deref(batches[i].Wallet); wallet != "" {
			who.balance = had[wallet].Balance
		}
		out[i] = batches[i].reward(p, who, now, func(k countKey) int64 { return counts[k].taken() })
		out[i].RedemptionBatch = views[i]
	}
	return out, nil
}

// countsOfAll reads what the limits of batches count of members.
func countsOfAll(ctx context.Context, db sqlx.QueryerContext, now time.Time, batches []redemptionBatch, members []int64) (map[countKey]*rewardCount, error) {
	var keys []countKey
	for i := range batches {
		for _, l := range batches[i].limitsAt(now) {
			for _, member := range members {
				keys = append(keys, l.key(batches[i].SiteID, batches[i].ID, member))
			}
		}
	}
	return countsOf(ctx, db, keys, "offset 0")
}

// reward is a batch as it is for a member.
func (b *redemptionBatch) reward(p program, who candidate, now time.Time, taken func(countKey) int64) loyaltyapi.Reward {
	if who.cost = b.PointsCost; b.Kind == rewardPayment {
		who.cost = max(b.Terms.MinPoints, b.PointsCost)
	}
	refused := b.refusals(p, who, now, taken)
	out := loyaltyapi.Reward{Redeemable: len(refused) == 0, Refusals: append([]loyaltyapi.RewardRefusal{}, refused...), Rooms: []loyaltyapi.RewardRoom{}}
	for _, l := range b.limitsAt(now) {
		if l.Of == ofAll && l.Per == spanEver { // the stock
			continue
		}
		out.Rooms = append(out.Rooms, loyaltyapi.RewardRoom{RewardLimit: loyaltyapi.RewardLimit{Of: l.Of, Per: l.Per, Times: l.most},
			Left: max(l.most-l.takenBy(b, who.members, taken), 0), AnewAt: l.anew})
	}
	return out
}

// redemptionFilter is which redemptions of a site are looked for.
type redemptionFilter loyaltyapi.RedemptionFilter

// where adds the filter's conditions to a statement's, and their values to its arguments; its end is in start.
func (f redemptionFilter) where(args []any) (string, []any) {
	out := ""
	and := func(condition string, value any) {
		args = append(args, value)
		out += " and " + condition + strconv.Itoa(len(args))
	}
	switch f.Status {
	case "":
	case waiting, cancelled: // in words: these have indexes of their own
		out += " and r.status = '" + f.Status + "'"
	default:
		and("r.status = $", f.Status)
	}
	if f.BatchID != 0 {
		and("r.batch_id = $", f.BatchID)
	}
	if !f.From.IsZero() {
		and("r.created_at >= $", f.From)
	}
	return out, args
}

// start is where the first page begins: at the end of the period, which is no condition beside that. An index is entered by one of two bounds only.
func (f redemptionFilter) start() loyaltyapi.AfterRedemption {
	if f.To.IsZero() {
		return loyaltyapi.AfterRedemption{At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	return loyaltyapi.AfterRedemption{At: f.To}
}

// SiteRedemptions reads redemptions of a site, newest first, and says whether older ones follow.
func (m *Module) SiteRedemptions(ctx context.Context, siteID int64, f loyaltyapi.RedemptionFilter, after loyaltyapi.AfterRedemption, limit int) ([]loyaltyapi.Redemption, bool, error) {
	rows, err := siteRedemptions(ctx, m.db, siteID, redemptionFilter(f), after, limit+1)
	if err != nil {
		return nil, false, err
	}
	out := column(rows[:min(limit, len(rows))], redemption.view)
	return out, len(rows) > limit, nil
}
