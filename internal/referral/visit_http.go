package referral

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

const (
	visitorCookie    = referralapi.VisitorCookie
	paramVisitor     = referralapi.VisitorParam
	paramFriendOffer = "talkable_visitor_offer_id"
	paramAppVisitor  = "talkable_visitor_uuid" // Talkable's SDKs read it

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
// Where a page is to be shown, pages shows it.
func (m *Module) Visit(pages Pages) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.open(w, r, pages) })
}

// Values of headers that are always the same.
var (
	notStored    = []string{"no-store"}
	originAbroad = []string{"strict-origin-when-cross-origin"}
)

func (m *Module) open(w http.ResponseWriter, r *http.Request, pages Pages) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	h := w.Header() // the names are in their canonical form
	h["Cache-Control"], h["Referrer-Policy"] = notStored, originAbroad
	code, ok := codeOf(codeIn(r))
	var l *link
	var err error
	if ok {
		if l, err = m.link(r.Context(), code); err != nil {
			pages.Fail(w, r, away(err))
			return
		}
	}
	if l == nil {
		m.openOld(w, r, pages)
		return
	}
	shelf, err := m.catalog.of(r.Context(), l.SiteID)
	if shelf == nil {
		pages.Fail(w, r, away(err))
		return
	}
	c := shelf.byID[l.CampaignID]
	if c == nil { // made elsewhere a moment ago
		c = &campaign{SiteID: l.SiteID, ID: l.CampaignID}
	}
	to, v := shelf.leads(l.CampaignID), visit{link: l, campaign: c, live: c.claimable(m.now()), address: c.addressOf(web.From(r.Context()).ClientIP)}
	switch {
	case l.Kind != linkShare && m.unwelcome(r.Context(), l, web.From(r.Context()).ClientIP):
		m.metrics.Real.opened.blocked.Inc()
		if shelf.home == nil {
			pages.Gone(w, r)
			return
		}
		redirect(w, shelf.home.with())
	case l.Kind == linkShare:
		pages.Share(w, r, m.sharing(shelf, l, c))
	case c.terms != nil && (c.terms.ClaimPage || !v.live):
		m.show(w, r, pages, v, shelf)
	case to == nil:
		pages.Gone(w, r)
	default:
		m.claim(w, r, v, to)
	}
}

// openOld leads on from an address of this form by which an advocate shared elsewhere.
func (m *Module) openOld(w http.ResponseWriter, r *http.Request, pages Pages) {
	switch to, err := m.OldLink(r.Context(), r.Host, r.URL.Path); {
	case err != nil:
		pages.Fail(w, r, away(err))
	case to == "":
		pages.Gone(w, r)
	default:
		redirect(w, to)
	}
}

// codeIn is what stands in the place of the code, as it was sent.
func codeIn(r *http.Request) string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	code, _ := strings.CutPrefix(path, "/x/")
	return code
}

// claim records the visit, unless a machine makes it, and leads to the destination.
func (m *Module) claim(w http.ResponseWriter, r *http.Request, v visit, to *landing) {
	done := m.record(w, r, &v)
	redirect(w, m.destination(r.Context(), to, v, done.friendOffer, nil))
}

// record writes the visit and gives the browser its cookie; a machine is given none, and no visitor.
func (m *Module) record(w http.ResponseWriter, r *http.Request, v *visit) visited {
	if machine(r) {
		m.metrics.Real.opened.machine.Inc()
		return visited{}
	}
	v.visitor, v.device = visitorFrom(r), web.DeviceType(r.UserAgent())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), visitPatience) // who goes away early was here
	defer cancel()
	done, err := m.visits.Do(ctx, *v)
	switch {
	case err != nil:
		m.lost(err)
	case v.live:
		m.metrics.Real.opened.recorded.Inc()
	default:
		m.metrics.Real.opened.inactive.Inc()
	}
	h := w.Header()
	h["Set-Cookie"] = append(h["Set-Cookie"], visitorCookie+"="+v.visitor+m.cookie)
	return done
}

// destination is where somebody is led who came by a link. A machine hands no visitor over.
func (m *Module) destination(ctx context.Context, to *landing, v visit, friendOffer int64, coupons []string) string {
	channel := parameter{"utm_medium", v.link.Channel}
	if channel.value == "" {
		channel.value = "link"
	}
	offer := ""
	if friendOffer != 0 {
		offer = strconv.FormatInt(friendOffer, 10)
	}
	if len(to.holes) > 0 {
		to = to.filled(m.fillings(ctx, to, v, friendOffer, coupons))
	}
	app := ""
	if to.app {
		app = v.visitor
	}
	return to.with(parameter{paramVisitor, v.visitor}, parameter{paramAppVisitor, app}, parameter{paramFriendOffer, offer}, parameter{"utm_source", "talkable"}, channel,
		parameter{"utm_campaign", strconv.FormatInt(v.campaign.ID, 10)}, parameter{"utm_content", v.campaign.Name})
}

// cookieTail is what follows the visitor in the cookie.
func cookieTail(secure bool) string {
	whole := (&http.Cookie{Name: visitorCookie, Value: "0", Path: "/", MaxAge: 400 * 24 * 60 * 60,
		SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: secure}).String()
	return strings.TrimPrefix(whole, visitorCookie+"=0")
}

// lost counts a visit that couldn't be written, and says so once a minute.
func (m *Module) lost(err error) {
	m.metrics.Real.opened.lost.Inc()
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
	for _, name := range [...]string{visitorCookie, "uuid"} {
		if c, err := r.Cookie(name); err == nil {
			if v, ok := visitorOf(c.Value); ok && !standsIn(v) {
				return v
			}
		}
	}
	if v, ok := visitorOf(r.URL.Query().Get(paramVisitor)); ok && !standsIn(v) {
		return v
	}
	return uuid.Must(uuid.NewV7()).String() // fails only without the system's random source
}

func redirect(w http.ResponseWriter, to string) {
	w.Header()["Location"] = []string{to} // not http.Redirect: it would resolve what isn't absolute, and write a body
	w.WriteHeader(http.StatusFound)
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, notFoundPage)
}

// away is why a link can't be followed now.
func away(err error) error {
	if err == nil {
		return fault.New(fault.Unavailable, "unavailable", "A part of the service is away; please repeat the request.")
	}
	return err
}
