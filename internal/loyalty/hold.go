package loyalty

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// Kinds of transaction of holds.
const (
	kindHold    = "hold"
	kindCommit  = "commit"
	kindRelease = "release"
	kindRestore = "restore" // of points that were committed
)

const forHold = "hold"

// held is the site's own account of what checkouts keep.
const held = "held"

const maxHold = 7 * 24 * time.Hour

var (
	errNoHold     = fault.New(fault.NotFound, "hold_not_found", "No such hold.")
	errHoldOver   = fault.New(fault.Conflict, "hold_over", "The hold is over: its points were given back.")
	errCommitted  = fault.New(fault.Conflict, "hold_committed", "The hold was committed: restore its points instead.")
	errNotYet     = fault.New(fault.Conflict, "hold_not_committed", "The hold was not committed: release it instead.")
	errRestore    = fault.New(fault.Invalid, "too_many_points", "More points than the hold has left to restore.").At("/points", "is more than is left")
	errHoldPoints = fault.New(fault.Invalid, "invalid_hold", "The hold is not valid.").At("/points", "must be 1 to "+strconv.Itoa(maxPoints)).Pointed()
	errHoldTime   = fault.New(fault.Invalid, "invalid_hold", "The hold is not valid.").At("/seconds", "must be 1 to "+strconv.Itoa(int(maxHold/time.Second))).Pointed()
	errReference  = fault.New(fault.Invalid, "invalid_hold", "The hold is not valid.").At("/reference", "must have 1 to 200 printable characters").Pointed()
)

// hold is points that a checkout keeps for itself.
type hold struct {
	loyaltyapi.Hold
	SiteID   int64     `db:"site_id"`
	PersonID int64     `db:"person_id"`
	EndTxnID *int64    `db:"end_txn_id"`
	Counted  countedIn `db:"counted"`
	Pooled   bool      `db:"-"` // others of a pool pay a part
	dirty    bool
}

// holdRule is how what is done with a hold is kept. Which lots paid is in the allocations.
type holdRule struct {
	Rule      string    `json:"rule"`
	HoldID    int64     `json:"hold_id"`
	Reference string    `json:"reference,omitempty"`
	Until     time.Time `json:"until"`
	Before    int64     `json:"before"`
	After     int64     `json:"after"`
	Restored  int64     `json:"restored,omitempty"` // of a commitment, by now
	Repaid    int64     `json:"repaid_debt,omitempty"`
	Graced    []redated `json:"graced,omitempty"`
	Others    int64     `json:"of_others,omitempty"` // of the member's pool, who paid so much of the balance before
}

// keep takes points off a member for a checkout: nobody else can spend them, and they don't expire while it lasts.
func (b *books) keep(h *holder, batch *redemptionBatch, a action) (*hold, error) {
	points, reference, until := a.points, a.text, b.now.Add(a.lasts)
	p, ok := b.programs[h.SiteID]
	switch {
	case h.Status != active:
		return nil, notActive(h.Status)
	case !ok || p.Status != active:
		return nil, errNoClub
	}
	if err := b.expirePool(h); err != nil {
		return nil, err
	}
	if h.spendable() < points {
		return nil, errTooFew
	}
	var worth payment
	if a.id != 0 {
		var err error
		if worth, err = b.pledge(h, p, batch, a); err != nil {
			return nil, err
		}
	}
	others, err := b.gather(h, points)
	if err != nil {
		return nil, err
	}
	t := b.txn(h, kindHold, "", forHold, points, b.now, "")
	t.Source = sourceOf(kindHold, t.ID)
	t.Rule = text(holdRule{Rule: kindHold, HoldID: t.ID, Reference: reference, Until: until, Before: h.Balance, After: h.Balance - points, Others: others})
	if taken := b.take(h, t.ID, points); taken != points {
		return nil, b.unbalanced(h, points, taken)
	}
	if err := b.move(h, held, t.ID, -points); err != nil {
		return nil, err
	}
	k := &hold{SiteID: h.SiteID, PersonID: h.PersonID, Pooled: others > 0, Hold: loyaltyapi.Hold{ID: t.ID, MemberID: h.MemberID, Wallet: h.Wallet, Status: held, Points: points,
		Reference: reference, Until: until, CreatedAt: b.now, BatchID: worth.batch, Amount: worth.amount, Currency: worth.currency}, Counted: worth.counted}
	b.txns, b.kept = append(b.txns, t), append(b.kept, k)
	b.tellHold(h, k, t)
	return k, nil
}

