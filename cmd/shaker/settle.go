package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/migrations"
)

// waiting asks what is still to come: events in outboxes, events that somebody has not heard, messages on their way. Each row is
// what, and how much of it.
func waitingSQL() string {
	var parts []string
	for _, m := range migrations.Modules {
		parts = append(parts, fmt.Sprintf("select 'outbox of %[1]s' as what, count(*) as n from %[1]s.outbox", m))
		for _, source := range migrations.Modules {
			parts = append(parts, fmt.Sprintf("select '%[1]s behind %[2]s', h.seq - c.seq from %[2]s.head h join %[1]s.cursor c on c.source = '%[2]s'", m, source))
		}
	}
	parts = append(parts, `select 'messages ' || status, count(*) from notify.message where status in ('queued', 'sending', 'transmitting')
		and not (template = 'member_invited' and attempts = 0 and next_at > now() + interval '30 minutes') group by status`) // those wait for an hour, see delayInvitations
	parts = append(parts, "select 'webhooks ' || state, count(*) from notify.delivery where state in ('waiting', 'sending') group by state")
	parts = append(parts, "select 'members whom rules are to be asked about', count(*) from loyalty.rule_due")
	parts = append(parts, "select 'batches of orders', count(*) from gateway.job where finished_at is null")
	parts = append(parts, "select 'members whose achievement was lost', count(*) from loyalty.achievement_lost")
	parts = append(parts, `select 'guests whose address is somebody''s', count(*) from customer.person g
		join customer.person p on p.site_id = g.site_id and g.customer_id = 'sha256:' || encode(sha256(convert_to(p.email_norm, 'UTF8')), 'hex')
		where g.merged_into is null and g.email_norm is null`)
	parts = append(parts, `select 'who waits for coupons that there are', count(*) from referral.coupon_wait w where exists (
		select from referral.coupon c where c.site_id = w.site_id and c.list_id = w.list_id and c.single_use and c.issued_at is null)`)
	return "select what, n from (" + strings.Join(parts, " union all ") + ") w where n <> 0 order by what"
}

type waiting struct {
	What string `db:"what"`
	N    int64  `db:"n"`
}

func waitingFor(ctx context.Context, db *sqlx.DB) ([]waiting, error) {
	var rows []waiting
	err := db.SelectContext(ctx, &rows, waitingSQL())
	return rows, err
}

var errUnsettled = errors.New("not settled in time")

// settle waits until everything that follows from what was answered has happened.
func (w *world) settle(ctx context.Context, progress func(string)) error {
	for quiet := 0; ; {
		rows, err := waitingFor(ctx, w.admin)
		var words []string
		for _, r := range rows {
			words = append(words, fmt.Sprintf("%s: %d", r.What, r.N))
		}
		switch {
		case err != nil: // PostgreSQL may be away for a moment
			quiet, words = 0, []string{err.Error()}
		case len(rows) > 0:
			quiet = 0
			if progress != nil {
				progress("settling: " + strings.Join(words, ", "))
			}
		default:
			if quiet++; quiet == 3 { // a consumer may have told something in between
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %s", errUnsettled, strings.Join(words, ", "))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
