package main

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/jmoiron/sqlx"
)

// checkMail compares what the mail server took with what the platform says of its messages: sent means once, uncertain at most
// once, and nothing else may be, but mails that ask somebody to join: they wait until nobody need be asked.
func checkMail(ctx context.Context, db *sqlx.DB, taken map[string]int) (*checks, error) {
	c := &checks{}
	var messages []struct {
		Site   int64  `db:"site_id"`
		ID     int64  `db:"id"`
		Header string `db:"header"`
		Status string `db:"status"`
		Reason string `db:"reason"`

		Template string `db:"template"`
	}
	err := db.SelectContext(ctx, &messages, `
		select site_id, id, coalesce(message_id_header, '') as header, status, coalesce(reason, '') as reason, template
		from notify.message where channel = 'email'`)
	if err != nil {
		return c, fmt.Errorf("read messages: %w", err)
	}
	left := map[string]int{}
	for id, n := range taken {
		left[strings.Trim(id, "<>")] += n
	}
	var rows []string
	for _, m := range messages {
		header := strings.Trim(m.Header, "<>")
		n := left[header]
		delete(left, header)
		waits := m.Template == "member_invited" && n == 0 && (m.Status == "queued" || m.Status == "suppressed" && m.Reason == "passed")
		if m.Status == "sent" && n != 1 || m.Status == "uncertain" && n > 1 || m.Status != "sent" && m.Status != "uncertain" && !waits {
			rows = append(rows, fmt.Sprintf("message %d of site %d (%s) is %s %s and arrived %d times", m.ID, m.Site, header, m.Status, m.Reason, n))
		}
	}
	for id, n := range left {
		rows = append(rows, fmt.Sprintf("mail %q arrived %d times and belongs to no message", id, n))
	}
	sort.Strings(rows)
	c.add("mail is sent at most once", fmt.Sprintf("%d messages", len(messages)), rows)
	return c, nil
}
