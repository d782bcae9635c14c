package main

// homeBugs are mistakes with wallets, pools, members' states, achievements, invitations and adjustments of many.
var homeBugs = []bug{
	{Name: "pool-back-to-spender", Says: "what comes back of a redemption stays with who spent it, also what others of the pool had paid",
		Edits: []edit{{"internal/loyalty/pool_spend.go", "if ln != nil && ln.lender != nil && slices", "if ln != nil && ln.lender == h && slices"}}},
	{Name: "pool-of-suspended", Says: "points of a suspended member go on being spent by the others of the pool",
		Edits: []edit{{"internal/loyalty/pool_spend.go", "if o != h && o.Status == active {", "if o != h && o.Status != closed {"}}},
	{Name: "pool-for-debtors", Says: "who is in debt spends what others of the pool have: so a refund of what was spent costs nothing",
		Edits: []edit{{"internal/loyalty/pool_spend.go", "f == nil || h.Balance < 0 || f.Spending", "f == nil || f.Spending"}}},
	{Name: "pool-of-strangers", Says: "who left a pool is still spent from: places that ended count",
		Edits: []edit{{"internal/loyalty/store_pool.go", "where x.site_id = p.site_id and x.pool_id = p.id and x.left_at is null offset 0) x", "where x.site_id = p.site_id and x.pool_id = p.id offset 0) x"}}},
	{Name: "two-pools", Says: "nothing makes a member's place in a pool the only one: two pools take in the same one at once",
		Edits: []edit{
			{"migrations/loyalty/00170_pool.sql", "create unique index pool_member_one", "create index pool_member_one"},
			{"internal/loyalty/store_pool.go", "\n		on conflict (site_id, member_id) where left_at is null do nothing`", "`"},
		}},
	{Name: "wallet-refund-skipped", Says: "a refund takes back what an order earned in the main wallet only",
		Edits: []edit{{"internal/loyalty/earning_wallet.go", "		if c.Cause != causeRefund && c.Cause != causeVoided && c.Cause != causeLost {", "		if c.Cause != causeVoided && c.Cause != causeLost {"}}},
	{Name: "wallet-main-pays", Says: "what costs points of another wallet is paid with those of the main one",
		Edits: []edit{
			{"internal/loyalty/action_wallet.go", "	case a.kind != kindAdjust && !of.spendable():", "	case a.kind == kindRedeem && of.spendable():\n		return h, nil\n	case a.kind != kindAdjust && !of.spendable():"},
		}},
	{Name: "suspended-spends", Says: "who is suspended redeems as before",
		Edits: []edit{{"internal/loyalty/spend.go", "	case h.Status != active:\n		return nil, notActive(h.Status)\n	case !ok || p.Status", "	case h.Status != active && h.Status != suspended:\n		return nil, notActive(h.Status)\n	case !ok || p.Status"}}},
	{Name: "closed-earns", Says: "who has left earns points as if nothing were",
		Edits: []edit{{"internal/loyalty/member_state.go", "	case status == active,\n", "	case status == active, status == closed,\n"}}},
	{Name: "preview-ignored", Says: "adjustments are applied though they come to something else than the preview said: of two that apply the same one both are told yes",
		Edits: []edit{{"internal/loyalty/bulk.go", "if expect != \"\" && expect != out.Preview {", "if expect != \"\" && len(expect) != len(out.Preview) {"}}},
	{Name: "adjusted-again", Says: "an adjustment's reference isn't kept with it: rows that are sent again are applied again",
		Edits: []edit{{"internal/loyalty/bulk.go", "forTier: r.ForTier, source: r.source(), ends", "forTier: r.ForTier, ends"}}},
	{Name: "achievement-refund-skipped", Says: "what is refunded goes on counting for achievements",
		Edits: []edit{{"internal/loyalty/achievement_count.go", "(c.Cause == causeRefund || c.Cause == causeVoided)", "c.Cause == causeVoided"}}},
	{Name: "achievement-points-kept", Says: "points for an achievement stay when it is lost",
		Edits: []edit{{"internal/loyalty/store_achievement_save.go", "select site_id, member_id, name, at::timestamptz from $rows order by o`", "select site_id, member_id, name, at::timestamptz from $rows where false order by o`"}}},
	{Name: "two-invitations", Says: "an invitation is made whether or not there is one: two at once are two",
		Edits: []edit{
			{"migrations/loyalty/00180_member.sql", "create unique index invitation_open", "create index invitation_open"},
			{"internal/loyalty/invitation_store.go", "\n		on conflict (site_id, member_id) where status = 'open' do nothing", ""},
		}},
	{Name: "revoked-accepted", Says: "whether an invitation is open is looked at before it is locked: one that is taken back is accepted at the same moment",
		Edits: []edit{
			{"internal/loyalty/invitation.go", "	if i.Status == invitationAccepted {\n		return loyaltyapi", "	if i = found; i.Status == invitationAccepted {\n		return loyaltyapi"},
			{"internal/loyalty/invitation.go", "	h, p, err := lockHolder(ctx, u, person{siteID, found.PersonID})\n", "	time.Sleep(5 * time.Millisecond)\n	h, p, err := lockHolder(ctx, u, person{siteID, found.PersonID})\n"},
		}},
	{Name: "guest-wallets-left", Says: "who turns out to be a guest gets the guest's points, and of other wallets nothing",
		Edits: []edit{{"internal/loyalty/merge_wallet.go", "	for _, own := range o.wallets {\n		into", "	for _, own := range o.wallets[:0] {\n		into"}}},
}
