-- How the filled database is loaded. A step begins with "--- lane weight what"; the steps of a lane run one after the other, lane 0
-- first, lanes 1 and 2 at the same time, and lane 3 at the end. {people}, {visits} and {entries} are filled in.
--
-- Persons of a site are its numbers first+1 … first+people. The first fifth are advocates, with an offer each; the next fifth are
-- buyers, who came by a link and bought once. Whatever one of them has one of bears the person's number: offer, origin, referral,
-- reward, member, account; the friend's coupon of a claim that of a person who is "advocates" before, the commission's reward one
-- that is "buyers" after. Advocates have no address any more, as in the empty database, so that no mail leaves. Everybody has points from before (100 at a time); an advocate has 500 for each buyer besides.

--- 0 1 plan
update bench.site s set first = f.first, people = f.people, advocates = f.people / 5, buyers = f.people / 5,
	visitors = greatest(f.people * {visits} / {people} / 2, f.people / 5),
	txns = greatest(f.people * {entries} / {people} / 2, f.people / 5)
from (
	select n, people, 10000 + coalesce(sum(people) over (order by n rows between unbounded preceding and 1 preceding), 0)::bigint as first
	from (select n, greatest(10, floor({people} * ln((n + 1)::float8 / n) / ln(count(*) over () + 1)))::bigint as people from bench.site) p
) f where f.n = s.n;
update bench.site s set first_txn = f.first_txn, held = s.txns - s.buyers
from (select n, 10000 + coalesce(sum(txns) over (order by n rows between unbounded preceding and 1 preceding), 0)::bigint as first_txn from bench.site) f
where f.n = s.n;
update bench.site s set campaign_id = c.id from referral.campaign c where c.site_id = s.site_id;
update bench.site s set incentive_id = i.id from referral.incentive i where i.site_id = s.site_id;
update bench.site s set program_id = p.id, tiers_version = p.tiers_version from loyalty.program p where p.site_id = s.site_id;
update bench.site s set issued = a.id from loyalty.account a where a.site_id = s.site_id and a.owner_id is null and a.name = 'issued';
create function bench.code(kind text, id bigint) returns text language sql immutable parallel safe as
	$$ select kind || lpad(to_hex((id * 2654435761) & 68719476735), 9, '0') $$;
create function bench.day(m bigint, of bigint) returns timestamptz language sql stable parallel safe as
	$$ select current_date::timestamp at time zone 'UTC' + ((m - 1) * 390 / of - 391) * interval '1 day' $$;
select referral.add_visit_days(current_date - 395 + 80 * d, current_date - 316 + 80 * d) from generate_series(0, 4) d;

--- 0 6 visitors
create unlogged table bench.visitor as
select s.n, s.site_id, s.campaign_id, m, at, s.first + 1 + m * 7919 % s.advocates as offer_id,
	(lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(m & 4095), 3, '0') || '8' || lpad(to_hex(s.n), 3, '0')
		|| lpad(to_hex(m), 12, '0'))::uuid as uuid
from bench.site s cross join lateral generate_series(1, s.visitors) m
cross join lateral (select bench.day(m, s.visitors) + m * 7919 % 36000 * interval '1 second' as at) d;

--- 0 3 buyers
create unlogged table bench.buyer as
select s.n, v.site_id, v.campaign_id, j, s.first + s.advocates + j as id, s.first_txn + s.held + j as txn_id, v.uuid, v.offer_id, v.at + interval '1 hour' as seen_at,
	v.at + interval '2 hours' as at, 500 + j * 37 % 20000 as subtotal, row_number() over (partition by s.n, v.offer_id order by j) as nth
from bench.site s cross join lateral generate_series(1, s.buyers) j
join bench.visitor v on v.n = s.n and v.m = j * (s.visitors / s.buyers);
analyze bench.buyer;

--- 1 8 persons
insert into customer.person (site_id, id, email, email_norm, customer_id, first_name, purchases, created_at) overriding system value
select s.site_id, s.first + j, p.email, p.email, case when p.email is null then 'a' || s.first + j end, 'P', (j > s.advocates and j <= s.advocates + s.buyers)::int,
	bench.day(j, s.people)
from bench.site s cross join lateral generate_series(1, s.people) j
cross join lateral (select case when j > s.advocates then 'p' || s.first + j || '@bench.example' end as email) p;

--- 1 4 origins
insert into customer.origin (site_id, id, type, category, number, person_id, visitors, subtotal, currency, coupon_codes, campaign_tags, traffic_source, segments,
	utm, ip, user_agent, shipping_address, shipping_zip, verified, digest, occurred_at, recorded_at) overriding system value
