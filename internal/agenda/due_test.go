package agenda_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/talkable/talkable/internal/agenda"
)

// All of a claim is done at once, then the next is claimed, until nothing is due; an error ends it when the others of its round are done.
func TestRounds(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, c := range []struct {
		rounds      [][]int
		total, done int
		err         error
	}{
		{nil, 0, 0, nil},
		{[][]int{{1, 2}, {3}}, 3, 3, nil},
		{[][]int{{1}, {2, -1, 3}, {4}}, 1, 3, broken},
	} {
		var done atomic.Int32
		total, err := agenda.Rounds(func() (due []int, err error) {
			if len(c.rounds) > 0 {
				due, c.rounds = c.rounds[0], c.rounds[1:]
			}
			return due, nil
		}, func(n int) error {
			if n < 0 {
				return broken
			}
			done.Add(1)
			return nil
		})
		if total != c.total || int(done.Load()) != c.done || !errors.Is(err, c.err) {
			t.Errorf("%d, %d done, %v; want %d, %d, %v", total, done.Load(), err, c.total, c.done, c.err)
		}
	}
}
