package loyalty

// policy is what a programme says of points beyond its rates. Its zero is a programme that says nothing.
type policy struct {
	RestoreGraceDays int `json:"restore_grace_days,omitempty"` // that points which come back after their date are still good for
}

const maxGrace = 3650

// check says what is wrong with a policy, place by place.
func (p policy) check(at func(pointer, format string, args ...any)) {
	if p.RestoreGraceDays < 0 || p.RestoreGraceDays > maxGrace {
		at("/restore_grace_days", "must be 0 to %d", maxGrace)
	}
}

// policyBody is a policy as it is sent.
type policyBody struct {
	RestoreGraceDays int `json:"restore_grace_days,omitempty" default:"0" doc:"How long points are good for that come back to their lot after its date, as when a redemption is cancelled; 0: they expire at once" example:"30"`
}

func (b policyBody) policy() policy {
	return policy{RestoreGraceDays: b.RestoreGraceDays}
}

// policyView is a policy as it is answered.
type policyView struct {
	RestoreGraceDays int `json:"restore_grace_days"`
}

func (p policy) view() policyView {
	return policyView{RestoreGraceDays: p.RestoreGraceDays}
}
