// Package page shows what advocates and friends see in a browser: claim pages, share pages, names, invitations to the loyalty programme, and the way out of mail. It owns no
// tables; it asks the modules by what it declares here, as the gateway's compositions do.
//
// The pages are plain HTML without scripts, in the site's colours, light and dark. Whatever people typed is escaped by html/template, and a
// policy forbids the browser all that the pages don't need. Links that are unknown, over or of another kind have one answer, so
// that nobody learns which codes, names and addresses there are.
package page

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// Deps are what the pages stand on.
type Deps struct {
	Referrals Referrals
	Customers Customers
	Members   Members
	Mails     Mails
	Looks     Looks
	Cursors   *web.Cursors // signs the links of mails
	Reg       prometheus.Registerer
	PublicURL string
}

// Referrals are asked for what stands behind links.
type Referrals interface {
	Landing(ctx context.Context, code, visitor string) (found *referralapi.Landing, share bool, err error)
	Arrive(ctx context.Context, l *referralapi.Landing) (referralapi.Arrival, error)
	ClaimLink(ctx context.Context, in referralapi.LinkClaim) error
	Offer(ctx context.Context, s site.Site, codeOrID string, channels []string) (*referralapi.Offer, error)
	OfferStats(ctx context.Context, l referralapi.Landing) (referralapi.OfferStats, error)
	NamedLink(ctx context.Context, slug, name string) (code string, err error)
}

// Customers know people.
type Customers interface {
	People(ctx context.Context, siteID int64, ids []int64) (map[int64]customerapi.Person, error)
	Addressees(ctx context.Context, siteID int64, emails []string) ([]customerapi.Addressee, error)
	Introduce(ctx context.Context, s site.Site, emails []string) ([]int64, error)
	UpdatePerson(ctx context.Context, siteID int64, slug string, in customerapi.PersonUpdate) (out customerapi.Person, replayed bool, err error)
	Unsubscribe(ctx context.Context, siteID int64, slug string, key idempotency.Key) (out customerapi.Person, replayed bool, err error)
}

// Members know points, and who is asked to collect them.
type Members interface {
	Member(ctx context.Context, siteID, personID int64) (loyaltyapi.Member, error)
	InvitationOpen(ctx context.Context, siteID int64, code string) error
	AcceptInvitation(ctx context.Context, siteID int64, code string, keyID int64, key idempotency.Key) (out loyaltyapi.Accepted, replayed bool, err error)
}

// Mails sends an offer to friends.
type Mails interface {
	MailOffer(ctx context.Context, s site.Site, to []string, ask referralapi.EmailShare) (people []customerapi.Addressee, out referralapi.EmailShared, replayed bool, err error)
}

// Looks know how a site's pages look. Site 0 is the installation's only one, if it has one only.
type Looks interface {
	Look(ctx context.Context, siteID int64) (gatewayapi.Look, error)
}

// Pages shows them.
type Pages struct {
	Deps
	own   *http.CrossOriginProtection // forms of other sites' pages are refused
	views *prometheus.CounterVec
}

// New makes the pages.
func New(d Deps) *Pages {
	p := &Pages{Deps: d, own: http.NewCrossOriginProtection()}
	p.PublicURL = strings.TrimRight(p.PublicURL, "/")
	if u, err := url.Parse(p.PublicURL); err == nil && u.Scheme != "" && u.Host != "" {
		_ = p.own.AddTrustedOrigin(u.Scheme + "://" + u.Host) // fails for what has more than these two
	}
	p.views = promauto.With(d.Reg).NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "page", Name: "views_total",
		Help: "Pages shown, by what they said."}, []string{"page"})
	return p
}

// Routes adds the pages that no short link leads to by itself.
func (p *Pages) Routes(r chi.Router) {
	r.Get("/x/{code}/claim", p.claimed)
	r.Post("/x/{code}/claim", p.form(p.claim))
	r.Post("/x/{code}/mail", p.form(p.mail))
	r.Get("/by/", p.askName)
	r.Get("/by/{name}", p.byName)
	r.Get("/by/{site}/", p.askName)
	r.Get("/by/{site}/{name}", p.byName)
	r.Get("/unsubscribe/{site}/{token}", p.askUnsubscribe)
	r.Post("/unsubscribe/{site}/{token}", p.form(p.unsubscribe))
	r.Get("/join/{site}/{code}", p.askJoin)
	r.Post("/join/{site}/{code}", p.form(p.join))
}

const mostForm = 32 << 10 // bytes

// form reads a form that a page of ours sent, or no browser at all.
func (p *Pages) form(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, mostForm)
		if p.own.Check(r) != nil || r.ParseForm() != nil {
			p.show(w, r, http.StatusBadRequest, notice(p.frame(r, 0), "failed"))
			return
		}
		next(w, r)
	}
}

// Gone is the one answer to whatever leads nowhere.
func (p *Pages) Gone(w http.ResponseWriter, r *http.Request) {
	n := notice(p.frame(r, 0), "gone")
	n.Next = n.Home
	p.show(w, r, http.StatusNotFound, n)
}

// Fail says to a browser that something doesn't work or that it has to wait; others get the problem. It asks for nobody's look: it is what is
// left when the database is away, or when somebody sends more than there is room for.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		web.Fail(w, r, err)
		return
	}
	p.failed(w, r, ours(r.Header.Get("Accept-Language")), err)
}

// fail says in a page that something doesn't work, and logs what.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	p.failed(w, r, p.frame(r, 0), err)
}

func (p *Pages) failed(w http.ResponseWriter, r *http.Request, f frame, err error) {
	problem, kind := web.ProblemOf(r.Context(), err), "failed"
	for name, values := range problem.GetHeaders() {
		w.Header()[name] = values
	}
	if problem.Status == http.StatusTooManyRequests {
		kind = "busy"
	}
	p.show(w, r, max(problem.Status, http.StatusBadRequest), notice(f, kind))
}

// firstName is how an advocate is called on a page; "" where there is no name to show.
func (p *Pages) firstName(ctx context.Context, siteID, personID int64) (string, error) {
	if personID == 0 {
		return "", nil
	}
	people, err := p.Customers.People(ctx, siteID, []int64{personID})
	return friendly(people[personID].FirstName), err
}

// balance is what an advocate has in points; false: no member.
func (p *Pages) balance(ctx context.Context, siteID, personID int64) (int64, bool, error) {
	if personID == 0 {
		return 0, false, nil
	}
	m, err := p.Members.Member(ctx, siteID, personID)
	if _, said := fault.Of(err); said {
		return 0, false, nil
	}
	return m.Balance, err == nil && m.Active, err
}
