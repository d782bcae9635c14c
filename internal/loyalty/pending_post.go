package loyalty

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// keepGoAheads is how long an order may be heard of after its go-ahead.
const keepGoAheads = 90 * 24 * time.Hour

// waits prepares earnings that can't be spent at once: those whose time has come, or whose go-ahead did, don't wait; the others' members
// get an account to wait on, in its wallet, which is loaded. Where nothing waits there is nothing to look up.
func waits(ctx context.Context, u *bus.Unit, programs map[int64]program, all []earning, holders map[person]*holder) error {
	var asked []siteSource
	for i := range all {
		e := &all[i]
		switch {
		case !e.Pending:
		case e.ActivatesAt == nil:
			asked = append(asked, siteSource{e.SiteID, e.Source})
		case !e.ActivatesAt.After(u.Now):
			programs[e.SiteID].forWallet(e.Wallet).arrive(e, *e.ActivatesAt)
		}
	}
	told := map[siteSource]time.Time{}
	if len(asked) > 0 {
		var err error
		if told, err = goAheads(ctx, u, asked); err != nil {
			return err
		}
	}
	var waiting []*holder
	for i := range all {
		e := &all[i]
		if !e.Pending {
			continue
		}
		if at, ok := told[siteSource{e.SiteID, e.Source}]; ok {
			programs[e.SiteID].forWallet(e.Wallet).arrive(e, at)
			continue
		}
		if h := holders[person{e.SiteID, e.PersonID}]; h != nil { // else rules give them nothing
			waiting = append(waiting, h.in(e.Wallet))
		}
	}
	return loadPending(ctx, u, waiting, true)
}

// allowed are the earnings that need not wait any longer, in whatever wallet, because the referrals of their orders are approved.
func allowed(programs map[int64]program, all []earning) (of []siteSource) {
	for _, e := range all {
		if e.GoAhead == "" {
			continue
		}
		of = append(of, siteSource{e.SiteID, e.GoAhead})
		for _, w := range programs[e.SiteID].Wallets {
			of = append(of, siteSource{e.SiteID, sourced(e.GoAhead, w.Key)})
		}
	}
	return of
}

// loadWaiting hands the members of pending lots the accounts on which these wait.
func loadWaiting(ctx context.Context, u *bus.Unit, earnings map[siteSource]earned, own map[siteID]*lot, holders map[person]*holder) error {
	var waiting []*holder
	for _, e := range earnings {
		if l := own[siteID{e.SiteID, e.ID}]; l != nil && l.Pending {
			waiting = append(waiting, holders[person{e.SiteID, e.PersonID}].in(e.Wallet))
		}
	}
	return loadPending(ctx, u, waiting, false)
}

// activateDue has pending points whose time has come be the members' to spend, and returns how many lots. Members that somebody else is
// posting to are left to the next call.
func (m *Module) activateDue(ctx context.Context) (n int, err error) {
	for {
		done, err := m.activateSome(ctx)
		n += done
		if err != nil || done == 0 {
			return n, err
		}
	}
}

func (m *Module) activateSome(ctx context.Context) (n int, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues(kindActivate))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n = 0
		sites, err := sitesToActivate(ctx, u, u.Now, perPass)
		if err != nil || len(sites) == 0 {
			return err
		}
		programs, err := sharePrograms(ctx, u, sites)
		if err != nil {
			return err
		}
		holders, err := lockToActivate(ctx, u, sites, u.Now, perPass)
		if err != nil || len(holders) == 0 {
			return err
		}
		had, err := walletsHad(ctx, u, holders)
		if err != nil {
			return err
		}
		if err := loadWallets(ctx, u, had); err != nil {
			return err
		}
		members := map[person]*holder{}
		for _, h := range holders {
			members[person{h.SiteID, h.PersonID}] = h
		}
		holders = each(members)
		if err := loadPending(ctx, u, holders, false); err != nil {
			return err
		}
		due, err := lotsToActivate(ctx, u, holders, u.Now, perPass)
		if err != nil {
			return err
		}
		b := &books{now: u.Now, programs: programs}
		byAccount := map[siteID]*holder{}
		for _, h := range holders {
			if h.pending != nil {
				byAccount[siteID{h.SiteID, h.pending.ID}] = h
			}
		}
		lots, err := b.wakeBooks(ctx, u, members, len(due), sites)
		if err != nil {
			return err
		}
		began := map[*holder]bool{}
		for _, l := range due {
			h := byAccount[siteID{l.SiteID, l.AccountID}]
			if began[h] && h.lapsed(b.now) && !l.ActivatesAt.Before(*h.LapsesAt) {
				continue // what has just been activated was over before this: the next call ends it first
			}
			began[h] = true
			lots = append(lots, &l.lot)
			if _, err := b.activate(h, &l.lot, l.Earned, causeTime); err != nil {
				return err
			}
			n++
		}
		return m.save(ctx, u, b, holders, lots, 0)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// wakeBooks opens the books for n transactions of locked members, and for the end of what those who lapsed have left, which it returns.
func (b *books) wakeBooks(ctx context.Context, u *bus.Unit, members map[person]*holder, n int, sites []int64, accounts ...string) ([]*lot, error) {
	if err := b.readScores(ctx, u, each(members)); err != nil {
		return nil, err
	}
	asleep, err := b.asleep(ctx, u, members)
	if err != nil {
		return nil, err
	}
	if len(asleep) > 0 {
		accounts = append(accounts, inWallets([]string{expired}, each(members))...)
	}
	o, err := open(ctx, u, n+len(asleep), sites, accounts, nil)
	b.ids, b.own = o.ids, o.own
	return asleep, err
}

