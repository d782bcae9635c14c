package loyalty

import "cmp"

// PolicyBody is a policy as it is sent. It and PolicyView are exported because huma looks into no other embedded struct.
type PolicyBody struct {
	ExpiryRule string `json:"expiry_rule,omitempty" default:"rolling" doc:"When points expire: rolling, expires_after_days after what they were earned for; end_of_month and end_of_year, when the month or year ends in which those days do, in the site's zone; fixed_date, at the end of the first expiry_day after them; inactivity, those days after the member last earned or spent" example:"rolling"`
	ExpiryDay  string `json:"expiry_day,omitempty" doc:"MM-DD, for fixed_date; 02-29 is none, since not every year has it" example:""`
	RemindDays int    `json:"remind_days,omitempty" default:"0" doc:"How many days before they expire points are told of as expiring; 0: not at all" example:"14"`
	GraceDays  int    `json:"restore_grace_days,omitempty" default:"0" doc:"How long points are good for that come back to their lot after its date, as when a redemption is cancelled; 0: they expire at once" example:"30"`

	PendingRule   string `json:"pending_rule,omitempty" default:"none" doc:"When the points of purchases can be spent: none, at once; days, pending_days after the purchase; event, when POST /loyalty/transactions/{id}/activate says so, or a referral of the order is approved" example:"days"`
	PendingDays   int    `json:"pending_days,omitempty" default:"0" doc:"For days, 1 to 3650" example:"14"`
	PendingExpiry string `json:"pending_expiry,omitempty" default:"earning" doc:"What the expiry of points that were pending counts from: the earning, or the activation" example:"activation"`
	DebtPolicy    string `json:"debt_policy,omitempty" default:"arrears" doc:"What a refund takes back whose points are spent: arrears, a debt that later points repay; within_balance, what the member has, and the rest is waived; pending_only, only what is pending still" example:"arrears"`
	TransferLimit int64  `json:"transfer_limit,omitempty" default:"0" doc:"The most points of a transfer between members; 0: no limit" example:"1000"`
	TransferDaily int64  `json:"transfer_daily_limit,omitempty" default:"0" doc:"The most points that a member gives to others within 24 hours; 0: no limit" example:"2000"`
	PoolSize      int    `json:"pool_size,omitempty" default:"0" doc:"How many members a pool may have, who may spend each other's points: 2 to 20; 0: there are no pools, and who is in one from before spends its own" example:"6"`
}

func (b PolicyBody) policy() policy {
	p := policy{ExpiryRule: b.ExpiryRule, ExpiryDay: b.ExpiryDay, RemindDays: b.RemindDays, RestoreGraceDays: b.GraceDays}
	if p.ExpiryRule == ruleRolling {
		p.ExpiryRule = rolling
	}
	p.PendingRule, p.PendingDays, p.PendingExpiry = unless(b.PendingRule, "none"), b.PendingDays, unless(b.PendingExpiry, "earning")
	p.DebtPolicy = unless(b.DebtPolicy, "arrears")
	p.TransferLimit, p.TransferDaily = b.TransferLimit, b.TransferDaily
	p.PoolSize = b.PoolSize
	return p
}

// unless is a choice, or nothing for the one that goes without saying.
func unless(choice, usual string) string {
	if choice == usual {
		return ""
	}
	return choice
}

// PolicyView is a policy as it is answered.
type PolicyView struct {
	ExpiryRule string  `json:"expiry_rule" enum:"rolling,end_of_month,end_of_year,fixed_date,inactivity"`
	ExpiryDay  *string `json:"expiry_day" doc:"MM-DD, of fixed_date"`
	RemindDays int     `json:"remind_days"`
	GraceDays  int     `json:"restore_grace_days"`

	PendingRule   string `json:"pending_rule" enum:"none,days,event"`
	PendingDays   int    `json:"pending_days"`
	PendingExpiry string `json:"pending_expiry" enum:"earning,activation"`
	DebtPolicy    string `json:"debt_policy" enum:"arrears,within_balance,pending_only"`
	TransferLimit int64  `json:"transfer_limit" doc:"0: none"`
	TransferDaily int64  `json:"transfer_daily_limit" doc:"0: none"`
	PoolSize      int    `json:"pool_size" doc:"0: there are no pools"`
}

func (p policy) view() PolicyView {
	v := PolicyView{ExpiryRule: p.ExpiryRule, ExpiryDay: named(p.ExpiryDay), RemindDays: p.RemindDays, GraceDays: p.RestoreGraceDays,
		PendingRule: cmp.Or(p.PendingRule, "none"), PendingDays: p.PendingDays, PendingExpiry: cmp.Or(p.PendingExpiry, "earning"),
		DebtPolicy: cmp.Or(p.DebtPolicy, "arrears"), TransferLimit: p.TransferLimit, TransferDaily: p.TransferDaily, PoolSize: p.PoolSize}
	if v.ExpiryRule == rolling {
		v.ExpiryRule = ruleRolling
	}
	return v
}
