-- The tables of the event bus in one module's schema. See the package bus for what they promise.

-- What the module tells waits here from its commit to the sequencer's move: empty when idle. The order of ids is the order of
-- commits per key, because the key's row is locked before the insert and the identity caches nothing: never give it a CACHE.
--
-- A row is a record batch, all or a part of what one transaction told: n events in body, a line each: site, key, type and payload
-- (JSON), parted by tabs. A row an event would cost as much again as the work that it tells of.
create table {schema}.outbox (
	id bigint generated always as identity primary key,
	at timestamptz not null,
	n int not null constraint outbox_n check (n between 1 and 1000),
	body text not null
) with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_insert_threshold = -1,
	autovacuum_analyze_threshold = 100000, autovacuum_vacuum_cost_delay = 0, toast_tuple_target = 8160);

-- The log, in the same record batches. Only sequence() inserts. No default partition: a row without a place must fail the move,
-- not hide in it.
create table {schema}.log (
	seq bigint not null, -- of its last event
	at timestamptz not null,
	n int not null,
	body text not null,
	constraint log_pkey primary key (seq)
) partition by range (seq);

do $$ begin -- the bodies repeat themselves; without lz4 PostgreSQL's own, slower compression does it
	alter table {schema}.outbox alter body set compression lz4;
	alter table {schema}.log alter body set compression lz4;
exception when feature_not_supported then null;
end $$;

-- The events one by one, for people and tests; the platform reads the batches.
create view {schema}.event as
	select l.seq - l.n + e.i as seq, split_part(e.line, E'\t', 1)::bigint as site, l.at, split_part(e.line, E'\t', 2) as key,
		split_part(e.line, E'\t', 3) as type, split_part(e.line, E'\t', 4)::jsonb as payload
	from {schema}.log l cross join string_to_table(l.body, E'\n') with ordinality e (line, i);
create view {schema}.waiting as
	select o.id, e.i, split_part(e.line, E'\t', 1)::bigint as site, o.at, split_part(e.line, E'\t', 2) as key,
		split_part(e.line, E'\t', 3) as type, split_part(e.line, E'\t', 4)::jsonb as payload
	from {schema}.outbox o cross join string_to_table(o.body, E'\n') with ordinality e (line, i);

-- The last seq, and the lock of the move. A log that was restored to an older time gets a new epoch by
-- "update {schema}.head set epoch = gen_random_uuid()", so that consumers elsewhere stop instead of skipping reused numbers.
create table {schema}.head (
	one bool primary key default true constraint head_one check (one),
	seq bigint not null default 0,
	epoch uuid not null default gen_random_uuid()
) with (fillfactor = 10);
insert into {schema}.head default values;

-- How far the module has heard each log, and how many events of it are parked.
create table {schema}.cursor (
	name text not null,
	source text not null,
	seq bigint not null default 0,
	epoch text not null,
	parked int not null default 0,
	constraint cursor_pkey primary key (name, source)
) with (fillfactor = 10);

-- Events that a handler refused, and those of the same key behind them. The payload is kept here too, so that they can be
-- replayed when retention has dropped the log's copy or the log is out of reach.
create table {schema}.park (
	consumer text not null,
	source text not null,
	seq bigint not null,
	site bigint not null,
	at timestamptz not null,
	key text not null,
	type text not null,
	payload jsonb not null,
	error text not null,
	constraint park_pkey primary key (consumer, source, seq)
);
create index park_key on {schema}.park (consumer, source, key, seq);

