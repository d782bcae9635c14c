package loyalty

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
)

// loadWallets hands the members of a desk the wallets beside the main one that its actions are about.
func (d *desk) loadWallets(ctx context.Context, u *bus.Unit, in []action, work []int) error {
	wanted := d.walletsWanted(in, work)
	if a := in[work[0]]; a.whole && len(d.programs[a.site].Wallets) > 0 {
		had, err := walletsHad(ctx, u, each(d.holders))
		if err != nil {
			return err
		}
		for _, w := range had {
			for _, h := range each(d.holders) {
				wanted = append(wanted, memberWallet{h, w.wallet})
			}
		}
	}
	return loadWallets(ctx, u, wanted)
}

// walletOf is the wallet that an action is about.
func (d *desk) walletOf(a action) string {
	id := siteID{a.site, a.id}
	if r := d.redemptions[id]; a.kind == kindCancel && r != nil {
		return deref(r.Wallet)
	}
	if k := d.holds[id]; a.ends() && k != nil {
		return k.Wallet
	}
	if b := d.batches[id]; (a.kind == kindRedeem || a.kind == kindHold && a.id != 0) && b != nil {
		return deref(b.Wallet)
	}
	return a.wallet
}

// walletsWanted are the wallets beside the main one that actions are about.
func (d *desk) walletsWanted(in []action, work []int) (wanted []memberWallet) {
	for _, i := range work {
		h := d.holderOf(in[i])
		if h == nil {
			continue
		}
		wallet := d.walletOf(in[i])
		if _, ok := d.programs[h.SiteID].wallet(wallet); ok || in[i].kind == kindCancel || in[i].ends() { // of others nothing is opened
			wanted = append(wanted, memberWallet{h, wallet})
		}
	}
	return wanted
}

// walletFor is the wallet of a member that an action is about, if it is one for what is wanted. What was taken goes back to where it came from.
func (d *desk) walletFor(h *holder, a action) (*holder, error) {
	wallet := d.walletOf(a)
	switch {
	case a.wallet != "" && a.wallet != wallet: // the batch's is another
		return nil, errNoWallet
	case wallet == "":
		return h, nil
	}
	of, ok := d.programs[h.SiteID].wallet(wallet)
	switch in := h.in(wallet); {
	case a.kind == kindCancel || a.ends():
		return in, nil
	case !ok:
		return nil, errNoWallet
	case a.kind != kindAdjust && !of.spendable():
		return nil, errNotSpendable
	default:
		return in, nil
	}
}
