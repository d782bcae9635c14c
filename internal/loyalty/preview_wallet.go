package loyalty

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// previewAll is previewClaw with what the refund would do in the other wallets that the order earned points in.
func previewAll(ctx context.Context, tx sqlx.QueryerContext, c clawBack, now time.Time) (loyaltyapi.RefundPreview, error) {
	out, err := previewClaw(ctx, tx, c, now)
	if err != nil && !errors.Is(err, errNeverEarned) {
		return out, err
	}
	programs, failed := programsOf(ctx, tx, c.SiteID)
	if failed != nil || len(programs) == 0 {
		return out, orElse(failed, err)
	}
	for _, in := range eachWallet(map[int64]program{c.SiteID: programs[0]}, []clawBack{c})[1:] {
		of, failed := previewClaw(ctx, tx, in, now)
		if errors.Is(failed, errNeverEarned) {
			continue
		}
		if failed != nil {
			return out, failed
		}
		if err != nil { // only other wallets got something: of the main one there is nothing to tell
			out = loyaltyapi.RefundPreview{MemberID: of.MemberID, TransactionID: of.TransactionID, Lots: []loyaltyapi.LotUse{}, Tier: of.Tier, TierAfter: of.TierAfter, At: of.At}
			if out.Balance, err = mainBalance(ctx, tx, c.SiteID, of.MemberID); err != nil {
				return out, err
			}
			out.BalanceAfter = out.Balance
		}
		if deref(of.TierAfter) != deref(of.Tier) {
			out.TierAfter = of.TierAfter
		}
		out.Wallets = append(out.Wallets, loyaltyapi.WalletRefund{Wallet: in.Wallet, TransactionID: of.TransactionID, Earned: of.Earned, ClawedBack: of.ClawedBack, Due: of.Due,
			FromOrder: of.FromOrder, Forgiven: of.Forgiven, FromOthers: of.FromOthers, Waived: of.Waived, Debt: of.Debt, Lots: of.Lots, Balance: of.Balance, BalanceAfter: of.BalanceAfter, Pending: of.Pending})
	}
	return out, err
}

// mainBalance is what a member has in the main wallet.
func mainBalance(ctx context.Context, tx sqlx.QueryerContext, site, member int64) (balance int64, err error) {
	err = sqlx.GetContext(ctx, tx, &balance, `select balance from loyalty.account where site_id = $1 and owner_id = $2 and asset = 'points'`, site, member)
	return balance, wrapped("read a balance", err)
}
