package loyalty

import (
	"context"
	"encoding/json"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// create starts a site's programme. With an Idempotency-Key that was used before it answers as it did then.
func (m *Module) create(ctx context.Context, s site.Site, in settings, key idempotency.Key) (out programView, replayed bool, err error) {
	in, err = in.inCurrency(s.Currency)
	if err != nil {
		return out, false, err
	}
	if err := in.check(); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		replayed = false
		claim, err := idempotency.TakeOne(ctx, u.Tx, "loyalty", u.Now, s.ID, key)
		if err != nil {
			return err
		}
		if claim.Replayed {
			replayed = true
			return json.Unmarshal(claim.Answer, &out)
		}
		p := program{SiteID: s.ID, Version: 1, TiersVersion: 1, CreatedAt: u.Now, UpdatedAt: u.Now, settings: in}
		if p, err = addProgram(ctx, u, p); err != nil {
			return err
		}
		out = p.view()
		return idempotency.KeepOne(ctx, u.Tx, "loyalty", s.ID, key, []byte(text(out)))
	})
	return out, replayed, err
}

// configure replaces the settings of a programme. Postings under way finish by the old ones. With an Idempotency-Key that was used
// before it answers as it did then.
func (m *Module) configure(ctx context.Context, s site.Site, id int64, in settings, key idempotency.Key) (out programView, replayed bool, err error) {
	in, err = in.inCurrency(s.Currency)
	if err != nil {
		return out, false, err
	}
	if err := in.check(); err != nil {
		return out, false, err
	}
	retier := false
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		retier = false
		claim, err := idempotency.TakeOne(ctx, u.Tx, "loyalty", u.Now, s.ID, key)
		if err != nil {
			return err
		}
		if replayed = claim.Replayed; replayed {
			return json.Unmarshal(claim.Answer, &out)
		}
		before, err := lockProgram(ctx, u, s.ID, id)
		if err != nil {
			return err
		}
		after := before.change(in, u.Now)
		out, retier = after.view(), after.TiersVersion > before.TiersVersion
		if after.Version != before.Version {
			if err := saveProgram(ctx, u, after); err != nil {
				return err
			}
		}
		return idempotency.KeepOne(ctx, u.Tx, "loyalty", s.ID, key, []byte(text(out)))
	})
	if err == nil && retier {
		m.wake()
	}
	return out, replayed, err
}
