package customer

import (
	"regexp"
	"testing"
)

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// FuzzNormalPhone: a number is E.164, and stays as it is when it is brought there again.
func FuzzNormalPhone(f *testing.F) {
	for _, s := range []string{"+1 (555) 000-0000", "0015550000000", "+999999999999999", "+9999999999999999", "CALL-ME", "+0123456789", "++15550000000", "+1٥550000000", "00+15550000000", "0000000000000", "+", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := normalPhone(s)
		if !ok {
			return
		}
		if again, ok := normalPhone(n); !ok || again != n || !e164.MatchString(n) {
			t.Errorf("%q gives %q gives %q", s, n, again)
		}
	})
}

// FuzzVisitorID: a visitor is read in one form, whatever the case.
func FuzzVisitorID(f *testing.F) {
	for _, s := range []string{"0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b", "0193B1D6-9BD1-7CC0-9D8E-0C2F1F6F6A6B", "{0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6}", "00000000-0000-0000-0000-000000000000", "urn:uuid:0193b1d6-9bd1-7cc0-9d8e-0c2"} {
		f.Add(s)
	}
	canonical := regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	f.Fuzz(func(t *testing.T, s string) {
		id, ok := visitorID(s)
		if !ok {
			return
		}
		if again, ok := visitorID(id); !ok || again != id || !canonical.MatchString(id) {
			t.Errorf("%q gives %q gives %q", s, id, again)
		}
	})
}
