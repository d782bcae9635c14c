package loyalty

import (
	"slices"

	"pgregory.net/rapid"
)

// each is the oracle of each wallet.
func (o *oracle) each() []*oracle { return append([]*oracle{o}, o.others...) }

// in is the oracle of a wallet.
func (o *oracle) in(wallet string) *oracle {
	return o.each()[slices.IndexFunc(o.each(), func(x *oracle) bool { return x.wallet == wallet })]
}

// pick draws a wallet.
func (o *oracle) pick(rt *rapid.T) *oracle {
	return rapid.SampledFrom(o.each()).Draw(rt, "wallet")
}

// further draws whether the programme has another wallet, whose points are earned by each purchase beside those of the main one.
func (o *oracle) further(rt *rapid.T, s *settings) {
	o.scores = true
	if !rapid.Bool().Draw(rt, "another wallet") {
		return
	}
	x := &oracle{wallet: "stars", states: o.states, people: map[int64]*purse{}, earned: map[string]*grant{}, unions: o.unions, debts: o.debts, scores: rapid.Bool().Draw(rt, "stars count")}
	o.others, o.scores = []*oracle{x}, !x.scores
	of, waits := Wallet{Key: x.wallet, Name: "Stars", Transferable: true, CountsForTier: x.scores, ExpiresAfter: days(10)}, x.drawWaiting(rt)
	of.PendingRule, of.PendingDays, of.PendingExpiry = waits.PendingRule, waits.PendingDays, waits.PendingExpiry
	if x.idle = rapid.Bool().Draw(rt, "stars by activity"); x.idle {
		of.ExpiryRule = inactivity
	}
	s.Wallets = keptWallets([]Wallet{of})
	s.Earning = &earnPlan{EarnTerms: EarnTerms{Stacking: stackAll, Rules: []earnRule{{Key: "stars", Kind: kindPerMoney, Points: 2, Wallet: x.wallet}}}}
}
