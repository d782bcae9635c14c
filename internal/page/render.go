package page

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"embed"

	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/web"
)

//go:embed templates
var templateFiles embed.FS

//go:embed style.css
var style string

// templates are parsed once; a broken one is a broken build, which the tests see.
var templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))

// frame is what every page has around it.
type frame struct {
	Lang  string
	Site  string // its name
	Home  string // the shop; "": unknown
	Logo  string
	Title string
	About string // for link previews
	Style template.CSS
	Wide  bool

	kind   string // of the page, for the metric and its template
	framed string // who may put the page into a frame
	look   gatewayapi.Look
}

// frame is that of a site's page. Of site 0, or one that can't be read, it is our own.
func (p *Pages) frame(r *http.Request, siteID int64) frame {
	return p.frameIn(r.Context(), r.Header.Get("Accept-Language"), siteID)
}

// frameIn is a frame for somebody who would like one of some languages.
func (p *Pages) frameIn(ctx context.Context, languages string, siteID int64) frame {
	look, err := p.Looks.Look(ctx, siteID)
	if err != nil {
		if siteID != 0 {
			web.Log(ctx).Warn().Err(err).Msg("a site's look can't be read; its page has ours")
		}
		return ours(languages)
	}
	return frameOf(languages, look)
}

// ours is the frame of a page that isn't any site's; nothing is asked for it.
func ours(languages string) frame {
	return frameOf(languages, gatewayapi.Look{Color: gatewayapi.DefaultColor, Language: gatewayapi.Languages[0]})
}

func frameOf(languages string, look gatewayapi.Look) frame {
	f := frame{Site: look.Name, Home: look.Site.URL, Logo: look.LogoURL, look: look, framed: "'none'"}
	f.Lang = languageOf(languages, look)
	f.Style = stylesheet(look)
	return f
}

// stylesheet is the pages' CSS in a site's colours.
func stylesheet(look gatewayapi.Look) template.CSS {
	day, dark := paletteOn(paper, look.Color), look.ColorDark
	if dark == "" {
		dark = lit(look.Color)
	}
	eve := paletteOn(night, dark)
	return template.CSS(fmt.Sprintf(":root{--brand:%s;--ink:%s;--link:%s}\n@media (prefers-color-scheme:dark){:root{--brand:%s;--ink:%s;--link:%s}}\n",
		day.brand, day.ink, day.link, eve.brand, eve.ink, eve.link) + style)
}

// policy is all that a browser may do with a page.
func (f frame) policy() string {
	sum := sha256.Sum256([]byte(f.Style))
	images := "'self' data:"
	if u, err := url.Parse(f.Logo); f.Logo != "" && err == nil && u.Host != "" {
		images += " https://" + u.Host
	}
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; img-src " + images +
		"; form-action 'self'; base-uri 'none'; frame-ancestors " + f.framed
}

// inShop lets the site's shop put the page into a frame.
func (f frame) inShop() frame {
	f.framed = "'self'"
	if u, err := url.Parse(f.Home); err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http") {
		f.framed += " " + u.Scheme + "://" + u.Host
	}
	return f
}

// page is something to show: a frame and what is in it.
type page interface{ outer() frame }

func (f frame) outer() frame { return f }

// note is a page that says one thing.
type note struct {
	frame
	Text string
	Next string // where a button leads; "": there is none
}

// notice is a page of two sentences, named kind_title and kind_text.
func notice(f frame, kind string) note {
	f.kind, f.Title = kind, f.say(kind+"_title")
	return note{frame: f, Text: f.say(kind + "_text")}
}

// show writes a page; none of them is for caches.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, status int, one page) {
	d, err := p.document(one)
	if err != nil {
		web.Fail(w, r, err)
		return
	}
	for name, value := range d.Headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, _ = w.Write(d.Body) // the client may be gone
}

// document is a page with all that a browser is told of it.
func (p *Pages) document(one page) (gatewayapi.Document, error) {
	f := one.outer()
	name := f.kind
	if _, plain := one.(note); plain {
		name = "note"
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name+".html", one); err != nil {
		return gatewayapi.Document{}, fmt.Errorf("page %s: %w", name, err)
	}
	p.views.WithLabelValues(f.kind).Inc()
	return gatewayapi.Document{Body: b.Bytes(), Headers: map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Language": f.Lang, "Content-Security-Policy": f.policy(), "Cache-Control": "no-store",
		"Referrer-Policy": "strict-origin-when-cross-origin", // no-referrer would make forms come from nowhere
		"X-Robots-Tag":    "noindex"}}, nil
}

func sortedNames(of map[string]referralapi.Incentive) []string {
	return slices.Sorted(maps.Keys(of))
}
