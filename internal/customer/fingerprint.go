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

// card checks what names the card that an order was paid with. Numbers of cards are nothing to send around: what looks like one is refused.
func (f *findings) card(hash string) {
	f.mark("/data/card_hash", hash, 255)
	if cardNumber(hash) {
		f.add("/data/card_hash", "looks like the number of a card: tell what your payment provider calls the card (its fingerprint) instead")
	}
}

// cardNumber says that a text is 12 to 19 digits whose last one checks the others, however they are set apart.
func cardNumber(s string) bool {
	n, sum := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		d := int(s[i]) - '0'
		switch {
		case s[i] == ' ' || s[i] == '-' || s[i] == '.':
			continue
		case d < 0 || d > 9:
			return false
		case n%2 == 1:
			d = d*2%10 + d/5
		}
		n, sum = n+1, sum+d
	}
	return n >= 12 && n <= 19 && sum%10 == 0
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
