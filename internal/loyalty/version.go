package loyalty

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// versionKey is a version of a programme. What it says never changes.
type versionKey struct {
	site, program int64
	version       int
}

// edition is what a version says, ready to decide.
type edition struct {
	settings
	earner *earner // nil: it has no rules
	feats  *feats  // nil: it has no achievements
}

// versionMark is since when a version is in force.
type versionMark struct {
	Version int       `db:"version"`
	Since   time.Time `db:"changed_at"`
}

const (
	keptVersions = 1000 // in memory
)

var errNotScheduled = fault.New(fault.NotFound, "nothing_scheduled", "No change of the programme is scheduled.")

// newEdition makes settings ready to decide.
func newEdition(s settings) (edition, error) {
	e := edition{settings: s}
	var err error
	if e.feats, err = newFeats(s.Feats); err != nil || s.Earning == nil {
		return e, err
	}
	e.earner, err = newEarner(s.Earning)
	return e, err
}

// editionOf is a version; each is read once and kept in memory.
func (m *Module) editionOf(ctx context.Context, db sqlx.QueryerContext, k versionKey) (edition, error) {
	if e, ok := m.known.Get(k); ok {
		return e, nil
	}
	s, err := settingsOf(ctx, db, k)
	if err != nil {
		return edition{}, err
	}
	e, err := newEdition(s)
	if err == nil {
		m.known.Add(k, e)
	}
	return e, err
}

// equip gives programmes their rules and achievements, ready to decide. A programme without them costs nothing here.
func (m *Module) equip(ctx context.Context, db sqlx.QueryerContext, programs map[int64]program) error {
	for site, p := range programs {
		if p.RulesVersion > 0 {
			e, err := m.editionOf(ctx, db, versionKey{site, p.ID, p.RulesVersion})
			if err != nil {
				return err
			}
			p.earner = e.earner
		}
		if p.FeatsVersion > 0 {
			e, err := m.editionOf(ctx, db, versionKey{site, p.ID, p.FeatsVersion})
			if err != nil {
				return err
			}
			p.feats = e.feats
		}
		programs[site] = p
	}
	return nil
}

// current says that a programme as it stands decides what happened at a moment. What happened before it began was under no version, and it
// decides that as well.
func (p program) current(at time.Time) bool {
	return (p.Version == 1 || !at.Before(p.UpdatedAt) || at.Before(p.CreatedAt)) && (p.NextAt == nil || at.Before(*p.NextAt))
}

// inForce is the programme as it was when something happened: decisions that are told late are those of their time. p is equipped.
func (m *Module) inForce(ctx context.Context, db sqlx.QueryerContext, p program, at time.Time) (program, error) {
	if p.current(at) {
		return p, nil
	}
	if p.NextAt != nil && !at.Before(*p.NextAt) { // the timer has not come by yet
		s, err := nextOf(ctx, db, p)
		if err == nil {
			p, err = complete(ctx, db, p)
		}
		if err != nil {
			return p, err
		}
		e, err := newEdition(s)
		if p = p.change(s, *p.NextAt); err == nil {
			p.earner, p.feats = e.earner, e.feats
		}
		return p, err
	}
	marks, err := m.marksOf(ctx, db, p)
	if err != nil {
		return p, err
	}
	version := 1
	for _, v := range marks {
		if !v.Since.After(at) {
			version = max(version, v.Version)
		}
	}
	e, err := m.editionOf(ctx, db, versionKey{p.SiteID, p.ID, version})
	if err != nil {
		return p, err
	}
	tiers, plan := p.Tiers, p.TierPlan // what counts towards tiers does so by those in force now
	p.Version, p.settings, p.earner, p.feats = version, e.settings, e.earner, e.feats
	p.Tiers, p.TierPlan = tiers, plan
	return p, nil
}

// marksOf are the versions of a programme up to the one in force, which are history.
func (m *Module) marksOf(ctx context.Context, db sqlx.QueryerContext, p program) ([]versionMark, error) {
	k := versionKey{p.SiteID, p.ID, p.Version}
	if marks, ok := m.marks.Get(k); ok {
		return marks, nil
	}
	marks, err := versionMarks(ctx, db, k)
	if err == nil {
		m.marks.Add(k, marks)
	}
	return marks, err
}

