package loyalty

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"math"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/loyalty/seal"
)

// DumpLedger writes a site's ledger as package seal says, as it is at one moment: what is sealed, what is not yet, and the balances. progress, which
// may be nil, hears how many transactions of how many are written.
func (m *Module) DumpLedger(ctx context.Context, w io.Writer, siteID int64, site string, progress func(done, all int64)) error {
	return m.glance(ctx, func(tx *sqlx.Tx) error { return m.dumpLedger(ctx, tx, w, siteID, site, progress) })
}

func (m *Module) dumpLedger(ctx context.Context, tx *sqlx.Tx, w io.Writer, siteID int64, site string, progress func(done, all int64)) error {
	d, err := seal.NewDump(w, seal.Ledger{SiteID: siteID, Site: site, ExportedAt: m.now().UTC()})
	if err != nil {
		return err
	}
	x := &dumping{Dump: d, site: siteID, progress: progress}
	if x.head, err = chainOf(ctx, tx, siteID); err != nil {
		return err
	}
	if x.all, err = transactionsOf(ctx, tx, x.head); err != nil {
		return err
	}
	if x.checkpoints, err = checkpointsOf(ctx, tx, siteID, "", math.MaxInt32, false); err != nil {
		return err
	}
	if err := x.sealed(ctx, tx); err != nil {
		return err
	}
	if err := x.transactions(ctx, tx, math.MaxInt64); err != nil {
		return err
	}
	if err := x.state(ctx, tx); err != nil {
		return err
	}
	return d.End(func(c seal.Chain) seal.Checkpoint { return seal.Sign(c, "", m.now(), m.seals.key) })
}

// dumping is a dump that is being written.
type dumping struct {
	*seal.Dump
	site        int64
	head        seal.Chain // what is sealed
	all         int64
	progress    func(done, all int64)
	anchors     []seal.Anchor // the next ones
	read        int64         // place of the last anchor that was read
	checkpoints []seal.Checkpoint
}

// sealed writes what is sealed, with everything that was kept of its chain on the way.
func (x *dumping) sealed(ctx context.Context, tx *sqlx.Tx) error {
	if err := x.transactions(ctx, tx, x.head.ID); err != nil {
		return err
	}
	if err := x.passed(ctx, tx, math.MaxInt64); err != nil { // what lies behind the end is shown, too: it tells what is missing
		return err
	}
	if x.head.Place > 0 {
		if err := x.Anchor(seal.Anchor{Place: x.head.Place, ID: x.head.ID, Hash: x.head.Hash}); err != nil {
			return err
		}
	}
	x.Sealed()
	return nil
}

// transactions writes those up to an id that are not written yet.
func (x *dumping) transactions(ctx context.Context, tx *sqlx.Tx, upto int64) error {
	for {
		records, err := recordsOf(ctx, tx, x.site, x.Chain.ID, upto, perSeal)
		if err != nil || len(records) == 0 {
			return err
		}
		for _, r := range records {
			if err := x.passed(ctx, tx, r.ID-1); err != nil {
				return err
			}
			if err := x.Transaction(r); err != nil {
				return err
			}
		}
		if x.progress != nil {
			x.progress(x.Chain.Place, x.all)
		}
	}
}

// passed writes the anchors and checkpoints of transactions up to an id, in the order of their places.
func (x *dumping) passed(ctx context.Context, tx *sqlx.Tx, id int64) error {
	for {
		if len(x.anchors) == 0 && x.read >= 0 {
			var err error
			if x.anchors, err = anchorsOf(ctx, tx, x.site, x.read); err != nil {
				return err
			}
			if x.read = -1; len(x.anchors) > 0 {
				x.read = x.anchors[len(x.anchors)-1].Place
			}
		}
		switch {
		case len(x.anchors) > 0 && x.anchors[0].ID <= id && (len(x.checkpoints) == 0 || x.anchors[0].Place <= x.checkpoints[0].Place):
			if err := x.Anchor(x.anchors[0]); err != nil {
				return err
			}
			x.anchors = x.anchors[1:]
		case len(x.checkpoints) > 0 && x.checkpoints[0].ID <= id:
			if err := x.Checkpoint(x.checkpoints[0]); err != nil {
				return err
			}
			x.checkpoints = x.checkpoints[1:]
		default:
			return nil
		}
	}
}

// state writes what the accounts and lots hold.
func (x *dumping) state(ctx context.Context, tx *sqlx.Tx) error {
	for last := int64(0); ; {
		accounts, err := accountsOf(ctx, tx, x.site, last)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			if err := x.Account(a); err != nil {
				return err
			}
		}
		if len(accounts) == 0 {
			break
		}
		last = accounts[len(accounts)-1].ID
	}
	for last := int64(0); ; {
		lots, err := lotsLeft(ctx, tx, x.site, last)
		if err != nil {
			return err
		}
		for _, l := range lots {
			if err := x.Lot(l); err != nil {
				return err
			}
		}
		if len(lots) == 0 {
			return nil
		}
		last = lots[len(lots)-1].ID
	}
}

// VerifyLedger checks a site's ledger as it is in the database: it verifies a dump of it that nobody keeps.
func (m *Module) VerifyLedger(ctx context.Context, siteID int64, site string, keys []ed25519.PublicKey, progress func(done, all int64)) (seal.Report, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r, w := io.Pipe()
	dumped := make(chan error, 1)
	go func() {
		err := m.DumpLedger(ctx, w, siteID, site, progress)
		w.CloseWithError(err) // nil: the end
		dumped <- err
	}()
	report, err := seal.Verify(r, keys, nil)
	r.CloseWithError(errVerified) // a dump whose first difference is found need not go on
	if failed := <-dumped; failed != nil && !errors.Is(failed, errVerified) {
		return report, failed
	}
	return report, err
}

var errVerified = errors.New("verified")
