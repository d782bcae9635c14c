package main

import (
	"context"
	"errors"
	"fmt"

	_ "embed"

	"github.com/jmoiron/sqlx"
)

//go:embed ledger.sql
var ledgerScript string

// ledgerTables are those whose indexes are built after the ledger is loaded.
var ledgerTables = []string{"customer.person", "loyalty.member", "loyalty.account", "loyalty.txn", "loyalty.entry", "loyalty.lot", "loyalty.allocation", "loyalty.redemption",
	"loyalty.merit_day"}

const (
	ledgerSites  = 5      // the first has nine tenths, the others are its twins
	sparseLedger = 10_000 // entries of the small one
)

// ledgers are a ledger of as many entries as the scale says, and the same with a few.
func ledgers(o options) []filling {
	large, small := o.scale, o.scale
	large.perEntry, small.perEntry, small.entries = true, true, sparseLedger
	return []filling{{sparseDatabase, ledgerScript, ledgerTables, small, foundLedger}, {ledgerDatabase, ledgerScript, ledgerTables, large, foundLedger}}
}

// ledgerTerms is the programme of the sites: points end after a year, and tiers look at the last one.
var ledgerTerms = object{"name": "Points", "points_per_unit": 1, "expires_after_days": 365,
	"tiers":     []object{{"name": "Silver", "threshold": 1000}, {"name": "Gold", "threshold": 2500}},
	"tier_plan": object{"window": "rolling_days", "length": 365}}

// foundLedger makes the sites by the program itself, and notes them.
func foundLedger(ctx context.Context, pg *database, o options, name string, db *sqlx.DB) (err error) {
	p, err := startPlatform(ctx, pg, name, o.binary, "grouped")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.makeSites(ctx, ledgerSites); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `create schema bench; create table bench.site (n int primary key, site_id bigint not null, slug text not null, key text not null,
		members bigint, until timestamptz, program_id bigint, tiers_version int)`)
	if err != nil {
		return err
	}
	for i, s := range p.sites {
		var answer struct{}
		if err := p.call(ctx, s.key, "PUT", fmt.Sprintf("/api/v2/loyalty/programs/%d", s.program), ledgerTerms, &answer); err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, `insert into bench.site (n, site_id, slug, key) values ($1, $2, $3, $4)`, i+1, s.id, s.slug, s.key); err != nil {
			return err
		}
	}
	return p.quiet(ctx)
}
