package referral

import (
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
)

// What requests of a group have in common, which come at once and are one transaction.

// answered is what one request of a group is told.
type answered[T any] = postgres.Result[idempotency.Done[T]]

// answers are those of a group's requests, in their order.
func answers[T any](done []idempotency.Done[T]) []answered[T] {
	out := make([]answered[T], len(done))
	for i, d := range done {
		out[i] = answered[T]{Value: d, Err: d.Err}
	}
	return out
}

// rounds parts requests so that in no part two are about the same thing: who comes later finds what the earlier one left, as if each had a
// transaction of its own.
func rounds[R any, K comparable](list []R, about func(R) []K) (out [][]R) {
	next := map[K]int{} // the round in which a thing may come again
	for _, r := range list {
		keys, round := about(r), 0
		for _, k := range keys {
			round = max(round, next[k])
		}
		for _, k := range keys {
			next[k] = round + 1
		}
		if round == len(out) {
			out = append(out, nil)
		}
		out[round] = append(out[round], r)
	}
	return out
}
