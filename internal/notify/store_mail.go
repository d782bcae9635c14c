package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

const mailColumns = `site_id, template, enabled, delay_minutes, subject, message, plain, condition, changed_at`

// mailSettings are those of all sites.
func mailSettings(ctx context.Context, q sqlx.QueryerContext) ([]mailSetting, error) {
	var out []mailSetting
	if err := sqlx.SelectContext(ctx, q, &out, `select `+mailColumns+` from notify.mail`); err != nil {
		return nil, fmt.Errorf("settings of mails: %w", err)
	}
	return out, nil
}

// mailSettingsOf are those of a site.
func mailSettingsOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) (map[mailKey]mailSetting, error) {
	var list []mailSetting
	if err := sqlx.SelectContext(ctx, q, &list, `select `+mailColumns+` from notify.mail where site_id = $1`, siteID); err != nil {
		return nil, fmt.Errorf("settings of a site's mails: %w", err)
	}
	out := map[mailKey]mailSetting{}
	for _, s := range list {
		out[mailKey{s.SiteID, s.Template}] = s
	}
	return out, nil
}

func saveMailSetting(ctx context.Context, tx sqlx.ExecerContext, s mailSetting) error {
	_, err := tx.ExecContext(ctx, `
		insert into notify.mail (site_id, template, enabled, delay_minutes, subject, message, changed_at, plain, condition) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		on conflict on constraint mail_pkey do update set enabled = excluded.enabled, delay_minutes = excluded.delay_minutes,
			subject = excluded.subject, message = excluded.message, changed_at = excluded.changed_at, plain = excluded.plain,
			condition = excluded.condition`,
		s.SiteID, s.Template, s.Enabled, s.DelayMinutes, s.Subject, s.Message, s.ChangedAt, s.Plain, s.When)
	if err != nil {
		return fmt.Errorf("save settings of a mail: %w", err)
	}
	return nil
}

// suppressQueued ends messages of which nothing has left, by their occasions. One that is being handed over goes its way.
func suppressQueued(ctx context.Context, tx sqlx.QueryerContext, sites []int64, keys []string, reason string, now time.Time) ([]ended, error) {
	var out []ended
	err := sqlx.SelectContext(ctx, tx, &out, `
		with due as (
			select m.site_id, m.id from (select distinct s, k from unnest($1::bigint[], $2::text[]) u (s, k)) u
			join notify.message m on m.site_id = u.s and m.dedupe_key = u.k
			where m.status in ('queued', 'sending')
			order by m.site_id, m.id
			for update of m)
		update notify.message m set status = 'suppressed', reason = $3, lease_until = null, suppressed_at = $4
		from due where m.site_id = due.site_id and m.id = due.id
		returning m.site_id, m.id, m.person_id, m.channel, m.template, m.status, m.reason`, pq.Array(sites), pq.Array(keys), reason, now)
	if err != nil {
		return nil, fmt.Errorf("suppress messages: %w", err)
	}
	return out, nil
}