select site_id, id, 'Purchase', '', 'G' || id, id, array[uuid], subtotal, 'USD', '{}', '{}', '', '{}', '{}', '', '', '', '', true, sha256(int8send(id)), at, at
from bench.buyer;
insert into customer.visitor (site_id, uuid, person_id, created_at) select site_id, uuid, id, at from bench.buyer;

--- 1 3 offers
insert into referral.offer (site_id, id, campaign_id, version, person_id, code, share_code, claim_code, created_at) overriding system value
select s.site_id, s.first + j, s.campaign_id, 1, s.first + j, bench.code('k', s.first + j), bench.code('g', s.first + j), bench.code('h', s.first + j), bench.day(1, s.people)
from bench.site s cross join lateral generate_series(1, s.advocates) j;
insert into referral.link (site_id, code, offer_id, kind, channel, created_at)
select o.site_id, l.code, o.id, l.kind, '', o.created_at
from referral.offer o cross join lateral (values ('share', o.share_code), ('claim', o.claim_code)) l (kind, code);

--- 1 25 visits
insert into referral.visit (site_id, offer_id, campaign_id, visitor_id, channel, live, visited_at)
select site_id, offer_id, campaign_id, uuid, '', true, at + h * interval '1 hour' from bench.visitor cross join generate_series(0, 1) h;

--- 1 10 friend offers
insert into referral.friend_offer (site_id, offer_id, campaign_id, visitor_id, visits, first_at, last_at)
select site_id, offer_id, campaign_id, uuid, 2, at, at + interval '1 hour' from bench.visitor;

--- 1 8 referrals
insert into referral.identity (site_id, visitor_id, person_id, learned_at) select site_id, uuid, id, at from bench.buyer;
insert into referral.referral (site_id, id, campaign_id, offer_id, origin_id, advocate_id, friend_id, status, cause, track_method, subtotal, currency, fraud,
	occurred_at, created_at, updated_at) overriding system value
select site_id, id, campaign_id, offer_id, id, offer_id, id, 'approved', 'automatic', 'cookie', subtotal, 'USD',
	'[{"rule": "self_referral_by_email_or_visitor", "label": "Matching Email or Cookie on Friend Purchase", "verdict": "passed", "version": 1}]', at, at, at
from bench.buyer;
insert into referral.attribution (site_id, origin_id, person_id, outcome, reason, method, offer_id, referral_id, trace, occurred_at, decided_at)
select site_id, id, id, 'referred', 'last_touch', 'cookie', offer_id, id, jsonb_build_object('rule', 'last_touch/1', 'candidates', jsonb_build_array(
	jsonb_build_object('offer_id', offer_id, 'campaign_id', campaign_id, 'method', 'cookie', 'visitor_id', uuid, 'touched_at', seen_at, 'kept', true, 'cause', 'last_touch'))), at, at
from bench.buyer;

--- 1 5 rewards
insert into referral.reward (site_id, id, campaign_id, incentive_id, referral_id, origin_id, person_id, friend_id, side, reason, kind, status, points, amount, currency,
	coupon_code, rule, occurred_at, issued_at, updated_at) overriding system value
select b.site_id, b.id, b.campaign_id, s.incentive_id, b.id, b.id, b.offer_id, b.id, 'advocate', 'referrer', 'points', 'Paid', 500, 0, '', '',
	'{"campaign_version": 1, "points": 500}', b.at, b.at, b.at
from bench.buyer b join bench.site s using (n);

--- 1 8 claims
insert into referral.offer_claim (site_id, offer_id, friend_id, campaign_id, advocate_id, friend_offer_id, reason, claimed_at)
select b.site_id, b.offer_id, b.id, b.campaign_id, b.offer_id, f.id, '', b.seen_at
from bench.buyer b join referral.friend_offer f on (f.site_id, f.visitor_id, f.offer_id) = (b.site_id, b.uuid, b.offer_id);
insert into referral.page_claim (site_id, offer_id, visitor_id, campaign_id, friend_id, friend_offer_id, opted_in, ip, device, claimed_at)
select c.site_id, c.offer_id, b.uuid, c.campaign_id, c.friend_id, c.friend_offer_id, false, '', '', c.claimed_at
from referral.offer_claim c join bench.buyer b on (b.site_id, b.id) = (c.site_id, c.friend_id) where b.j % 2 = 0;

