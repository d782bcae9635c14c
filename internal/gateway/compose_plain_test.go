package gateway

import (
	"encoding/base64"
	"testing"

	"pgregory.net/rapid"
)

func TestPlainAddresses(t *testing.T) {
	for sent, want := range map[optional]string{"": "", "ann@shop.example": "ann@shop.example", "YW5uQHNob3AuZXhhbXBsZQ==": "ann@shop.example",
		"YW5uQHNob3AuZXhhbXBsZQ": "ann@shop.example", "YW5uQHNob3AuZXhhbXBsZQ==\n": "ann@shop.example", "abc": "abc", "abcd": "abcd", "nobody": "nobody",
		"/+8=": "/+8=", "AEA=": "\x00@"} {
		if got := plainEmail(sent); got != want {
			t.Errorf("%q is %q, want %q", sent, got, want)
		}
	}
	for sent, want := range map[optional]string{"+12025551111": "+12025551111", "KzEyMDI1NTUxMTEx": "+12025551111", "12025551111": "12025551111", "2025": "2025"} {
		if got := plainPhone(sent); got != want {
			t.Errorf("%q is %q, want %q", sent, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.StringMatching(`[a-z.+]{1,20}@[a-z]{1,20}\.[a-z]{2,5}`).Draw(t, "address")
		for _, sent := range []string{address, base64.StdEncoding.EncodeToString([]byte(address)), base64.RawURLEncoding.EncodeToString([]byte(address)) + "\n"} {
			if got := plainEmail(optional(sent)); got != address {
				t.Fatalf("%q is %q", sent, got)
			}
		}
	})
}
