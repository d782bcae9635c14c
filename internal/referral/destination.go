package referral

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// checkDestination says what is wrong with the place that friends are sent to: it must be one that every browser reads alike.
func checkDestination(s string) error {
	if len(s) > 2048 {
		return errors.New("must have at most 2048 characters")
	}
	if err := checkHoles(s); err != nil {
		return err
	}
	s = unmarked(s)
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f || s[i] == '\\' {
			return errors.New("must hold no spaces, control characters or backslashes")
		}
	}
	u, err := url.Parse(s)
	if err != nil {
		return errors.New("is no URL")
	}
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https:// or http://")
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("must name a host")
	case u.User != nil || strings.Contains(u.Host, "@"):
		return errors.New("must name no user")
	}
	for _, c := range []byte(u.Host) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-.:[]_", c) >= 0) {
			return errors.New("must write its host in ASCII letters, digits, dots and hyphens (punycode for others)")
		}
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return errors.New("has no valid port")
		}
	}
	return nil
}

// parameter is one key and value of a query.
type parameter struct{ key, value string }

// landing is a destination, read once for all who are led there.
type landing struct {
	head, query, tail string          // before, within and behind the query
	has               map[string]bool // keys of the query
	asks              bool            // it ends with a question mark
	holes             []hole          // placeholders that are to be filled
	app               bool            // an app may open it, which knows the visitor by a name of its own
}

// landingOf reads a checked destination. What its query holds stays and wins, except for keys of identity, which a destination that
// was copied from a browser may carry: they would make all friends one visitor.
func landingOf(destination string) (*landing, error) {
	text, holes := marked(destination)
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	l := &landing{has: map[string]bool{}, asks: u.ForceQuery, holes: holes}
	var parts []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		key, _, _ := strings.Cut(part, "=")
		if k, err := url.QueryUnescape(key); err == nil {
			key = k
		}
		if part == "" || key == paramVisitor || key == paramFriendOffer || key == paramAppVisitor {
			continue
		}
		l.has[key] = true
		parts = append(parts, part)
	}
	l.query = strings.Join(parts, "&")
	u.RawQuery, u.ForceQuery = "", false
	whole := u.String()
	u.Fragment, u.RawFragment = "", ""
	l.head = u.String()
	l.tail = whole[len(l.head):]
	return l, nil
}

// with is the destination with parameters added.
func (l *landing) with(add ...parameter) string {
	b := make([]byte, 0, 384)
	b = append(b, l.head...)
	start := len(b)
	if l.asks || l.query != "" {
		b = append(append(b, '?'), l.query...)
	}
	separator := l.query != ""
	for _, p := range add {
		if p.value == "" || l.has[p.key] {
			continue
		}
		switch {
		case separator:
			b = append(b, '&')
		case len(b) == start:
			b = append(b, '?')
		}
		separator = true
		b = append(append(append(b, url.QueryEscape(p.key)...), '='), url.QueryEscape(p.value)...)
	}
	return string(append(b, l.tail...))
}

// withParameters adds parameters to a checked destination.
func withParameters(destination string, add []parameter) (string, error) {
	l, err := landingOf(destination)
	if err != nil {
		return "", err
	}
	return l.with(add...), nil
}
