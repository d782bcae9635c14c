package customer

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/talkable/talkable/internal/customer/customerapi"
)

// addressMark is the fingerprint of where an order is shipped to. Two ways of writing that differ in case, accents, signs and
// spaces are one place; a zip alone is none.
func addressMark(address, zip string) string {
	if plain(address) == "" {
		return ""
	}
	return customerapi.Fingerprint(customerapi.AddressMark, plain(address)+"\x00"+plain(zip))
}

// plain keeps letters and digits, in lower case and without accents.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, norm.NFKD.String(s))
}
