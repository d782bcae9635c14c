package customer

import "context"

// OptIn notes that a person agreed to get mail, or messages to the phone. The first time stays.
func (m *Module) OptIn(ctx context.Context, siteID, personID int64, mail, phone bool) error {
	_, err := m.db.ExecContext(ctx, `
		update customer.person
		set subscribed_at = case when $3 then coalesce(subscribed_at, $5) else subscribed_at end,
			opted_in_at = case when $3 then coalesce(opted_in_at, $5) else opted_in_at end,
			phone_opted_in_at = case when $4 then coalesce(phone_opted_in_at, $5) else phone_opted_in_at end
		where site_id = $1 and id = (select coalesce(merged_into, id) from customer.person where site_id = $1 and id = $2) and anonymized_at is null
			and ($3 and (subscribed_at is null or opted_in_at is null) or $4 and phone_opted_in_at is null)`, siteID, personID, mail, phone, m.now())
	return wrap("opt a person in", err)
}
