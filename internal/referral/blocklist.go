package referral

import (
	_ "embed"
	"net/netip"
	"strings"
)

//go:embed disposable_domains.txt
var disposableText string

// disposable are domains that hand out addresses for a while.
var disposable = func() map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(disposableText) {
		if name := strings.TrimSpace(line); name != "" && !strings.HasPrefix(name, "#") {
			out[name] = true
		}
	}
	return out
}()

// listed finds the domain, or the one that it is below, in the list; "" if it isn't there.
func listed(domain string, in map[string]bool) string {
	for d := strings.ToLower(domain); d != ""; {
		if in[d] {
			return d
		}
		_, rest, ok := strings.Cut(d, ".")
		if !ok {
			return ""
		}
		d = rest
	}
	return ""
}

// wildcard says whether a text matches a pattern in which * stands for any characters. Both are in lower case. It takes time in
// proportion to their product at worst: a star that was passed is never tried again.
func wildcard(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// emails are patterns of addresses: those without a star are found at once.
type emails struct {
	exact    map[string]bool
	patterns []string
}

func emailsOf(entries []string) emails {
	out := emails{exact: map[string]bool{}}
	for _, e := range entries {
		if e = strings.ToLower(e); strings.Contains(e, "*") {
			out.patterns = append(out.patterns, e)
		} else {
			out.exact[e] = true
		}
	}
	return out
}

func (l emails) empty() bool { return len(l.exact)+len(l.patterns) == 0 }

func (l emails) has(email string) bool {
	email = strings.ToLower(email)
	if email == "" {
		return false
	}
	if l.exact[email] {
		return true
	}
	for _, p := range l.patterns {
		if wildcard(p, email) {
			return true
		}
	}
	return false
}

// span is a range of IP addresses of one family, both ends included.
type span struct{ first, last netip.Addr }

// spanOf reads an address, a range (first-last) or a subnet.
func spanOf(entry string) (span, bool) {
	if first, last, ok := strings.Cut(entry, "-"); ok {
		a, errA := netip.ParseAddr(strings.TrimSpace(first))
		b, errB := netip.ParseAddr(strings.TrimSpace(last))
		a, b = a.Unmap(), b.Unmap()
		return span{a, b}, errA == nil && errB == nil && a.Zone() == "" && b.Zone() == "" && a.Is4() == b.Is4() && a.Compare(b) <= 0
	}
	if strings.Contains(entry, "/") {
		p, err := netip.ParsePrefix(entry)
		if err != nil || p.Addr().Is4In6() {
			return span{}, false
		}
		return span{p.Masked().Addr(), lastOf(p)}, true
	}
	a, err := netip.ParseAddr(entry)
	a = a.Unmap()
	return span{a, a}, err == nil && a.Zone() == ""
}

// lastOf is the last address of a subnet.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

type spans []span

func spansOf(entries []string) spans {
	var out spans
	for _, e := range entries {
		if s, ok := spanOf(e); ok {
			out = append(out, s)
		}
	}
	return out
}

func (l spans) has(ip string) bool {
	if len(l) == 0 || ip == "" {
		return false
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	a = a.Unmap()
	for _, s := range l {
		if a.Is4() == s.first.Is4() && s.first.Compare(a) <= 0 && a.Compare(s.last) <= 0 {
			return true
		}
	}
	return false
}
