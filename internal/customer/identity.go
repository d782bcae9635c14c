package customer

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
)

// identity is how a request names a person, in the form in which persons are compared.
type identity struct {
	email, emailNorm       string
	phone, customerID      string
	username, usernameNorm string
	first, last            string
	properties             map[string]string
}

// named says that the request names somebody; a username alone, or a name, doesn't.
func (w identity) named() bool { return w.emailNorm != "" || w.customerID != "" || w.phone != "" }

// findings gathers what is wrong with a request, place by place.
type findings struct {
	fields  []fault.Field
	literal string // Talkable's own words, where its clients know some
}

const (
	emailMessage = "Email isn't valid"
	typeMessage  = "`type` must be within [\"AffiliateMember\", \"Purchase\", \"Event\"]"
)

func (f *findings) add(pointer, detail string) {
	f.fields = append(f.fields, fault.Field{Pointer: pointer, Detail: detail})
}

// err is the fault that tells all findings.
func (f *findings) err() error {
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "invalid_request", "")
	e.Detail = strings.TrimPrefix(f.fields[0].Pointer, "/data/") + ": " + f.fields[0].Detail + "."
	if f.literal != "" {
		e.Detail = f.literal
	}
	e.Fields = f.fields
	return e
}

// identityOf checks and normalises a request's identity.
func identityOf(in customerapi.Identity, f *findings) identity {
	w := identity{email: in.Email, customerID: in.CustomerID, username: in.Username, first: in.FirstName, last: in.LastName}
	var ok bool
	if in.Email != "" {
		if w.emailNorm, ok = normalEmail(in.Email); !ok {
			f.literal = emailMessage
			f.add("/data/email", "is no e-mail address")
		}
	}
	if in.Phone != "" {
		if w.phone, ok = normalPhone(in.Phone); !ok {
			f.add("/data/phone_number", "is no phone number in the form +12025551111")
		}
	}
	f.mark("/data/customer_id", in.CustomerID, 255)
	f.mark("/data/username", in.Username, 255)
	f.text("/data/first_name", in.FirstName, 255)
	f.text("/data/last_name", in.LastName, 255)
	w.usernameNorm = strings.ToLower(in.Username)
	w.properties = in.CustomProperties
	if len(in.CustomProperties) > 50 {
		f.add("/data/custom_properties", "has more than 50 members")
		return w
	}
	for _, k := range slices.Sorted(maps.Keys(in.CustomProperties)) {
		if !propertyName(k) {
			f.add("/data/custom_properties", "has a name that is not of the form [a-z_][a-z0-9_]*, at most 100 long")
			continue
		}
		f.text("/data/custom_properties/"+k, in.CustomProperties[k], 1000)
	}
	return w
}

// text checks something that people read: any characters but NUL.
func (f *findings) text(pointer, s string, most int) {
	switch {
	case !utf8.ValidString(s) || strings.ContainsRune(s, 0):
		f.add(pointer, "holds bytes that are no text")
	case utf8.RuneCountInString(s) > most:
		f.add(pointer, "is too long")
	}
}

// mark checks something that identifies: it is compared byte by byte, never trimmed or folded, so it holds nothing invisible at
// which two of them could differ by accident.
func (f *findings) mark(pointer, s string, most int) {
	f.text(pointer, s, most)
	for _, r := range s {
		if unicode.IsControl(r) {
			f.add(pointer, "holds a control character")
			return
		}
	}
}

func propertyName(s string) bool {
	for i, r := range s {
		if !(r >= 'a' && r <= 'z' || r == '_' || i > 0 && r >= '0' && r <= '9') {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// normalEmail is the form in which addresses are compared: all in lower case, the domain in ASCII. Only what shops' customers
// have is an address: a dotted local part of ASCII letters, digits and signs, and a domain name of two labels or more.
func normalEmail(s string) (string, bool) {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(s) > 254 || !utf8.ValidString(s) {
		return "", false
	}
	for i := range len(local) {
		c := local[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("!#$%&'*+/=?^_`{|}~-", c) >= 0:
		case c == '.' && i > 0 && i < len(local)-1 && local[i-1] != '.':
		default:
			return "", false
		}
	}
	domain, err := mailDomain.ToASCII(domain)
	if err != nil || len(local)+1+len(domain) > 254 {
		return "", false
	}
	domain = strings.ToLower(domain)
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return "", false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for i := range len(label) {
			if strings.IndexByte(hostLetters, label[i]) < 0 {
				return "", false
			}
		}
	}
	if last := labels[len(labels)-1]; len(last) < 2 || strings.Trim(last, "0123456789") == "" {
		return "", false // an IP address
	}
	return strings.ToLower(local) + "@" + domain, true
}

const hostLetters = "abcdefghijklmnopqrstuvwxyz0123456789-"

var mailDomain = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.Transitional(false))

// normalPhone brings a number to E.164. Spaces and the usual signs between digits are dropped, 00 is read as +; a number without
// a country isn't one.
func normalPhone(s string) (string, bool) {
	if len(s) > 40 {
		return "", false
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '+' && b.Len() == 0:
			b.WriteByte(c)
		case strings.IndexByte(" -.()/", c) >= 0:
		default:
			return "", false
		}
	}
	n := b.String()
	if rest, ok := strings.CutPrefix(n, "00"); ok {
		n = "+" + rest
	}
	if len(n) < 8 || len(n) > 16 || n[0] != '+' || n[1] == '0' {
		return "", false
	}
	return n, true
}
