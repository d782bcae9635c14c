package gateway

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Talkable's scripts send e-mail addresses and phone numbers in base64, some with a line's end behind it.

// plainEmail is an address as it is meant.
func plainEmail(text optional) string {
	return plain(string(text), func(s string) bool { return strings.Contains(s, "@") })
}

// plainPhone is a number as it is meant.
func plainPhone(text optional) string {
	return plain(string(text), func(s string) bool { return strings.HasPrefix(s, "+") })
}

// plain decodes a text that is base64 of what looks right, and doesn't look right itself.
func plain(text string, right func(string) bool) string {
	if right(text) || len(text) < 4 || len(text) > 1000 {
		return text
	}
	bare := strings.TrimRight(strings.TrimSpace(text), "=")
	for _, form := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := form.DecodeString(bare); err == nil && utf8.Valid(raw) && right(string(raw)) {
			return string(raw)
		}
	}
	return text
}
