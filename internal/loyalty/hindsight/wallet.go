package hindsight

// PlayedWallet is one beside the main one.
type PlayedWallet struct {
	Key, Name string
	Spendable bool // what is in it costs something
}

// WalletOutcome is what came of a wallet beside the main one. Its points are apart from all others.
type WalletOutcome struct {
	Key       string        `json:"key"`
	Name      string        `json:"name"`
	Spendable bool          `json:"spendable"`
	Totals    WalletTotals  `json:"totals"`
	Months    []WalletMonth `json:"months"`

	Opening *WalletOpening `json:"opening,omitempty"` // what members had in it when it begins; without: nothing
}

// WalletOpening is what members had in a wallet when it begins.
type WalletOpening struct {
	Members int64 `json:"members"`
	Held
	Liability int64 `json:"liability"`
}

// WalletTotals are sums of all months, and what is there at the end. Who joined are those who had points in it for the first time.
type WalletTotals struct {
	Members int64 `json:"members"`
	Moved
	Held
	Cost      int64 `json:"cost"`
	Liability int64 `json:"liability"`
	Spent     int64 `json:"redeemed_bp"`
	Breakage  int64 `json:"breakage_bp"`
}

// WalletMonth is what moved in a month, and what is there at its end.
type WalletMonth struct {
	Month string `json:"month"`
	Moved
	Held
	Cost      int64 `json:"cost"`
	Liability int64 `json:"liability"`
}

// wallets add up those beside the main one. What can't be spent is worth nothing.
func (p PlayedProgramme) wallets(worth Worth) (out []WalletOutcome) {
	for k, w := range p.Wallets {
		worth := worth
		if !w.Spendable {
			worth.Amount = 0
		}
		one := WalletOutcome{Key: w.Key, Name: w.Name, Spendable: w.Spendable}
		had := p.Tally.brought[k]
		held, moved := had.held, Moved{}
		if had.moved.Joined > 0 {
			one.Opening = &WalletOpening{Members: had.moved.Joined, Held: held, Liability: worth.Of(held.Outstanding)}
		}
		for i, s := range p.Tally.purse[k] {
			moved, held = moved.plus(s.moved), held.plus(s.held)
			one.Months = append(one.Months, WalletMonth{Month: p.Tally.month(i), Moved: s.moved, Held: held,
				Cost: worth.Of(s.moved.Redeemed - s.moved.Restored), Liability: worth.Of(held.Outstanding)})
		}
		net, spent := had.held.Outstanding+moved.Issued-moved.ClawedBack, moved.Redeemed-moved.Restored
		one.Totals = WalletTotals{Members: had.moved.Joined + moved.Joined, Moved: moved, Held: held, Cost: worth.Of(spent), Liability: worth.Of(held.Outstanding), Spent: share(spent, net), Breakage: share(moved.Expired, net)}
		out = append(out, one)
	}
	return out
}

// walleted says that there is more than the main wallet.
func (r *Report) walleted() bool {
	for _, p := range r.Programmes {
		if len(p.Wallets) > 0 {
			return true
		}
	}
	return false
}
