package page

import (
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
)

// nameView asks a friend who sent him.
type nameView struct {
	frame
	Text   string
	Action string
}

// param is a part of the path as it was meant. chi gives it as it was sent.
func param(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v
	}
	if u, err := url.PathUnescape(v); err == nil {
		return u
	}
	return v
}

// askName shows the form for names, and leads on to the one that was typed.
func (p *Pages) askName(w http.ResponseWriter, r *http.Request) {
	path := "/by/"
	if slug := param(r, "site"); slug != "" {
		path += url.PathEscape(slug) + "/"
	}
	if name := r.URL.Query().Get("name"); name != "" {
		http.Redirect(w, r, path+url.PathEscape(name), http.StatusSeeOther)
		return
	}
	f := p.frame(r, 0)
	f.kind, f.Title = "name", f.say("name_title")
	p.show(w, r, http.StatusOK, nameView{frame: f, Text: f.say("name_text"), Action: path})
}

// byName leads to the claim link of who has the name.
func (p *Pages) byName(w http.ResponseWriter, r *http.Request) {
	code, err := p.Referrals.NamedLink(r.Context(), param(r, "site"), param(r, "name"))
	switch {
	case err != nil:
		p.fail(w, r, err)
	case code == "":
		p.Gone(w, r)
	default:
		http.Redirect(w, r, "/x/"+code, http.StatusFound)
	}
}
