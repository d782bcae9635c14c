package main

// counted compares what was counted under some keys with the facts, which a query gives as (site_id, metric, at, campaign_id,
// currency, n, v): currency null is none, empty the site's. Sites that have changed their zone or currency are left out: their days
// were cut as the zone was then.
func counted(keys []string, facts string) string {
	return `
		with place as (
			select g.site_id, g.time_zone, g.currency from gateway.site g
			where not exists (select from ` + told("gateway.site_changed.v1") + ` e where e.site = g.site_id
				and (e.p ->> 'time_zone', e.p ->> 'currency') is distinct from (g.time_zone, g.currency))
		), want as (
			select f.site_id, f.metric, (f.at at time zone p.time_zone)::date as day, coalesce(f.campaign_id, 0) as campaign_id,
				case f.currency when '' then p.currency else coalesce(f.currency, '') end as currency, sum(f.n)::bigint as n, sum(f.v)::bigint as v
			from (` + facts + `) f (site_id, metric, at, campaign_id, currency, n, v)
			join place p on p.site_id = f.site_id
			group by 1, 2, 3, 4, 5
		), got as (
			select d.site_id, d.metric, d.day, d.campaign_id, d.currency, sum(d.count)::bigint as count, sum(d.sum)::bigint as sum from analytics.daily d
			join place p on p.site_id = d.site_id
			where d.metric in (` + names(keys...) + `)
			group by 1, 2, 3, 4, 5
		)
		select site_id, metric, day, campaign_id, currency, w.n, w.v, g.count, g.sum
		from want w
		full join got g using (site_id, metric, day, campaign_id, currency)
		where coalesce(w.n, 0) <> coalesce(g.count, 0) or coalesce(w.v, 0) <> coalesce(g.sum, 0)`
}

