package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// bug is a mistake that somebody could make in the product. It is planted by replacing texts of the product's sources on the way to
// the compiler, so that nothing of it is in what is shipped. A run against a program with a bug must end in "violated".
type bug struct {
	Name, Says string // Says: what the mistake is, and by which duel or fault it shows
	Edits      []edit
	Only       []string // the faults that show it, where others would only take time; none: all
}

// edit replaces a text that occurs once in a file.
type edit struct{ File, Old, New string }

// apply returns the edited files by their paths below root. files holds what earlier bugs have made of them.
func (b bug) apply(root string, files map[string]string) error {
	for _, e := range b.Edits {
		text, ok := files[e.File]
		if !ok {
			raw, err := os.ReadFile(filepath.Join(root, e.File))
			if err != nil {
				return fmt.Errorf("bug %s: %w", b.Name, err)
			}
			text = string(raw)
		}
		if n := strings.Count(text, e.Old); n != 1 {
			return fmt.Errorf("bug %s: its text occurs %d times in %s, want once: %s", b.Name, n, e.File, e.Old)
		}
		files[e.File] = strings.Replace(text, e.Old, e.New, 1)
	}
	return nil
}

// bugs are all that must be found: those of the bus and its transactions, then those of the modules.
var bugs = slices.Concat(busBugs, moduleBugs, pointsBugs, hookBugs, referralBugs, commissionBugs, earningBugs, homeBugs, checkoutBugs)

