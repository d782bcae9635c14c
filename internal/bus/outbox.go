package bus

import (
	"context"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/failpoint"
	"github.com/talkable/talkable/internal/postgres"
)

// Outbox is a module's door for transactions that tell.
type Outbox struct {
	schema string
	db     *sqlx.DB
	now    clock.Clock
	kick   func()
	insert *statement
}

// NewOutbox makes the door of the module that owns schema. kick is called after each commit that told something: the module's
// Table.Kick where the table's sequencer runs in this process, or nil.
func NewOutbox(schema string, db *sqlx.DB, now clock.Clock, kick func()) *Outbox {
	if kick == nil {
		kick = func() {}
	}
	return &Outbox{schema: schema, db: db, now: now, kick: kick, insert: prepared(db, `
		insert into `+schema+`.outbox (at, n, body) values ($1, $2, $3)`)}
}

// DB is the module's pool, for reads outside a unit of work.
func (o *Outbox) DB() *sqlx.DB { return o.db }

// InTx runs fn as one unit of work and commits what it did and told. Like postgres.InTx it repeats fn, with a fresh Unit, after
// a serialization failure or a deadlock, so fn touches nothing but the unit and its own variables, which it sets anew.
func (o *Outbox) InTx(ctx context.Context, fn func(u *Unit) error) error {
	var told bool
	o.insert.ready(ctx)
	err := postgres.InTx(ctx, o.db, func(tx *sqlx.Tx) error {
		u := &Unit{Tx: tx, Now: o.now()}
		if err := fn(u); err != nil {
			return err
		}
		if err := u.flush(ctx, o.insert); err != nil {
			return err
		}
		if told = len(u.told) > 0; told {
			failpoint.Hit("bus.before_commit")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if told {
		failpoint.Hit("bus.after_commit")
		o.kick()
	}
	return nil
}