// analyticsInvariants: every rollup equals its facts, day by day, so each fact reached analytics exactly once.
var analyticsInvariants = []invariant{
	{ID: "analytics/sales", Says: "sales, events and sign-ups are the verified origins", Settled: true,
		SQL: counted([]string{"sign_up", "events", "total_sales"}, `
			select site_id, 'sign_up', occurred_at, 0, null, 1, 0 from customer.origin where verified and type = 'AffiliateMember'
			union all
			select site_id, 'events', occurred_at, 0, null, 1, 0 from customer.origin where verified and type = 'Event'
			union all
			select site_id, 'total_sales', occurred_at, 0, currency, 1, subtotal from customer.origin where verified and type = 'Purchase'`)},
	{ID: "analytics/first-sales", Says: "first sales are one a buyer, as they were told", Settled: true,
		SQL: counted([]string{"total_first_time_sales"}, `
			select site, 'total_first_time_sales', (p ->> 'occurred_at')::timestamptz, 0, coalesce(p ->> 'currency', ''), 1, (p ->> 'subtotal')::bigint
			from `+told("customer.origin_recorded.v1")+` e
			where (p ->> 'verified')::bool and (p ->> 'first_purchase')::bool and p ->> 'type' = 'Purchase'`)},
	{ID: "analytics/first-sale-once", Says: "a buyer has one first sale",
		SQL: `
			select p.site_id, p.id, p.purchases, f.n from customer.person p
			full join (
				select site, (p ->> 'person_id')::bigint as id, count(*) as n from ` + told("customer.origin_recorded.v1") + ` e
				where (p ->> 'first_purchase')::bool and (p ->> 'verified')::bool group by 1, 2) f on f.site = p.site_id and f.id = p.id
			where coalesce(f.n, 0) <> case when p.purchases > 0 then 1 else 0 end`},
	{ID: "analytics/refunds", Says: "refunded sales are the origins that have refunds, and their sums", Settled: true,
		SQL: counted([]string{"refunded_sales"}, `
			select o.site_id, 'refunded_sales', o.occurred_at, 0, o.currency, 1, sum(r.amount)
			from customer.refund r
			join customer.origin o on o.site_id = r.site_id and o.id = r.origin_id
			group by o.site_id, o.id`)},
	{ID: "analytics/visits", Says: "visits and visitors are the visits that were recorded", Settled: true,
		SQL: counted([]string{"offers", "visits", "first_time_visits"}, `
			select site_id, 'offers', created_at, campaign_id, null, 1, 0 from referral.offer
			union all
			select site_id, 'visits', visited_at, campaign_id, null, 1, 0 from referral.visit
			union all
			select site_id, 'first_time_visits', first_at, campaign_id, null, 1, 0 from referral.friend_offer where visits > 0`)},
	{ID: "analytics/facets", Says: "visits and referred sales by channel, sales by traffic source and events by category are those of their facts", Settled: true,
		SQL: `
			with want as (
				select site_id, 'visits' as metric, channel as value, count(*) as n from referral.visit group by 1, 3
				union all
				select r.site_id, 'talkable_sales', coalesce(r.deed ->> 'channel', ''), count(*)
				from referral.status_log l
				join referral.referral r on r.site_id = l.site_id and r.id = l.referral_id where l.new = 'approved' and r.superseded = 0 group by 1, 3
				union all
				select site_id, 'total_sales', traffic_source, count(*) from customer.origin where verified and type = 'Purchase' group by 1, 3
				union all
				select site_id, 'events', category, count(*) from customer.origin where verified and type = 'Event' group by 1, 3
			), got as (
				select site_id, metric, case metric when 'total_sales' then traffic_source when 'events' then event_category else channel end as value, sum(count)::bigint as n
				from analytics.daily where metric in ('visits', 'talkable_sales', 'total_sales', 'events') group by 1, 2, 3
			)
			select site_id, metric, value, w.n, g.n as counted from want w full join got g using (site_id, metric, value) where coalesce(w.n, 0) <> coalesce(g.n, 0)`},
	{ID: "analytics/visitors", Says: "a visitor of a campaign counts once a day", Settled: true,
		SQL: counted([]string{"visits_unique"}, `
			select v.site_id, 'visits_unique', min(v.visited_at), v.campaign_id, null, 1, 0 from referral.visit v
			join gateway.site s on s.site_id = v.site_id
			group by v.site_id, v.campaign_id, v.visitor_id, (v.visited_at at time zone s.time_zone)::date`)},
	{ID: "analytics/referrals", Says: "referred, approved, blocked and voided sales are the referrals and their steps", Settled: true,
		SQL: counted([]string{"total_referred_sales", "talkable_sales", "referrals_blocked", "referrals_voided"}, `
			select r.site_id, case when l.new = 'blocked' then 'referrals_blocked' else 'total_referred_sales' end, r.occurred_at, r.campaign_id,
				case when l.new = 'blocked' then null else r.currency end, 1, case when l.new = 'blocked' then 0 else r.subtotal end
			from referral.status_log l
			join referral.referral r on r.site_id = l.site_id and r.id = l.referral_id where l.old is null and (r.superseded = 0 or l.new = 'blocked')
			union all
			select r.site_id, 'talkable_sales', r.occurred_at, r.campaign_id, r.currency, 1, r.subtotal
			from referral.status_log l
			join referral.referral r on r.site_id = l.site_id and r.id = l.referral_id where l.new = 'approved' and r.superseded = 0
			union all
			select r.site_id, 'referrals_' || l.new, l.at, r.campaign_id, null, 1, 0
			from referral.status_log l
			join referral.referral r on r.site_id = l.site_id and r.id = l.referral_id where l.old is not null and l.new in ('blocked', 'voided') and l.cause <> 'reattributed'`)},
	{ID: "analytics/rewards", Says: "rewards and commissions are those that were issued and taken back", Settled: true,
		SQL: counted([]string{"total_rewards", "ad_rewards", "fr_rewards", "commissions", "commissions_clawed_back"}, `
			select w.site_id, k.metric, w.occurred_at, w.campaign_id, case w.kind when 'commission' then w.currency end, 1,
				case w.kind when 'commission' then w.amount else 0 end
			from referral.reward w
			cross join (values ('total_rewards'), ('ad_rewards'), ('fr_rewards'), ('commissions')) k (metric)
			where case k.metric when 'ad_rewards' then w.side = 'advocate' when 'fr_rewards' then w.side = 'friend'
				when 'commissions' then w.kind = 'commission' else true end and (w.coupon_list_id is null or w.coupon_id is not null)
			union all
			select site, 'commissions_clawed_back', (p ->> 'clawed_at')::timestamptz, (p ->> 'campaign_id')::bigint, coalesce(p ->> 'currency', ''), 1,
				coalesce((p ->> 'amount')::bigint, 0)
			from `+told("referral.reward_clawed_back.v1")+` e where p ->> 'kind' = 'commission'`)},
	{ID: "analytics/points", Says: "points, members and tiers are the ledger's", Settled: true,
		SQL: counted([]string{"points_earned", "points_clawed_back", "points_expired", "members_joined", "tier_changes"}, `
			select site_id, case kind when 'earn' then 'points_earned' when 'claw_back' then 'points_clawed_back' else 'points_expired' end,
				effective_at, 0, null, 1, points
			from loyalty.txn where points > 0 and wallet is null and kind in ('earn', 'claw_back', 'expire')
			union all
			select site_id, 'members_joined', joined_at, 0, null, 1, 0 from loyalty.member m
			where coalesce((select bool_or(c.from_status = 'candidate' and c.to_status = 'active' and c.cause <> 'merged') from loyalty.member_change c
				where c.site_id = m.site_id and c.member_id = m.id having bool_or(c.from_status = '')), true) -- candidates haven't
			union all
			select site_id, 'tier_changes', changed_at, 0, null, 1, 0 from loyalty.tier_change`)},
	{ID: "analytics/told", Says: "advocates' points and e-mails are those that were told", Settled: true,
		SQL: counted([]string{"advocate_loyalty_referral_rewards", "emails_sent", "emails_failed", "emails_uncertain", "advocate_reward_paid_email_delivered"}, `
			select site, 'advocate_loyalty_referral_rewards', (p ->> 'effective_at')::timestamptz, 0, null, 1, (p ->> 'points')::bigint
			from `+told("loyalty.points_earned.v1")+` e
			where p ->> 'reason' in ('reward', 'referral') and (p ->> 'person_id')::bigint <> coalesce((p ->> 'friend_id')::bigint, 0)
			union all
			select site, 'emails_sent', (p ->> 'sent_at')::timestamptz, 0, null, 1, 0 from `+told("notify.message_sent.v1")+` e where p ->> 'channel' = 'email'
			union all
			select site, 'advocate_reward_paid_email_delivered', (p ->> 'sent_at')::timestamptz, 0, null, 1, 0
			from `+told("notify.message_sent.v1")+` e where p ->> 'template' = 'points_earned' and p ->> 'channel' = 'email'
			union all
			select site, case p ->> 'status' when 'uncertain' then 'emails_uncertain' else 'emails_failed' end, (p ->> 'failed_at')::timestamptz, 0, null, 1, 0
			from `+told("notify.message_failed.v1")+` e where p ->> 'channel' = 'email'
			union all
			select site, 'emails_uncertain', (p ->> 'uncertain_at')::timestamptz, 0, null, -1, 0
			from `+told("notify.message_sent.v1", "notify.message_failed.v1")+` e where p ->> 'uncertain_at' is not null and p ->> 'channel' = 'email'`)},
}

