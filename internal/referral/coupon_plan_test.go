package referral

import (
	"testing"

	"github.com/talkable/talkable/internal/bus"
)

// One list that many wait for makes the planner believe that many wait for any: neither a hand-out of another list nor a look at the
// lists may read the queue from its beginning then.
func TestHandOut_reads_no_queue_of_another_list(t *testing.T) {
	t.Parallel()
	p := setup(t)
	full, short := p.list(p.two, "AAA1", "AAA2"), p.list(p.one)
	p.root.MustExec(`insert into referral.coupon_wait (site_id, list_id, redemption_id, since) select 1, $1, n, now() from generate_series(1, 20000) n`, short)
	p.root.MustExec(`analyze referral.coupon_wait`)
	err := p.outbox.InTx(t.Context(), func(u *bus.Unit) error {
		read := func(what string, most int64, do func() error) error {
			// what this transaction has read so far of the queue, without its index and with it
			const query = `select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relid = 'referral.coupon_wait'::regclass`
			var before, after int64
			if err := u.GetContext(t.Context(), &before, query); err != nil {
				return err
			}
			if err := do(); err != nil {
				return err
			}
			if err := u.GetContext(t.Context(), &after, query); err != nil {
				return err
			}
			if after-before > most {
				t.Errorf("%s: %d rows of the queue were read", what, after-before)
			}
			return nil
		}
		if err := read("a hand-out", 1, func() error {
			got, err := takeCoupons(t.Context(), u.Tx, u.Now, []key{{2, full}}, []int64{1}, false)
			if err == nil && len(got) != 1 {
				t.Errorf("%d coupons", len(got))
			}
			return err
		}); err != nil {
			return err
		}
		if err := read("lists to serve", 10, func() error {
			got, err := servable(t.Context(), u, u.Now)
			if err == nil && len(got) != 0 {
				t.Errorf("to serve: %v", got)
			}
			return err
		}); err != nil {
			return err
		}
		return read("stocks", 20_000, func() error { // each once
			got, err := stocks(t.Context(), u, u.Now)
			if err == nil && (len(got) != 2 || got[0].Waiting+got[1].Waiting != 20_000) {
				t.Errorf("stocks: %+v", got)
			}
			return err
		})
	})
	if err != nil {
		t.Error(err)
	}
}
