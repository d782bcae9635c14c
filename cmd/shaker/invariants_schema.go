package main

import "strings"

// ours are the schemas of the modules, as a list of SQL.
var ours = names(modules...)

// histories may be added to and never changed, by anybody but a migration.
var histories = []string{"loyalty.txn", "loyalty.entry", "loyalty.allocation", "loyalty.lot_date", "loyalty.anchor", "loyalty.checkpoint", "loyalty.milestone", "loyalty.point_value", "loyalty.closing", "loyalty.member_merge_wallet", "loyalty.refusal", "loyalty.tier_change", "loyalty.program_version",
	"referral.visit", "referral.coupon_list_log", "referral.coupon_day", "referral.identity", "referral.attribution", "referral.status_log", "customer.refund",
	"referral.account_entry", "referral.reward_refused", "referral.offer_claim", "referral.limit_log", "referral.personal_coupon", "referral.audit", "referral.moved", "customer.audit"}

// schemaInvariants: what the catalogue itself must say.
var schemaInvariants = []invariant{
	{ID: "schema/append-only", Says: "no module may rewrite its history or its log",
		SQL: `
			select r.rolname, t.name, p.privilege
			from (select unnest(array[` + names(histories...) + `]) as name
				union all select m || '.log' from unnest(array[` + ours + `]) m
				union all select m || '.outbox' from unnest(array[` + ours + `]) m) t
			join pg_roles r on r.rolname = 'talkable_' || split_part(t.name, '.', 1)
			cross join (values ('UPDATE'), ('DELETE'), ('TRUNCATE')) p (privilege)
			where has_table_privilege(r.oid, t.name, p.privilege)
				or p.privilege = 'UPDATE' and has_any_column_privilege(r.oid, t.name, p.privilege)`},
	{ID: "schema/walls", Says: "a module's role sees its own schema and no other",
		SQL: `
			select r.rolname, n.nspname from pg_roles r
			cross join pg_namespace n
			where r.rolname = any (select 'talkable_' || m from unnest(array[` + ours + `]) m) and n.nspname in (` + ours + `)
				and has_schema_privilege(r.oid, n.oid, 'USAGE') <> (r.rolname = 'talkable_' || n.nspname)`},
	{ID: "schema/plain-roles", Says: "the modules' roles are plain: they pass no check by rank and own nothing",
		SQL: `
			select rolname, 'is above the rules' as what from pg_roles
			where rolname like 'talkable\_%' and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)
			union all
			select r.rolname, 'owns ' || c.oid::regclass::text from pg_class c
			join pg_roles r on r.oid = c.relowner join pg_namespace n on n.oid = c.relnamespace
			where r.rolname like 'talkable\_%' and n.nspname in (` + ours + `)`},
	{ID: "schema/money", Says: "money and points are whole numbers: bigint",
		SQL: `
			select table_schema, table_name, column_name, data_type from information_schema.columns
			where table_schema in (` + ours + `) and (data_type in ('real', 'double precision', 'money', 'numeric')
				or column_name ~ '^(amount|balance|balance_after|granted|remaining|clawed|expired|forgiven|points|subtotal|price|earned|refunded_total|sum)$'
					and data_type <> 'bigint')`},
	{ID: "schema/site-in-keys", Says: "every unique and foreign key of a site's rows holds the site, but for short codes, addresses of elsewhere, API keys and slugs, and how far all sites' friends are reminded",
		SQL: `
			select c.oid::regclass::text as thing from pg_class t
			join pg_namespace n on n.oid = t.relnamespace
			join pg_attribute a on a.attrelid = t.oid and a.attname = 'site_id'
			join pg_index i on i.indrelid = t.oid and i.indisunique
			join pg_class c on c.oid = i.indexrelid
			where n.nspname in (` + ours + `) and not a.attnum = any (i.indkey) and c.relname not in ('link_pkey', 'api_key_hash', 'site_slug', 'reminded_pkey', 'old_link_pkey')
			union all
			select k.conname from pg_constraint k
			join pg_namespace n on n.oid = k.connamespace
			join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'site_id'
			where n.nspname in (` + ours + `) and k.contype = 'f' and not a.attnum = any (k.conkey)`},
	{ID: "schema/logged", Says: "every table survives a crash of PostgreSQL",
		SQL: `
			select c.oid::regclass::text as thing from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname in (` + ours + `) and c.relpersistence <> 'p'`},
	{ID: "schema/views", Says: "the modules read no view, and there are none but those of the logs that people read",
		SQL: `
			select c.oid::regclass::text as thing from pg_class c join pg_namespace n on n.oid = c.relnamespace
			where n.nspname in (` + ours + `) and c.relkind in ('v', 'm') and (c.relname not in ('event', 'waiting')
				or exists (select from aclexplode(c.relacl) x where x.grantee <> c.relowner and x.grantee <> 0
					and pg_get_userbyid(x.grantee) <> 'talkable_' || n.nspname))`},
	{ID: "schema/definers", Says: "functions with their maker's rights fix their search path and are not everybody's",
		SQL: `
			select p.oid::regprocedure::text as thing from pg_proc p join pg_namespace n on n.oid = p.pronamespace
			where n.nspname in (` + ours + `) and p.prosecdef and (p.proacl is null
				or not exists (select from unnest(p.proconfig) s where s like 'search\_path=%')
				or exists (select from aclexplode(p.proacl) x where x.grantee = 0))`},
	{ID: "schema/constraints", Says: "no constraint, trigger or unique index was left out or switched off",
		SQL: `
			select conname as thing from pg_constraint k join pg_namespace n on n.oid = k.connamespace
			where n.nspname in (` + ours + `) and not k.convalidated
			union all
			select t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
			where n.nspname in (` + ours + `) and t.tgenabled <> 'O'
			union all
			select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
			where n.nspname in (` + ours + `) and not i.indisvalid
			union all
			select w.name from (values ` + wanted("customer.origin_number", "customer.refund_key", "customer.person_email_norm", "referral.referral_origin",
			"referral.referral_friend_once", "referral.reward_once", "referral.reward_click_once", "loyalty.txn_source", "loyalty.entry_pkey",
			"loyalty.member_person", "loyalty.redemption_coupon", "loyalty.allocation_pkey", "referral.coupon_code", "referral.coupon_reward_once",
			"referral.coupon_redemption_once", "referral.reward_coupon_once", "referral.payout_entry_once", "referral.account_entry_source", "referral.offer_claim_pkey",
			"referral.reward_refused_once", "referral.commission_order_once", "referral.commission_reward_once", "referral.budget_pkey", "referral.budget_entry_pkey", "referral.coupon_wait_reward_once", "referral.coupon_wait_redemption_once",
			"loyalty.account_owner", "loyalty.account_system", "notify.message_dedupe_key", "analytics.daily_pkey",
			"analytics.visitor_day_pkey") + `) w (name) where to_regclass(w.name) is null`},
	{ID: "server/durable", Says: "a commit that was answered survives: nothing that makes it so is switched off",
		SQL: `
			select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off'
			union all
			select s, null from pg_db_role_setting, unnest(setconfig) s where s ~ '^(synchronous_commit)=off'`},
}

// wanted writes names as rows of SQL.
func wanted(list ...string) string { return "('" + strings.Join(list, "'), ('") + "')" }