// promote lets a scheduled change take effect if its time has come. p is locked and complete.
func (m *Module) promote(ctx context.Context, u *bus.Unit, p program) (program, error) {
	if p.NextAt == nil || u.Now.Before(*p.NextAt) {
		return p, nil
	}
	s, err := nextOf(ctx, u, p)
	if err == nil {
		s, err = keepUsed(ctx, u, p, s)
	}
	if err != nil {
		return p, err
	}
	after := p.change(s, *p.NextAt)
	if after.NextAt, err = nil, unschedule(ctx, u, p); err != nil || after.Version == p.Version {
		return after, err
	}
	return after, m.keepChange(ctx, u, p, after)
}

// keepChange writes a new version, and has reminders and achievements follow.
func (m *Module) keepChange(ctx context.Context, u *bus.Unit, before, after program) error {
	if err := saveProgram(ctx, u, after); err != nil {
		return err
	}
	if after.FeatsVersion > before.FeatsVersion {
		if err := reviewFrom(ctx, u, after); err != nil {
			return err
		}
	}
	if after.RemindDays == before.RemindDays {
		return nil
	}
	return rewakeFrom(ctx, u, after, 0)
}

// promoteDue lets scheduled changes take effect whose time has come, and returns how many.
func (m *Module) promoteDue(ctx context.Context) (n int, err error) {
	list, err := scheduledBy(ctx, m.db, m.now())
	if err != nil {
		return 0, err
	}
	for _, k := range list {
		err := m.outbox.InTx(ctx, func(u *bus.Unit) error {
			p, err := lockComplete(ctx, u, k.site, k.id)
			if err != nil {
				return err
			}
			_, err = m.promote(ctx, u, p)
			return err
		})
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// lockComplete locks a programme and reads its rules.
func lockComplete(ctx context.Context, u *bus.Unit, site, id int64) (program, error) {
	p, err := lockProgram(ctx, u, site, id)
	if err != nil {
		return p, err
	}
	return complete(ctx, u, p)
}

// checkAhead says what is wrong with the time at which a change is to take effect.
func checkAhead(at *time.Time, now time.Time) error {
	if at == nil || at.After(now) && at.Before(now.AddDate(0, 0, maxDays)) {
		return nil
	}
	return fault.New(fault.Invalid, "invalid_program", "The programme's settings are not valid.").
		At("/effective_at", "must be later than now, and within a hundred years; or left out, and it takes effect at once")
}

// schedule keeps settings until they take effect; it replaces what was scheduled before. They are no version until then.
func (m *Module) schedule(ctx context.Context, u *bus.Unit, p program, s settings, at time.Time, keyID int64) (program, error) {
	at = moment(at, u.Now)
	before, planned := p.view(), p
	p.NextAt, planned.NextAt, planned.settings = &at, &at, s
	if err := saveNext(ctx, u, p, s); err != nil {
		return p, err
	}
	if err := note(ctx, u, p.SiteID, keyID, "scheduled", aboutProgram, p.ID, before, planned.view()); err != nil {
		return p, err
	}
	if err := openFeats(ctx, u, planned); err != nil {
		return p, err
	}
	return p, openBudgets(ctx, u, planned)
}

// cancelNext takes back what is scheduled.
func (m *Module) cancelNext(ctx context.Context, s site.Site, id int64, keyID int64, key idempotency.Key) (out programView, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			p, err := lockComplete(ctx, u, s.ID, id)
			if err == nil {
				p, err = m.promote(ctx, u, p)
			}
			if err != nil {
				return err
			}
			if p.NextAt == nil {
				return errNotScheduled
			}
			before := p.view()
			p.NextAt = nil
			out = p.view()
			if err := note(ctx, u, s.ID, keyID, "unscheduled", aboutProgram, id, before, out); err != nil {
				return err
			}
			return unschedule(ctx, u, p)
		})
		return err
	})
	return out, replayed, err
}
