package bus

import (
	"context"
	"fmt"
	"time"

	"github.com/talkable/talkable/internal/failpoint"
	"github.com/talkable/talkable/internal/postgres"
)

// Run moves what was committed into the log until ctx ends: at a kick, and every fifth of a second as the net for lost kicks
// and for moves by other replicas. It keeps partitions ahead and retention done. There is no leader: replicas that move at
// once are told so by the database, and nothing is held between two calls.
func (t *Table) Run(ctx context.Context) error {
	var (
		fails  patience
		crowd  time.Duration // pause while another replica moves
		rest   breather
		place  int64 // last seq that has a partition
		survey = time.NewTicker(10 * time.Second)
		trim   = time.NewTicker(10 * time.Minute)
	)
	defer survey.Stop()
	defer trim.Stop()
	t.running(true)
	defer t.running(false)
	for ctx.Err() == nil {
		rest.begin(ctx)
		notes := t.notes()
		moved, head, err := t.step(ctx, &place)
		if err != nil || moved <= 0 {
			rest.release()
		}
		pause, kick := t.poll, t.kick
		switch {
		case ctx.Err() != nil:
			return nil
		case postgres.Again(err): // where REPEATABLE READ is the default, a lost race looks like this
			pause, kick = 2*time.Millisecond, nil
		case err != nil:
			var say bool
			if pause, say = fails.next(2 * time.Second); say {
				t.log.Error().Err(err).Msg("the log does not move")
			}
			kick = nil // a busy producer must not turn the pause into a storm
		case moved < 0:
			crowd = min(2*crowd+2*time.Millisecond, 50*time.Millisecond)
			pause = crowd
			kick = nil
			t.news(head, notes)
		default:
			fails.reset()
			crowd = 0
			t.news(head, notes)
			if moved > 0 {
				rest.after(ctx, moved >= int64(t.limit))
			}
			if moved >= int64(t.limit) {
				continue
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-kick:
		case <-timer.C:
		case <-survey.C:
			t.survey(ctx)
		case <-trim.C:
			if _, err := t.Trim(ctx); err != nil && ctx.Err() == nil {
				t.log.Warn().Err(err).Msg("old partitions of the log stay")
			}
		}
		timer.Stop()
	}
	return nil
}

// step moves once, after having seen to it that there is a place to move to.
func (t *Table) step(ctx context.Context, place *int64) (moved, head int64, err error) {
	if *place == 0 {
		if err := t.extend(ctx, place); err != nil {
			return 0, 0, err
		}
	}
	moved, head, err = t.move(ctx)
	if postgres.NoPartition(err) { // nothing is lost, the outbox waits
		*place = 0
		_ = postgres.Discard(ctx, t.db) // there is none, or this session doesn't see it
	}
	if err == nil && head+t.size+t.size/2 > *place {
		err = t.extend(ctx, place)
	}
	return moved, head, err
}

func (t *Table) move(ctx context.Context) (moved, head int64, err error) {
	err = t.db.QueryRowContext(ctx, t.sequence, t.limit).Scan(&moved, &head)
	if err != nil {
		return 0, 0, fmt.Errorf("move events of %s: %w", t.schema, err)
	}
	if moved > 0 {
		failpoint.Hit("bus.after_move")
		t.m.moves.WithLabelValues(t.schema).Inc()
		t.m.moved.WithLabelValues(t.schema).Add(float64(moved))
	}
	return moved, head, nil
}

// extend makes partitions ahead. place stays as it is when another replica is at it.
func (t *Table) extend(ctx context.Context, place *int64) error {
	var last *int64
	err := t.db.QueryRowContext(ctx, `select `+t.schema+`.ensure_partitions($1)`, t.size).Scan(&last)
	if err != nil {
		return fmt.Errorf("make partitions of %s: %w", t.schema, err)
	}
	if last != nil {
		*place = *last
	}
	return nil
}

// survey measures the outbox.
func (t *Table) survey(ctx context.Context) {
	var waiting, oldest float64
	err := t.db.QueryRowContext(ctx, `select waiting, oldest from `+t.schema+`.backlog()`).Scan(&waiting, &oldest)
	if err != nil {
		return // the move has the same trouble, and says so
	}
	t.m.waiting.WithLabelValues(t.schema).Set(waiting)
	t.m.oldest.WithLabelValues(t.schema).Set(oldest)
}
