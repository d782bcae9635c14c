package page

import (
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

// unsubscribeView asks once more: programs that look at mail open its links, too.
type unsubscribeView struct {
	frame
	Text   string
	Button string
}

// addressee reads whom a signed link of a mail is for; false: it is none of ours.
func (p *Pages) addressee(r *http.Request) (siteID int64, who web.Addressee, ok bool) {
	siteID, err := strconv.ParseInt(chi.URLParam(r, "site"), 10, 64)
	if err != nil {
		return 0, who, false
	}
	who, ok = p.Cursors.Unsubscriber(siteID, chi.URLParam(r, "token"))
	return siteID, who, ok
}

func (p *Pages) askUnsubscribe(w http.ResponseWriter, r *http.Request) {
	siteID, _, ok := p.addressee(r)
	if !ok {
		p.Gone(w, r)
		return
	}
	f := p.frame(r, siteID)
	f.kind, f.Title = "unsubscribe", f.say("unsubscribe_title")
	p.show(w, r, http.StatusOK, unsubscribeView{frame: f, Text: f.say("unsubscribe_text"), Button: f.say("unsubscribe_button")})
}

// unsubscribe takes the page's button and what mail programs send by RFC 8058, which follow no redirect. Once or often, it ends the same.
func (p *Pages) unsubscribe(w http.ResponseWriter, r *http.Request) {
	siteID, who, ok := p.addressee(r)
	if !ok {
		p.Gone(w, r)
		return
	}
	people, err := p.Customers.People(r.Context(), siteID, []int64{who.PersonID})
	if err == nil && people[who.PersonID].Email != "" && people[who.PersonID].UnsubscribedAt == nil {
		_, _, err = p.Customers.Unsubscribe(r.Context(), siteID, people[who.PersonID].Email, idempotency.Key{})
	}
	if err != nil {
		p.fail(w, r, err)
		return
	}
	p.show(w, r, http.StatusOK, notice(p.frame(r, siteID), "unsubscribed"))
}
