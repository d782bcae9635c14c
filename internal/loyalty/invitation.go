package loyalty

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// States of an invitation. One whose time is over is shown as lapsed, whatever its row says.
const (
	invitationOpen     = "open"
	invitationAccepted = "accepted"
	invitationRevoked  = "revoked"
	invitationLapsed   = "lapsed"
)

const (
	aboutInvitation = "loyalty_invitation"
	mostInvited     = 1000 // at once
	longestInvite   = 365  // days
	keepInvitations = 400 * 24 * time.Hour
)

var errNoInvitation = fault.New(fault.NotFound, "invitation_not_found", "No such invitation.")

// invitation asks somebody to become a member.
type invitation struct {
	SiteID    int64      `db:"site_id"`
	ID        int64      `db:"id"`
	MemberID  int64      `db:"member_id"`
	PersonID  int64      `db:"person_id"`
	Code      string     `db:"code"`
	Status    string     `db:"status"`
	Note      *string    `db:"note"`
	CreatedAt time.Time  `db:"created_at"`
	ExpiresAt time.Time  `db:"expires_at"`
	EndedAt   *time.Time `db:"ended_at"`
}

// state is an invitation's state at a moment.
func (i invitation) state(now time.Time) string {
	if i.Status == invitationOpen && !i.ExpiresAt.After(now) {
		return invitationLapsed
	}
	return i.Status
}

// ends says whether an invitation can still be accepted, or revoked.
func (i invitation) ends(now time.Time) error {
	if s := i.state(now); s != invitationOpen {
		return fault.New(fault.Conflict, "invitation_"+s, "The invitation is %s.", s)
	}
	return nil
}

func (i invitation) view(now time.Time) loyaltyapi.Invitation {
	return loyaltyapi.Invitation{ID: i.ID, MemberID: i.MemberID, PersonID: i.PersonID, Code: i.Code, Status: i.state(now), Note: i.Note, CreatedAt: i.CreatedAt, ExpiresAt: i.ExpiresAt, EndedAt: i.EndedAt}
}

// invitable says whether a member of a state can be invited: a candidate, and who left and may come back.
func invitable(status string) bool { return status == prospect || status == closed }

// newInvitationCode is 128 bits that nobody guesses, in letters and digits that are easily read aloud.
func newInvitationCode() string {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails, since Go 1.24
	return "inv_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random[:]))
}

// checkInvite says what is wrong with invitations.
func checkInvite(in loyaltyapi.Invite) error {
	bad := fault.New(fault.Invalid, "invalid_invitation", "The invitation is not valid.")
	if in.Days < 1 || in.Days > longestInvite {
		bad = bad.At("/expires_in_days", "must be 1 to "+strconv.Itoa(longestInvite))
	}
	if checkTurnNote(in.Note) != nil {
		bad = bad.At("/note", "must have at most 500 printable characters")
	}
	if n := len(in.PersonIDs); n < 1 || n > mostInvited {
		bad = bad.At("/emails", "must be 1 to "+strconv.Itoa(mostInvited))
	}
	return bad.Pointed()
}

// Invite asks people to become members, each once at a time, and says of each what came of it, in their order.
func (m *Module) Invite(ctx context.Context, siteID int64, in loyaltyapi.Invite, key idempotency.Key) (out []loyaltyapi.Invited, replayed bool, err error) {
	if err := checkInvite(in); err != nil {
		return nil, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			out, err = m.invite(ctx, u, siteID, in)
			return err
		})
		return err
	})
	return out, replayed, err
}

func (m *Module) invite(ctx context.Context, u *bus.Unit, siteID int64, in loyaltyapi.Invite) ([]loyaltyapi.Invited, error) {
	programs, err := sharePrograms(ctx, u, []int64{siteID})
	if err != nil {
		return nil, err
	}
	if p, ok := programs[siteID]; !ok || p.Status != active {
		return nil, errNoClub
	}
	now := moment(u.Now, u.Now)
	joins := map[person]joining{}
	for _, id := range in.PersonIDs {
		joins[person{siteID, id}] = joining{at: now, as: prospect, cause: turnInvite, keyID: in.KeyID}
	}
	holders, _, err := m.members(ctx, u, joins, nil, programs)
	if err != nil {
		return nil, err
	}
	var asked []invitation
	for _, h := range each(holders) {
		if invitable(h.Status) {
			asked = append(asked, invitation{SiteID: siteID, MemberID: h.MemberID, Code: newInvitationCode(), CreatedAt: now, ExpiresAt: now.AddDate(0, 0, in.Days)})
		}
	}
	fresh, open, err := saveInvitations(ctx, u, siteID, asked, in.Note, in.KeyID, now)
	if err != nil {
		return nil, err
	}
	out := make([]loyaltyapi.Invited, len(in.PersonIDs))
	for i, id := range in.PersonIDs {
		h := holders[person{siteID, id}]
		out[i] = loyaltyapi.Invited{PersonID: id, Result: h.Status}
		if got, ok := open[h.MemberID]; ok {
			got.PersonID = h.PersonID
			view := got.view(now)
			if out[i].Invitation, out[i].Result = &view, "already_invited"; fresh[got.ID] {
				out[i].Result = "invited"
				delete(fresh, got.ID) // who is named twice is invited once
				u.Tell(siteID, h.key(), loyaltyevent.MemberInvited{SiteID: siteID, InvitationID: got.ID, MemberID: h.MemberID, PersonID: h.PersonID, Code: got.Code, ExpiresAt: got.ExpiresAt, InvitedAt: now})
				m.m.Of(ctx).invitations.WithLabelValues("made").Inc()
			}
		}
	}
	return out, note(ctx, u, siteID, in.KeyID, "made", aboutInvitation, 0, nil, map[string]int{"invited": len(open), "people": len(in.PersonIDs)})
}

