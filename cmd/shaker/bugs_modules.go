package main

var moduleBugs = []bug{
	{Name: "key-outside", Says: "a refund's Idempotency-Key is taken in a transaction of its own: who dies after it leaves a key without an answer",
		Edits: []edit{
			{"internal/customer/refund.go", "		claimed, err := idempotency.TakeOne(ctx, u.Tx, \"customer\", u.Now, s.ID, in.Idempotency)\n", `		var claimed idempotency.Claimed
		err := postgres.InTx(ctx, m.outbox.DB(), func(tx *sqlx.Tx) (err error) {
			claimed, err = idempotency.TakeOne(ctx, tx, "customer", u.Now, s.ID, in.Idempotency)
			return err
		})
`},
			{"internal/customer/refund.go", "	\"github.com/talkable/talkable/internal/bus\"\n", "	\"github.com/jmoiron/sqlx\"\n\n	\"github.com/talkable/talkable/internal/bus\"\n	\"github.com/talkable/talkable/internal/postgres\"\n"},
		}},
	{Name: "key-any-body", Says: "an Idempotency-Key that comes with another request gets the first one's answer",
		Edits: []edit{
			{"internal/idempotency/idempotency.go", "		if h.Fingerprint != claims[i].Key.Fingerprint {", "		if false {"},
			{"internal/idempotency/idempotency.go", "			if claims[j].Key.Fingerprint != c.Key.Fingerprint {", "			if j < 0 {"},
		}},
	{Name: "key-of-all-sites", Says: "answers are kept with a key whichever site's it is: twins that use the same keys get each other's",
		Edits: []edit{{"internal/idempotency/idempotency.go", "		where i.site_id = u.s and i.key = u.k`, schema), pq.Array(sites), pq.Array(keys), pq.Array(bodies))", "		where i.key = u.k`, schema), pq.Array(sites), pq.Array(keys), pq.Array(bodies))"}}},
	{Name: "order-conflict-ignored", Says: "an order that another replica has just recorded is taken for recorded: both answer and tell",
		Edits: []edit{{"internal/customer/store_origin.go", "		returning site_id, id, type, category, number`, string(rows))", "		on conflict do nothing\n		returning site_id, id, type, category, number`, string(rows))"}}},
	{Name: "order-twice", Says: "an order number is not unique: told to both replicas at once it is there twice",
		Edits: []edit{{"migrations/customer/00010_init.sql", "	constraint origin_number unique (site_id, type, category, number),\n", ""}}},
	{Name: "origin-of-any-site", Says: "an origin is found by its number in whichever site: refunds and reads stray to the twin",
		Edits: []edit{
			{"internal/customer/store_origin.go", "where o.site_id = $1 and o.id = (", "where o.id = ("},
			{"internal/customer/store_origin.go", "join customer.origin f on f.site_id = $1 and f.type = k.type", "join customer.origin f on $1::bigint is not null and f.type = k.type"},
		}},
	{Name: "person-of-any-site", Says: "a person is found by e-mail in whichever site: balances and histories stray to the twin",
		Edits: []edit{
			{"internal/customer/store_person.go", "1 as place from customer.person where site_id = $1 and email_norm = $2", "1 as place from customer.person where $1::bigint is not null and email_norm = $2"},
		}},
	{Name: "rewards-of-any-site", Says: "the rewards of a visitor are looked for in all sites: twins have visitors in common",
		Edits: []edit{{"internal/referral/store_reward.go", "			where w.site_id = $1 and w.visitor_id = $2::uuid\n", "			where w.visitor_id = $2::uuid\n"}}},
	{Name: "refund-unlocked", Says: "a refund reads, adds and writes without a lock: three refunds of 60 % at once",
		Edits: []edit{{"internal/customer/refund.go", `"for no key update"`, `""`}}},
	{Name: "refund-per-part", Says: "loyalty rounds what each refund takes instead of what all of them do",
		Edits: []edit{
			{"internal/loyalty/clawback.go", "Part: r.RefundedTotal", "Part: r.Refunded"},
			{"internal/loyalty/ledger.go", "	before, after := own.Clawed, c.due(own.Granted)\n", "	before, after := own.Clawed, c.due(own.Granted)\n	if c.Whole > 0 && !c.Full {\n		after += before\n	}\n"},
		}},
	{Name: "reward-refund-per-part", Says: "referral takes the share of each refund, as far as it was heard at once, from the whole reward, rounded each time",
		Edits: []edit{{"internal/referral/reward.go", "	target, voided := w.clawed(r.RefundedTotal, r.Subtotal, r.RefundedFull)\n", "	target, voided := w.clawed(r.RefundedTotal, r.Subtotal, r.RefundedFull)\n	if !voided {\n		target = max(target-target%7, w.Clawed)\n	}\n"}}},
	{Name: "ledger-unlocked", Says: "balances are read without a lock, and nothing numbers the entries of an account but the reader: purchases and rewards of one person at once",
		Edits: []edit{
			{"internal/loyalty/store_member.go", `return holdersOf(ctx, tx, people, "for update")`, `return holdersOf(ctx, tx, people, "offset 0")`},
			{"internal/loyalty/store_ledger.go", "			order by site_id, name, asset\n			for update\n", "			order by site_id, name, asset\n"},
			{"migrations/loyalty/00010_init.sql", "constraint entry_pkey primary key (site_id, account_id, seq)", "constraint entry_pkey primary key (site_id, account_id, seq, txn_id)"},
		}},
	{Name: "balance-before", Says: "an entry keeps the balance before it as the one after it",
		Edits: []edit{{"internal/loyalty/ledger.go", "BalanceAfter: sum, Wallet", "BalanceAfter: sum - amount, Wallet"}}},
	{Name: "points-refund-skipped", Says: "a claw-back of a reward is not heard by loyalty when the reward is gone altogether",
		Edits: []edit{{"internal/loyalty/consume.go", "		if e.Body.Kind == referralevent.Points {", "		if e.Body.Kind == referralevent.Points && !e.Body.Full {"}}},
	{Name: "reward-too-early", Says: "rewards are given when a referral is made, whether or not it is approved",
		Edits: []edit{{"internal/referral/origin.go", "		if r.Status == referralevent.Approved {\n			approved", "		if r.Status != referralevent.Blocked {\n			approved"}}},
	{Name: "reward-twice", Says: "a referral is approved without a lock, and nothing makes its rewards unique: approved at both replicas at once",
		Edits: []edit{
			{"migrations/referral/00010_init.sql", "create unique index reward_once on", "create index reward_once on"},
			{"internal/referral/store_referral.go", "		order by r.site_id, r.id\n		for update of r`, pq.Array(sites), pq.Array(origins))", "		order by r.site_id, r.id`, pq.Array(sites), pq.Array(origins))"},
		}},
	{Name: "approved-after-void", Says: "a voided referral may be approved",
		Edits: []edit{
			{"internal/referral/referral.go", "		return false // approved and voided are final\n", "		return from == referralevent.Voided && to == referralevent.Approved\n"},
			{"migrations/referral/00010_init.sql", "		or old.status = 'blocked' and new.status = 'pending') then", "		or old.status = 'blocked' and new.status = 'pending' or old.status = 'voided' and new.status = 'approved') then"},
		}},
	{Name: "self-referral", Says: "who buys by the own link is taken for a friend",
		Edits: []edit{
			{"internal/referral/fraud.go", "	case advocate == friend:", "	case advocate == friend && false:"},
			{"internal/referral/fraud.go", "	case len(advocateSeen) > 0:", "	case len(advocateSeen) > 1:"},
		}},
	{Name: "page-earns-reward", Says: "referral takes what only a browser told of for an order: pages that say that a friend buys, and nobody confirms it",
		Edits: []edit{{"internal/referral/origin.go", "		if !e.Body.Verified {", "		if e.Body.SiteID == 0 {"}}},
	{Name: "page-earns-points", Says: "loyalty takes what only a browser told of for an order",
		Edits: []edit{{"internal/loyalty/consume.go", "return o.Verified && o.PersonID != 0", "return o.PersonID != 0"}}},
	{Name: "refund-before-approval", Says: "what was refunded before a referral was approved is not taken from its rewards",
		Edits: []edit{{"internal/referral/reward_issue.go", "		if r != nil {\n			if told := w.clawBack(r", "		if r != nil && r.Cause != causeManual {\n			if told := w.clawBack(r"}}},
	{Name: "partial-refund-skipped", Says: "only a refund of all takes rewards back",
		Edits: []edit{{"internal/referral/refund.go", "			if approved = append(approved, r); partly && r.RefundedFull {\n", "			if r.RefundedFull {\n				approved = append(approved, r)\n			}\n			if partly && r.RefundedFull {\n"}}},
	{Name: "visit-untold", Says: "of a visitor who comes again nothing is told: visits are lost on the way to the numbers",
		Edits: []edit{
			{"internal/referral/visit.go", "		told[site].Visits = append(told[site].Visits, referralevent.Visit{", "		if v.live && !first {\n			continue\n		}\n		told[site].Visits = append(told[site].Visits, referralevent.Visit{"},
			{"internal/referral/visit.go", "		u.Tell(site, \"visits:\"", "		if len(told[site].Visits) == 0 {\n			continue\n		}\n		u.Tell(site, \"visits:\""},
		}},
	{Name: "visit-later", Says: "the visitor is led on, with a number that nothing stands behind yet, before the visit is written: a kill loses it",
		Only: []string{"kill", "kill-both"},
		Edits: []edit{
			{"internal/referral/visit_http.go", "	done, err := m.visits.Do(ctx, *v)\n", "	done, err := visited{friendOffer: 1}, error(nil)\n	go func(ctx context.Context, v visit) {\n		time.Sleep(200 * time.Millisecond)\n		_, _ = m.visits.Do(ctx, v)\n	}(context.WithoutCancel(ctx), *v)\n"},
		}},
	{Name: "visitors-every-time", Says: "a visitor counts as new each time that the rollup hears of him",
		Edits: []edit{{"internal/analytics/store.go", "		on conflict on constraint visitor_day_pkey do nothing\n", "		on conflict on constraint visitor_day_pkey do update set visitor_id = excluded.visitor_id\n"}}},
	{Name: "mail-before-mark", Says: "a mail is handed over before its message is marked: a worker that is killed in between sends it again",
		Only: []string{"failpoints"},
		Edits: []edit{
			{"internal/notify/worker.go", `	mine, err := startTransmission(ctx, w.DB, j, l, w.Now().Add(handLease))
	if err != nil || !mine {
		return false, err
	}
	failpoint.Hit("notify.before_transmit")`, `	failpoint.Hit("notify.before_transmit")`},
			{"internal/notify/worker.go", `	failpoint.Hit("notify.after_transmit_before_mark")`, `	failpoint.Hit("notify.after_transmit_before_mark")
	mine, err := startTransmission(ctx, w.DB, j, l, w.Now().Add(handLease))
	if err != nil || !mine {
		return false, err
	}`},
		}},
}