--- 1 8 coupons
insert into referral.coupon_list (site_id, id, name, kind, basis_points, amount, currency, created_at, updated_at) overriding system value
select site_id, n, 'Five', 'single-use', 0, 500, 'USD', bench.day(1, 2), bench.day(1, 2) from bench.site;
insert into referral.coupon (site_id, id, list_id, code, single_use, reward_id, person_id, issued_at, created_at) overriding system value
select b.site_id, b.id, b.n, 'GIVEN' || b.id, true, b.id - s.advocates, b.id, b.seen_at, bench.day(1, 2) from bench.buyer b join bench.site s using (n);
insert into referral.coupon (site_id, id, list_id, code, single_use, created_at) overriding system value
select s.site_id, s.first + s.advocates + s.buyers + j, s.n, 'FREE' || s.first + j, true, bench.day(1, 2) from bench.site s cross join lateral generate_series(1, s.people - s.advocates - s.buyers) j;
insert into referral.coupon_stock (site_id, list_id, slot, added, issued) select site_id, n, 0, people - advocates, buyers from bench.site;
insert into referral.reward (site_id, id, campaign_id, incentive_id, friend_offer_id, person_id, friend_id, side, reason, kind, status, points, amount, currency,
	coupon_code, coupon_list_id, coupon_id, rule, occurred_at, issued_at, updated_at) overriding system value
select b.site_id, b.id - s.advocates, b.campaign_id, s.incentive_id, c.friend_offer_id, b.id, b.id, 'friend', 'click', 'coupon', 'Paid', 0, 500, 'USD',
	'GIVEN' || b.id, b.n, b.id, '{"campaign_version": 1}', b.seen_at, b.seen_at, b.seen_at
from bench.buyer b join bench.site s using (n) join referral.offer_claim c on (c.site_id, c.friend_id) = (b.site_id, b.id);

--- 1 12 commissions
insert into referral.reward (site_id, id, campaign_id, incentive_id, referral_id, origin_id, person_id, friend_id, side, reason, kind, status, points, amount, currency,
	coupon_code, rule, occurred_at, issued_at, updated_at) overriding system value
select b.site_id, b.id + s.buyers, b.campaign_id, s.incentive_id + 1000000, b.id, b.id, b.offer_id, b.id, 'advocate', 'referrer', 'commission', 'Paid', 0, 100, 'USD', '',
	'{"campaign_version": 1, "amount": 100}', b.at, b.at, b.at
from bench.buyer b join bench.site s using (n);
insert into referral.commission (site_id, id, person_id, friend_id, origin_id, referral_id, campaign_id, incentive_id, reward_id, nth, orders, status, subtotal, order_currency,
	base, percent_amount, fixed_amount, currency, amount, explain, occurred_at, approved_at, created_at, updated_at) overriding system value
select b.site_id, b.id, b.offer_id, b.id, b.id, b.id, b.campaign_id, s.incentive_id + 1000000, b.id + s.buyers, 1, 1, 'earned', b.subtotal, 'USD',
	b.subtotal, 0, 100, 'USD', 100, '{"base": "subtotal"}', b.at, b.at, b.at, b.at
from bench.buyer b join bench.site s using (n);
insert into referral.account (site_id, person_id, currency, seq, balance) select site_id, offer_id, 'USD', count(*), 100 * count(*) from bench.buyer group by 1, 2;
insert into referral.account_entry (site_id, id, person_id, currency, seq, kind, amount, held, balance_after, held_after, source, commission_id, at) overriding system value
select site_id, id, offer_id, 'USD', nth, 'earned', 100, 0, 100 * nth, 0, 'commission:' || id, id, at from bench.buyer;
insert into referral.open_entry (site_id, entry_id, person_id, currency, amount, commission_id, held) select site_id, id, offer_id, 'USD', 100, id, false from bench.buyer;

--- 1 6 decisions
insert into referral.audit (site_id, key_id, action, subject, subject_id, before, after, at)
select site_id, 0, 'referral.approved', 'referral', id, '{"status": "pending", "cause": "created"}', '{"status": "approved", "cause": "manual"}', at from bench.buyer;
insert into referral.reward_refused (site_id, campaign_id, incentive_id, referral_id, origin_id, person_id, side, reason, kind, cause, detail, rule, occurred_at, refused_at)
select b.site_id, b.campaign_id, s.incentive_id, b.id, b.id, b.id, 'friend', 'referred', 'coupon', (array['subtotal', 'criteria', 'budget'])[1 + b.j % 3], '', '{"campaign_version": 1}', b.at,
	now() - b.j % 60 * interval '1 day'
