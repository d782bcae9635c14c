package referral

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

const (
	visitorCookie    = "tkbl_session"
	paramVisitor     = "tkbl_cvuuid"
	paramFriendOffer = "talkable_visitor_offer_id"

	linkAge       = time.Minute     // how long an advocate who became known may go unseen in the event of a visit
	visitPatience = 3 * time.Second // a redirect doesn't wait longer for its visit to be written
)

const notFoundPage = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
	`<title>Link not found</title><h1>This link leads nowhere</h1><p>It may have been copied incompletely.</p></html>`

// cachedLink is a link and when it was read.
type cachedLink struct {
	link *link
	at   time.Time
}

// Visit serves /x/{code}: the links that advocates share. A claim link records the visit, durably, and leads to the campaign's
// destination; when the database is away, links that this process knows still lead there, and the visit is lost.
func (m *Module) Visit() http.Handler {
	r := chi.NewRouter()
	r.Get("/x/{code}", m.open)
	r.Head("/x/{code}", m.open)
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) { notFound(w) })
	return r
}

func (m *Module) open(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "strict-origin-when-cross-origin")
	code, ok := codeOf(chi.URLParam(r, "code"))
	if !ok {
		notFound(w)
		return
	}
	l, err := m.link(r.Context(), code)
	if err != nil {
		m.away(w, r, err)
		return
	}
	if l == nil {
		notFound(w)
		return
	}
	shelf, err := m.catalog.of(r.Context(), l.SiteID)
	if shelf == nil {
		m.away(w, r, err)
		return
	}
	c := shelf.byID[l.CampaignID]
	if c == nil { // made elsewhere a moment ago
		c = &campaign{SiteID: l.SiteID, ID: l.CampaignID}
	}
	destination := c.Destination
	if destination == "" || l.Kind == linkShare {
		destination = shelf.shop.URL
	}
	if checkDestination(destination) != nil {
		notFound(w)
		return
	}
	if l.Kind == linkShare {
		redirect(w, r, destination, nil)
		return
	}
	m.claim(w, r, visit{link: l, campaign: c, live: c.live(m.now())}, destination)
}

// claim records the visit, unless a machine makes it, and leads to the destination.
func (m *Module) claim(w http.ResponseWriter, r *http.Request, v visit, destination string) {
	medium := v.link.Channel
	if medium == "" {
		medium = "link"
	}
	utm := []parameter{{"utm_source", "talkable"}, {"utm_medium", medium},
		{"utm_campaign", strconv.FormatInt(v.campaign.ID, 10)}, {"utm_content", v.campaign.Name}}
	if machine(r) {
		m.metrics.visits.WithLabelValues("machine").Inc()
		redirect(w, r, destination, utm)
		return
	}
	v.visitor = visitorFrom(r)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), visitPatience) // who goes away early was here
	defer cancel()
	done, err := m.visits.Do(ctx, v)
	switch {
	case err != nil:
		m.lost(err)
	case v.live:
		m.metrics.visits.WithLabelValues("recorded").Inc()
	default:
		m.metrics.visits.WithLabelValues("inactive").Inc()
	}
	http.SetCookie(w, &http.Cookie{Name: visitorCookie, Value: v.visitor, Path: "/", MaxAge: 400 * 24 * 60 * 60,
		SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: m.secure})
	identity := []parameter{{paramVisitor, v.visitor}}
	if done.friendOffer != 0 {
		identity = append(identity, parameter{paramFriendOffer, strconv.FormatInt(done.friendOffer, 10)})
	}
	redirect(w, r, destination, append(identity, utm...))
}

// lost counts a visit that couldn't be written, and says so once a minute.
func (m *Module) lost(err error) {
	m.metrics.visits.WithLabelValues("lost").Inc()
	now := m.now()
	m.lostMu.Lock()
	defer m.lostMu.Unlock()
	if age := now.Sub(m.lostAt); age < 0 || age >= time.Minute {
		m.lostAt = now
		m.log.Error().Err(err).Msg("visits are lost: the links lead on, but nothing is recorded")
	}
}

// link finds what is behind a code. What is known serves on when the database is away.
func (m *Module) link(ctx context.Context, code string) (*link, error) {
	known, ok := m.known.Get(code)
	if now := m.now(); ok && now.Sub(known.at) < linkAge && !now.Before(known.at) {
		return known.link, nil
	}
	ctx, cancel := context.WithTimeout(ctx, visitPatience)
	defer cancel()
	l, err := linkByCode(ctx, m.db, code)
	switch {
	case err != nil && ok:
		return known.link, nil
	case err != nil:
		return nil, err
	case l != nil:
		m.known.Add(code, cachedLink{l, m.now()})
	}
	return l, nil
}

// visitorFrom is the visitor's uuid: of the cookies, of the page before, or new.
func visitorFrom(r *http.Request) string {
	for _, name := range []string{visitorCookie, "uuid"} {
		if c, err := r.Cookie(name); err == nil {
			if v, ok := visitorOf(c.Value); ok {
				return v
			}
		}
	}
	if v, ok := visitorOf(r.URL.Query().Get(paramVisitor)); ok {
		return v
	}
	return uuid.Must(uuid.NewV7()).String() // fails only without the system's random source
}

func redirect(w http.ResponseWriter, r *http.Request, destination string, add []parameter) {
	to, err := withParameters(destination, add)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	w.Header().Set("Location", to) // not http.Redirect: it would resolve what isn't absolute, and write a body
	w.WriteHeader(http.StatusFound)
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, notFoundPage)
}

func (m *Module) away(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		err = fault.New(fault.Unavailable, "unavailable", "A part of the service is away; please repeat the request.")
	}
	web.Fail(w, r, err)
}
