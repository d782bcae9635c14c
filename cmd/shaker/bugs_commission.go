package main

// commissionBugs are mistakes with what plans pay for a friend's later orders, and with their caps.
var commissionBugs = []bug{
	{Name: "repeat-once-more", Says: "a plan pays for one order of a friend more than it says",
		Edits: []edit{{"internal/referral/commission_earn.go", "done[k] >= f.Orders {", "done[k] > f.Orders {"}}},
	{Name: "repeat-refund-lost", Says: "what a friend's later orders came to is not taken back when they are refunded",
		Edits: []edit{{"internal/referral/commission_store.go", "		join referral.commission c on c.site_id = u.s and c.origin_id = u.o`, pq.Array(sites), pq.Array(origins))\n}\n\n// lockOfReferral", "		join referral.commission c on c.site_id = u.s and c.origin_id = u.o and c.nth = 1`, pq.Array(sites), pq.Array(origins))\n}\n\n// lockOfReferral"}}},
	{Name: "cap-of-friend-forgotten", Says: "what a friend's earlier orders came to is not counted towards the friend's cap",
		Edits: []edit{{"internal/referral/commission_cap.go", "				used.friend += *l.used[k]\n", "				used.friend += 0\n"}}},
	{Name: "cap-unlocked", Says: "what is used up of a cap is read before it is locked: several friends of an advocate are approved at both replicas at once",
		Edits: []edit{
			{"internal/referral/commission_earn.go", "	caps, err := m.lockCaps(ctx, u.Tx, ready)\n", "	var caps capCounters\n	err = postgres.InTx(ctx, m.db, func(tx *sqlx.Tx) (err error) {\n		caps, err = m.lockCaps(ctx, tx, ready)\n		return err\n	})\n"},
			{"internal/referral/commission_earn.go", "	\"github.com/talkable/talkable/internal/bus\"\n", "	\"github.com/jmoiron/sqlx\"\n\n	\"github.com/talkable/talkable/internal/bus\"\n"},
			{"internal/referral/commission_earn.go", "	\"github.com/talkable/talkable/internal/customer/customerevent\"\n", "	\"github.com/talkable/talkable/internal/customer/customerevent\"\n	\"github.com/talkable/talkable/internal/postgres\"\n"},
		}},
}

// earningBugs are mistakes with rules of earning, and with points that are pending.
var earningBugs = []bug{
	{Name: "rule-limit-uncounted", Says: "how often a rule gave a member something is not counted",
		Edits: []edit{{"internal/loyalty/earning_room.go", "t.Times+1, true", "t.Times, true"}}},
	{Name: "rule-limit-kept", Says: "an earning that was refunded whole still counts towards the limit of its rules",
		Edits: []edit{{"internal/loyalty/earning_room.go", "				t.Times--\n", ""}}},
	{Name: "rule-budget-kept", Says: "what is refunded of an earning does not come back to its rule's budget",
		Edits: []edit{{"internal/loyalty/earning_room.go", "b.Spent, b.dirty = b.Spent-points, true", "b.dirty = true"}}},
	{Name: "pending-refund-astray", Says: "a refund takes points that are pending out of the balance",
		Edits: []edit{{"internal/loyalty/pending.go", "	if l.Pending {\n		return h.pending\n	}\n	return &h.account", "	return &h.account"}}},
}
