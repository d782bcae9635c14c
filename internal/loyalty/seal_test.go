package loyalty

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/seal"
)

// sealed waits until all that was posted is in the chains: what is under way anywhere in the cluster holds the sealer up.
func (w *world) sealed() {
	w.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := w.Seal(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
		if w.unsealed() == 0 {
			return
		}
	}
	w.t.Fatalf("%d transactions are not sealed", w.unsealed())
}

func (w *world) unsealed() (n int) {
	w.t.Helper()
	if err := w.admin.Get(&n, `select count(*) from loyalty.txn t left join loyalty.chain c on c.site_id = t.site_id where t.id > coalesce(c.txn_id, 0)`); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) ledger(site int64) []byte {
	w.t.Helper()
	var out bytes.Buffer
	if err := w.DumpLedger(context.WithoutCancel(w.t.Context()), &out, site, "shop", nil); err != nil {
		w.t.Fatal(err)
	}
	return out.Bytes()
}

// verified checks a site's ledger as the command does.
func (w *world) verified(site int64) seal.Report {
	w.t.Helper()
	r, err := w.VerifyLedger(context.WithoutCancel(w.t.Context()), site, "shop", nil, nil)
	if err != nil {
		w.t.Errorf("the ledger of site %d: %v", site, err)
	}
	return r
}