from bench.buyer b join bench.site s using (n);

--- 1 8 contacts
insert into notify.contact (site_id, person_id, email, first_name, last_name, changed_at)
select site_id, id, coalesce(email, ''), first_name, last_name, created_at from customer.person;

--- 1 4 messages
insert into notify.message (site_id, person_id, channel, template, template_version, dedupe_key, data, status, attempts, since, next_at, queued_at, sent_at, body_dropped_at)
select site_id, offer_id, 'email', 'points_earned', 1, 'points_earned:' || txn_id, jsonb_build_object('points', 500, 'reason', 'reward', 'referral_id', id), 'sent', 1,
	at, at, at, at, at + interval '1 day'
from bench.buyer;

--- 2 8 members
insert into loyalty.member (site_id, id, person_id, earned, tiers_version, joined_at) overriding system value
select s.site_id, s.first + j, s.first + j, 100 * (s.held / s.people + (j <= s.held % s.people)::int) + 500 * coalesce(r.n, 0), s.tiers_version, bench.day(1, s.people)
from bench.site s cross join lateral generate_series(1, s.people) j
left join (select offer_id, count(*) as n from bench.buyer group by 1) r on r.offer_id = s.first + j;
insert into loyalty.account (site_id, id, owner_id, name, asset, balance, seq) overriding system value
select s.site_id, m.id, m.id, 'member', 'points', m.earned, s.held / s.people + (m.id - s.first <= s.held % s.people)::int + coalesce(r.n, 0)
from bench.site s join loyalty.member m using (site_id)
left join (select offer_id, count(*) as n from bench.buyer group by 1) r on r.offer_id = m.id;
update loyalty.account a set seq = s.txns, balance = -100 * s.held - 500 * s.buyers from bench.site s where a.site_id = s.site_id and a.id = s.issued;

--- 2 20 transactions
insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, rule, effective_at, recorded_at)
select s.site_id, s.first_txn + i, s.first + 1 + (i - 1) % s.people, 'earn', 'history:' || s.first_txn + i, 'purchase', 100, s.rule, d.at, d.at
from (select *, '{"rule":"purchase","program_id":' || program_id || ',"version":1,"points":100}' as rule from bench.site) s
cross join lateral generate_series(1, s.held) i cross join lateral (select bench.day(i, s.held) as at) d;
insert into loyalty.txn (site_id, id, member_id, kind, source, reason, points, origin_id, referral_id, reward_id, rule, effective_at, recorded_at)
select b.site_id, b.txn_id, b.offer_id, 'earn', 'reward:' || b.id, 'reward', 500, b.id, b.id, b.id,
	'{"rule":"reward","program_id":' || s.program_id || ',"version":1,"reward_points":500,"points":500}', b.at, b.at
from bench.buyer b join bench.site s using (n);

--- 2 25 entries
insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
select s.site_id, s.first_txn + i, e.account_id, 'points', e.amount, e.seq, e.amount * e.seq
from bench.site s cross join lateral generate_series(1, s.held) i
cross join lateral (values (s.first + 1 + (i - 1) % s.people, 100::bigint, 1 + (i - 1) / s.people), (s.issued, -100::bigint, i)) e (account_id, amount, seq);
insert into loyalty.entry (site_id, txn_id, account_id, asset, amount, seq, balance_after)
select b.site_id, b.txn_id, e.account_id, 'points', e.amount, e.seq, e.balance_after
from bench.buyer b join bench.site s using (n)
cross join lateral (select s.held / s.people + (b.offer_id - s.first <= s.held % s.people)::int as q) h
cross join lateral (values (b.offer_id, 500::bigint, h.q + b.nth, 100 * h.q + 500 * b.nth), (s.issued, -500::bigint, s.held + b.j, -100 * s.held - 500 * b.j)) e (account_id, amount, seq, balance_after);

--- 2 12 lots
insert into loyalty.lot (site_id, id, account_id, granted, remaining) select site_id, id, member_id, points, points from loyalty.txn;

--- 2 8 deliveries
insert into notify.endpoint (site_id, id, url, style, description, enabled, secret, disabled_at, disabled_reason, created_at, changed_at) overriding system value
select site_id, n, 'https://hooks.example/' || n, 'standard', '', false, '\x00', now(), 'merchant', now(), now() from bench.site;
insert into notify.delivery (site_id, id, endpoint_id, type, occasion, message_id, person_id, friend_id, data, body, state, reason, attempts, claim, next_at, occurred_at, created_at, queued_at,
	delivered_at, failed_at, last_status) overriding system value