// InvitationOpen says whether an invitation can be accepted now; else the fault says why not.
func (m *Module) InvitationOpen(ctx context.Context, siteID int64, code string) error {
	i, err := invitationBy(ctx, m.db, siteID, "code", code, "")
	if err != nil {
		return err
	}
	return i.ends(m.now())
}

// AcceptInvitation makes a member of who was invited, once: to accept again changes nothing. Whoever has the code may say so.
func (m *Module) AcceptInvitation(ctx context.Context, siteID int64, code string, keyID int64, key idempotency.Key) (out loyaltyapi.Accepted, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			out, err = m.accept(ctx, u, siteID, code, keyID)
			return err
		})
		return err
	})
	m.turnedNow(ctx, err, replayed)
	return out, replayed, err
}

// accept locks the member before the invitation, as those who invite do.
func (m *Module) accept(ctx context.Context, u *bus.Unit, siteID int64, code string, keyID int64) (out loyaltyapi.Accepted, err error) {
	found, err := invitationBy(ctx, u, siteID, "code", code, "")
	if err != nil {
		return out, err
	}
	h, p, err := lockHolder(ctx, u, person{siteID, found.PersonID})
	if err != nil {
		return out, err
	}
	i, err := invitationBy(ctx, u, siteID, "code", code, "for no key update of i")
	if err != nil {
		return out, err
	}
	if i.Status == invitationAccepted {
		return loyaltyapi.Accepted{Accepted: true, At: *i.EndedAt}, nil
	}
	if err := i.ends(u.Now); err != nil {
		return out, err
	}
	if p.Status != active {
		return out, errNoClub
	}
	if h.Status != active { // somebody else made them a member meanwhile
		if err := m.turn(ctx, u, h, p, loyaltyapi.Turn{Turn: turnAccept, KeyID: keyID}); err != nil {
			return out, err
		}
	}
	m.m.Of(ctx).invitations.WithLabelValues(invitationAccepted).Inc()
	return loyaltyapi.Accepted{Accepted: true, At: moment(u.Now, u.Now)}, endInvitation(ctx, u, i, invitationAccepted)
}

// revokeInvitation has an invitation be worth nothing any more. To revoke it again changes nothing.
func (m *Module) revokeInvitation(ctx context.Context, siteID, id, keyID int64, key idempotency.Key) (out loyaltyapi.Invitation, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, siteID, key, &out, func() error {
			i, err := invitationBy(ctx, u, siteID, "id", id, "for no key update of i")
			if err != nil {
				return err
			}
			if i.Status != invitationRevoked {
				if i.Status == invitationAccepted {
					return i.ends(u.Now)
				}
				if err := endInvitation(ctx, u, i, invitationRevoked); err != nil {
					return err
				}
				m.m.Of(ctx).invitations.WithLabelValues(invitationRevoked).Inc()
				if err := note(ctx, u, siteID, keyID, "revoked", aboutInvitation, id, nil, nil); err != nil {
					return err
				}
				if i, err = invitationBy(ctx, u, siteID, "id", id, ""); err != nil {
					return err
				}
			}
			out = i.view(u.Now)
			return nil
		})
		return err
	})
	return out, replayed, err
}

// Invitations lists invitations, the latest first, and says whether more follow; "": of any state.
func (m *Module) Invitations(ctx context.Context, siteID int64, status string, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Invitation, bool, error) {
	now := m.now()
	all, err := invitationsOf(ctx, m.db, siteID, status, now, after.ID, limit+1)
	return column(all[:min(limit, len(all))], func(i invitation) loyaltyapi.Invitation { return i.view(now) }), len(all) > limit, err
}
