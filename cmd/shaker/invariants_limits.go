package main

// livingReward is a reward that was not taken back altogether.
const livingReward = `w.status <> 'Voided'`

// limitInvariants: what campaigns have no room for. Limits of the checker's campaigns are set before anybody is rewarded and never changed.
var limitInvariants = []invariant{
	{ID: "limit/advocate", Says: "no advocate has more rewarded referrals than the campaign's limit",
		SQL: `
			select w.site_id, w.campaign_id, w.person_id, count(distinct w.referral_id) as rewarded from referral.reward w
			join referral.campaign c on c.site_id = w.site_id and c.id = w.campaign_id and c.limits ? 'advocate_total'
			where w.reason = 'referrer' and ` + livingReward + `
			group by w.site_id, w.campaign_id, w.person_id, c.limits having count(distinct w.referral_id) > (c.limits ->> 'advocate_total')::bigint`},
	{ID: "limit/refused", Says: "who is refused by a limit has had as many rewards as it allows",
		SQL: `
			select x.site_id, x.campaign_id, x.person_id, count(distinct w.referral_id) as ever from referral.reward_refused x
			join referral.campaign c on c.site_id = x.site_id and c.id = x.campaign_id
			left join referral.reward w on w.site_id = x.site_id and w.campaign_id = x.campaign_id and w.person_id = x.person_id and w.reason = 'referrer'
			where x.cause = 'limit_total'
			group by x.site_id, x.campaign_id, x.person_id, c.limits having count(distinct w.referral_id) < coalesce((c.limits ->> 'advocate_total')::bigint, 1000000)`},
	{ID: "limit/counted", Says: "an advocate's approved referrals are counted, less those that were refunded entirely",
		SQL: `
			select a.site_id, a.campaign_id, a.person_id, a.approved, count(r.id) as there from referral.advocate_count a
			left join referral.referral r on r.site_id = a.site_id and r.campaign_id = a.campaign_id and r.advocate_id = a.person_id
				and r.status = 'approved' and not r.refunded_full
			where a.approved >= 0 group by a.site_id, a.campaign_id, a.person_id, a.approved having count(r.id) <> a.approved`},
	{ID: "budget/within", Says: "a budget is never exceeded",
		SQL: `
			select b.site_id, b.campaign_id, b.spent, c.limits from referral.budget b
			join referral.campaign c on c.site_id = b.site_id and c.id = b.campaign_id
			where b.spent > (c.limits #>> '{budget,amount}')::bigint`},
	{ID: "budget/spent", Says: "a budget has spent what its rewards and its commissions of plans cost, less what came back",
		SQL: `
			select coalesce(b.site_id, e.site_id) as site_id, coalesce(b.campaign_id, e.campaign_id) as campaign_id, b.spent, e.cost
			from referral.budget b
			full join (
				select site_id, campaign_id, period, sum(cost) as cost from (
					select site_id, campaign_id, period, cost - back as cost from referral.budget_entry
					union all select site_id, campaign_id, budget_since, amount - clawed from referral.commission where budget_since is not null) c
				group by 1, 2, 3) e using (site_id, campaign_id, period)
			where coalesce(b.spent, 0) <> coalesce(e.cost, 0)`},
	{ID: "budget/charged", Says: "each reward of a campaign with a budget has cost what its incentive says, and nothing else is charged",
		SQL: `
			select coalesce(w.site_id, e.site_id) as site_id, coalesce(w.id, e.reward_id) as reward_id, w.due, e.cost
			from (
				select w.site_id, w.id, coalesce((w.rule #>> '{incentive,terms,cost}')::bigint, w.amount) as due from referral.reward w
				join referral.campaign c on c.site_id = w.site_id and c.id = w.campaign_id and c.limits ? 'budget'
				where coalesce((w.rule #>> '{incentive,terms,cost}')::bigint, w.amount) > 0) w
			full join referral.budget_entry e on e.site_id = w.site_id and e.reward_id = w.id
			where w.due is distinct from e.cost`},
	{ID: "budget/back", Says: "a reward gives its budget back the share that was taken back of it, and no more",
		SQL: `
			select e.site_id, e.reward_id, e.cost, e.back, w.status, w.clawed from referral.budget_entry e
			join referral.reward w on w.site_id = e.site_id and w.id = e.reward_id
			where e.back <> case when w.status = 'Voided' then e.cost when w.clawed = 0 then 0
				else div(e.cost::numeric * w.clawed, ` + wholeReward + `) end`},
	{ID: "claim/once", Says: "a friend claims an offer once, and it was told once",
		SQL: `
			select coalesce(c.site_id, t.site) as site_id, coalesce(c.offer_id, t.offer_id) as offer_id, coalesce(c.friend_id, t.friend_id) as friend_id, c.n, t.n as told
			from (select site_id, offer_id, friend_id, count(*) as n from referral.offer_claim group by 1, 2, 3) c
			full join (
				select site, (p ->> 'offer_id')::bigint as offer_id, (p ->> 'friend_id')::bigint as friend_id, count(*) as n
				from ` + told("referral.offer_claimed.v1") + ` e group by 1, 2, 3) t
				on t.site = c.site_id and t.offer_id = c.offer_id and t.friend_id = c.friend_id
			where (c.n, t.n) is distinct from (1::bigint, 1::bigint)`},
	{ID: "claim/offer", Says: "a claim made one friend offer, of the offer that was claimed, unless it was refused",
		SQL: `
			select c.site_id, c.offer_id, c.friend_id, c.friend_offer_id, c.reason from referral.offer_claim c
			left join referral.friend_offer f on f.site_id = c.site_id and f.id = c.friend_offer_id
			where (c.reason = '') <> (f.id is not null) or f.offer_id is distinct from case when c.reason = '' then c.offer_id end
			union all
			select c.site_id, min(c.offer_id), min(c.friend_id), c.friend_offer_id, 'twice' from referral.offer_claim c
			where c.friend_offer_id is not null group by c.site_id, c.friend_offer_id having count(*) > 1`},
}