-- sequence moves committed rows into the log and numbers their events: about lim of them, and one row at least. moved is how many
-- (-1: another replica is moving), last the head's seq. Call it in autocommit, READ COMMITTED: lock and move are two statements
-- with two snapshots, and the second is taken under the lock. The head is locked first and the numbers come from it; the events
-- themselves are never skipped.
create function {schema}.sequence(lim int, out moved bigint, out last bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
	moved := 0;
	-- An idle call writes nothing, not even a lock. Not EXISTS (..): the planner would drop the order, and read all dead rows.
	perform from {schema}.outbox order by id limit 1;
	if found then
		select h.seq into last from {schema}.head h for update skip locked;
		if found then
			with taken as (
				delete from {schema}.outbox o
				where o.id = any (array(
					select id from (
						select id, sum(n) over (order by id) - n as before
						from (select id, n from {schema}.outbox order by id limit lim) o) r
					where before < lim))
				returning *
			), put as (
				insert into {schema}.log (seq, at, n, body)
				select last + sum(n) over (order by id), at, n, body from taken order by id
				returning n
			)
			select coalesce(sum(n), 0) into moved from put;
			if moved > 0 then
				last := last + moved;
				update {schema}.head set seq = last;
			end if;
			return;
		end if;
		moved := -1;
	end if;
	select h.seq into last from {schema}.head h;
end $$;

-- ensure_partitions makes partitions for size events each until two whole ones lie ahead of the head, and returns the last seq that has
-- a place; null: another replica is at it. LIKE and ATTACH let readers and the move go on; CREATE .. PARTITION OF would not.
-- Two, because a session may miss an ATTACH that commits while it first looks at the table, until the next one tells it: so
-- there is always a next one before a partition is used.
create function {schema}.ensure_partitions(size bigint) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	present bigint; -- the head
	upper bigint;   -- first seq without a place
	name text;
begin
	if not pg_try_advisory_xact_lock(hashtextextended('{schema}.log', 0)) then
		return null;
	end if;
	select seq into present from {schema}.head;
	select max(substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \(''(\d+)''\)')::bigint) into upper
	from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = '{schema}.log'::regclass;
	upper := coalesce(upper, present + 1);
	while upper <= present + 2 * size loop
		name := 'log_' || upper;
		execute format('create table {schema}.%I (like {schema}.log including all)', name);
		execute format('alter table {schema}.log attach partition {schema}.%I for values from (%L) to (%L)',
			name, upper, upper + size);
		upper := upper + size;
	end loop;
	return upper - 1;
end $$;

-- drop_partitions drops the partitions whose every seq is at most floor and whose every row is older than keep, oldest first,
-- and returns how many. floor is what all consumers have passed. A busy log makes it give up after a second.
create function {schema}.drop_partitions(floor bigint, keep interval) returns int
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '1s' as $$
declare
	part record;
	newest timestamptz;
	dropped int := 0;
begin
	if not pg_try_advisory_xact_lock(hashtextextended('{schema}.log', 0)) then
		return 0;
	end if;
	for part in
		select c.relname as name, substring(pg_get_expr(c.relpartbound, c.oid) from 'TO \(''(\d+)''\)')::bigint - 1 as upto
		from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = '{schema}.log'::regclass
		order by 2
	loop
		exit when part.upto > least(floor, (select seq from {schema}.head));
		execute format('select at from {schema}.%I order by seq desc limit 1', part.name) into newest; -- cheap, mostly decides
		exit when newest >= now() - keep;
		execute format('select max(at) from {schema}.%I', part.name) into newest;
		exit when newest >= now() - keep;
		execute format('drop table {schema}.%I', part.name);
		dropped := dropped + 1;
	end loop;
	return dropped;
end $$;

-- backlog is how many events wait to be moved (of at most 100000 rows) and for how many seconds the oldest has.
create function {schema}.backlog(out waiting bigint, out oldest float8)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
	select (select coalesce(sum(n), 0) from (select n from {schema}.outbox order by id limit 100000) o),
		coalesce((select extract(epoch from clock_timestamp() - at) from {schema}.outbox order by id limit 1), 0)
$$;

select {schema}.ensure_partitions(1000000);

revoke all on function {schema}.sequence(int), {schema}.ensure_partitions(bigint), {schema}.drop_partitions(bigint, interval),
	{schema}.backlog() from public;
grant execute on function {schema}.sequence(int), {schema}.ensure_partitions(bigint), {schema}.drop_partitions(bigint, interval),
	{schema}.backlog() to {role};
grant insert on {schema}.outbox to {role};
grant select on {schema}.log, {schema}.event, {schema}.head to {role};
grant select, insert, update on {schema}.cursor to {role};
grant select, insert, update, delete on {schema}.park to {role};
