package loyalty

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/seal"
)

// walletsOf are the keys of a site's wallets: the main one, those of its programmes in their order, and others that had points.
func walletsOf(ctx context.Context, tx sqlx.QueryerContext, site int64, had walletBalances) ([]string, error) {
	programs, err := programsOf(ctx, tx, site)
	keys := []string{mainWallet}
	for _, p := range programs {
		for _, w := range p.Wallets {
			keys = append(keys, w.Key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(had)) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys, err
}

// walletBalances are what accounts held at a moment, by wallet and name.
type walletBalances map[string]map[string]int64

func (b walletBalances) add(wallet, account string, points int64) {
	if b[wallet] == nil {
		b[wallet] = map[string]int64{}
	}
	b[wallet][account] += points
}

// balancesAt is what accounts held at a moment: from the last month that was closed by then, or back from now, whichever is nearer.
func balancesAt(ctx context.Context, tx sqlx.QueryerContext, site int64, at, now time.Time) (walletBalances, error) {
	closed, err := closedBy(ctx, tx, site, at)
	if err != nil {
		return nil, err
	}
	if closed == nil || !closed.All() || at.Sub(closed.EndsAt) >= now.Sub(at) {
		c, err := chainOf(ctx, tx, site)
		if err != nil {
			return nil, err
		}
		return balancesBack(ctx, tx, c, at)
	}
	balances := walletBalances{}
	for _, b := range closed.Books() {
		for _, a := range b.Accounts {
			balances.add(b.Wallet, a.Account, a.Closing)
		}
	}
	return balances, addTurnover(ctx, tx, site, balances, closed.EndsAt, at, 1)
}

// balancesBack is what accounts held at a moment, back from where the chain is.
func balancesBack(ctx context.Context, tx sqlx.QueryerContext, c seal.Chain, at time.Time) (walletBalances, error) {
	balances := walletBalances{}
	for account, points := range c.Sums {
		wallet, name := unqualified(account)
		balances.add(asset(wallet), name, points)
	}
	return balances, addTurnover(ctx, tx, c.SiteID, balances, at, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), -1)
}
