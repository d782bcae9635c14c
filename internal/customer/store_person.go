package customer

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
)

const personColumns = `p.site_id, p.id, coalesce(p.email, '') email, coalesce(p.email_norm, '') email_norm, coalesce(p.phone, '') phone,
	coalesce(p.customer_id, '') customer_id, coalesce(p.username, '') username, coalesce(p.username_norm, '') username_norm,
	p.first_name, p.last_name, p.custom_properties, p.purchases, p.events, p.created_at, coalesce(p.identifier_hash, '') identifier_hash,
	p.subscribed_at, p.unsubscribed_at, p.opted_in_at, p.phone_opted_in_at, p.anonymized_at, p.existing_customer,
	coalesce(p.merged_into, 0) merged_into`

// markColumns are the columns of person that marks are in.
var markColumns = [...]string{byEmail: "email_norm", byCustomerID: "customer_id", byPhone: "phone", byUsername: "username_norm"}

// lockPeople locks and reads the persons who have any of the marks, in one order, and behind them the survivors of those who were merged
// into another. Only the kinds of mark that there are cost anything,
// and the lateral parts leave the planner nothing to choose: a look-up a mark, also before the first ANALYZE.
func lockPeople(ctx context.Context, u *bus.Unit, marks map[mark]bool) ([]person, error) {
	if len(marks) == 0 {
		return nil, nil
	}
	var sites [len(markColumns)][]int64
	var values [len(markColumns)][]string
	for m := range marks {
		sites[m.kind], values[m.kind] = append(sites[m.kind], m.site), append(values[m.kind], m.value)
	}
	var hits []string
	var args []any
	for kind, column := range markColumns {
		if len(sites[kind]) == 0 {
			continue
		}
		args = append(args, pq.Array(sites[kind]), pq.Array(values[kind]))
		hits = append(hits, fmt.Sprintf(`
			select p.site_id, p.id from unnest($%d::bigint[], $%d::text[]) k (site, mark)
			cross join lateral (select site_id, id from customer.person where site_id = k.site and %s = k.mark offset 0) p`,
			len(args)-1, len(args), column))
	}
	var out []person
	err := u.SelectContext(ctx, &out, `
		select `+personColumns+`
		from (select site_id, id from (`+strings.Join(hits, " union ")+`) h order by site_id, id) hit
		cross join lateral (
			select * from customer.person where site_id = hit.site_id and id = hit.id for no key update) p`, args...)
	if err != nil {
		return nil, wrap("lock persons", err)
	}
	return withSurvivors(ctx, u, out)
}

// insertPeople writes the new persons and gives them their ids.
func insertPeople(ctx context.Context, u *bus.Unit, b *people) error {
	if len(b.new) == 0 {
		return nil
	}
	rows, err := json.Marshal(b.new)
	if err != nil {
		return wrap("write persons as JSON", err)
	}
	var made []person
	err = u.SelectContext(ctx, &made, `
		insert into customer.person (site_id, email, email_norm, phone, customer_id, username, username_norm, first_name, last_name,
			custom_properties, purchases, events, created_at)
		select r.site_id, nullif(r.email, ''), nullif(r.email_norm, ''), nullif(r.phone, ''), nullif(r.customer_id, ''),
			nullif(r.username, ''), nullif(r.username_norm, ''), r.first_name, r.last_name, r.custom_properties, r.purchases, r.events,
			r.created_at
		from json_to_recordset($1::json) r (site_id bigint, email text, email_norm text, phone text, customer_id text, username text,
			username_norm text, first_name text, last_name text, custom_properties jsonb, purchases bigint, events bigint,
			created_at timestamptz)
		order by r.site_id, nullif(r.email_norm, ''), nullif(r.customer_id, ''), nullif(r.phone, '')
		returning site_id, id, coalesce(email_norm, '') email_norm, coalesce(customer_id, '') customer_id, coalesce(phone, '') phone`,
		string(rows))
	if err != nil {
		return wrap("insert persons", err)
	}
	for _, row := range made {
		for _, m := range row.marks() {
			if p := b.by[m]; m.value != "" && p != nil {
				p.ID = row.ID
				break
			}
		}
	}
	for _, p := range b.new {
		if p.ID == 0 {
			return errors.New("insert persons: one came back without an id")
		}
	}
	return nil
}

