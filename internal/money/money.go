// Package money keeps amounts as integers: minor units of an ISO 4217 currency. Nothing here is a float.
package money

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/text/currency"
)

// Max is the largest amount accepted from outside, in minor units; sums of billions of them still fit.
const Max int64 = 1_000_000_000_000

// Digits returns how many decimals the currency has, and whether ISO 4217 knows it. Codes are upper case.
func Digits(code string) (int, bool) {
	if len(code) != 3 || strings.ToUpper(code) != code {
		return 0, false
	}
	unit, err := currency.ParseISO(code)
	if err != nil {
		return 0, false
	}
	scale, _ := currency.Standard.Rounding(unit)
	return scale, true
}

// Parse reads a plain decimal ("100.44", never "1e3", "+5", "1 000") as minor units of the currency. Decimals beyond the
// currency's are rounded half up, because shops compute with floats and send 33.330000000000005.
func Parse(text, code string) (int64, error) {
	digits, ok := Digits(code)
	if !ok {
		return 0, fmt.Errorf("%q is no ISO 4217 currency", code)
	}
	whole, frac, dot := strings.Cut(text, ".")
	negative := strings.HasPrefix(whole, "-")
	whole = strings.TrimPrefix(whole, "-")
	if !decimal(whole) || dot && !decimal(frac) {
		return 0, fmt.Errorf("%q is not a plain decimal number", shorten(text))
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 13 {
		return 0, fmt.Errorf("%q is too large", shorten(text))
	}
	up := len(frac) > digits && frac[digits] >= '5'
	frac = (frac + "0000")[:digits]
	minor, _ := strconv.ParseInt("0"+whole+frac, 10, 64) // at most 17 digits
	if up {
		minor++
	}
	if minor > Max {
		return 0, fmt.Errorf("%q is too large", shorten(text))
	}
	if negative {
		minor = -minor
	}
	return minor, nil
}

// Format writes minor units as a plain decimal: 10044 USD is "100.44".
func Format(minor int64, code string) string {
	digits, _ := Digits(code)
	sign := ""
	if minor < 0 {
		sign, minor = "-", -minor
	}
	s := strconv.FormatInt(minor, 10)
	if digits == 0 {
		return sign + s
	}
	if len(s) <= digits {
		s = strings.Repeat("0", digits+1-len(s)) + s
	}
	return sign + s[:len(s)-digits] + "." + s[len(s)-digits:]
}

var symbols = map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}

// Symbol is the sign that everybody reads as a currency; others have none and are shown by their code.
func Symbol(code string) (sign string, known bool) {
	sign, known = symbols[code]
	return sign, known
}

// Price writes an amount for people: "$5", "$5.50", "CHF 20".
func Price(minor int64, code string) string {
	s := Format(minor, code)
	if whole, frac, ok := strings.Cut(s, "."); ok && strings.Trim(frac, "0") == "" {
		s = whole
	}
	if sign, ok := Symbol(code); ok {
		return sign + s
	}
	return code + " " + s
}

// Rate writes basis points as a plain percentage, without its sign: 1050 is "10.5".
func Rate(basisPoints int64) string {
	s := fmt.Sprintf("%d.%02d", basisPoints/100, basisPoints%100)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// Share is floor(total × part ÷ whole) for 0 ≤ part ≤ whole, exact in 128 bits: how much of total a part of whole stands for.
// Taken of the cumulative part, it is total at the end, however the parts were cut. A whole of zero has no parts: total.
func Share(total, part, whole int64) int64 {
	if whole <= 0 || part >= whole {
		return total
	}
	if total <= 0 || part <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(total), uint64(part))
	q, _ := bits.Div64(hi, lo, uint64(whole)) // hi < whole because part < whole and total < 2^63
	return int64(q)
}

// Percent is amount × basis points ÷ 10,000, rounded half up, for amounts that are not negative. 1,000 basis points are 10 %.
func Percent(amount, basisPoints int64) int64 {
	if amount <= 0 || basisPoints <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(amount), uint64(basisPoints))
	lo, carry := bits.Add64(lo, 5_000, 0)
	q, _ := bits.Div64(hi+carry, lo, 10_000)
	return int64(q)
}

func decimal(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

func shorten(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