// movements is some of everything that moves points of member 7, in both sites.
func (w *world) movements() {
	w.t.Helper()
	ctx := w.t.Context()
	s := club()
	s.ExpiresAfterDays, s.RestoreGraceDays = days(30), 5
	batch := w.offer(1, w.start(1, s).ID, 30, 0)
	w.start(2, s)
	w.earns(7, 1, 1000)
	w.earns(7, 2, 2000)
	_, err := w.Redeem(ctx, 1, 7, batch, "api", noKey)
	if err == nil {
		_, err = w.Adjust(ctx, 1, 7, 40, "for Ann, ann@shop.example", noKey)
	}
	k := w.hold(1, 7, 60, time.Hour)
	if err == nil {
		_, err = w.endHold(ctx, 1, k.ID, kindCommit, 0, noKey)
	}
	hear(w, w.originsRefunded, 1, w.refund(1, 1, 1, 500, 1000))
	w.days(31)
	if err == nil {
		_, err = w.endHold(ctx, 1, k.ID, kindRestore, 20, noKey)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.expireAll()
}

func TestSeal(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.movements()
	if r := w.verified(1); r.End.Sealed != 0 || r.End.Place < 8 {
		t.Fatalf("not sealed yet: %+v", r)
	}
	w.sealed()
	r := w.verified(1)
	if r.End.Sealed != r.End.Place || r.Checkpoints != 1 || r.Signed != 2 || !bytes.Equal(r.Key, w.PublicKey()) {
		t.Errorf("%+v", r)
	}
	if dump := string(w.ledger(1)); strings.Contains(dump, "ann") || strings.Contains(dump, "cart") {
		t.Error("the dump holds what people wrote")
	}
	if first, twin := w.verified(1).End.Hash, w.verified(2).End.Hash; first == twin {
		t.Error("the sites have one chain")
	}

	// Nothing that is sealed changes: not by erasing the member, not by what follows.
	before := w.ledger(1)
	hear(w, w.anonymized, 1, customerevent.PersonAnonymized{SiteID: 1, PersonID: 7, AnonymizedAt: noon})
	w.earns(8, 3, 500)
	w.sealed()
	after := w.ledger(1)
	lines := bytes.SplitAfter(before, []byte("\n"))
	if same := bytes.Join(lines[1:r.End.Place], nil); !bytes.Contains(after, same) {
		t.Error("what was sealed is not what it was")
	}
	if r := w.verified(1); r.End.Sealed != r.End.Place {
		t.Errorf("%+v", r)
	}

	// A day makes one checkpoint, and only when something was posted.
	for range 3 {
		w.days(1)
		w.sealed()
		w.sealed()
	}
	if r := w.verified(1); r.Checkpoints != 2 {
		t.Errorf("%d checkpoints", r.Checkpoints)
	}
}

// TestSeal_finds_what_was_changed in the database, by whom is allowed everything.
func TestSeal_finds_what_was_changed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.movements()
	w.sealed()
	for change, says := range map[string]string{
		`update loyalty.txn set points = points + 1 where site_id = 1 and id = (select min(id) from loyalty.txn where site_id = 1)`: "its transactions was changed|not what was sealed|another hash",
		`update loyalty.txn set reason = 'referral' where site_id = 1 and kind = 'earn'`:                                            "not what was sealed|another hash",
		`update loyalty.txn set recorded_at = recorded_at + interval '1 s' where site_id = 1`:                                       "not what was sealed|another hash",
		`update loyalty.entry set amount = amount * 2 where site_id = 1 and seq = 1`:                                                "points, but 0 and",
		`update loyalty.entry set balance_after = balance_after + 1 where site_id = 1 and seq = 2`:                                  "points, but",
		`delete from loyalty.entry where site_id = 1 and seq = 2`:                                                                   "whose last one is 1|sum is",
		`delete from loyalty.txn where site_id = 1 and kind = 'redeem'`:                                                             "whose last one is",
		`delete from loyalty.allocation where site_id = 1`:                                                                          "not what was sealed|another hash",
		`update loyalty.allocation set amount = 1000 where site_id = 1`:                                                             "points from lot",
		`update loyalty.account set balance = balance + 5 where site_id = 1 and owner_id is not null`:                               "by its entries",
		`update loyalty.lot set remaining = granted where site_id = 1 and remaining = 0`:                                            "by its allocations",
		`delete from loyalty.checkpoint where site_id = 1; update loyalty.chain set hash = decode(repeat('00', 32), 'hex')`:         "not what was sealed",
		`update loyalty.checkpoint set sums = '{}' where site_id = 1`:                                                               "has other sums",
		`update loyalty.checkpoint set signature = decode(repeat('00', 64), 'hex') where site_id = 1`:                               "has a signature that is not right",
		`insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, rule, effective_at, recorded_at) select site_id, id + 1000000,
			member_id, kind, 'x', reason, points, rule, effective_at, recorded_at from loyalty.txn where site_id = 1 and kind = 'adjust'; update loyalty.chain set txn_id = 9999999`: "was sealed at place",
	} {
		tx, err := w.admin.Beginx()
		if err != nil {
			t.Fatal(err)
		}
		tx.MustExec(change)
		var out bytes.Buffer
		x := &Module{db: w.admin, now: w.now, seals: w.seals}
		err = dumpIn(t.Context(), x, tx, &out)
		if err != nil {
			t.Fatal(err)
		}
		_, err = seal.Verify(&out, nil, nil)
		var d *seal.Difference
		found := false
		for _, one := range strings.Split(says, "|") {
			found = found || errors.As(err, &d) && strings.Contains(d.What, one)
		}
		if !found {
			t.Errorf("%s: %v; want %q", change, err, says)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	w.verified(1)
}

// TestSeal_waits for what may still come before: ids are not the order of commits.
func TestSeal_waits(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 1, 1, 1000))
	w.sealed()
	chain := func(site int64) seal.Chain {
		c, err := chainOf(t.Context(), w.db, site)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	stop := errors.New("stop")
	for _, ends := range []error{nil, stop} {
		was := chain(2)
		taken, goOn := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // takes ids, and takes its time
			err := w.outbox.InTx(t.Context(), func(u *bus.Unit) error {
				err := w.originsRecorded(t.Context(), u, []bus.Event[customerevent.OriginRecorded]{{Site: 1, Key: "k", Body: w.bought(1, 2, int64(u.Now.Nanosecond())+7, 1000)}})
				close(taken)
				<-goOn
				return errors.Join(err, ends)
			})
			if !errors.Is(err, ends) {
				t.Error(err)
			}
		})
		<-taken
		batch := w.adjustBeside(2, was.Place)
		for range 4 {
			if _, err := w.Seal(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := chain(2); got.Place != was.Place {
			t.Errorf("%d transactions were sealed past one that was under way", got.Place-was.Place)
		}
		close(goOn)
		wg.Wait()
		w.sealed()
		if got := chain(2); got.Place != was.Place+1 || got.ID != batch {
			t.Errorf("%+v", got)
		}
	}
	w.verified(1)
	w.verified(2)
}

// adjustBeside posts something in a site by a way that waits for no other poster, and returns its transaction.
func (w *world) adjustBeside(site, n int64) int64 {
	w.t.Helper()
	ctx := w.t.Context()
	if n == 0 {
		if _, err := w.db.ExecContext(ctx, `with m as (insert into loyalty.member (site_id, person_id, tiers_version, joined_at) values ($1, 50, 1, $2) returning id)
			insert into loyalty.account (site_id, owner_id, name, asset) select $1, id, 'member', 'points' from m`, site, noon); err != nil {
			w.t.Fatal(err)
		}
	}
	a, err := w.Adjust(ctx, site, 50, 5, "", noKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return a.TransactionID
}

// TestSeal_by_two_replicas while points are posted: each transaction has one place.
func TestSeal_by_two_replicas(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	replica := New(Deps{DB: w.db, Outbox: w.outbox, Log: zerolog.Nop(), Reg: prometheus.NewRegistry(), Now: w.clock.Now, LedgerKey: w.seals.key})
	ctx, stop := context.WithCancel(t.Context())
	var posting, sealing sync.WaitGroup
	for g := range int64(2) {
		sealing.Go(func() {
			m := []*Module{w.Module, replica}[g]
			for ctx.Err() == nil {
				if _, err := m.Seal(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
		posting.Go(func() {
			for i := range int64(30) {
				for _, site := range []int64{1, 2} {
					if err := tryHear(w, w.originsRecorded, site, w.bought(site, i%7+1, 1000*g+i, 1000), w.bought(site, i%3+1, 1000*g+i+500, 1000)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	posting.Wait()
	stop()
	sealing.Wait()
	w.sealed()
	for _, site := range []int64{1, 2} {
		if r := w.verified(site); r.End.Sealed != 120 || r.End.Place != 120 {
			t.Errorf("site %d: %d places of %d", site, r.End.Sealed, r.End.Place)
		}
	}
}

// TestSeal_restored: a database that was restored in another cluster has a mark which that one's transactions never reach.
func TestSeal_restored(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 1, 1, 1000))
	if _, err := w.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.admin.MustExec(`update loyalty.horizon set xid = '900000000000'`)
	w.sealed()
}

// TestBalanceAt_equals_a_rebuild at any moment, whatever the clocks of those who wrote it, and keeps little for it.
func TestBalanceAt_equals_a_rebuild(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	r := rand.New(rand.NewPCG(1, 2))
	order := int64(0)
	for range 120 {
		batch := make([]customerevent.OriginRecorded, 1+r.IntN(20))
		for i := range batch {
			order++
			batch[i] = w.bought(1, 7+int64(r.IntN(5)/4), order, 100+int64(r.IntN(1000)))
		}
		hear(w, w.originsRecorded, 1, batch...)
		w.clock.Move(time.Duration(r.IntN(100)-20) * time.Second) // sometimes back
		if r.IntN(10) == 0 {
			w.sealed()
		}
	}
	hear(w, w.originsRecorded, 2, w.bought(2, 7, 1, 100))
	check := func() {
		t.Helper()
		for _, account := range w.accounts(1) {
			entries := w.entriesOf(1, account)
			for range 300 {
				at := noon.Add(time.Duration(r.IntN(4000)-100) * time.Second)
				seq, balance := int64(0), int64(0)
				for _, e := range entries {
					if e.RecordedAt.After(at) {
						break
					}
					seq, balance = seq+1, balance+e.Amount
				}
				if gotSeq, got, err := balanceAt(t.Context(), w.db, 1, account, at); err != nil || got != balance || gotSeq != seq {
					t.Fatalf("account %d at %s: %d after entry %d (%v); want %d after %d", account, at, got, gotSeq, err, balance, seq)
				}
			}
		}
	}
	check()
	w.sealed()
	check()
	var kept, entries int
	if err := w.admin.QueryRow(`select (select count(*) from loyalty.milestone), (select sum(seq / 256) from loyalty.account)`).Scan(&kept, &entries); err != nil || kept != entries || kept < 4 {
		t.Errorf("%d milestones, want %d (%v)", kept, entries, err)
	}
	if err := w.admin.Get(&kept, `select count(*) from loyalty.anchor`); err != nil || kept != int(order)/anchorEvery {
		t.Errorf("%d anchors of %d transactions (%v)", kept, order, err)
	}
}

func (w *world) accounts(site int64) (ids []int64) {
	w.t.Helper()
	if err := w.admin.Select(&ids, `select id from loyalty.account where site_id = $1 order by id`, site); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

type written struct {
	Amount     int64     `db:"amount"`
	RecordedAt time.Time `db:"recorded_at"`
}

func (w *world) entriesOf(site, account int64) (rows []written) {
	w.t.Helper()
	if err := w.admin.Select(&rows, `select e.amount, t.recorded_at from loyalty.entry e join loyalty.txn t on t.site_id = e.site_id and t.id = e.txn_id
		where e.site_id = $1 and e.account_id = $2 order by e.seq`, site, account); err != nil {
		w.t.Fatal(err)
	}
	return rows
}

func dumpIn(ctx context.Context, m *Module, tx *sqlx.Tx, out *bytes.Buffer) error {
	return m.dumpLedger(ctx, tx, out, 1, "shop", nil)
}