// updatePeople writes persons whose rows are locked.
func updatePeople(ctx context.Context, u *bus.Unit, changed []*person) error {
	if len(changed) == 0 {
		return nil
	}
	slices.SortFunc(changed, func(x, y *person) int { return cmp.Or(cmp.Compare(x.SiteID, y.SiteID), cmp.Compare(x.ID, y.ID)) })
	rows, err := json.Marshal(changed)
	if err != nil {
		return wrap("write persons as JSON", err)
	}
	_, err = u.ExecContext(ctx, `
		update customer.person p
		set email = nullif(r.email, ''), email_norm = nullif(r.email_norm, ''), phone = nullif(r.phone, ''),
			customer_id = nullif(r.customer_id, ''), username = nullif(r.username, ''), username_norm = nullif(r.username_norm, ''),
			first_name = r.first_name, last_name = r.last_name, custom_properties = r.custom_properties, purchases = r.purchases,
			events = r.events
		from json_to_recordset($1::json) r (site_id bigint, id bigint, email text, email_norm text, phone text, customer_id text,
			username text, username_norm text, first_name text, last_name text, custom_properties jsonb, purchases bigint, events bigint)
		where p.site_id = r.site_id and p.id = r.id`, string(rows))
	return wrap("update persons", err)
}

// markExisting notes who had bought before we heard of it, and who hadn't after all.
func markExisting(ctx context.Context, u *bus.Unit, marked []*person) error {
	if len(marked) == 0 {
		return nil
	}
	sites, ids, existing := make([]int64, len(marked)), make([]int64, len(marked)), make([]bool, len(marked))
	for i, p := range marked {
		sites[i], ids[i], existing[i] = p.SiteID, p.ID, p.Existing
	}
	_, err := u.ExecContext(ctx, `
		update customer.person p set existing_customer = r.e
		from unnest($1::bigint[], $2::bigint[], $3::boolean[]) r (s, i, e)
		where p.site_id = r.s and p.id = r.i`, pq.Array(sites), pq.Array(ids), pq.Array(existing))
	return wrap("mark existing customers", err)
}

// personBySlug reads the person whom, or whose duplicate, Talkable's person_slug means: an e-mail, a phone number, a customer id or a username.
func personBySlug(ctx context.Context, db sqlx.QueryerContext, siteID int64, slug string) (person, error) {
	if slug == "" || len(slug) > 1020 || strings.ContainsRune(slug, 0) || strings.ToValidUTF8(slug, "") != slug {
		return person{}, errNoPerson
	}
	email, _ := normalEmail(slug)
	phone := ""
	if strings.HasPrefix(slug, "+") {
		phone, _ = normalPhone(slug)
	}
	var p person
	err := sqlx.GetContext(ctx, db, &p, `
		select `+personColumns+`
		from (
			select site_id, id, 1 as place from customer.person where site_id = $1 and email_norm = $2
			union all select site_id, id, 2 from customer.person where site_id = $1 and phone = $3
			union all select site_id, id, 3 from customer.person where site_id = $1 and customer_id = $4
			union all select site_id, id, 4 from customer.person where site_id = $1 and username_norm = $5
			order by place limit 1
		) hit
		join customer.person h on h.site_id = hit.site_id and h.id = hit.id
		join customer.person p on p.site_id = h.site_id and p.id = coalesce(h.merged_into, h.id)`, siteID, email, phone, slug, strings.ToLower(slug))
	if errors.Is(err, sql.ErrNoRows) {
		return person{}, errNoPerson
	}
	return p, wrap("read person", err)
}

// peopleByID reads persons, duplicates as they are; those that the site doesn't have are missing.
func peopleByID(ctx context.Context, db sqlx.QueryerContext, siteID int64, ids []int64) ([]person, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var out []person
	err := sqlx.SelectContext(ctx, db, &out, `select `+personColumns+` from customer.person p where p.site_id = $1 and p.id = any ($2)`,
		siteID, pq.Array(ids))
	if err != nil {
		return nil, fmt.Errorf("read persons: %w", err)
	}
	return out, nil
}
