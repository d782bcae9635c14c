package referral

import (
	"context"
	"net"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"
)

const mostPath = 500

// addressOfLink reads an address by which somebody shared elsewhere; why says what is wrong with it. In the path case counts, unless it didn't there.
func addressOfLink(s string, anyCase bool) (a address, why string) {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil:
		return a, "is no address like https://refer.shop.example/ann"
	case !hostLike(u.Hostname()):
		return a, "has no host name that could lead here"
	}
	a = address{strings.ToLower(u.Hostname()), pathOfLink(u.Path)}
	switch {
	case a.path == "" && u.RawQuery != "":
		return a, "leads to a page by its query; only an address with a path of its own can be taken over. Give what the query says as the code"
	case a.path == "":
		return a, "has no path, which would say whose it is"
	case len(a.path) > mostPath || !utf8.ValidString(a.path) || strings.ContainsFunc(a.path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return a, "has a path that is too long, or no text"
	case path.Ext(a.path) != "" || strings.HasPrefix(a.path, "/api/") || strings.HasPrefix(a.path, "/."):
		return a, "has a path that is used here for something else, or is a file's"
	}
	if anyCase {
		a.path = strings.ToLower(a.path)
	}
	return a, ""
}

func hostLike(s string) bool {
	return len(s) <= 253 && strings.Contains(s, ".") && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789.-") == "" && net.ParseIP(s) == nil
}

// pathOfLink is a path without what doesn't matter; "": there is none.
func pathOfLink(s string) string { return strings.TrimRight(s, "/") }

// OldLink is where an address leads by which somebody shared elsewhere: to the advocate's claim link here. "": nobody's. Addresses of other hosts lead
// here when their names point to this server, or when they are redirected to its own name with their paths: then the path says whose it is.
func (m *Module) OldLink(ctx context.Context, host, at string) (string, error) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	at = pathOfLink(at)
	if at == "" || len(at) > mostPath || !utf8.ValidString(at) || strings.ContainsRune(at, 0) {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, visitPatience)
	defer cancel()
	host = strings.ToLower(host)
	code, err := claimOfOldLink(ctx, m.db, host, at, strings.ToLower(at), host == m.publicHost())
	if code == "" || err != nil {
		return "", err
	}
	return m.linkURL(code), nil
}

// publicHost is the name of this server.
func (m *Module) publicHost() string {
	u, err := url.Parse(m.publicURL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