// EndPending activates points of an earning that wait, or cancels them: their whole remainder. To ask again changes nothing.
func (m *Module) endPending(ctx context.Context, siteID, earnID int64, activate bool, note string, key idempotency.Key) (out loyaltyapi.PendingEnd, replayed bool, err error) {
	if utf8.RuneCountInString(note) > 500 || !printable(note) {
		return out, false, errCancelNote
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			e, found, err := earningByID(ctx, u, siteID, earnID)
			if err != nil {
				return err
			}
			if !found {
				return errNoTxn
			}
			out, err = m.endWaiting(ctx, u, e, activate, note)
			return err
		})
		return err
	})
	return out, replayed, err
}

// endWaiting locks what an earning is about, decides, and saves.
func (m *Module) endWaiting(ctx context.Context, u *bus.Unit, e earned, activate bool, note string) (out loyaltyapi.PendingEnd, err error) {
	programs, err := sharePrograms(ctx, u, []int64{e.SiteID})
	if err != nil {
		return out, err
	}
	who := person{e.SiteID, e.PersonID}
	members, err := lockHolders(ctx, u, []person{who})
	if err != nil {
		return out, err
	}
	if err := loadWallets(ctx, u, []memberWallet{{members[who], e.Wallet}}); err != nil {
		return out, err
	}
	h := members[who].in(e.Wallet)
	if err := loadPending(ctx, u, []*holder{h}, false); err != nil {
		return out, err
	}
	l, of, err := lotOf(ctx, u, members[who], e)
	if err != nil {
		return out, err
	}
	b := &books{now: u.Now, programs: programs}
	if b.rooms, err = reopenRooms(ctx, u, programs, map[siteSource]earned{{e.SiteID, e.Source}: e}); err != nil {
		return out, err
	}
	lots, err := b.wakeBooks(ctx, u, members, 1, []int64{e.SiteID}, inWallets([]string{issued}, []*holder{h})...)
	if err != nil {
		return out, err
	}
	before := l.Remaining
	switch {
	case activate:
		err = b.activateNow(h, l, of)
	case !l.Pending:
		err = errNotPending
	default:
		err = m.cancelWaiting(ctx, u, b, members, l, e)
	}
	if err != nil {
		return out, err
	}
	out = loyaltyapi.PendingEnd{TransactionID: e.ID, MemberID: h.MemberID, Status: active, Balance: h.Balance, Wallet: h.Wallet}
	if h.pending != nil {
		out.Pending = h.pending.Balance
	}
	if len(b.txns) > 0 {
		last := &b.txns[len(b.txns)-1]
		last.Description, out.Points, out.EndTransactionID = note, before, &last.ID
	}
	if !activate {
		out.Status = cancelled
	}
	return out, m.save(ctx, u, b, each(members), append(lots, l), 0)
}

// cancelWaiting takes back the rest of what waits, and what it counted.
func (m *Module) cancelWaiting(ctx context.Context, u *bus.Unit, b *books, members map[person]*holder, l *lot, e earned) error {
	c := ofCall(e, u.Now)
	parts, err := m.partsLowered(ctx, u, b.programs, []clawBack{c})
	if err != nil {
		return err
	}
	if err := b.swings(ctx, u, b.lowerParts([]clawBack{c}, parts, members)); err != nil {
		return err
	}
	err = b.clawBack(members[person{e.SiteID, e.PersonID}].in(e.Wallet), l, e.txn(), c)
	b.swing(0)
	return err
}

// activateNow is activate for who says so. What is active stays so.
func (b *books) activateNow(h *holder, l *lot, of txn) error {
	switch {
	case !l.Pending:
		return nil
	case l.Remaining == 0:
		return errCancelled
	}
	_, err := b.activate(h, l, of, causeCall)
	return err
}

// lotOf reads the lot of an earning of a locked member, and the earning.
func lotOf(ctx context.Context, u *bus.Unit, h *holder, e earned) (*lot, txn, error) {
	id := siteID{e.SiteID, e.ID}
	lots, err := lotsOf(ctx, u, map[person]*holder{{h.SiteID, h.PersonID}: h}, map[siteSource]earned{{e.SiteID, e.Source}: e})
	if err != nil {
		return nil, txn{}, err
	}
	made, err := madeBy(ctx, u, []siteID{id})
	if err != nil {
		return nil, txn{}, err
	}
	for _, l := range lots {
		if l.ID == e.ID {
			return l, made[id], nil
		}
	}
	return nil, txn{}, errNoTxn
}

// Pending reads a member's points that can't be spent yet, the next to be activated first, and says whether more follow.
func (m *Module) Pending(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Pending, bool, error) {
	return m.PendingIn(ctx, siteID, personID, "", after, limit)
}

// PendingIn is Pending of one of the member's wallets.
func (m *Module) PendingIn(ctx context.Context, siteID, personID int64, wallet string, after loyaltyapi.AfterExpiration, limit int) ([]loyaltyapi.Pending, bool, error) {
	r, err := walletOf(ctx, m.db, siteID, personID, wallet)
	if err != nil {
		return nil, false, err
	}
	all, err := waitingOf(ctx, m.db, siteID, r.ID, walletNamed(wallet), after, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}
