package loyalty

// What a refund does that asks for more than a member has. Zero: the rest is a debt, which later points repay.
const (
	withinBalance = "within_balance" // a balance never goes below zero: the rest is waived
	pendingOnly   = "pending_only"   // only what is still pending is taken back: what can be spent stays the member's
)

func (p policy) checkDebt(at func(pointer, format string, args ...any)) {
	if p.DebtPolicy != "" && p.DebtPolicy != withinBalance && p.DebtPolicy != pendingOnly {
		at("/debt_policy", "must be arrears, within_balance or pending_only")
	}
}

// paid is who pays for points that are taken back: the lot itself, what of it had expired, other lots, nobody, or the member later.
type paid struct{ own, expired, others, waived, debt int64 }

// pay takes step points of an earning back, as far as the programme's debt policy lets it.
func (b *books) pay(h *holder, own *lot, txnID, step int64) (d paid) {
	policy := b.programs[h.SiteID].DebtPolicy
	if policy == pendingOnly && !own.Pending {
		return paid{waived: step}
	}
	d.own = min(step, own.Remaining)
	b.use(own, txnID, d.own)
	d.expired = min(step-d.own, own.gone())
	rest := step - d.own - d.expired
	d.others = b.take(h, txnID, rest)
	if d.debt = rest - d.others; policy == withinBalance {
		d.waived, d.debt = d.debt, 0
	}
	return d
}
