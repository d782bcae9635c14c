package main

// checkoutBugs are mistakes with actions, payments and holds, with who is forgotten, and with files that are applied.
var checkoutBugs = []bug{
	{Name: "collected-once-more", Says: "an action earns once more than its limit says",
		Edits: []edit{{"internal/loyalty/collect.go", "collected < *c.Limit", "collected <= *c.Limit"}}},
	{Name: "reward-limit-kept", Says: "a cancelled payment goes on counting towards its member's limit",
		Edits: []edit{{"internal/loyalty/spend.go", "	b.uncount(r.Terms.of().Counted, r.SiteID, r.BatchID, r.MemberID)\n", ""}}},
	{Name: "hold-committed-late", Says: "a hold whose time is over is committed, also when its points have gone back",
		Edits: []edit{{"internal/loyalty/hold.go", "case k.Status != held || !k.Until.After(b.now):", "case k.Status != held && k.Status != \"timed_out\":"}}},
	{Name: "hold-restored-over", Says: "each restoring of a hold's points may have all that it took",
		Edits: []edit{
			{"internal/loyalty/hold.go", "if points > k.Points-k.Restored {", "if points > k.Points {"},
			{"migrations/loyalty/00100_points.sql", "restored between 0 and points and", "restored >= 0 and"},
		}},
	{Name: "forgotten-stays-member", Says: "who is forgotten stays a member",
		Edits: []edit{{"internal/loyalty/member_date.go", "m.eraseMembers(ctx, u, people)", "m.eraseMembers(ctx, u, people[:0])"}}},
	{Name: "answers-remember", Says: "what was answered about somebody with an Idempotency-Key keeps who it was",
		Edits: []edit{{"internal/customer/person_alter.go", "	return anonymizeAnswers(ctx, u, p)\n", "	return nil\n"}}},
	{Name: "applied-at-once", Says: "nothing keeps two files from being applied to a site at once: both make what neither finds",
		Edits: []edit{{"internal/gateway/programme_apply.go", "	if !mine {\n", "	if mine && !mine {\n"}}},
	{Name: "answers-of-forgotten", Says: "a refund doesn't keep its order's owner from being forgotten meanwhile: its kept answer says who it was",
		Edits: []edit{{"internal/customer/refund.go", "err := shareOwner(ctx, u, o); err != nil {", "err := shareOwner(ctx, u, origin{}); err != nil {"}}},
	{Name: "given-again", Says: "the Idempotency-Key of money that is given by hand isn't looked at: told twice it is given twice",
		Edits: []edit{{"internal/referral/commission_change.go", "m.once(ctx, siteID, k, &out, func(u *bus.Unit) error {\n		one, err := m.kinOf", "m.once(ctx, siteID, idempotency.Key{}, &out, func(u *bus.Unit) error {\n		one, err := m.kinOf"}}},
	{Name: "invitation-mailed", Says: "whose invitation was taken back, or answered, is still to be asked: its mail waits on",
		Edits: []edit{{"internal/notify/consume.go", "	bus.On(c, m.onInvitationEnded)\n", ""}}},
}
