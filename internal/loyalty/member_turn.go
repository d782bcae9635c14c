package loyalty

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

const aboutMember = "loyalty_member"

var (
	errTurnNote     = fault.New(fault.Invalid, "invalid_note", "The note is not valid.").At("/note", "must have at most 500 printable characters").Pointed()
	errInviteNeeded = fault.New(fault.Conflict, "invitation_needed", "The programme takes members by invitation only.")
)

// memberChange is how a member came to a state.
type memberChange struct {
	SiteID, MemberID int64
	From, To, Cause  string
	KeyID            int64
	Note             string
	ForfeitAt        *time.Time
	At               time.Time
}

// checkTurnNote says whether a note, which may be left out, can be kept.
func checkTurnNote(note string) error {
	if utf8.RuneCountInString(note) > 500 || !printable(note) {
		return errTurnNote
	}
	return nil
}

// Turn suspends a member, lets one go on, or closes the membership.
func (m *Module) Turn(ctx context.Context, siteID, personID int64, t loyaltyapi.Turn, key idempotency.Key) (out loyaltyapi.Membership, replayed bool, err error) {
	if err := checkTurnNote(t.Note); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			h, p, err := lockHolder(ctx, u, person{siteID, personID})
			if err != nil {
				return err
			}
			if err := m.turn(ctx, u, h, p, t); err != nil {
				return err
			}
			out, err = membershipIn(ctx, u, siteID, h.MemberID)
			return err
		})
		return err
	})
	m.turnedNow(ctx, err, replayed)
	return out, replayed, err
}

// turnedNow lets the timer do what came of a change of state: points that end at once, rules on joining.
func (m *Module) turnedNow(ctx context.Context, err error, replayed bool) {
	if err == nil && !replayed && ctx.Err() == nil {
		m.wake()
	}
}

// lockHolder locks a person's membership, in whatever state, behind the site's programme.
func lockHolder(ctx context.Context, u *bus.Unit, who person) (*holder, program, error) {
	programs, err := sharePrograms(ctx, u, []int64{who.site})
	if err != nil {
		return nil, program{}, err
	}
	holders, err := lockHolders(ctx, u, []person{who})
	if err == nil && holders[who] == nil {
		err = errNoMember
	}
	return holders[who], programs[who.site], err
}

// turn brings a locked member to another state, notes who wanted it, and tells.
func (m *Module) turn(ctx context.Context, u *bus.Unit, h *holder, p program, t loyaltyapi.Turn) error {
	to, err := turned(h.Status, t.Turn)
	if err != nil || to == h.Status {
		return err
	}
	before := h.Status
	if err := m.reach(ctx, u, h, p, to, memberChange{Cause: t.Turn, KeyID: t.KeyID, Note: t.Note}); err != nil {
		return err
	}
	return audit.Write(ctx, u.Tx, module, u.Now, h.SiteID, audit.Change{KeyID: t.KeyID, Action: aboutMember + "." + t.Turn, Subject: aboutMember, SubjectID: h.MemberID,
		Reason: t.Note, Before: stateNote{Status: before}, After: stateNote{Status: to, ForfeitsAt: h.ForfeitAt}})
}

// stateNote is a member's state in the audit log.
type stateNote struct {
	Status     string     `json:"status"`
	ForfeitsAt *time.Time `json:"forfeits_at,omitempty"`
}

// Enrol makes a person a member, or confirms a candidate. Who is one already stays as they are, and joined is false.
func (m *Module) Enrol(ctx context.Context, siteID, personID int64, in loyaltyapi.Enrolment, key idempotency.Key) (out loyaltyapi.Enrolled, replayed bool, err error) {
	if err := checkTurnNote(in.Note); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			out, err = m.enrolOne(ctx, u, person{siteID, personID}, in)
			return err
		})
		return err
	})
	m.turnedNow(ctx, err, replayed)
	return out, replayed, err
}

func (m *Module) enrolOne(ctx context.Context, u *bus.Unit, who person, in loyaltyapi.Enrolment) (out loyaltyapi.Enrolled, err error) {
	programs, err := sharePrograms(ctx, u, []int64{who.site})
	if err != nil {
		return out, err
	}
	p, ok := programs[who.site]
	switch {
	case !ok || p.Status != active:
		return out, errNoClub
	case p.Enrolment == enrolInvitation && !in.Candidate:
		return out, errInviteNeeded
	}
	join := joining{at: moment(u.Now, u.Now), as: active, cause: turnEnrol, keyID: in.KeyID, note: in.Note}
	if in.Candidate {
		join.as = prospect
	}
	holders, fresh, err := m.members(ctx, u, map[person]joining{who: join}, nil, programs)
	if err != nil {
		return out, err
	}
	h := holders[who]
	switch {
	case len(fresh) > 0:
		if err := m.save(ctx, u, &books{now: u.Now, programs: programs, joined: fresh}, nil, nil, joinedIn(fresh)); err != nil {
			return out, err
		}
		if err := audit.Write(ctx, u.Tx, module, u.Now, who.site, audit.Change{KeyID: in.KeyID, Action: aboutMember + ".enrolled", Subject: aboutMember, SubjectID: h.MemberID,
			Reason: in.Note, After: stateNote{Status: h.Status}}); err != nil {
			return out, err
		}
	case h.Status == active || h.Status == prospect && in.Candidate:
		out.Known = true
	default:
		if err := m.turn(ctx, u, h, p, loyaltyapi.Turn{Turn: turnConfirm, Note: in.Note, KeyID: in.KeyID}); err != nil {
			return out, err
		}
	}
	out.Membership, err = membershipIn(ctx, u, who.site, h.MemberID)
	return out, err
}

