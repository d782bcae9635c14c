package bus

import (
	"cmp"
	"slices"
)

// Fold gathers a batch into one value per key, sorted by key: what one set-based upsert needs, for which a key that comes twice
// is an error (21000) and an order that differs from the next transaction's is a deadlock. add is called in the log's order.
func Fold[K cmp.Ordered, T Payload, V any](batch []Event[T], key func(Event[T]) K, add func(*V, Event[T])) ([]K, []V) {
	sums := make(map[K]*V, len(batch))
	for _, e := range batch {
		k := key(e)
		v := sums[k]
		if v == nil {
			v = new(V)
			sums[k] = v
		}
		add(v, e)
	}
	keys := make([]K, 0, len(sums))
	for k := range sums {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	values := make([]V, len(keys))
	for i, k := range keys {
		values[i] = *sums[k]
	}
	return keys, values
}
