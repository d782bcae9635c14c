// Package bus carries what modules tell each other: a sequenced log per module, and a cursor per consumer.
//
// A use case changes its rows and tells in one unit of work; the last statement before the commit writes its events into the
// schema's outbox. The module's Table moves committed events into its append-only log and numbers them. Each Consumer keeps a
// cursor in its own schema, which may be in another database: it reads the log past the cursor, applies a batch as sets, and
// moves the cursor in the same transaction. Wherever a process dies, what was not committed is done again, and what was is not.
//
// # Promises
//
//  1. An event exists if and only if its transaction committed.
//  2. A consumer's effects in its own database happen exactly once. What leaves it (mail, HTTP) happens at least once; consumer
//     and seq make its idempotency key.
//  3. The order of a key is the order of its commits, provided that the transaction holds the lock of the key's row (or made
//     the row) when its closure returns.
//  4. There is no order across keys, logs or modules, and none across keys within a batch. Events of one transaction may come
//     in two batches.
//  5. Numbers have no gaps and come once within an epoch. A consumer that misses one stops with ErrGap; at a log that was
//     restored to an older time it stops with ErrEpoch; it never skips.
//  6. A handler gets 1 to 500 events of one type, several of a key among them. A batch is committed as a whole; after a rollback
//     its handlers see it again, so they keep nothing in memory.
//  7. Any number of replicas may run a consumer: a batch is applied by one of them.
//  8. An event that its handler refuses is parked with those of its key that follow; other keys flow on. A person replays the
//     key, or gives the event up. When more than a thousand are parked the consumer stops with ErrParked.
//  9. A database that is away, a lost race and Later never park anything; they are tried until they succeed.
//  10. Handlers ask no clock but Unit.Now (Event.At is the moment of the decision) and read their own schema only, so that
//     Rewind builds a projection anew.
//  11. A module's role can tell and read its log. It cannot rewrite it: numbers are given by a function of the schema's owner.
//
// A type's name and meaning stay for ever, and fields are only added. The log keeps number, key, type and order; a payload may
// be redacted, which is why it holds ids rather than personal data where that is possible. Redaction has three places: log,
// outbox, and the park of each consumer. A running process may still hold the payload among the last events of the log, of which
// it keeps up to 8 MiB in memory.
//
// # Which way to ask another module
//
// In this order: does the event already say it? Can I keep a projection, fed by events, in my schema? Can the edge put two
// answers together? Only then an interface of one or two methods, declared by the one who asks.
//
// # Wiring
//
// The command, which alone knows every module, makes a Table per module that tells and runs it in every replica; gives the
// module an Outbox whose kick is Table.Kick; and runs Consumer.Run for each of its Sources with that source's Log. A Table is
// the Log within reach of its database. A broker is another Log, and passes bustest.Conformance before it is used.
package bus