// notifyInvariants: messages.
var notifyInvariants = []invariant{
	{ID: "notify/once", Says: "an occasion has one message",
		SQL: `select site_id, dedupe_key, count(*) from notify.message group by 1, 2 having count(*) > 1`},
	{ID: "notify/occasions", Says: "each posting of points to an advocate has its message, and each message its posting", Settled: true,
		SQL: `
			select coalesce(m.site_id, t.site) as site_id, m.id, coalesce(m.dedupe_key, t.key) as key
			from (select * from notify.message where template = 'points_earned') m
			full join (
				select site, 'points_earned:' || (p ->> 'transaction_id') as key, (p ->> 'person_id')::bigint as person_id
				from ` + told("loyalty.points_earned.v1") + ` e
				where p ->> 'reason' in ('reward', 'referral') and (p ->> 'points')::bigint > 0
					and (p ->> 'person_id')::bigint <> coalesce((p ->> 'friend_id')::bigint, 0)) t
				on t.site = m.site_id and t.key = m.dedupe_key
			where m.id is null or t.key is null or m.person_id <> t.person_id`},
	{ID: "notify/rewards-ready", Says: "who redeemed points for what had to be waited for is written to when it is there, once", Settled: true,
		SQL: `
			select coalesce(m.site_id, t.site) as site_id, m.id, coalesce(m.dedupe_key, t.key) as key
			from (select * from notify.message where template = 'reward_ready') m
			full join (
				select distinct site, 'reward_ready:' || (p ->> 'redemption_id') as key, (p ->> 'person_id')::bigint as person_id
				from ` + told("loyalty.redemption_fulfilled.v1") + ` e where coalesce(p ->> 'kind', '') <> 'gift_card') t
				on t.site = m.site_id and t.key = m.dedupe_key
			where m.id is null or t.key is null or m.person_id <> t.person_id`},
	{ID: "notify/invited", Says: "no mail waits that asks who has answered, or whose invitation was taken back", Settled: true,
		SQL: `
			select m.site_id, m.id, m.status, i.status as invitation from notify.message m
			join loyalty.invitation i on i.site_id = m.site_id and m.dedupe_key = 'member_invited:' || i.id
			where m.status in ('queued', 'sending') and i.status in ('accepted', 'revoked')`},
	{ID: "notify/outcomes", Says: "the end of a message was told: of a sent one once, of no other that it was sent, and a doubt once until it ended",
		SQL: `
			with told as (
				select site, (p ->> 'message_id')::bigint as id, count(*) filter (where kind = 'notify.message_sent.v1') as sent,
					count(*) filter (where p ->> 'status' = 'failed') as failed,
					count(*) filter (where p ->> 'status' = 'uncertain') - count(*) filter (where p ->> 'uncertain_at' is not null) as uncertain
				from ` + told("notify.message_sent.v1", "notify.message_failed.v1") + ` e group by 1, 2
			)
			select coalesce(m.site_id, t.site) as site_id, coalesce(m.id, t.id) as id, m.status, t.sent, t.failed, t.uncertain
			from notify.message m
			full join told t on t.site = m.site_id and t.id = m.id
			where m.id is null or coalesce(t.sent, 0) <> case m.status when 'sent' then 1 else 0 end
				or m.status = 'failed' and coalesce(t.failed, 0) = 0
				or coalesce(t.uncertain, 0) <> case when m.uncertain_at is null then 0 else 1 end
				or m.status = 'uncertain' and m.uncertain_at is null
				or (m.status = 'sent') <> (m.sent_at is not null)`},
	{ID: "notify/marked", Says: "what left was marked as being handed over before, with whom it went to",
		SQL: `select site_id, id, status from notify.message where status in ('sent', 'transmitting') and (recipient is null or message_id_header is null and channel = 'email' or claim = 0)`},
	{ID: "notify/contacts", Says: "whom to write to is whom the customers' module knows", Settled: true,
		SQL: `
			select p.site_id, p.id, p.email, c.email as contact from customer.person p
			left join notify.contact c on c.site_id = p.site_id and c.person_id = p.id
			where (coalesce(p.email, ''), p.first_name, p.last_name) is distinct from (c.email, c.first_name, c.last_name)`},
	{ID: "notify/settled", Says: "no message is forgotten in somebody's hands or in the queue", Settled: true,
		SQL: `
			select site_id, id, status, next_at, lease_until from notify.message
			where lease_until < now() - interval '1 minute' or status = 'queued' and next_at < now() - interval '1 minute'`},
	{ID: "notify/texted", Says: "an SMS goes only to who agreed, and is counted for its day", Settled: true,
		SQL: `
			select m.site_id, m.id, c.opted_in_at, d.sent from notify.message m
			left join notify.sms_consent c on c.site_id = m.site_id and c.person_id = m.person_id
			left join (select site_id, sum(sent) as sent from notify.sms_day group by 1) d on d.site_id = m.site_id
			where m.channel = 'sms' and m.status in ('sent', 'uncertain') and (c.site_id is null or coalesce(d.sent, 0) < (
				select count(*) from notify.message n where n.site_id = m.site_id and n.channel = 'sms' and n.status in ('sent', 'uncertain')))`},
	{ID: "notify/delivered", Says: "a webhook that was delivered had an answer that says so, to the body that is kept",
		SQL: `
			select d.site_id, d.id, d.state, d.claim from notify.delivery d
			where d.state = 'delivered' and (d.body is null or not exists (
				select from notify.attempt a where a.site_id = d.site_id and a.delivery_id = d.id and a.status between 200 and 299))`},
	{ID: "notify/hooked", Says: "an occasion is told to an endpoint once", SQL: `
			select site_id, endpoint_id, occasion, count(*) from notify.delivery group by 1, 2, 3 having count(*) > 1`},
	{ID: "notify/deliveries", Says: "no webhook is forgotten in somebody's hands or in the queue", Settled: true,
		SQL: `
			select site_id, id, state, next_at, lease_until from notify.delivery
			where lease_until < now() - interval '1 minute' or state = 'waiting' and next_at < now() - interval '1 minute'`},
}
