package main

import "strings"

// heard is who hears whom.
var heard = map[string][]string{
	"referral":  {"customer", "gateway", "loyalty"},
	"loyalty":   {"customer", "referral"},
	"analytics": {"customer", "gateway", "loyalty", "notify", "referral"},
	"notify":    {"customer", "gateway", "loyalty"},
}

// hears repeats a select for each consumer, {c}, and each log, {m}, that it hears.
func hears(query string) string {
	var parts []string
	for _, c := range modules {
		for _, m := range heard[c] {
			parts = append(parts, "("+strings.NewReplacer("{c}", c, "{m}", m).Replace(query)+")")
		}
	}
	return strings.Join(parts, " union all ")
}

// busInvariants: outboxes, logs, cursors and what is parked.
var busInvariants = []invariant{
	{ID: "bus/outbox-empty", Says: "everything that was told has moved to the log", Settled: true,
		SQL: each(`select '{m}' as module, id, at, n, body from {m}.outbox`)},
	{ID: "bus/gapless", Says: "a log has no gap and ends where its head says",
		SQL: each(`
			select '{m}' as log, seq, n, before from (
				select seq, n, body, lag(seq) over (order by seq) as before from {m}.log) l
			where seq - n <> before or n <> cardinality(string_to_array(body, E'\n'))
			union all
			select '{m}', h.seq, null, max(l.seq) from {m}.head h left join {m}.log l on true
			group by h.seq having h.seq <> coalesce(max(l.seq), 0)`)},
	{ID: "bus/cursor", Says: "a consumer is never ahead of the log that it hears, and hears no other",
		SQL: hears(`
			select '{c}' as consumer, '{m}' as log, c.seq, h.seq as head from {c}.cursor c cross join {m}.head h
			where c.name = '{c}' and c.source = '{m}' and (c.seq > h.seq or c.epoch <> h.epoch::text)`)},
	{ID: "bus/caught-up", Says: "every consumer has heard all that it hears", Settled: true,
		SQL: hears(`
			select '{c}' as consumer, '{m}' as log, c.seq, h.seq as head from {m}.head h
			left join {c}.cursor c on c.name = '{c}' and c.source = '{m}'
			where c.seq is distinct from h.seq`)},
	{ID: "bus/parked-counted", Says: "a cursor counts what is parked",
		SQL: each(`
			select '{m}' as module, c.name, c.source, c.parked, count(p.seq) as n
			from {m}.cursor c
			left join {m}.park p on p.consumer = c.name and p.source = c.source
			group by 1, 2, 3, 4 having c.parked <> count(p.seq)`)},
	{ID: "bus/parked-none", Says: "nothing is parked but what the checker poisoned",
		SQL: each(`select '{m}' as module, source, seq, key, type, error from {m}.park where key not like '` + poisoned + `%'`)},
	{ID: "bus/parked-poison", Says: "poison is parked with every consumer that it was meant for, and not dropped", Settled: true,
		SQL: strings.Join([]string{poison("referral"), poison("loyalty"), poison("analytics")}, " union all ")},
	{ID: "bus/order", Says: "the order in which a log has the events of a purchase and its refunds is that of their commits",
		SQL: `
			select site, origin_id, seq, total, before from (
				select site, (p ->> 'origin_id')::bigint as origin_id, seq, (p ->> 'refunded_total')::bigint as total,
					lag((p ->> 'refunded_total')::bigint) over (partition by site, p ->> 'origin_id' order by seq) as before
				from ` + told("customer.origin_refunded.v1") + ` e where seq is not null) r
			where total < before`},
}

// poison looks for origins that nobody can read and that consumer has not parked.
func poison(consumer string) string {
	return strings.ReplaceAll(`(
		select '{c}' as consumer, e.seq, e.key from pg_temp.told e
		left join {c}.park p on p.consumer = '{c}' and p.source = 'customer' and p.seq = e.seq
		where e.kind = 'customer.origin_recorded.v1' and e.key like '`+poisoned+`%' and p.seq is null)`, "{c}", consumer)
}