// joinedIn is how many of who is new are members, and no candidates.
func joinedIn(fresh []*holder) (n int) {
	for _, h := range fresh {
		if h.Status == active {
			n++
		}
	}
	return n
}

// reach brings a locked member to a state, notes how, and tells. Who was a candidate and is a member now has joined.
func (m *Module) reach(ctx context.Context, u *bus.Unit, h *holder, p program, to string, c memberChange) error {
	c.SiteID, c.MemberID, c.From, c.To, c.At = h.SiteID, h.MemberID, h.Status, to, moment(u.Now, u.Now)
	switch to {
	case closed, erased:
		if at := p.forfeitAt(u.Now); h.ForfeitAt == nil || at != nil && at.Before(*h.ForfeitAt) {
			h.ForfeitAt = at
		}
	default:
		h.ForfeitAt = nil
	}
	c.ForfeitAt, h.Status = h.ForfeitAt, to
	joins := c.From == prospect && to == active && c.Cause != turnMerge // else one of them joined before
	if joins {
		h.JoinedAt = c.At
		u.Tell(h.SiteID, h.key(), h.joined())
	}
	if err := saveState(ctx, u, h, joins); err != nil {
		return err
	}
	if err := m.keepChanges(ctx, u, []memberChange{c}, []*holder{h}); err != nil || !joins {
		return err
	}
	b := &books{now: u.Now, programs: map[int64]program{h.SiteID: p}, joined: []*holder{h}}
	return m.save(ctx, u, b, nil, nil, 1)
}

// keepChanges notes changes of state, of one member each, and tells of them.
func (m *Module) keepChanges(ctx context.Context, u *bus.Unit, changes []memberChange, of []*holder) error {
	if err := addChanges(ctx, u, changes); err != nil {
		return err
	}
	for i, c := range changes {
		u.Tell(c.SiteID, of[i].key(), loyaltyevent.MemberStatusChanged{SiteID: c.SiteID, MemberID: c.MemberID, PersonID: of[i].PersonID, From: c.From, To: c.To, Cause: c.Cause,
			ForfeitsAt: orNone(c.ForfeitAt), ChangedAt: c.At})
		m.m.Of(ctx).states.WithLabelValues(c.To, c.Cause).Inc()
	}
	return nil
}

// keepCandidates notes who of those that are new is a candidate; there is hardly ever anybody.
func (m *Module) keepCandidates(ctx context.Context, u *bus.Unit, fresh []*holder, since map[person]joining) error {
	var changes []memberChange
	var of, waiting []*holder
	for _, h := range fresh {
		if h.Status != prospect {
			continue
		}
		j := since[person{h.SiteID, h.PersonID}]
		if h.ForfeitAt = j.forfeit; j.forfeit != nil {
			waiting = append(waiting, h)
		}
		of = append(of, h)
		changes = append(changes, memberChange{SiteID: h.SiteID, MemberID: h.MemberID, To: prospect, Cause: j.cause, KeyID: j.keyID, Note: j.note, ForfeitAt: j.forfeit, At: moment(u.Now, u.Now)})
	}
	if len(of) == 0 {
		return nil
	}
	if err := saveWindows(ctx, u, waiting); err != nil {
		return err
	}
	return m.keepChanges(ctx, u, changes, of)
}

// joined is what is told of who is a member from now on.
func (h *holder) joined() loyaltyevent.MemberJoined {
	return loyaltyevent.MemberJoined{SiteID: h.SiteID, MemberID: h.MemberID, PersonID: h.PersonID, JoinedAt: h.JoinedAt}
}

// eraseMembers closes the memberships of people of whom nothing is to be known any more.
func (m *Module) eraseMembers(ctx context.Context, u *bus.Unit, people []person) error {
	programs, err := sharePrograms(ctx, u, sitesOf(people, func(p person) int64 { return p.site }))
	if err != nil {
		return err
	}
	holders, err := lockHolders(ctx, u, people)
	if err != nil {
		return err
	}
	for _, who := range people {
		h := holders[who]
		if h == nil || h.Status == erased {
			continue
		}
		if err := m.reach(ctx, u, h, programs[who.site], erased, memberChange{Cause: turnErase}); err != nil {
			return err
		}
	}
	if err := dropInvitations(ctx, u, people, u.Now); err != nil {
		return err
	}
	return dropChangeNotes(ctx, u, people)
}
