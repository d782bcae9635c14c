package referral

import (
	"context"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/postgres"
)

// visitShared records a batch of visits, and counts those by the link of a share for that share, in the same transaction.
func (m *Module) visitShared(ctx context.Context, visits []visit) ([]postgres.Result[visited], error) {
	clicks := clicksOf(visits)
	if len(clicks) == 0 {
		return m.visit(ctx, visits)
	}
	var out []postgres.Result[visited]
	run := func() error {
		return m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
			if out, err = m.visitTx(ctx, u, visits); err != nil {
				return err
			}
			return insertClicks(ctx, u.Tx, u.Now, clicks)
		})
	}
	err := run()
	if postgres.NoPartition(err) { // visit knows how to make one
		if out, err = m.visit(ctx, visits); err == nil {
			err = m.outbox.InTx(ctx, func(u *bus.Unit) error { return insertClicks(ctx, u.Tx, u.Now, clicks) })
		}
	}
	return out, err
}

// clicksOf are the visits by links of shares, those of one visitor as one.
func clicksOf(visits []visit) []click {
	at := map[click]int{}
	var out []click
	for _, v := range visits {
		if v.link.Kind != linkShared {
			continue
		}
		k := click{site: v.link.SiteID, code: v.link.Code, visitor: v.visitor}
		i, seen := at[k]
		if !seen {
			i = len(out)
			at[k] = i
			out = append(out, k)
		}
		out[i].clicks++
		out[i].friend = out[i].friend || v.live
	}
	return out
}
