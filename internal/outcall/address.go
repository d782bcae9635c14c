package outcall

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

const longestURL = 2000

// ErrForbidden says that an address may not be called: it is private, or none that the internet routes.
var ErrForbidden = errors.New("this address may not be called")

// Check says what is wrong with an address that somebody wants to be called at, in words that complete "the URL …"; "" if nothing
// is. Names are looked up when they are called, not now: what a name stands for can change.
func (c *Client) Check(raw string) string {
	if len(raw) > longestURL {
		return fmt.Sprintf("must have at most %d characters", longestURL)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "must be an address like https://shop.example/hook"
	case u.Scheme != "https" && !(u.Scheme == "http" && c.private):
		return "must begin with https://"
	case u.User != nil:
		return "must not hold a user or a password"
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return "must not have a fragment"
	case strings.HasSuffix(u.Host, ":") || !validPort(u.Port()):
		return "must have a port from 1 to 65535, or none"
	}
	if ip, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]")); err == nil && !c.allows(ip) {
		return "must lead to the public internet"
	}
	return ""
}

func validPort(s string) bool {
	if s == "" {
		return true
	}
	n, err := net.LookupPort("tcp", s)
	return err == nil && n > 0 && s[0] >= '0' && s[0] <= '9'
}

// guard is asked by the dialer when it has an address and before it connects, so no name, however it is answered, leads inside.
func (c *Client) guard(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if !c.allows(at.Addr()) {
		return ErrForbidden
	}
	return nil
}

// allows says whether an address may be called. Link-local ones never may: there the clouds keep their machines' credentials.
func (c *Client) allows(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if c.private && (ip.IsLoopback() || ip.IsPrivate()) {
		return true
	}
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return false
	}
	if ip.Is6() && !global6.Contains(ip) {
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}

var global6 = netip.MustParsePrefix("2000::/3")

// special are the parts of the unicast space that IANA lists as not globally reachable, and those that stand for IPv4 addresses.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}
