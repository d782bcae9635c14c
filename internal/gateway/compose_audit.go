package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// Auditor is a module that keeps what people change in it.
type Auditor interface {
	Audit(ctx context.Context, siteID int64, f audit.Filter, before audit.Place, limit int) ([]audit.Line, error)
}

// keyKeeper knows the API keys of a site by their names, and signs members' tokens with them.
type keyKeeper interface {
	MemberToken(ctx context.Context, siteID, keyID, personID int64, may string, lasts time.Duration) (token string, until time.Time, err error)
	KeyNames(ctx context.Context, siteID int64, ids []int64) (map[int64]string, error)
}

func (c Composition) auditRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "listAudit", Method: http.MethodGet, Path: "/api/v2/audit", Tags: []string{"Audit"},
		Summary: "List what was decided and changed by hand", Description: "Every decision about referrals, and every change of campaigns (versions, links, limits), fraud " +
			"policies, decision hooks, commission plans, placements, sharing channels, webhooks, of the loyalty programme, its redemption batches and action configs, of members' states, of merged persons, and of the " +
			"site's settings and look: which key asked for it, why, and what was before and after, in short where it is long: all that a version changed stands in the " +
			"campaign's versions. Newest first, over all modules; nothing in it is ever changed. 400 `invalid_subject` for a `subject_id` without a `subject`."}, c.getAudit)
}

type auditInput struct {
	Subject   string `query:"subject" maxLength:"60" doc:"As in the answer; any when left out"`
	SubjectID int64  `query:"subject_id" default:"-1" doc:"Beside a subject: its id; 0 for what is the site's"`
	Action    string `query:"action" maxLength:"60" doc:"As referral.approved"`
	web.Page
}

func (in auditInput) filter() (f audit.Filter, err error) {
	if in.SubjectID < -1 || in.SubjectID >= 0 && in.Subject == "" {
		return f, fault.New(fault.Invalid, "invalid_subject", "`subject_id` must be an id, beside a `subject`.").At("query.subject_id", "is none, or of nothing")
	}
	f = audit.Filter{Subject: in.Subject, Action: in.Action}
	if in.SubjectID >= 0 {
		f.SubjectID = &in.SubjectID
	}
	return f, nil
}

type auditAnswer struct {
	Audit      []audit.Line `json:"audit"`
	NextCursor *string      `json:"next_cursor" doc:"null on the last page"`
}

// getAudit asks every module for its newest lines before the cursor at once, and merges them.
func (c Composition) getAudit(ctx context.Context, in *auditInput) (*web.OK[auditAnswer], error) {
	siteID := web.From(ctx).Site.ID
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	var before audit.Place
	list := fmt.Sprintf("audit %q %d %q", in.Subject, in.SubjectID, in.Action)
	if _, err := c.Cursors.Decode(siteID, list, in.Cursor, &before); err != nil {
		return nil, err
	}
	kept := make([][]audit.Line, len(c.Auditors))
	group, gctx := errgroup.WithContext(ctx)
	for i, a := range c.Auditors {
		group.Go(func() (err error) {
			kept[i], err = a.Audit(gctx, siteID, f, before, in.Limit+1)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	lines, more := audit.Merge(in.Limit, kept...)
	c.nameKeys(ctx, siteID, lines)
	answer := auditAnswer{Audit: orEmpty(lines)}
	if more {
		next := c.Cursors.Encode(siteID, list, lines[len(lines)-1].Place())
		answer.NextCursor = &next
	}
	return web.Answer(answer), nil
}

// nameKeys says what the keys of lines are called. The lines are shown without it while nobody can say.
func (c Composition) nameKeys(ctx context.Context, siteID int64, lines []audit.Line) {
	var ids []int64
	for _, l := range lines {
		if l.KeyID != nil {
			ids = append(ids, *l.KeyID)
		}
	}
	if len(ids) == 0 {
		return
	}
	names, err := c.Keys.KeyNames(ctx, siteID, ids)
	if err != nil {
		web.Log(ctx).Warn().Err(err).Msg("the audit log is shown without the names of keys")
	}
	for i, l := range lines {
		if l.KeyID != nil && names[*l.KeyID] != "" {
			name := names[*l.KeyID]
			lines[i].KeyName = &name
		}
	}
}
