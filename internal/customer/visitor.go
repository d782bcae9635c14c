package customer

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

// postedVisitor is saveVisitor for a request: with an Idempotency-Key its repetition gets the same UUID.
func (m *Module) postedVisitor(ctx context.Context, siteID int64, id string, key idempotency.Key) (out string, replayed bool, err error) {
	if key.Value == "" {
		out, err = saveVisitor(ctx, m.db, siteID, id, m.now())
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "customer", u.Now, siteID, key, &out, func() error {
			out, err = saveVisitor(ctx, u, siteID, id, u.Now)
			return err
		})
		return err
	})
	return out, replayed, err
}

// saveVisitor makes a visitor known, and gives it a UUID where it has none. A known one stays as it is.
func saveVisitor(ctx context.Context, db sqlx.ExecerContext, siteID int64, id string, now time.Time) (string, error) {
	if id == "" {
		v4, err := uuid.NewRandom() // as the clients' own are: it tells nobody when its visitor came
		if err != nil {
			return "", wrap("make a uuid", err)
		}
		id = v4.String()
	}
	id, ok := visitorID(id)
	if !ok {
		return "", fault.New(fault.Invalid, "invalid_request", "uuid: is no UUID.").At("/data/uuid", "is no UUID")
	}
	_, err := db.ExecContext(ctx, `
		insert into customer.visitor (site_id, uuid, created_at) values ($1, $2, $3) on conflict (site_id, uuid) do nothing`,
		siteID, id, now)
	return id, wrap("insert visitor", err)
}

// saveVisitors makes visitors known and links them to persons, in the order of their locks. The first person stays.
func saveVisitors(ctx context.Context, u *bus.Unit, seen []sighting) error {
	if len(seen) == 0 {
		return nil
	}
	var sites, persons []int64
	var ids []string
	for _, s := range seen {
		sites, ids = append(sites, s.site), append(ids, s.visitor)
		if s.person != nil {
			persons = append(persons, s.person.ID)
		} else {
			persons = append(persons, 0)
		}
	}
	_, err := u.ExecContext(ctx, `
		insert into customer.visitor (site_id, uuid, person_id, created_at)
		select site, id, nullif(person, 0), $4
		from unnest($1::bigint[], $2::uuid[], $3::bigint[]) with ordinality k (site, id, person, place)
		order by place
		on conflict (site_id, uuid) do update set person_id = excluded.person_id
		where visitor.person_id is null and excluded.person_id is not null`,
		pq.Array(sites), pq.Array(ids), pq.Array(persons), u.Now)
	return wrap("save visitors", err)
}
