package main

// pointsBugs are mistakes with points that are spent, and with coupons.
var pointsBugs = []bug{
	{Name: "redeem-checked-before", Says: "whether the points suffice is looked at before the member is locked: two redemptions at once of a balance that allows one",
		Edits: []edit{
			{"internal/loyalty/reward_gate.go", "who.cost - who.balance; missing > 0 {", "who.cost - who.balance; missing > maxPoints {"},
			{"internal/loyalty/spend.go", "taken != cost {", "taken > cost {"},
			{"internal/loyalty/action.go", "	return m.spend(ctx, action{site: siteID, person: personID, kind: kindRedeem,", `	who, err := m.Member(ctx, siteID, personID)
	if err != nil {
		return loyaltyapi.Action{}, err
	}
	batches, err := batchesOf(ctx, m.db, siteID, 0, false)
	if err != nil {
		return loyaltyapi.Action{}, err
	}
	for _, b := range batches {
		if b.ID == batchID && who.Balance < b.PointsCost {
			return loyaltyapi.Action{}, errTooFew
		}
	}
	return m.spend(ctx, action{site: siteID, person: personID, kind: kindRedeem,`},
		}},
	{Name: "redeem-balance-ignored", Says: "points are spent that are not there",
		Edits: []edit{
			{"internal/loyalty/reward_gate.go", "who.cost - who.balance; missing > 0 {", "who.cost - who.balance; missing > maxPoints {"},
			{"internal/loyalty/spend.go", "taken != cost {", "taken > cost {"},
		}},
	{Name: "cancelled-twice", Says: "a redemption that is cancelled again gives its points back again",
		Edits: []edit{
			{"internal/loyalty/spend.go", "	if r.Status == cancelled {\n		return nil\n	}\n", ""},
			{"internal/loyalty/spend.go", "b.txn(h, kindCancel, sourceOf(kindRedeem, r.ID),", "b.txn(h, kindCancel, sourceOf(kindRedeem, b.ids[0]),"},
		}},
	{Name: "debt-forgotten", Says: "new points do not repay a debt: an order is returned whose points are spent, and the next one earns as if nothing were owed",
		Edits: []edit{{"internal/loyalty/ledger.go", "debt := -h.Balance; debt > 0 {", "debt := -h.Balance; debt > points*1000 {"}}},
	{Name: "coupon-twice", Says: "free coupons are taken without a lock, and nothing makes a holder the only one: many visitors of a list at once",
		Edits: []edit{
			{"internal/referral/store_coupon_hand.go", "			limit u.n\n			for update skip locked) c", "			limit u.n) c"},
			{"internal/referral/store_coupon_hand.go", "c.id = u.c and c.issued_at is null and l.site_id", "c.id = u.c and l.site_id"},
			{"migrations/referral/00010_init.sql", "create unique index reward_coupon_once on", "create index reward_coupon_once on"},
		}},
	{Name: "coupon-queue-lost", Says: "who finds no coupon is not put into the queue",
		Edits: []edit{{"internal/referral/coupon_hand.go", "	if err := insertWaits(ctx, u.Tx, u.Now, rest); err != nil {\n		return err\n	}\n", "	_ = insertWaits\n"}}},
	{Name: "coupon-untold", Says: "a redemption does not hear of its coupon when it came while the redemption was cancelled",
		Edits: []edit{{"internal/loyalty/store_redemption.go", "where r.site_id = u.site_id and r.id = u.id and r.coupon_id is null`", "where r.site_id = u.site_id and r.id = u.id and r.status = 'waiting'`"}}},
	{Name: "merge-pending-left", Says: "points of a merged member that can't be spent yet go to the survivor's lots, but not to its account",
		Edits: []edit{{"internal/loyalty/merge.go", "	if d.pending != nil && d.pending.Balance != 0 {\n		return txnID, b.crossPending(", "	if d.pending != nil && d.pending.Balance < 0 {\n		return txnID, b.crossPending("}}},
	{Name: "parted-without-lots", Says: "when a merge is undone, the duplicate's lots go back, but not the points in them",
		Edits: []edit{{"internal/loyalty/merge.go", "	amount := left + paidForSurvivor - debt\n", "	amount := paidForSurvivor - debt\n"}}},
	{Name: "stock-unlocked", Says: "how much of a stock is taken is read without a lock: two of the last at once",
		Edits: []edit{{"internal/loyalty/reward_desk.go", "fresh...), \"for update\")", "fresh...), \"offset 0\")"}}},
}
