package loyalty

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
)

// joinsFor is as what a survivor becomes a member who is none: as a member where the programme makes one of everybody, else as what the duplicate was.
func (p program) joinsFor(duplicate *holder, now time.Time) joining {
	join := joining{at: now, as: active, cause: turnMerge}
	if duplicate.Status == prospect && p.Enrolment != enrolAutomatic {
		join.as, join.forfeit = prospect, duplicate.ForfeitAt
	}
	return join
}

// unite brings a survivor to the state of two members who are one, and notes in the merge what it was.
func (m *Module) unite(ctx context.Context, u *bus.Unit, s, d *holder, p program, made *memberMerge) error {
	to, before := together(s.Status, d.Status), s.Status
	if to == before {
		if s.ForfeitAt != nil && (d.ForfeitAt == nil || d.ForfeitAt.After(*s.ForfeitAt)) { // what came of the duplicate lives as long as it would have
			s.ForfeitAt = d.ForfeitAt
			return saveState(ctx, u, s, false)
		}
		return nil
	}
	made.SurvivorWas, made.SurvivorMade = &before, &to
	return m.reach(ctx, u, s, p, to, memberChange{Cause: turnMerge})
}
