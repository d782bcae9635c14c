package referral

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

const (
	leastName = 3
	mostName  = 50
)

// reserved names stand for nobody: they could be taken for the shop's own.
var reserved = []string{"about", "account", "admin", "administrator", "api", "assets", "blog", "by", "claim", "contact", "docs", "help", "index", "info",
	"legal", "login", "mail", "me", "moderator", "new", "null", "official", "owner", "page", "pages", "privacy", "root", "share", "shop", "signup",
	"site", "static", "staff", "store", "support", "system", "talkable", "terms", "test", "undefined", "unsubscribe", "user", "webmaster", "www"}

// personName is a name that leads to a person.
type personName struct {
	site   int64
	name   string
	person int64
	at     time.Time
}

// letters that Unicode doesn't take apart.
var plainLetters = strings.NewReplacer("ß", "ss", "ẞ", "ss", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ð", "d", "ł", "l", "þ", "th", "ı", "i", "ŋ", "n")

// nameOf folds a name to the form in which names are compared and stand in links: ASCII in lower case, spaces as underscores. As
// Talkable has it: 3 to 50 Latin letters, digits, underscores and spaces, no digit first. false: it can't be a name in a link.
func nameOf(s string) (string, bool) {
	if len(s) > 4*mostName {
		return "", false
	}
	s = plainLetters.Replace(strings.ToLower(strings.TrimSpace(s)))
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('_')
		case unicode.Is(unicode.Mn, r): // an accent
		default:
			return "", false
		}
	}
	name := b.String()
	return name, len(name) >= leastName && len(name) <= mostName && name[0] >= 'a' && name[0] <= 'z' && !slices.Contains(reserved, name)
}

// personalURL is the link by a person's own name; nil: there is none. The first site's names follow /by/ at once, those of others their slug.
func (m *Module) personalURL(ctx context.Context, siteID, personID int64) (*string, error) {
	name, slug, err := nameOfPerson(ctx, m.db, siteID, personID)
	if name == "" || err != nil {
		return nil, err
	}
	path := name
	if slug != "" {
		path = slug + "/" + name
	}
	out := m.publicURL + "/by/" + path
	return &out, nil
}

// NamedLink is the code of the claim link that stands behind a personal name; "": nobody in the site has it, or nothing to share. slug is
// the site's, "" for the first.
func (m *Module) NamedLink(ctx context.Context, slug, name string) (code string, err error) {
	name, ok := nameOf(name)
	if !ok {
		return "", nil
	}
	siteID, person, err := personOfName(ctx, m.db, slug, name)
	if person == 0 || err != nil {
		return "", err
	}
	shelf, err := m.catalog.of(ctx, siteID)
	if shelf == nil {
		return "", err
	}
	offerID, err := newestOffer(ctx, m.db, siteID, person, shelf.claimable(m.now()))
	if offerID == 0 || err != nil {
		return "", err
	}
	o, err := m.Offer(ctx, site.Site{ID: siteID, Currency: shelf.shop.Currency}, itoa(offerID), []string{channelName})
	if err != nil || o == nil {
		return "", err
	}
	return codeOfURL(o), nil
}

const channelName = "personal_name"

func codeOfURL(o *referralapi.Offer) string {
	link := o.ClaimLinks[channelName]
	return link[strings.LastIndexByte(link, '/')+1:]
}

// claimable are the ids of the campaigns by whose links friends get offers.
func (s *shelf) claimable(at time.Time) []int64 {
	var ids []int64
	for _, c := range s.campaigns {
		if c.claimable(at) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}
