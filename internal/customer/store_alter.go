package customer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
)

// savePerson writes all of a person whose row is locked, or was made by this transaction.
func savePerson(ctx context.Context, u *bus.Unit, p *person) error {
	custom, err := json.Marshal(p.Properties)
	if err != nil {
		return wrap("write custom properties as JSON", err)
	}
	_, err = u.ExecContext(ctx, `
		update customer.person
		set email = nullif($3, ''), email_norm = nullif($4, ''), phone = nullif($5, ''), customer_id = nullif($6, ''), username = nullif($7, ''),
			username_norm = nullif($8, ''), first_name = $9, last_name = $10, custom_properties = $11::jsonb, identifier_hash = nullif($12, ''),
			subscribed_at = $13, unsubscribed_at = $14, anonymized_at = $15, opted_in_at = $16, phone_opted_in_at = $17
		where site_id = $1 and id = $2`,
		p.SiteID, p.ID, p.Email, p.EmailNorm, p.Phone, p.CustomerID, p.Username, p.UsernameNorm, p.FirstName, p.LastName, string(custom),
		p.IdentifierHash, p.SubscribedAt, p.UnsubscribedAt, p.AnonymizedAt, p.OptedInAt, p.PhoneOptedInAt)
	return wrap("save person", err)
}

// anonymizeOrigins takes out of what a person did all that says who or where it was. A browser of the person that comes back under
// another name must not tell either.
func anonymizeOrigins(ctx context.Context, u *bus.Unit, p *person) error {
	_, err := u.ExecContext(ctx, `
		update customer.origin set visitors = '{}', web_visitor = '', ip = '', user_agent = '', shipping_address = '', shipping_zip = ''
		where site_id = $1 and person_id = $2
			and (visitors <> '{}' or ip <> '' or user_agent <> '' or shipping_address <> '' or shipping_zip <> '')`, p.SiteID, p.ID)
	if err != nil {
		return wrap("anonymize origins", err)
	}
	_, err = u.ExecContext(ctx, `
		update customer.visitor set person_id = null where ctid = any(array(
			select ctid from customer.visitor where site_id = $1 and person_id = $2 order by uuid for no key update))`, p.SiteID, p.ID)
	return wrap("anonymize visitors", err)
}

// anonymizeAnswers does the same to what was answered about the person and kept with Idempotency-Keys, which go on guarding. It reads
// all that the site has kept of the last days.
func anonymizeAnswers(ctx context.Context, u *bus.Unit, p *person) error {
	now, err := json.Marshal(p.api())
	if err != nil {
		return wrap("write a person as JSON", err)
	}
	_, err = u.ExecContext(ctx, `
		update customer.idempotency
		set answer = case
			when starts_with(answer, $2) then $4
			when starts_with(answer, '{"value":') then jsonb_set(answer::jsonb, '{value}', answer::jsonb -> 'value' || $5::jsonb)::text
			else (answer::jsonb || $5::jsonb)::text end
		where site_id = $1 and (starts_with(answer, $2) or position($3 in answer) > 0)`,
		p.SiteID, fmt.Sprintf(`{"ID":%d,`, p.ID), fmt.Sprintf(`"person_id":%d,`, p.ID), string(now), `{"email":"","customer_id":"","ip":""}`)
	return wrap("anonymize answers", err)
}

// originsOfPeople reads all that persons did, newest first.
func originsOfPeople(ctx context.Context, db sqlx.QueryerContext, siteID int64, ids []int64) ([]origin, error) {
	var out []origin
	err := sqlx.SelectContext(ctx, db, &out, `
		select `+originColumns+`
		from customer.origin o
		where o.site_id = $1 and o.person_id = any ($2)
		order by o.occurred_at desc, o.id desc`, siteID, pq.Array(ids))
	return out, wrap("read a person's origins", err)
}

// trafficSources goes from one to the next in the index: a step a source, however many origins have it.
func trafficSources(ctx context.Context, db sqlx.QueryerContext, siteID int64) ([]string, error) {
	out := []string{}
	err := sqlx.SelectContext(ctx, db, &out, `
		with recursive source (name) as (
			(select traffic_source from customer.origin where site_id = $1 and traffic_source <> '' order by traffic_source limit 1)
			union all
			select (
				select traffic_source from customer.origin
				where site_id = $1 and traffic_source <> '' and traffic_source > s.name
				order by traffic_source limit 1)
			from source s where s.name is not null
		)
		select name from source where name is not null limit 10000`, siteID)
	return out, wrap("read traffic sources", err)
}
