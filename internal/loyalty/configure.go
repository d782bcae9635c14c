package loyalty

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// create starts a site's programme. With an Idempotency-Key that was used before it answers as it did then.
func (m *Module) create(ctx context.Context, s site.Site, in settings, keyID int64, key idempotency.Key) (out programView, replayed bool, err error) {
	in, err = in.of(s)
	if err != nil {
		return out, false, err
	}
	if err := in.check(); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			p := program{SiteID: s.ID, Version: 1, TiersVersion: 1, RulesVersion: in.rulesFrom(1), FeatsVersion: in.featsFrom(1), CreatedAt: u.Now, UpdatedAt: u.Now, settings: in}
			if p, err = addProgram(ctx, u, p); err != nil {
				return err
			}
			out = p.view()
			return note(ctx, u, s.ID, keyID, "created", aboutProgram, p.ID, nil, out)
		})
		return err
	})
	return out, replayed, err
}

// configure replaces the settings of a programme. Postings under way finish by the old ones. With an Idempotency-Key that was used
// before it answers as it did then.
func (m *Module) configure(ctx context.Context, s site.Site, id int64, in settings, keyID int64, key idempotency.Key) (out programView, replayed bool, err error) {
	return m.configureFrom(ctx, s, id, in, nil, keyID, key)
}

// configureFrom is configure, at once or from a moment on.
func (m *Module) configureFrom(ctx context.Context, s site.Site, id int64, in settings, from *time.Time, keyID int64, key idempotency.Key) (out programView, replayed bool, err error) {
	in, err = in.of(s)
	if err != nil {
		return out, false, err
	}
	if err := in.check(); err != nil {
		return out, false, err
	}
	again := false
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		again = false
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			before, err := lockComplete(ctx, u, s.ID, id)
			if err == nil {
				before, err = m.promote(ctx, u, before)
			}
			if err == nil {
				err = checkAhead(from, u.Now)
			}
			if err != nil {
				return err
			}
			if err := mayRemove(ctx, u, before, before.removed(in)); err != nil {
				return err
			}
			if from != nil {
				before, err = m.schedule(ctx, u, before, in, *from, keyID)
				out = before.view()
				return err
			}
			after := before.change(in, u.Now)
			out, again = after.view(), after.TiersVersion > before.TiersVersion || after.RemindDays != before.RemindDays || after.FeatsVersion > before.FeatsVersion
			if after.Version == before.Version {
				return nil
			}
			if err := note(ctx, u, s.ID, keyID, "changed", aboutProgram, id, before.view(), out); err != nil {
				return err
			}
			return m.keepChange(ctx, u, before, after)
		})
		return err
	})
	if err == nil && again {
		m.wake()
	}
	return out, replayed, err
}
