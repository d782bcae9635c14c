package gateway

import (
	"context"
	"database/sql/driver"
	"net/http"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

var (
	errSiteChanged = fault.New(fault.Conflict, "site_changed", "The site is another than the plan was made for; plan again.")
	errUnderWay    = fault.New(fault.Conflict, "apply_under_way", "A file is being applied to this site; nothing was done.")
)

// take takes the steps of a plan in their order, and stops at the first that is refused. Each is a transaction of its module: what was done before stays, and
// whoever applies the file again goes on from there. still says whether nobody else can be at it. most is how many are taken at once, 0 for all; more: the
// others wait for nothing but to be asked for.
func (p *planner) take(ctx context.Context, still func() error, most int, count func(m *fileStep)) (complete, more bool) {
	complete = true
	for i, m := range p.moves {
		if more = more || complete && most > 0 && i >= most; more || !complete {
			m.Status, complete = stepWaiting, false
			continue
		}
		if err := still(); err != nil {
			m.Problem = m.problemOf(web.ProblemOf(ctx, err))
		} else {
			m.Problem = p.step(ctx, m)
		}
		if m.Problem == nil {
			m.Status = stepDone
		} else {
			m.Status, complete = stepFailed, false
		}
		count(m)
	}
	return complete, more
}

// step takes one step; what it makes has an id for those after it.
func (p *planner) step(ctx context.Context, m *fileStep) *problemJSON {
	body, missing := p.site.request(m)
	if len(missing) > 0 { // the step that was to make it did something else: cannot be
		return m.problemOf(&web.Problem{Status: http.StatusConflict, Code: errSiteChanged.Code, Detail: errSiteChanged.Detail})
	}
	if t := p.site.find(m.section, m.Name); m.id == 0 && m.part != nil && t != nil {
		m.id = t.id
	}
	answer, refused, err := p.ask(ctx, m.op, p.site.params(m.section, m.id), nil, body)
	if refused == nil && err != nil {
		refused = web.ProblemOf(ctx, err)
	}
	if refused != nil {
		return m.problemOf(refused)
	}
	if m.Action == stepCreate {
		view, _ := answer.Get(m.section.One)
		shown, _ := view.(*blueprint.Object)
		p.site.add(m.section, shown)
	}
	return nil
}

// alone does work while nobody else applies a file to the site, in any replica. The lock is a session's, so it ends with this process whatever happens, and no
// transaction stays open meanwhile. A connection that breaks takes the lock with it, and somebody else may have it by then: still looks.
func (p *Programmes) alone(ctx context.Context, siteID int64, work func(still func() error) error) error {
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		return ctx.Err()
	}
	conn, err := p.db.Connx(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // back to the pool
	mine := false
	if err := conn.GetContext(ctx, &mine, `select pg_try_advisory_lock(hashtextextended('gateway.programme', $1))`, siteID); err != nil {
		return err
	}
	if !mine {
		return errUnderWay
	}
	defer func() {
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, err := conn.ExecContext(rest, `select pg_advisory_unlock(hashtextextended('gateway.programme', $1))`, siteID); err != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // a session that may hold it still is nobody's
		}
	}()
	return work(func() error { return conn.PingContext(ctx) })
}

// noted keeps in the audit log that a file was applied. Each change that it made has a line of its own, in its module's.
func (p *Programmes) noted(ctx context.Context, siteID, keyID int64, reason string, steps []stepJSON) error {
	type short struct {
		Action  string  `json:"action"`
		Section string  `json:"section"`
		Name    string  `json:"name"`
		Part    *string `json:"part"`
		Status  string  `json:"status"`
	}
	all := make([]short, len(steps))
	for i, s := range steps {
		all[i] = short{s.Action, s.Section, s.Name, s.Part, s.Status}
	}
	return p.outbox.InTx(ctx, func(u *bus.Unit) error {
		return audit.Write(ctx, u.Tx, "gateway", u.Now, siteID, audit.Change{KeyID: keyID, Action: "programme.applied", Subject: "site", Reason: reason,
			After: map[string]any{"steps": all}})
	})
}