// payoutInvariants: who is paid what of which entries.
var payoutInvariants = []invariant{
	{ID: "payout/once", Says: "an entry is open or in one live line",
		SQL: `
			select site_id, entry_id, count(*) from (
				select site_id, entry_id from referral.open_entry
				union all select site_id, entry_id from referral.payout_entry where live) e
			group by 1, 2 having count(*) > 1`},
	{ID: "payout/kept", Says: "what was earned, taken back or adjusted is open or in a live line, and nothing else is",
		SQL: `
			select coalesce(e.site_id, x.site_id) as site_id, coalesce(e.id, x.entry_id) as entry_id, e.kind, e.amount
			from (select * from referral.account_entry where kind in ('earned', 'clawed_back', 'adjusted') and amount <> 0) e
			full join (
				select site_id, entry_id from referral.open_entry where amount <> 0
				union select site_id, entry_id from referral.payout_entry where live) x on x.site_id = e.site_id and x.entry_id = e.id
			where e.id is null or x.entry_id is null`},
	{ID: "payout/line", Says: "a line pays its entries, which are its person's, or of an account that was gathered into it, and its currency's; they are its own until it failed or was cancelled",
		SQL: `
			select l.site_id, l.id, l.status, l.amount, x.amount as of_entries from referral.payout_line l
			join referral.payout_batch b on b.site_id = l.site_id and b.id = l.batch_id
			left join (
				select x.site_id, x.line_id, sum(e.amount) as amount, bool_and(x.live) as all_live, bool_or(x.live) as any_live,
					bool_and(e.person_id = y.person_id or m.id is not null) as its, min(e.currency) as currency, count(distinct e.currency) as n
				from referral.payout_entry x
				join referral.account_entry e on e.site_id = x.site_id and e.id = x.entry_id
				join referral.payout_line y on y.site_id = x.site_id and y.id = x.line_id
				left join referral.account_entry m on m.site_id = x.site_id and m.source = 'payout:' || x.line_id || ':' || e.person_id || ':out'
				group by 1, 2) x
				on x.site_id = l.site_id and x.line_id = l.id
			where (x.amount, x.its, x.currency, x.n) is distinct from (l.amount::numeric, true, b.currency, 1::bigint)
				or case when l.status in ('failed', 'cancelled') then x.any_live else not x.all_live end`},
	{ID: "payout/paid", Says: "what left an account are its paid lines",
		SQL: `
			select coalesce(e.site_id, l.site_id) as site_id, coalesce(e.line_id, l.id) as line_id, e.amount, l.amount as paid
			from (select site_id, line_id, sum(amount) as amount from referral.account_entry where line_id is not null group by 1, 2) e
			full join (select * from referral.payout_line) l on l.site_id = e.site_id and l.id = e.line_id
			where coalesce(e.amount, 0) <> case when l.status = 'paid' then -l.amount else 0 end`},
	{ID: "payout/batch", Says: "a batch is its lines, and at an end when they are",
		SQL: `
			select b.site_id, b.id, b.status, b.lines, b.amount, l.n, l.amount as of_lines from referral.payout_batch b
			left join (
				select site_id, batch_id, count(*) as n, sum(amount) as amount, count(*) filter (where status in ('pending', 'sent')) as open
				from referral.payout_line group by 1, 2) l on l.site_id = b.site_id and l.batch_id = b.id
			where (b.lines::bigint, b.amount::numeric) is distinct from (l.n, l.amount) or (l.open = 0) <> (b.status in ('done', 'cancelled'))`},
	{ID: "payout/rewards", Says: "a commission is Paid when the line that holds it was", Settled: true,
		SQL: `
			select w.site_id, w.id, w.status, l.status as of_line from referral.reward w
			join referral.commission c on c.site_id = w.site_id and c.reward_id = w.id
			join referral.account_entry e on e.site_id = c.site_id and e.commission_id = c.id and e.kind = 'earned'
			left join referral.payout_entry x on x.site_id = e.site_id and x.entry_id = e.id and x.live
			left join referral.payout_line l on l.site_id = x.site_id and l.id = x.line_id
			where w.kind = 'commission' and w.status <> case when w.clawed = w.amount then 'Voided' when l.status = 'paid' then 'Paid' else 'Unpaid' end`},
	{ID: "payout/held", Says: "what is on hold is in no payout",
		SQL: `
			select x.site_id, x.line_id, c.id, c.hold_until from referral.payout_entry x
			join referral.account_entry e on e.site_id = x.site_id and e.id = x.entry_id
			join referral.commission c on c.site_id = e.site_id and c.id = e.commission_id
			where x.live and c.held`},
}
