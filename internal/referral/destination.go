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

// withParameters adds parameters to a checked destination. What its query holds stays and wins, except for keys of identity,
// which a destination that was copied from a browser may carry: they would make all friends one visitor.
func withParameters(destination string, add []parameter) (string, error) {
	u, err := url.Parse(destination)
	if err != nil {
		return "", err
	}
	var parts []string
	has := map[string]bool{}
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		key, _, _ := strings.Cut(part, "=")
		if k, err := url.QueryUnescape(key); err == nil {
			key = k
		}
		if part == "" || key == paramVisitor || key == paramFriendOffer {
			continue
		}
		has[key] = true
		parts = append(parts, part)
	}
	for _, p := range add {
		if !has[p.key] && p.value != "" {
			parts = append(parts, url.QueryEscape(p.key)+"="+url.QueryEscape(p.value))
		}
	}
	u.RawQuery = strings.Join(parts, "&")
	return u.String(), nil
}