// commit spends what a hold kept. To ask again changes nothing.
func (b *books) commit(h *holder, k *hold) error {
	switch {
	case k.Status == "committed":
		return nil
	case k.Status != held || !k.Until.After(b.now):
		return errHoldOver
	}
	if err := b.expireDue(h); err != nil {
		return err
	}
	t := b.ends(h, k, kindCommit, sourceOf(kindHold, k.ID), k.Points)
	t.Rule = text(holdRule{Rule: kindCommit, HoldID: k.ID, Until: k.Until, Before: h.Balance, After: h.Balance})
	b.active(h, b.programOf(h), b.now)
	if err := b.pass(h, held, redeemed, t.ID, k.Points); err != nil {
		return err
	}
	k.Status, k.EndedAt, k.EndTxnID, k.dirty = "committed", &t.EffectiveAt, &t.ID, true
	b.txns = append(b.txns, t)
	b.tellHold(h, k, t)
	return nil
}

// release gives back what a hold kept, because somebody says so or its time is over. To ask again changes nothing.
func (b *books) release(h *holder, k *hold, used []allocation) error {
	switch k.Status {
	case "committed":
		return errCommitted
	case held:
	default:
		return nil
	}
	status := "released"
	if !k.Until.After(b.now) {
		status = "timed_out"
	}
	if err := b.expireDue(h); err != nil { // before it takes its id: those of an account rise with its entries
		return err
	}
	t := b.ends(h, k, kindRelease, sourceOf(kindHold, k.ID), k.Points)
	if k.BatchID != nil {
		b.uncount(k.Counted, k.SiteID, *k.BatchID, k.MemberID)
	}
	return b.returned(h, k, t, held, between(used, 0, k.Points), status)
}

// restore gives back some of what was committed, as when an order is returned that was paid with points: first what would have lived
// longest. Any split of it has the same end.
func (b *books) restore(h *holder, k *hold, used []allocation, points int64) error {
	if k.Status != "committed" {
		return errNotYet
	}
	if points > k.Points-k.Restored {
		return errRestore
	}
	to := k.Restored + points
	parts := between(used, k.Restored, to)
	if err := b.expireDue(h); err != nil { // before it takes its id: those of an account rise with its entries
		return err
	}
	t := b.ends(h, k, kindRestore, sourceOf(kindHold, k.ID)+":"+strconv.FormatInt(to, 10), points)
	k.Restored = to
	return b.returned(h, k, t, redeemed, parts, k.Status)
}

// ends begins a transaction about a hold.
func (b *books) ends(h *holder, k *hold, kind, source string, points int64) txn {
	t := b.txn(h, kind, source, forHold, points, b.now, "")
	t.EarnID = k.ID
	return t
}

// returned gives points back from an account of the site.
func (b *books) returned(h *holder, k *hold, t txn, from string, parts []returning, status string) error {
	r := holdRule{Rule: t.Kind, HoldID: k.ID, Until: k.Until, Before: h.Balance, After: h.Balance + t.Points, Restored: k.Restored}
	var lent []returning
	var err error
	if r.Repaid, r.Graced, lent, err = b.giveBackPooled(h, t, parts); err != nil {
		return err
	}
	t.Rule = text(r)
	if err := b.move(h, from, t.ID, t.Points); err != nil {
		return err
	}
	if k.EndedAt == nil {
		k.EndedAt, k.EndTxnID = &t.EffectiveAt, &t.ID
	}
	k.Status, k.dirty = status, true
	b.txns = append(b.txns, t)
	b.tellHold(h, k, t)
	if err := b.repayLoans(h, t, lent); err != nil {
		return err
	}
	return b.expireDue(h)
}

