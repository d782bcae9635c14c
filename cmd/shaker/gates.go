package main

import "github.com/talkable/talkable/internal/failpoint"

// gates are what a run must have reached to prove anything; without them a green run says nothing. They don't depend on how
// fast the machine is.
func gates(only []string) []gate {
	n := &nemesis{only: only}
	list := []gate{{"attempts unknown", 20}, {"looks at the invariants under load", 3}, {"poisonous events", 6}}
	if len(only) == 0 {
		list = append(list, gate{"unknown found committed", 3}, gate{"replays", 20}, gate{"answers of replica 0", 100}, gate{"answers of replica 1", 100},
			gate{"refused refund_exceeds", 1}, gate{"refused already_refunded", 1}, gate{"refused duplicate_entity", 1},
			gate{"refused idempotency_key_reused", 1}, gate{"refused origin_not_found", 1}, gate{"refused referral_step_not_allowed", 1},
			gate{"refused not_enough_points", 1}, gate{"refused nothing_to_pay", 1}, gate{"refused payout_step_not_allowed", 1}, gate{"refused invalid_adjustment", 1}, gate{"refused invalid_request", 1}, gate{"refused origin_unverified", 1})
		list = append(list, gate{"claims told again after an unknown answer", 1}, gate{"codes against links", 2}, gate{"pages looked at", 4},
			gate{"looks at who waits for a coupon of a claim", 5}, gate{"rewards refused by a limit", 2}, gate{"rewards refused by a budget", 2},
			gate{"accounts in debt after a payout", 1}, gate{"lists of payouts", 1}, gate{"pages that could not be shown", 1})
		for _, d := range duels {
			list = append(list, gate{"duel " + d.name, 1})
		}
	}
	for _, f := range faults {
		if n.wants(f.name) {
			list = append(list, gate{"fault " + f.name, 1})
		}
	}
	if n.wants(faultDisk) {
		list = append(list, gate{"writes that found the disk full", 1})
	}
	if n.wants(faultAimed) {
		list = append(list, gate{"fault " + faultAimed, 5}, gate{beforeCommit, 1})
		for _, module := range []string{"referral", "loyalty", "analytics", "notify"} {
			list = append(list, gate{"consumers of " + module + " cut inside a transaction", 1})
		}
	}
	if n.wants(faultMail) {
		list = append(list, gate{"fault " + faultMail, 1})
	}
	if n.wants(faultHook) {
		list = append(list, gate{"fault " + faultHook, 3}, gate{"webhooks that came again", 2})
		for _, how := range []string{refuses, slowly, hangsUp} {
			list = append(list, gate{"webhooks that the sink " + how, 1})
		}
	}
	if n.wants(faultSMS) {
		list = append(list, gate{"fault " + faultSMS, 2}, gate{"SMS that the sink took", 5})
	}
	if n.wants(faultFailpoints) {
		for _, name := range failpoint.Names() {
			list = append(list, gate{"failpoint " + name, 1})
		}
	}
	return list
}
