package loyalty

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

var errNeverEarned = fault.New(fault.NotFound, "nothing_earned", "The order has earned no points.")

// glance reads what is there at one moment, and locks nothing.
func (m *Module) glance(ctx context.Context, look func(tx *sqlx.Tx) error) error {
	tx, err := m.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("begin to look: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return look(tx)
}

// PreviewRefund says what it would do to a member's points if by now part of an order's whole was refunded. The rewards that others
// got for the order are module referral's to decide.
func (m *Module) PreviewRefund(ctx context.Context, siteID, originID, part, whole int64) (out loyaltyapi.RefundPreview, err error) {
	source := sourceOf("origin", originID)
	c := clawBack{SiteID: siteID, Of: source, Source: "preview", Cause: "refund", Full: part >= whole, Part: part, Whole: whole, EffectiveAt: m.now()}
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		out, err = previewAll(ctx, tx, c, m.now())
		return err
	})
	return out, err
}

// previewClaw lets the books decide a claw-back upon what it reads, and throws them away.
func previewClaw(ctx context.Context, tx sqlx.QueryerContext, c clawBack, now time.Time) (loyaltyapi.RefundPreview, error) {
	var out loyaltyapi.RefundPreview
	earnings, err := earnedBy(ctx, tx, []int64{c.SiteID}, []string{c.Of})
	if err != nil {
		return out, err
	}
	e, ok := earnings[siteSource{c.SiteID, c.Of}]
	if !ok {
		return out, errNeverEarned
	}
	who := person{e.SiteID, e.PersonID}
	holders, err := readHolders(ctx, tx, []person{who})
	if err != nil {
		return out, err
	}
	if err := lookAtWallets(ctx, tx, earnedWallets(earnings, holders)); err != nil {
		return out, err
	}
	lots, err := lotsOf(ctx, tx, holders, earnings)
	if err != nil {
		return out, err
	}
	programs, err := programsOf(ctx, tx, c.SiteID)
	if err != nil {
		return out, err
	}
	h := holders[who].in(e.Wallet)
	own := hand(lots, []*holder{h})[siteID{e.SiteID, e.ID}]
	if own.Pending { // all that is said of the account is what the refund takes from it
		h.pending = &account{SiteID: h.SiteID, Wallet: e.Wallet, Balance: own.Remaining}
	}
	b := &books{now: now, ids: []int64{0}, programs: map[int64]program{}, own: map[siteAccount]*account{{c.SiteID, qualified(issued, e.Wallet)}: {SiteID: c.SiteID, Wallet: e.Wallet}}}
	for _, p := range programs {
		b.programs[c.SiteID] = p
	}
	if err := b.readMerits(ctx, tx, b.demeritsIn([]clawBack{c})); err != nil {
		return out, err
	}
	if err := b.readScores(ctx, tx, []*holder{h}); err != nil {
		return out, err
	}
	b.settleTier(h, b.programs[c.SiteID])
	out = loyaltyapi.RefundPreview{MemberID: h.MemberID, TransactionID: e.ID, Earned: own.Granted, ClawedBack: own.Clawed, Lots: []loyaltyapi.LotUse{},
		Balance: h.Balance, Tier: named(h.self().Tier), At: now.UTC()}
	forgiven, waived := own.Forgiven, own.Waived
	out.Pending = own.Pending
	if err := b.takeBack(c, holders, e, own); err != nil {
		return out, err
	}
	out.Due, out.Forgiven = own.Clawed-out.ClawedBack, own.Forgiven-forgiven
	out.Waived = own.Waived - waived
	out.BalanceAfter, out.TierAfter = h.Balance, named(h.self().Tier)
	byID := map[int64]*lot{}
	for _, l := range lots {
		byID[l.ID] = l
	}
	for _, u := range b.uses {
		out.Lots = append(out.Lots, loyaltyapi.LotUse{LotID: u.LotID, Points: u.Amount, ExpiresAt: byID[u.LotID].ExpiresAt})
		if u.LotID == own.ID {
			out.FromOrder += u.Amount
		} else {
			out.FromOthers += u.Amount
		}
	}
	out.Debt = out.Due - out.Forgiven - out.FromOrder - out.FromOthers - out.Waived
	return out, nil
}

// named is a tier's name; nil below the first.
func named(tier string) *string {
	if tier == "" {
		return nil
	}
	return &tier
}