// pass moves points between two accounts that the site has in a holder's wallet.
func (b *books) pass(h *holder, from, to string, txnID, points int64) error {
	for name, amount := range map[string]int64{from: -points, to: points} {
		a := b.own[siteAccount{h.SiteID, qualified(name, h.Wallet)}]
		if a == nil {
			return fmt.Errorf("site %d has no account %q", h.SiteID, qualified(name, h.Wallet))
		}
		if err := b.post(a, txnID, amount); err != nil {
			return err
		}
	}
	return nil
}

func (b *books) tellHold(h *holder, k *hold, t txn) {
	b.tell(h, loyaltyevent.HoldChanged{SiteID: h.SiteID, HoldID: k.ID, TransactionID: t.ID, MemberID: h.MemberID, PersonID: h.PersonID, Change: t.Kind,
		Status: k.Status, Points: t.Points, Balance: h.Balance, Wallet: h.Wallet, Reference: k.Reference, ChangedAt: t.EffectiveAt})
}

// Hold keeps a member's points for a checkout until a time.
func (m *Module) Hold(ctx context.Context, siteID, personID, points int64, reference string, lasts time.Duration, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.HoldFor(ctx, siteID, personID, 0, points, reference, lasts, key)
}

// HoldFor is Hold for a payment by a batch, which says what the points are worth and who may pay so; 0: for none.
func (m *Module) HoldFor(ctx context.Context, siteID, personID, batchID, points int64, reference string, lasts time.Duration, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.HoldIn(ctx, siteID, personID, "", batchID, points, reference, lasts, key)
}

// HoldIn is HoldFor of points of a wallet; a batch says by itself of which.
func (m *Module) HoldIn(ctx context.Context, siteID, personID int64, wallet string, batchID, points int64, reference string, lasts time.Duration, key idempotency.Key) (loyaltyapi.Action, error) {
	switch {
	case points < 1 || points > maxPoints:
		return loyaltyapi.Action{}, errHoldPoints
	case lasts < time.Second || lasts > maxHold:
		return loyaltyapi.Action{}, errHoldTime
	case len([]rune(reference)) < 1 || len([]rune(reference)) > 200 || !printable(reference):
		return loyaltyapi.Action{}, errReference
	}
	return m.spend(ctx, action{site: siteID, person: personID, wallet: walletNamed(wallet), kind: kindHold, id: batchID, points: points, text: reference, lasts: lasts, key: key})
}

// endHold commits a hold, releases it, or restores points of it.
func (m *Module) endHold(ctx context.Context, siteID, id int64, kind string, points int64, key idempotency.Key) (loyaltyapi.Action, error) {
	return m.actions.Do(ctx, action{site: siteID, kind: kind, id: id, points: points, key: key})
}

// Holds reads a member's holds, newest first, and says whether older ones follow.
func (m *Module) Holds(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Hold, bool, error) {
	r, err := memberOf(ctx, m.db, siteID, personID)
	if err != nil {
		return nil, false, err
	}
	all, err := holdsOf(ctx, m.db, siteID, r.ID, after.ID, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}

// releaseDue gives back what holds keep whose time is over, and returns how many.
func (m *Module) releaseDue(ctx context.Context) (n int, err error) {
	for {
		due, err := holdsDue(ctx, m.db, m.now(), maxActions)
		if err != nil || len(due) == 0 {
			return n, err
		}
		actions, work := make([]action, len(due)), make([]int, len(due))
		for i, k := range due {
			actions[i], work[i] = action{site: k.site, kind: kindRelease, id: k.id, due: true}, i
		}
		err = m.outbox.InTx(ctx, func(u *bus.Unit) error { return m.decide(ctx, u, actions, work, make([]acted, len(due))) })
		if err != nil {
			return n, err
		}
		if n += len(due); len(due) < maxActions {
			return n, nil
		}
	}
}
