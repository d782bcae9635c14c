package loyalty

import "github.com/talkable/talkable/internal/loyalty/hindsight"

// sums are of the main wallet and, behind it, the programme's others in its order.
type (
	sums  [1 + maxWallets]hindsight.Moved
	helds [1 + maxWallets]hindsight.Held
)

// place is where a wallet is among those of the programme; 0: the main one.
func (r *replay) place(wallet string) int {
	for i := range r.p.Wallets {
		if r.p.Wallets[i].Key == wallet {
			return 1 + i
		}
	}
	return 0
}

// held is what somebody has in each wallet.
func (r *replay) held(l *player) (out helds) {
	out[0] = l.held()
	if l.holder != nil {
		for _, w := range l.holder.wallets {
			out[r.place(w.Wallet)] = w.left()
		}
	}
	return out
}

// left is what is in a wallet that can be spent or is owed, and what waits.
func (h *holder) left() hindsight.Held {
	out := hindsight.Held{Outstanding: max(h.Balance, 0), Debt: max(-h.Balance, 0)}
	if h.pending != nil {
		out.Pending = h.pending.Balance
	}
	return out
}

// close adds up what moved.
func (r *replay) close(b *books, l *player, was helds) {
	var all sums
	if len(b.joined) > 0 {
		all[0].Joined = 1
	}
	for i := range b.txns {
		t := &b.txns[i]
		l.next = max(l.next, t.ID)
		m := &all[r.place(t.Wallet)]
		switch t.Kind {
		case kindEarn:
			m.Issued += t.Points
			if t.Wallet != "" && l.holder.in(t.Wallet).first() {
				m.Joined++
			}
		case kindClawBack:
			m.ClawedBack += t.Points
		case kindActivate:
			m.Activated += t.Points
		case kindRedeem:
			m.Redeemed += t.Points
		case kindCancel:
			m.Restored += t.Points
		case kindExpire:
			m.Expired += t.Points
		}
	}
	for _, c := range b.changes {
		r.tally.Move(b.now, r.p.rank(c.From), r.p.rank(c.To))
	}
	if r.p.feats != nil {
		r.closeFeats(b, l)
	}
	has := r.held(l)
	r.tally.Add(b.now, all[0], has[0].Minus(was[0]))
	for i := range r.p.Wallets {
		r.tally.AddTo(i, b.now, all[1+i], has[1+i].Minus(was[1+i]))
	}
	m, held, s := all[0], has[0], &l.stand
	s.Earned, s.Redeemed, s.Expired = s.Earned+m.Issued-m.ClawedBack, s.Redeemed+m.Redeemed-m.Restored, s.Expired+m.Expired
	if h := l.holder; h != nil {
		s.Balance, s.Pending, s.Tier = h.Balance, held.Pending, r.p.rank(h.Tier)
	}
	l.sweep(r.p)
}

// first says, once, that there are points in a wallet for the first time.
func (h *holder) first() bool {
	was := h.opened
	h.opened = true
	return !was
}

// purses are the wallets of somebody, the main one first; of who is no member there are none.
func (l *player) purses(yield func(*holder) bool) {
	if l.holder == nil || !yield(l.holder) {
		return
	}
	for _, w := range l.holder.wallets {
		if !yield(w) {
			return
		}
	}
}

// opens gives somebody a wallet, with the next account behind those of the main one.
func (l *player) opens(wallet string) {
	if h := l.holder; h.in(wallet) == nil {
		h.wallets = append(h.wallets, h.wallet(account{SiteID: h.SiteID, ID: 3 + int64(len(h.wallets)), Name: "member", Wallet: wallet}, pace{}))
	}
}

// keep remembers which lot an order made in a wallet.
func (b *bought) keep(t txn) {
	if t.Wallet == "" {
		b.lot = t.ID
		return
	}
	if b.also == nil {
		b.also = map[string]int64{}
	}
	b.also[t.Wallet] = t.ID
}

// in is the lot that an order made in a wallet; 0: it earned nothing there.
func (b *bought) in(wallet string) int64 {
	if wallet == "" {
		return b.lot
	}
	return b.also[wallet]
}
