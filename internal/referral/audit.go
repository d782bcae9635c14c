package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/fault"
)

// Subjects of decisions.
const (
	aboutReferral = "referral"
	aboutPolicy   = "fraud_policy"
	aboutHook     = "decision_hook"

	aboutCampaign   = "campaign"
	aboutLinks      = "campaign_links"
	aboutLimits     = "campaign_limits"
	aboutPlan       = "commission_plan"
	aboutSiteLinks  = "site_links" // hosts and apps that links may lead to
	aboutPlacements = "placements"
	aboutChannels   = "sharing_channels"
	aboutSite       = "site" // its settings and its look
)

var auditSubjects = []string{aboutReferral, aboutPolicy, aboutHook, aboutCampaign, aboutLinks, aboutLimits, aboutPlan, aboutSiteLinks, aboutPlacements,
	aboutChannels, aboutSite}

// KeyNames knows the API keys of a site by their names.
type KeyNames interface {
	KeyNames(ctx context.Context, siteID int64, ids []int64) (map[int64]string, error)
}

// audited is a decision of a merchant: who made it, about what, why, and what it changed.
type audited struct {
	keyID     int64
	action    string
	subject   string
	subjectID int64 // of a policy, of a hook and of what a campaign has: the campaign; 0 for the site
	reason    string
	before    any
	after     any
}

// auditLine is an audited decision as it is kept, and as the API shows it.
type auditLine struct {
	ID        int64            `json:"id" db:"id"`
	KeyID     *int64           `json:"key_id" db:"key_id" doc:"The API key that asked for it"`
	KeyName   *string          `json:"key_name" db:"-" doc:"What the key is called; null if it isn't known"`
	Action    string           `json:"action" db:"action" doc:"As referral.approved, referral.reattributed, fraud_policy.set, campaign.published, campaign.rolled_back, campaign_links.set"`
	Subject   string           `json:"subject" db:"subject" enum:"referral,fraud_policy,decision_hook,campaign,campaign_links,campaign_limits,commission_plan,site_links,placements,sharing_channels,site"`
	SubjectID *int64           `json:"subject_id" db:"subject_id" doc:"The referral, the campaign or the commission plan; null for what is the site's"`
	Reason    *string          `json:"reason" db:"reason"`
	Before    *json.RawMessage `json:"before" db:"before" doc:"null: there was nothing"`
	After     *json.RawMessage `json:"after" db:"after"`
	At        time.Time        `json:"at" db:"at"`
}

// stood is how a referral stood before or after a decision.
type stood struct {
	Status     string `json:"status"`
	Cause      string `json:"cause,omitempty"`
	AdvocateID int64  `json:"advocate_id,omitempty"`
	OriginID   int64  `json:"origin_id,omitempty"`
	ReferralID int64  `json:"referral_id,omitempty"`
	Verdict    string `json:"verdict,omitempty"` // of the fraud rules
	Forced     bool   `json:"forced,omitempty"`  // the merchant overruled it
}

// writeAudit keeps a decision in the transaction that carries it out.
func writeAudit(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, a audited) error {
	var texts [2]*string
	for i, v := range []any{a.before, a.after} {
		if v == nil {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		s := string(text)
		texts[i] = &s
	}
	_, err := tx.ExecContext(ctx, `
		insert into referral.audit (site_id, key_id, action, subject, subject_id, reason, before, after, at)
		values ($1, $2, $3, $4, $5, nullif($6, ''), $7::jsonb, $8::jsonb, $9)`,
		siteID, a.keyID, a.action, a.subject, a.subjectID, a.reason, texts[0], texts[1], now)
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

// auditFilter says which lines of the log are wanted; zero values mean any.
type auditFilter struct {
	subject   string
	subjectID *int64
	action    string
}

func (f auditFilter) check() error {
	switch {
	case f.subject != "" && !slices.Contains(auditSubjects, f.subject):
		return fault.New(fault.Invalid, "invalid_subject", "`subject` must be one of %s.", strings.Join(auditSubjects, ", ")).At("query.subject", "is none of them")
	case f.subjectID != nil && (f.subject == "" || *f.subjectID < 0 || *f.subjectID > mostID):
		return fault.New(fault.Invalid, "invalid_subject", "`subject_id` must be an id, beside a `subject`.").At("query.subject_id", "is none, or of nothing")
	case len(f.action) > 60:
		return fault.New(fault.Invalid, "invalid_action", "`action` must have at most 60 characters.").At("query.action", "is too long")
	}
	return nil
}

// auditBefore reads lines with smaller ids, the newest first; before 0 means from the newest.
func auditBefore(ctx context.Context, q sqlx.QueryerContext, siteID int64, f auditFilter, before int64, limit int) ([]auditLine, error) {
	const columns = `select id, nullif(key_id, 0) as key_id, action, subject, nullif(subject_id, 0) as subject_id, reason, before, after, at from referral.audit`
	where, args := ` where site_id = $1 and ($2::bigint = 0 or id < $2)`, []any{siteID, before, limit}
	for _, c := range []struct {
		is    bool
		cond  string
		value any
	}{{f.subject != "", "subject", f.subject}, {f.subjectID != nil, "subject_id", f.subjectID}, {f.action != "", "action", f.action}} {
		if c.is {
			args = append(args, c.value)
			where += fmt.Sprintf(" and %s = $%d", c.cond, len(args))
		}
	}
	out := []auditLine{}
	if err := sqlx.SelectContext(ctx, q, &out, columns+where+` order by id desc limit $3`, args...); err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	for i := range out {
		out[i].At = out[i].At.UTC()
	}
	return out, nil
}

// audits is a page of the log.
func (m *Module) audits(ctx context.Context, siteID int64, f auditFilter, limit int, cursor string) (out []auditLine, next *string, err error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	name, before := fmt.Sprintf("audit %s %d %s", f.subject, deref(f.subjectID), f.action), int64(0)
	if _, err := m.cursors.Decode(siteID, name, cursor, &before); err != nil {
		return nil, nil, err
	}
	out, err = auditBefore(ctx, m.db, siteID, f, before, limit+1)
	if err == nil && len(out) > limit {
		out = out[:limit]
		c := m.cursors.Encode(siteID, name, out[limit-1].ID)
		next = &c
	}
	if err == nil {
		m.nameKeys(ctx, siteID, out)
	}
	return out, next, err
}

// nameKeys says what the keys of lines are called. The lines are shown without it while nobody can say.
func (m *Module) nameKeys(ctx context.Context, siteID int64, lines []auditLine) {
	var ids []int64
	for _, l := range lines {
		if l.KeyID != nil {
			ids = append(ids, *l.KeyID)
		}
	}
	if m.keys == nil || len(ids) == 0 {
		return
	}
	names, err := m.keys.KeyNames(ctx, siteID, ids)
	if err != nil {
		m.log.Warn().Err(err).Msg("the audit log is shown without the names of keys")
	}
	for i := range lines {
		if name, ok := names[deref(lines[i].KeyID)]; ok && name != "" {
			lines[i].KeyName = &name
		}
	}
}
