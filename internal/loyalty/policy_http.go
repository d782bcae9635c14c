package loyalty

// PolicyBody is a policy as it is sent. It and PolicyView are exported because huma looks into no other embedded struct.
type PolicyBody struct {
	ExpiryRule string `json:"expiry_rule,omitempty" default:"rolling" doc:"When points expire: rolling, expires_after_days after what they were earned for; end_of_month and end_of_year, when the month or year ends in which those days do, in the site's zone; fixed_date, at the end of the first expiry_day after them; inactivity, those days after the member last earned or spent" example:"rolling"`
	ExpiryDay  string `json:"expiry_day,omitempty" doc:"MM-DD, for fixed_date; 02-29 is none, since not every year has it" example:""`
	RemindDays int    `json:"remind_days,omitempty" default:"0" doc:"How many days before they expire points are told of as expiring; 0: not at all" example:"14"`
	GraceDays  int    `json:"restore_grace_days,omitempty" default:"0" doc:"How long points are good for that come back to their lot after its date, as when a redemption is cancelled; 0: they expire at once" example:"30"`
}

func (b PolicyBody) policy() policy {
	p := policy{ExpiryRule: b.ExpiryRule, ExpiryDay: b.ExpiryDay, RemindDays: b.RemindDays, RestoreGraceDays: b.GraceDays}
	if p.ExpiryRule == ruleRolling {
		p.ExpiryRule = rolling
	}
	return p
}

// PolicyView is a policy as it is answered.
type PolicyView struct {
	ExpiryRule string  `json:"expiry_rule" enum:"rolling,end_of_month,end_of_year,fixed_date,inactivity"`
	ExpiryDay  *string `json:"expiry_day" doc:"MM-DD, of fixed_date"`
	RemindDays int     `json:"remind_days"`
	GraceDays  int     `json:"restore_grace_days"`
}

func (p policy) view() PolicyView {
	v := PolicyView{ExpiryRule: p.ExpiryRule, ExpiryDay: named(p.ExpiryDay), RemindDays: p.RemindDays, GraceDays: p.RestoreGraceDays}
	if v.ExpiryRule == rolling {
		v.ExpiryRule = ruleRolling
	}
	return v
}