select b.site_id, 2 * b.id + k, b.n, t.type, t.type || ':' || b.id, 'msg_' || 2 * b.id + k, b.offer_id, b.id, jsonb_build_object('referral_id', b.id), '{"type": "' || t.type || '"}',
	case when b.j % 100 = 0 then 'failed' else 'delivered' end, case when b.j % 100 = 0 then 'gave_up' end, 1, 1, d.at, d.at, d.at, d.at,
	case when b.j % 100 > 0 then d.at end, case when b.j % 100 = 0 then d.at end, case when b.j % 100 = 0 then 500 else 200 end
from bench.buyer b cross join lateral (values (0, 'referral.approved'), (1, 'reward.issued')) t (k, type) cross join lateral (select now() - b.j % 20 * interval '1 day' as at) d;
insert into notify.attempt (site_id, delivery_id, number, started_at, milliseconds, status) select site_id, id, 1, created_at, 20, last_status from notify.delivery;

--- 3 12 rollups
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
with v as (select site_id, (visited_at at time zone 'UTC')::date as day, campaign_id, count(*) as n from referral.visit group by 1, 2, 3)
select site_id, k.metric, day, campaign_id, '', n / k.share, 0 from v cross join (values ('visits', 1), ('visits_unique', 2), ('first_time_visits', 2)) k (metric, share);
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
with o as (select site_id, (occurred_at at time zone 'UTC')::date as day, currency, count(*) as n, sum(subtotal) as sum from customer.origin group by 1, 2, 3)
select site_id, metric, day, 0, currency, n, sum from o cross join (values ('total_sales'), ('total_first_time_sales')) k (metric);
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
with r as (select site_id, (occurred_at at time zone 'UTC')::date as day, campaign_id, currency, count(*) as n, sum(subtotal) as sum from referral.referral group by 1, 2, 3, 4)
select site_id, metric, day, campaign_id, currency, n, sum from r cross join (values ('total_referred_sales'), ('talkable_sales')) k (metric);
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
with w as (select site_id, (occurred_at at time zone 'UTC')::date as day, campaign_id, count(*) as n from referral.reward group by 1, 2, 3)
select site_id, metric, day, campaign_id, '', n, 0 from w cross join (values ('total_rewards'), ('ad_rewards')) k (metric);
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
select site_id, 'offers', (created_at at time zone 'UTC')::date, campaign_id, '', count(*), 0 from referral.offer group by 1, 3, 4;
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
select site_id, 'points_earned', (effective_at at time zone 'UTC')::date, 0, '', count(*), sum(points) from loyalty.txn group by 1, 3;
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
select site_id, 'advocate_loyalty_referral_rewards', (effective_at at time zone 'UTC')::date, 0, '', count(*), sum(points) from loyalty.txn where reason = 'reward' group by 1, 3;
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
select site_id, 'members_joined', (joined_at at time zone 'UTC')::date, 0, '', count(*), 0 from loyalty.member group by 1, 3;
insert into analytics.daily (site_id, metric, day, campaign_id, currency, count, sum)
with m as (select site_id, (sent_at at time zone 'UTC')::date as day, count(*) as n from notify.message where status = 'sent' group by 1, 2)
select site_id, metric, day, 0, '', n, 0 from m cross join (values ('emails_sent'), ('advocate_reward_paid_email_delivered')) k (metric);
insert into analytics.visitor_day (site_id, day, campaign_id, visitor_id)
select site_id, (at at time zone 'UTC')::date, campaign_id, uuid::text from bench.visitor where at >= now() - interval '62 days';
drop table bench.visitor, bench.buyer;

--- 3 1 numbers
select setval(pg_get_serial_sequence(t, 'id'), (select 10000 + max(first + people) from bench.site)) from unnest(array['customer.person', 'customer.origin', 'referral.offer',
	'referral.referral', 'referral.reward', 'loyalty.member', 'loyalty.account']) t;
select setval(pg_get_serial_sequence(t, 'id'), (select 10000 + 2 * max(first + people) from bench.site)) from unnest(array['referral.coupon', 'referral.coupon_list', 'referral.commission',
	'referral.account_entry', 'notify.delivery', 'notify.endpoint']) t;
select setval('loyalty.txn_id_seq', (select 10000 + max(first_txn + txns) from bench.site));