var busBugs = []bug{
	{Name: "cursor-later", Says: "effects are committed first and the cursor after them, in a transaction of its own: two replicas, and a kill in between, apply a batch twice",
		Edits: []edit{
			{"internal/bus/take.go", "		if before, err = h.advance(ctx, u, h.source, h.saved, last); err != nil {\n			return err\n		}\n		p :=", "		p :="},
			{"internal/bus/take.go", `	failpoint.Hit("bus.consumer_after_commit")`, `	failpoint.Hit("bus.consumer_after_commit")
	err = h.outbox.InTx(ctx, func(u *Unit) (err error) {
		before, err = h.advance(ctx, u, h.source, h.saved, last)
		return err
	})
	if err != nil {
		return err
	}`},
		}},
	{Name: "ack-first", Says: "the cursor is committed before the effects: a kill or a cut connection in between loses the batch",
		Edits: []edit{
			{"internal/bus/take.go", "		if before, err = h.advance(ctx, u, h.source, h.saved, last); err != nil {\n			return err\n		}\n		p :=", "		p :="},
			{"internal/bus/take.go", "	err := h.outbox.InTx(ctx, func(u *Unit) (err error) {", `	err := h.outbox.InTx(ctx, func(u *Unit) (err error) {
		before, err = h.advance(ctx, u, h.source, h.saved, last)
		return err
	})
	if err != nil {
		return err
	}
	err = h.outbox.InTx(ctx, func(u *Unit) (err error) {`},
		}},
	{Name: "no-fence", Says: "the cursor moves wherever it was left: of two replicas both apply a batch, and rollups count it twice",
		Edits: []edit{{"internal/bus/consumer.go", "where name = $1 and source = $2 and seq = $3 and epoch = $4", "where name = $1 and source = $2 and $3::bigint is not null and epoch = $4"}}},
	{Name: "swallowed-handler", Says: "a handler's error is logged and the event skipped: poison is dropped, and what came too early is lost",
		Edits: []edit{{"internal/bus/consumer.go", "	if err := handle(ctx, u, records); err != nil {\n		return err\n	}", `	if err := handle(ctx, u, records); err != nil {
		c.log.Error().Err(err).Msg("an event was skipped")
		return nil
	}`}}},
	{Name: "sequence-by-id", Says: "the sequencer remembers the last id that it moved and takes what is greater: who commits late with a smaller id is never moved",
		Edits: []edit{
			{"internal/bus/schema.sql", "	epoch uuid not null default gen_random_uuid()\n", "	epoch uuid not null default gen_random_uuid(),\n	passed bigint not null default 0\n"},
			{"internal/bus/schema.sql", "from (select id, n from {schema}.outbox order by id limit lim) o) r", "from (select id, n from {schema}.outbox where id > (select passed from {schema}.head) order by id limit lim) o) r"},
			{"internal/bus/schema.sql", "				returning n\n			)\n			select", "				returning n\n			), pass as (\n				update {schema}.head set passed = (select max(id) from taken) where exists (select from taken)\n			)\n			select"},
		}},
	{Name: "told-after-commit", Says: "events are written after the commit, in a transaction of their own: a kill in between loses them",
		Edits: []edit{
			{"internal/bus/outbox.go", "	var told bool\n", "	var told bool\n	var late *Unit\n"},
			{"internal/bus/outbox.go", "		if err := u.flush(ctx, o.insert); err != nil {\n			return err\n		}\n", "		late = u\n"},
			{"internal/bus/outbox.go", `		failpoint.Hit("bus.after_commit")`, `		failpoint.Hit("bus.after_commit")
		_ = postgres.InTx(ctx, o.db, func(tx *sqlx.Tx) error {
			late.Tx = tx
			return late.flush(ctx, o.insert)
		})`},
		}},
	{Name: "poison-dropped", Says: "an event that cannot be handled is passed by instead of parked",
		Edits: []edit{{"internal/bus/pass.go", "		p.park(records[0], err.Error())\n		return nil", "		return nil"}}},
	{Name: "poison-blocks", Says: "an event that cannot be handled is tried for ever, and everything behind it waits",
		Edits: []edit{{"internal/bus/errors.go", "		return hopeless\n", "		return tooEarly\n"}}},
	{Name: "commit-swallowed", Says: "the error of a commit is lost and its request answered yes: shows when connections end before the commit",
		Edits: []edit{{"internal/postgres/tx.go", "	if err := tx.Commit(); err != nil {\n		return fmt.Errorf(\"commit: %w\", Ended(ctx, err))\n	}", "	_ = tx.Commit()"}}},
	{Name: "commit-later", Says: "requests are answered while their transaction still commits: a kill, a cut connection, or a look at the other replica shows it",
		Only: []string{"kill", "connections"},
		Edits: []edit{
			{"internal/postgres/tx.go", "	defer func() { _ = tx.Rollback() }() // after a commit this does nothing\n", ""},
			{"internal/postgres/tx.go", "		return Ended(ctx, err)\n", "		_ = tx.Rollback()\n		return Ended(ctx, err)\n"},
			{"internal/postgres/tx.go", "	if err := tx.Commit(); err != nil {", `	if len(os.Args) > 1 && os.Args[1] == "serve" { // a command that ends would take its commit with it, and nothing would begin
		go func() {
			time.Sleep(50 * time.Millisecond)
			_ = tx.Commit()
		}()
		return nil
	}
	if err := tx.Commit(); err != nil {`},
			{"internal/postgres/tx.go", "db.BeginTxx(ctx, nil)", "db.BeginTxx(context.WithoutCancel(ctx), nil)"},
			{"internal/postgres/tx.go", "	\"math/rand/v2\"\n", "	\"math/rand/v2\"\n	\"os\"\n"},
		}},
	{Name: "commit-not-durable", Says: "commits are answered before they are on disk: a crash of PostgreSQL loses some that were answered",
		Only:  []string{"postgres"},
		Edits: []edit{{"internal/postgres/tx.go", "	if err := fn(tx); err != nil {", "	if _, err := tx.ExecContext(ctx, `set local synchronous_commit = off`); err != nil {\n		return fmt.Errorf(\"begin: %w\", err)\n	}\n	if err := fn(tx); err != nil {"}}},
	{Name: "unknown-repeated", Says: "a transaction whose commit was not answered is run again: shows where nothing natural is unique (visits), when answers are lost",
		Only:  []string{"lost-answers", "connections", "backends"},
		Edits: []edit{{"internal/postgres/tx.go", "try == tries || !Again(err) {", "try == tries || !Again(err) && !Away(err) {"}}},
	{Name: "answers-shifted", Says: "a group commit hands each caller the answer of the next",
		Edits: []edit{{"internal/postgres/group.go", "t.out = out[i]", "t.out = out[(i+1)%len(out)]"}}},
}
