package notify

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// onMerged has everything that is to be said to a duplicate be said to the survivor, also what waits already. Whether the survivor wants mail its own
// contact says; who wants no SMS as either gets none.
func (m *Module) onMerged(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonMerged]) error {
	for _, e := range batch {
		if err := mergeContacts(ctx, u, e.Body); err != nil {
			return err
		}
	}
	return nil
}

// onUnmerged has them be two again. What waits stays the survivor's.
func (m *Module) onUnmerged(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonUnmerged]) error {
	for _, e := range batch {
		_, err := u.ExecContext(ctx, `update notify.contact set merged_into = null where site_id = $1 and person_id = $2 and merged_into = $3`,
			e.Body.SiteID, e.Body.DuplicateID, e.Body.SurvivorID)
		if err != nil {
			return fmt.Errorf("part contacts: %w", err)
		}
	}
	return nil
}

func mergeContacts(ctx context.Context, tx sqlx.ExecerContext, e customerevent.PersonMerged) error {
	for what, query := range map[string]string{
		"merge contacts": `
			insert into notify.contact (site_id, person_id, email, first_name, last_name, changed_at, merged_into) values ($1, $2, '', '', '', '-infinity', $3)
			on conflict on constraint contact_pkey do update set merged_into = excluded.merged_into`,
		"move what waits": `
			update notify.message set person_id = $3 where site_id = $1 and person_id = $2 and status = 'queued'`,
		"keep the stricter consent to SMS": `
			update notify.sms_consent s set opted_in_at = null, opted_out_at = d.opted_out_at from notify.sms_consent d
			where d.site_id = $1 and d.person_id = $2 and d.opted_out_at is not null and s.site_id = $1 and s.person_id = $3 and s.opted_in_at is not null`,
	} {
		if _, err := tx.ExecContext(ctx, query, e.SiteID, e.DuplicateID, e.SurvivorID); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}
