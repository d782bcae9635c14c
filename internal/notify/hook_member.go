package notify

import (
	"context"
	"strings"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// onInvited writes to who is asked to become a member, with the link to the page that takes the answer.
func (m *Module) onInvited(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.MemberInvited]) error {
	if err := announce(ctx, m, u, batch, fromInvitation); err != nil {
		return err
	}
	return notices(ctx, m, u, memberInvited, batch, func(i loyaltyevent.MemberInvited) (siteID, personID int64, id string, f noticeFacts) {
		if !u.Now.Before(i.ExpiresAt) { // it is worth nothing any more
			return 0, 0, "", f
		}
		link := strings.TrimRight(m.PublicURL, "/") + "/join/" + itoa(i.SiteID) + "/" + i.Code
		return i.SiteID, i.PersonID, itoa(i.InvitationID), noticeFacts{Link: link, Invitation: i.Code, Ends: i.ExpiresAt}
	})
}

// onInvitationEnded takes back the mail that asks, if it hasn't left: whose invitation was taken back is not to hear of it, and who has answered was asked.
func (m *Module) onInvitationEnded(ctx context.Context, u *bus.Unit, batch []bus.Event[loyaltyevent.InvitationEnded]) error {
	return takeBack(ctx, m, u, memberInvited, batch, func(i loyaltyevent.InvitationEnded) (siteID, invitationID int64) { return i.SiteID, i.InvitationID })
}

func fromInvitation(i loyaltyevent.MemberInvited) (occasion, bool) {
	return occasion{siteID: i.SiteID, kind: "member.invited", id: itoa(i.InvitationID), personID: i.PersonID, at: i.InvitedAt, data: i}, true
}

// fromStatus tells of a member's state; the same is come to more than once.
func fromStatus(c loyaltyevent.MemberStatusChanged) (occasion, bool) {
	return occasion{siteID: c.SiteID, kind: "member.status_changed", id: itoa(c.MemberID) + ":" + itoa(c.ChangedAt.UnixMicro()) + ":" + c.To, personID: c.PersonID, at: c.ChangedAt, data: c}, true
}

// fromPool tells what became of a pool, or of somebody's place in it.
func fromPool(p loyaltyevent.PoolChanged) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "pool.changed", id: itoa(p.PoolID) + ":" + p.Change + ":" + itoa(p.MemberID) + ":" + itoa(p.ChangedAt.UnixMicro()), personID: p.PersonID,
		at: p.ChangedAt, data: p}, true
}

func fromPooling(p loyaltyevent.PointsPooled) (occasion, bool) {
	return occasion{siteID: p.SiteID, kind: "points.pooled", id: itoa(p.TransactionID), personID: p.PersonID, friend: p.ToPersonID, at: p.PooledAt, data: p}, true
}
