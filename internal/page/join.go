package page

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
)

// joinView asks whether somebody who was invited becomes a member: programs that look at mail open its links, too.
type joinView struct {
	frame
	Text   string
	Button string
}

func (p *Pages) askJoin(w http.ResponseWriter, r *http.Request) {
	siteID, code := invited(r)
	if err := p.Members.InvitationOpen(r.Context(), siteID, code); err != nil {
		p.notInvited(w, r, siteID, err)
		return
	}
	f := p.frame(r, siteID)
	f.kind, f.Title = "join", f.say("join_title")
	p.show(w, r, http.StatusOK, joinView{frame: f, Text: f.say("join_text"), Button: f.say("join_button")})
}

// join takes the page's button. Pressed once or often, it ends the same.
func (p *Pages) join(w http.ResponseWriter, r *http.Request) {
	siteID, code := invited(r)
	if _, _, err := p.Members.AcceptInvitation(r.Context(), siteID, code, 0, idempotency.Key{}); err != nil {
		p.notInvited(w, r, siteID, err)
		return
	}
	n := notice(p.frame(r, siteID), "joined")
	n.Next = n.Home
	p.show(w, r, http.StatusOK, n)
}

// invited reads which invitation a link is about. Site 0 has none.
func invited(r *http.Request) (siteID int64, code string) {
	siteID, _ = strconv.ParseInt(chi.URLParam(r, "site"), 10, 64)
	if code = chi.URLParam(r, "code"); strings.ContainsFunc(code, func(c rune) bool { return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') }) {
		code = "" // no database has to read what is no code
	}
	return max(siteID, 0), code
}

// notInvited says why an invitation leads nowhere; of one that there never was no more than of any other link.
func (p *Pages) notInvited(w http.ResponseWriter, r *http.Request, siteID int64, err error) {
	f, said := fault.Of(err)
	switch {
	case said && f.Kind == fault.NotFound:
		p.Gone(w, r)
	case said && f.Code == "invitation_accepted":
		n := notice(p.frame(r, siteID), "joined")
		n.Next = n.Home
		p.show(w, r, http.StatusOK, n)
	case said && (f.Kind == fault.Conflict || f.Kind == fault.Invalid):
		n := notice(p.frame(r, siteID), "join_over")
		n.Next = n.Home
		p.show(w, r, http.StatusGone, n)
	default:
		p.fail(w, r, err)
	}
}
