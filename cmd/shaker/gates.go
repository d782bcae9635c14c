package main

import (
	"time"

	"github.com/talkable/talkable/internal/failpoint"
)

// longRun is long enough for dangers that need a rare story to meet a fault.
const longRun = 2 * time.Minute

// gates are what a run must have reached to prove anything; without them a green run says nothing. They don't depend on how
// fast the machine is.
func gates(only []string, load time.Duration) []gate {
	n := &nemesis{only: only}
	list := append([]gate{{"attempts unknown", 20}, {"looks at the invariants under load", 3}, {"poisonous events", 6}}, loadGates(only)...)
	if len(only) == 0 {
		list = append(list, gate{"unknown found committed", 3}, gate{"replays", 20}, gate{"answers of replica 0", 100}, gate{"answers of replica 1", 100},
			gate{"looks at who waits for a coupon of a claim", 5}, gate{"rewards refused by a limit", 2}, gate{"rewards refused by a budget", 2},
			gate{"members of the club", 6}, gate{"pending points activated", 6}, gate{"members who turned out to be one", 1}, gate{"members who were two after all", 1},
			gate{"posters taken", 2})
		list = append(list, homeGates...)
	}
	if len(only) == 0 && load >= longRun {
		list = append(list, gate{"claims told again after an unknown answer", 1}, gate{"pages that could not be shown", 1}, gate{"accounts in debt after a payout", 1},
			gate{"batches of orders", 1}, gate{"holds that ended by themselves", 1}, gate{"holds committed in time", 1}, gate{"duel more of a hold restored than there is", 1})
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
		list = append(list, gate{"fault " + faultSMS, 1}, gate{"SMS that the sink took", 5})
	}
	if n.wants(faultFailpoints) {
		for _, name := range failpoint.Names() {
			list = append(list, gate{"failpoint " + name, 1})
		}
	}
	return list
}

// homeGates are the races of people at home, and what else has to happen there.
var homeGates = []gate{{"duel one preview applied by two", 1}, {"duel two pools for one member", 1}, {"duel one pool of points for three", 1},
	{"duel a cancellation, twice, and somebody who leaves the pool", 1}, {"duel stars for two of three", 1}, {"duel stars given to two", 1}, {"duel suspended while giving", 1},
	{"duel an action that counts twice, told four times", 1}, {"duel two payments of four", 1}, {"duel a payment cancelled by two", 1},
	{"duel the payment that a cancelled one makes room for", 1}, {"duel a hold committed and released when its time is over", 2},
	{"duel somebody forgotten by two, who gives and sends back", 2}, {"people forgotten", 2}, {"files applied", 2}, {"people paid", 1}, {"others' points refused to who is in debt", 1}, {"duel two invitations of one", 1}, {"duel an invitation accepted twice", 1}, {"refused member_not_active", 1}, {"achievements lost", 1}, {"guests", 1}, {"people at home", 6}}

// loadGates are those that the stories reach in time, whatever becomes of the world.
func loadGates(only []string) []gate {
	if len(only) > 0 {
		return nil
	}
	list := []gate{{"codes against links", 2}, {"pages looked at", 4}, {"lists of payouts", 1}}
	for _, fault := range []string{"refund_exceeds", "already_refunded", "duplicate_entity", "idempotency_key_reused", "origin_not_found", "referral_step_not_allowed",
		"not_enough_points", "invalid_adjustment", "invalid_request", "origin_unverified", "nothing_to_pay", "payout_step_not_allowed"} {
		list = append(list, gate{"refused " + fault, 1})
	}
	for _, d := range duels {
		list = append(list, gate{"duel " + d.name, 1})
	}
	return list
}
