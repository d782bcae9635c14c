-- +goose Up

-- What an anonymized person was asked about: decisions that name a visitor.
create index attribution_by_person on referral.attribution (site_id, person_id) where person_id <> 0 and trace -> 'candidates' <> '[]';

-- forget_visitors takes the link between people and their browsers out of what is kept: a browser that comes back under another name
-- must not tell who somebody was. Decisions, referrals and rewards stay as they are. The tables are histories that the module itself
-- can't rewrite.
-- +goose StatementBegin
create function referral.forget_visitors(sites bigint[], people bigint[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	s bigint;
	p bigint;
	origins bigint[];
begin
	for s, p in select distinct u.s, u.p from unnest(sites, people) u (s, p) order by 1, 2 loop
		delete from referral.identity where site_id = s and person_id = p;
		update referral.offer set visitor_id = null where site_id = s and person_id = p and visitor_id is not null;
		with hit as (
			select r.id from referral.referral r
			where r.site_id = s and r.id = any(array(
				select id from referral.referral where site_id = s and advocate_id = p
				union all
				select id from referral.referral where site_id = s and friend_id = p and status in ('pending', 'flagged', 'approved')
				union all
				select id from referral.referral where site_id = s and friend_id = p and status in ('voided', 'blocked')))
				and jsonb_path_exists(r.fraud, '$[*].evidence.visitor_id')
			order by r.id
			for no key update
		), blanked as (
			update referral.referral r
			set fraud = (select jsonb_agg(f.f #- '{evidence,visitor_id}' order by f.n) from jsonb_array_elements(r.fraud) with ordinality f (f, n))
			from hit where r.site_id = s and r.id = hit.id
			returning r.origin_id
		)
		select array(select origin_id from blanked) into origins;
		update referral.attribution a
		set trace = jsonb_set(jsonb_set(a.trace,
			'{candidates}', (select coalesce(jsonb_agg(c.c - 'visitor_id' order by c.n), '[]')
				from jsonb_array_elements(a.trace -> 'candidates') with ordinality c (c, n)), false),
			'{fraud}', (select coalesce(jsonb_agg(f.f #- '{evidence,visitor_id}' order by f.n), '[]')
				from jsonb_array_elements(a.trace -> 'fraud') with ordinality f (f, n)), false)
		where a.site_id = s and a.origin_id = any(origins || array(
			select origin_id from referral.attribution
			where site_id = s and person_id = p and person_id <> 0 and trace -> 'candidates' <> '[]'));
	end loop;
end $$;
-- +goose StatementEnd
revoke all on function referral.forget_visitors(bigint[], bigint[]) from public;
grant execute on function referral.forget_visitors(bigint[], bigint[]) to talkable_referral;
