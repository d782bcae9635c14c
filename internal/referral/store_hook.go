package referral

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/agenda"
)

const (
	hookColumns = `site_id, campaign_id, url, secret, timeout_ms, on_failure, enabled, clicks, key_id, at`
	askColumns  = `a.site_id, a.campaign_id, a.state, a.decision, a.reason, a.tries, a.attempts, a.asked_at`
)

// askTable is a table of questions, one about each of what its id names.
type askTable struct{ name, id string }

var (
	referralAsks = askTable{"referral.hook_ask", "referral_id"}
	clickAsks    = askTable{"referral.click_ask", "friend_offer_id"}
)

func (t askTable) columns() string { return "a." + t.id + " as subject_id, " + askColumns }

// hooksOf reads the hooks of a site by their campaigns, its own under 0.
func hooksOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) (map[int64]*hook, error) {
	var rows []hook
	if err := sqlx.SelectContext(ctx, q, &rows, `select `+hookColumns+` from referral.decision_hook where site_id = $1`, siteID); err != nil {
		return nil, fmt.Errorf("read decision hooks: %w", err)
	}
	out := map[int64]*hook{}
	for i := range rows {
		out[rows[i].CampaignID] = &rows[i]
	}
	return out, nil
}

// saveHook sets a hook. Those who change one at the same time queue up at its row.
func saveHook(ctx context.Context, tx *sqlx.Tx, h hook) error {
	_, err := tx.ExecContext(ctx, `
		insert into referral.decision_hook (`+hookColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		on conflict on constraint decision_hook_pkey do update set url = excluded.url, secret = excluded.secret, timeout_ms = excluded.timeout_ms,
			on_failure = excluded.on_failure, enabled = excluded.enabled, clicks = excluded.clicks,
			key_id = excluded.key_id, at = excluded.at`,
		h.SiteID, h.CampaignID, h.URL, h.Secret, h.TimeoutMS, h.OnFailure, h.Enabled, h.Clicks, h.KeyID, h.At)
	if err != nil {
		return fmt.Errorf("save decision hook: %w", err)
	}
	return nil
}

func deleteHook(ctx context.Context, tx *sqlx.Tx, siteID, campaignID int64) error {
	if _, err := tx.ExecContext(ctx, `delete from referral.decision_hook where site_id = $1 and campaign_id = $2`, siteID, campaignID); err != nil {
		return fmt.Errorf("delete decision hook: %w", err)
	}
	return nil
}

// insertAsks writes questions about referrals that were made in the same transaction.
func insertAsks(ctx context.Context, tx *sqlx.Tx, now time.Time, list []*referral) error {
	sites, ids, campaigns := make([]int64, len(list)), make([]int64, len(list)), make([]int64, len(list))
	for i, r := range list {
		sites[i], ids[i], campaigns[i] = r.SiteID, r.ID, r.CampaignID
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.hook_ask (site_id, referral_id, campaign_id, next_at, asked_at)
		select s, r, c, $4, $4 from unnest($1::bigint[], $2::bigint[], $3::bigint[]) u (s, r, c)`, pq.Array(sites), pq.Array(ids), pq.Array(campaigns), now)
	if err != nil {
		return fmt.Errorf("insert questions: %w", err)
	}
	return nil
}

// due are the questions of the table that are to be put.
func (t askTable) due() agenda.Due {
	return agenda.Due{What: "questions", Table: t.name, ID: t.id, Columns: t.columns(), Open: "state = 'waiting'"}
}

// lock locks a question that still waits for this try; nil if it doesn't.
func (t askTable) lock(ctx context.Context, tx *sqlx.Tx, a ask) (*ask, error) {
	return one[ask](ctx, tx, "lock question", `
		select `+t.columns()+` from `+t.name+` a
		where a.site_id = $1 and a.`+t.id+` = $2 and a.state = 'waiting' and a.tries = $3 for update`, a.SiteID, a.SubjectID, a.Tries)
}

// save writes what a try came to.
func (t askTable) save(ctx context.Context, tx *sqlx.Tx, now time.Time, a *ask, tried string, next time.Time) error {
	_, err := tx.ExecContext(ctx, `
		update `+t.name+` set state = $3, decision = $4, reason = $5, attempts = attempts || $6::jsonb, next_at = $7,
			settled_at = case when $3 <> 'waiting' then $8::timestamptz end
		where site_id = $1 and `+t.id+` = $2`, a.SiteID, a.SubjectID, a.State, a.Decision, a.Reason, tried, next, now)
	if err != nil {
		return fmt.Errorf("save question: %w", err)
	}
	return nil
}

// of reads the question about something; nil if there was none.
func (t askTable) of(ctx context.Context, q sqlx.QueryerContext, siteID, id int64) (*ask, error) {
	return one[ask](ctx, q, "read question", `select `+t.columns()+` from `+t.name+` a where a.site_id = $1 and a.`+t.id+` = $2`, siteID, id)
}

// approveLater says when a locked referral will be approved by itself.
func approveLater(ctx context.Context, tx *sqlx.Tx, r *referral) error {
	if _, err := tx.ExecContext(ctx, `update referral.referral set approve_at = $3 where site_id = $1 and id = $2`, r.SiteID, r.ID, r.ApproveAt); err != nil {
		return fmt.Errorf("schedule approval: %w", err)
	}
	return nil
}
