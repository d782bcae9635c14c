package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/postgres"
)

// patiently looks again when PostgreSQL was away for a moment: that is no judgement.
func patiently(ctx context.Context, look func() error) error {
	for try := 1; ; try++ {
		err := look()
		if err == nil || ctx.Err() != nil || try == 20 || !postgres.Away(err) {
			return err
		}
		wait(ctx, 500*time.Millisecond)
	}
}

// verify judges what is there: by the invariants, by the history, by the tables, by the mail, webhooks and SMS, and by the public API.
func (w *world) verify(ctx context.Context, p *printer) ([]violation, error) {
	ids := map[int]int64{0: w.sites[0].ID, 1: w.sites[1].ID}
	ctx, cancel := context.WithTimeout(ctx, judging)
	defer cancel()
	w.post.mu.Lock()
	taken := w.post.taken
	w.post.mu.Unlock()
	w.history.mu.Lock()
	all := w.history.all
	w.history.mu.Unlock()
	found, ledgers, err := verifyDatabase(ctx, w.admin, ids, all, p)
	if err != nil {
		return nil, err
	}
	found = append(found, p.checks(w.checkCalm(all))...)
	for _, check := range []func() (*checks, error){
		func() (*checks, error) { return checkMail(ctx, w.admin, taken) },
		func() (*checks, error) { return checkHooks(ctx, w.admin, w.sites, w.hooks, w.tally) },
		func() (*checks, error) { return checkTexts(ctx, w.admin, w.texts) },
		func() (*checks, error) { return w.club.check(ctx, w.admin) },
		func() (*checks, error) { return w.home.check(ctx, w.admin) },
	} {
		var made *checks
		err := patiently(ctx, func() (err error) {
			made, err = check()
			return err
		})
		if err != nil {
			return nil, err
		}
		found = append(found, p.checks(made)...)
	}
	for _, l := range ledgers {
		if err := patiently(ctx, func() error { return l.outside(ctx, w.admin, w.sites[l.Site].ID) }); err != nil {
			return nil, err
		}
		found = append(found, p.checks(checkAPI(ctx, w, l))...)
	}
	return found, nil
}

// verifyDatabase is the part that a kept database allows too.
func verifyDatabase(ctx context.Context, db *sqlx.DB, siteIDs map[int]int64, all []attempt, p *printer) (found []violation, ledgers [2]*ledger, err error) {
	var broken []violation
	err = patiently(ctx, func() (err error) {
		broken, err = checkInvariants(ctx, db, true)
		return err
	})
	if err != nil {
		return nil, ledgers, err
	}
	found = append(found, p.invariants(broken)...)
	ops := lives(all)
	for site := range ledgers {
		ledgers[site] = expect(ops, site)
	}
	found = append(found, p.checks(checkHistory(ops, ledgers))...)
	for site, l := range ledgers {
		var c *checks
		err := patiently(ctx, func() (err error) {
			c, err = checkDatabase(ctx, db, siteIDs[site], l)
			return err
		})
		if err != nil {
			return nil, ledgers, fmt.Errorf("site %d: %w", site, err)
		}
		found = append(found, p.checks(c)...)
	}
	return found, ledgers, nil
}
