package loyalty

import (
	"context"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// The two sides of a transfer: one transaction of who gives, and of who gets one for each lot.
const (
	kindTransferOut = "transfer_out"
	kindTransferIn  = "transfer_in"
)

const forTransfer = "transfer"

// transferred is the site's own account between the two sides of a transfer; it is empty after each.
const transferred = "transferred"

const maxTransferLots = 500

var (
	errTransferPoints = fault.New(fault.Invalid, "invalid_transfer", "The transfer is not valid.").At("/points", "must be 1 to "+strconv.Itoa(maxPoints)).Pointed()
	errTransferNote   = fault.New(fault.Invalid, "invalid_transfer", "The transfer is not valid.").At("/note", "must have at most 500 printable characters").Pointed()
	errSameMember     = fault.New(fault.Invalid, "same_member", "A member can't give points to themselves.").At("/to", "is the same member")
	errNoReceiver     = fault.New(fault.Invalid, "receiver_not_found", "Who is to get the points is no member.").At("/to", "is no member")
	errReceiver       = fault.New(fault.Invalid, "receiver_not_active", "Who is to get the points is no active member.")
	errWaiting        = fault.New(fault.Invalid, "points_pending", "Points that are pending can't be given away.").At("/points", "is more than can be spent")
	errTransferLots   = fault.New(fault.Invalid, "too_many_lots", "The points come from too many earnings: give them in several parts.").
				At("/points", "comes from more than "+strconv.Itoa(maxTransferLots)+" earnings")
	errTransferLimit = fault.New(fault.Invalid, "transfer_limit", "More points than the programme lets members give at once.").At("/points", "is above the limit")
	errTransferDaily = fault.New(fault.Invalid, "transfer_daily_limit", "More points than the programme lets a member give within 24 hours.").At("/points", "is above the limit")
)

// transferPolicy is what a programme says of points that members give to each other. 0: no limit.
type transferPolicy struct {
	TransferLimit int64 `json:"transfer_limit,omitempty"`
	TransferDaily int64 `json:"transfer_daily_limit,omitempty"`
}

func (p policy) checkTransfers(at func(pointer, format string, args ...any)) {
	for pointer, limit := range map[string]int64{"/transfer_limit": p.TransferLimit, "/transfer_daily_limit": p.TransferDaily} {
		if limit < 0 || limit > maxPoints {
			at(pointer, "must be 0 to %d", int64(maxPoints))
		}
	}
}

// transferRule is how each side of a transfer is kept. Which lots paid is in the allocations of who gave.
type transferRule struct {
	Rule      string     `json:"rule"`
	ProgramID int64      `json:"program_id"`
	Version   int        `json:"version"`
	Other     int64      `json:"other_member_id"`
	Limit     int64      `json:"transfer_limit,omitempty"`
	Daily     int64      `json:"transfer_daily_limit,omitempty"`
	Given     int64      `json:"given_before,omitempty"` // within 24 hours, where that is limited
	FromLot   int64      `json:"from_lot,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // of that lot, and of the new one
	Repaid    int64      `json:"repaid_debt,omitempty"`
}

// gift is what a member wants to give to another.
type gift struct {
	points int64
	note   string
	given  int64 // within 24 hours, where that is limited
	wallet string
}

// allowed says why points can't go from one member to another; what is due of theirs has expired before.
func (g gift) allowed(p program, known bool, from, to *holder) error {
	switch {
	case from.Status != active:
		return notActive(from.Status)
	case to.Status != active:
		return errReceiver.At("/to", "is "+to.Status).Because(errReceiver)
	case !known || p.Status != active:
		return errNoClub
	case p.TransferLimit > 0 && g.points > p.TransferLimit:
		return errTransferLimit
	case p.TransferDaily > 0 && g.points > p.TransferDaily-g.given:
		return errTransferDaily
	case from.Balance < g.points && from.pending != nil && from.Balance+from.pending.Balance >= g.points:
		return errWaiting
	case from.Balance < g.points:
		return errTooFew
	}
	return nil
}

// transfer moves points from one member to another, those that end next first. Each lot that they come from makes one of its own of the
// other member, with the date that it has; points that live by activity get the day at which they would end now. It is no activity of either.
func (b *books) transfer(from, to *holder, g gift) (txn, error) {
	for _, h := range []*holder{from, to} {
		if err := b.expireDue(h); err != nil {
			return txn{}, err
		}
	}
	_, known := b.programs[from.SiteID]
	p := b.programOf(from)
	if err := g.allowed(p, known, from, to); err != nil {
		return txn{}, err
	}
	r := transferRule{Rule: "transfer", ProgramID: p.ID, Version: p.Version, Other: to.MemberID, Limit: p.TransferLimit, Daily: p.TransferDaily, Given: g.given}
	out := b.txn(from, kindTransferOut, "", forTransfer, g.points, b.now, text(r))
	out.Source, out.Description = sourceOf("transfer", out.ID), g.note
	first := len(b.uses)
	if taken := b.take(from, out.ID, g.points); taken != g.points {
		return txn{}, b.unbalanced(from, g.points, taken)
	}
	used := b.uses[first:len(b.uses):len(b.uses)]
	if len(used) > maxTransferLots {
		return txn{}, errTransferLots
	}
	if err := b.move(from, transferred, out.ID, -g.points); err != nil {
		return txn{}, err
	}
	b.txns = append(b.txns, out)
	lots := make(map[int64]*lot, len(from.lots))
	for _, l := range from.lots {
		lots[l.ID] = l
	}
	for _, u := range used {
		if err := b.receive(to, from, out, lots[u.LotID], u.Amount); err != nil {
			return txn{}, err
		}
	}
	b.tell(from, loyaltyevent.PointsTransferred{SiteID: from.SiteID, TransactionID: out.ID, MemberID: from.MemberID, PersonID: from.PersonID,
		ToMemberID: to.MemberID, ToPersonID: to.PersonID, Points: g.points, Wallet: from.Wallet, Balance: from.Balance, ToBalance: to.Balance, TransferredAt: out.EffectiveAt})
	return out, nil
}

// receive posts what comes out of one lot. A debt is repaid out of it.
func (b *books) receive(to, from *holder, out txn, of *lot, points int64) error {
	p := b.programOf(to)
	t := b.txn(to, kindTransferIn, out.Source+":"+strconv.FormatInt(of.ID, 10), forTransfer, points, b.now, "")
	t.EarnID, t.Description = out.ID, out.Description
	l := &lot{SiteID: to.SiteID, ID: t.ID, AccountID: to.ID, Granted: points, Remaining: points, ExpiresAt: of.ends(), WakeAt: p.wakes(of.ends(), b.now)}
	repaid := b.repay(to, l, t.ID, points)
	t.Rule = text(transferRule{Rule: "transfer", ProgramID: p.ID, Version: p.Version, Other: from.MemberID, FromLot: of.ID, ExpiresAt: l.ExpiresAt, Repaid: repaid})
	b.txns, b.lots, to.lots = append(b.txns, t), append(b.lots, l), append(to.lots, l)
	return b.move(to, transferred, t.ID, points)
}

// Transfer gives points of a member to another.
func (m *Module) Transfer(ctx context.Context, siteID, from, to, points int64, note string, key idempotency.Key) (out loyaltyapi.Transfer, replayed bool, err error) {
	return m.TransferIn(ctx, siteID, "", from, to, points, note, key)
}

// TransferIn is Transfer of points of a wallet, which come into the same of the other.
func (m *Module) TransferIn(ctx context.Context, siteID int64, wallet string, from, to, points int64, note string, key idempotency.Key) (out loyaltyapi.Transfer, replayed bool, err error) {
	switch {
	case points < 1 || points > maxPoints:
		return out, false, errTransferPoints
	case utf8.RuneCountInString(note) > 500 || !printable(note):
		return out, false, errTransferNote
	case from == to:
		return out, false, errSameMember
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			out, err = m.give(ctx, u, person{siteID, from}, person{siteID, to}, gift{points: points, note: note, wallet: walletNamed(wallet)})
			return err
		})
		return err
	})
	return out, replayed, err
}

// give locks both members, in the order of locks, decides, and saves.
func (m *Module) give(ctx context.Context, u *bus.Unit, from, to person, g gift) (out loyaltyapi.Transfer, err error) {
	d, err := openDesk(ctx, u, []action{{site: from.site, person: from.id, wallet: g.wallet}, {site: to.site, person: to.id, wallet: g.wallet}}, []int{0, 1})
	if err != nil {
		return out, err
	}
	giver, taker := d.holders[from], d.holders[to]
	switch {
	case giver == nil:
		return out, errNoMember
	case taker == nil:
		return out, errNoReceiver
	case giver == taker: // they were merged
		return out, errSameMember
	}
	if of, ok := d.programs[from.site].wallet(g.wallet); !ok {
		return out, errNoWallet
	} else if g.wallet != "" && !of.Transferable {
		return out, errNotGivable
	}
	giver, taker = giver.in(g.wallet), taker.in(g.wallet)
	if giver.Balance < g.points { // to say that the rest is pending
		if err := loadPending(ctx, u, []*holder{giver}, false); err != nil {
			return out, err
		}
	}
	if d.programs[from.site].TransferDaily > 0 {
		if g.given, err = givenSince(ctx, u, giver, u.Now.Add(-24*time.Hour)); err != nil {
			return out, err
		}
	}
	between := qualified(transferred, g.wallet)
	o, err := open(ctx, u, 1+min(len(giver.lots), maxTransferLots+1), []int64{from.site}, []string{between}, nil)
	if err != nil {
		return out, err
	}
	d.ids = append(d.ids, o.ids...)
	d.own[siteAccount{from.site, between}] = o.own[siteAccount{from.site, between}]
	t, err := d.transfer(giver, taker, g)
	if err != nil {
		return out, err
	}
	out = loyaltyapi.Transfer{ID: t.ID, Wallet: g.wallet, MemberID: giver.MemberID, ToMemberID: taker.MemberID, Points: t.Points, Note: t.Description, Balance: giver.Balance, At: t.EffectiveAt}
	return out, m.save(ctx, u, d.books, each(d.holders), d.loaded, 0)
}
