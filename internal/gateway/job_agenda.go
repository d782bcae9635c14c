package gateway

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/agenda"
)

// jobDuties are what the worker finds; a job that somebody is at, or that is put off, has its turn when its lease ends.
var jobDuties = agenda.Agenda{
	{What: "batches", Kind: agenda.AtOnce, SQL: `select changed_at as at from gateway.job where state = 'waiting' and leased_until is null`},
	{What: "batches that were put off", Kind: agenda.Timed, SQL: `select leased_until as at from gateway.job where state = 'waiting' and leased_until is not null`},
}

// Agenda is what the worker finds.
func (b *Jobs) Agenda() agenda.Agenda { return jobDuties }

// Due says which jobs wait at a moment.
func (b *Jobs) Due(ctx context.Context, at time.Time) ([]agenda.Line, error) {
	return jobDuties.Look(ctx, b.DB, at)
}

// RunDue works until no job waits.
func (b *Jobs) RunDue(ctx context.Context) error {
	for {
		if worked, err := b.work(ctx); err != nil || !worked {
			return err
		}
	}
}
