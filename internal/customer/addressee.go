package customer

import (
	"context"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// Addressees says what is known of e-mail addresses to which somebody wants to write, in their order.
func (m *Module) Addressees(ctx context.Context, siteID int64, emails []string) ([]customerapi.Addressee, error) {
	out, marks := make([]customerapi.Addressee, len(emails)), make([]string, len(emails))
	for i, e := range emails {
		marks[i], out[i].Valid = normalEmail(e)
		out[i].Email, out[i].Mark = e, marks[i]
	}
	rows, err := addressees(ctx, m.db, siteID, marks)
	for _, r := range rows {
		out[r.N-1].PersonID, out[r.N-1].Unsubscribed = r.ID, r.Unsubscribed
	}
	return out, err
}

// Introduce makes persons of addresses that nobody has, and returns their ids in the same order. What is no address is a fault.
func (m *Module) Introduce(ctx context.Context, s site.Site, emails []string) ([]int64, error) {
	people := make([]customerapi.Identity, len(emails))
	for i, e := range emails {
		people[i].Email = e
	}
	var saved []postgres.Result[SavedPerson]
	var err error
	if len(people) > 0 {
		saved, err = m.SavePeople(ctx, s, people, nil)
	}
	ids := make([]int64, len(saved))
	for i, p := range saved {
		if ids[i] = p.Value.ID; p.Err != nil {
			return nil, p.Err
		}
	}
	return ids, err
}

type addresseeRow struct {
	N            int   `db:"n"` // from 1
	ID           int64 `db:"id"`
	Unsubscribed bool  `db:"unsubscribed"`
}

// addressees reads who has an address, by the form in which addresses are compared.
func addressees(ctx context.Context, db sqlx.QueryerContext, siteID int64, marks []string) ([]addresseeRow, error) {
	var out []addresseeRow
	err := sqlx.SelectContext(ctx, db, &out, `
		select u.n, p.id, p.unsubscribed_at is not null as unsubscribed
		from unnest($2::text[]) with ordinality u (mark, n)
		cross join lateral (select coalesce(merged_into, id) as id from customer.person where site_id = $1 and email_norm = u.mark offset 0) hit
		cross join lateral (select id, unsubscribed_at from customer.person where site_id = $1 and id = hit.id offset 0) p
		where u.mark <> ''`, siteID, pq.Array(marks))
	return out, wrap("read addressees", err)
}
