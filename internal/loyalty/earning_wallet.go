package loyalty

import (
	"context"
	"slices"

	"github.com/jmoiron/sqlx"
)

// inWallet is what the same thing may earn in another wallet: a decision of its own, which makes nobody a member by itself and counts nothing else.
func (e earning) inWallet(wallet string) earning {
	e.Wallet, e.Source = wallet, sourced(e.Source, wallet)
	e.Joins, e.Merit, e.GoAhead, e.also, e.feat, e.points = false, "", "", nil, nil, nil
	return e
}

// again is the same occasion for other rules to decide about.
func (o *occasion) again() *occasion {
	copied := *o
	return &copied
}

// spread puts what things may earn in other wallets behind what they earn in the main one, each in its place. What was decided by a version whose wallet
// the programme doesn't have any more isn't earned.
func spread(programs map[int64]program, all []earning) []earning {
	if !slices.ContainsFunc(all, func(e earning) bool { return len(e.also) > 0 }) {
		return all
	}
	out := make([]earning, 0, 2*len(all))
	for _, e := range all {
		out = append(out, e)
		for _, also := range e.also {
			if _, ok := programs[e.SiteID].wallet(also.Wallet); ok {
				out = append(out, also)
			}
		}
	}
	return out
}

// walletsEarned hands members the wallets that they may earn points in.
func walletsEarned(ctx context.Context, tx sqlx.QueryerContext, all []earning, holders map[person]*holder) error {
	var wanted []memberWallet
	for _, e := range all {
		if h := holders[person{e.SiteID, e.PersonID}]; h != nil && e.Wallet != "" {
			wanted = append(wanted, memberWallet{h, e.Wallet})
		}
	}
	return loadWallets(ctx, tx, wanted)
}

// eachWallet puts behind claw-backs of what may have earned in several wallets those of the same in the other ones: by the same cumulative share, as
// a step of their own.
func eachWallet(programs map[int64]program, claws []clawBack) []clawBack {
	if !slices.ContainsFunc(claws, func(c clawBack) bool { return len(programs[c.SiteID].Wallets) > 0 }) {
		return claws
	}
	out := make([]clawBack, 0, 2*len(claws))
	for _, c := range claws {
		out = append(out, c)
		if c.Cause != causeRefund && c.Cause != causeVoided && c.Cause != causeLost {
			continue
		}
		for _, w := range programs[c.SiteID].Wallets {
			in := c
			in.Wallet, in.Of, in.Source = w.Key, sourced(c.Of, w.Key), sourced(c.Source, w.Key)
			out = append(out, in)
		}
	}
	return out
}

// earnedWallets are the wallets that earnings of members are in.
func earnedWallets(earnings map[siteSource]earned, holders map[person]*holder) (wanted []memberWallet) {
	for _, e := range earnings {
		if h := holders[person{e.SiteID, e.PersonID}]; h != nil && e.Wallet != "" {
			wanted = append(wanted, memberWallet{h, e.Wallet})
		}
	}
	return wanted
}
