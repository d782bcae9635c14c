package loyalty

// checkIn says what of a batch's settings its programme doesn't have: the tier that its terms ask for, or the wallet that it costs points of.
func (s batchSettings) checkIn(p program) error {
	w, ok := p.wallet(deref(s.Wallet))
	switch {
	case !ok:
		return errBatch().At("/wallet", noWallet).Pointed()
	case s.Wallet != nil && !w.spendable():
		return errBatch().At("/wallet", "is one whose points can't be spent").Pointed()
	}
	return s.checkTier(p.Tiers)
}
