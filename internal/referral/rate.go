package referral

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var rateForm = regexp.MustCompile(`^[0-9]{1,8}(\.[0-9]{1,10})?$`)

// rateKey is what a rate is unique by.
type rateKey struct {
	site           int64
	day            string // UTC
	source, target string
}

// rateDay is the day whose rate an order is converted by.
func rateDay(at time.Time) string { return at.UTC().Format(time.DateOnly) }

// rateOf reads a plain decimal as a rate; 0 if it is none.
func rateOf(text string) int64 {
	if !rateForm.MatchString(text) {
		return 0
	}
	whole, frac, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole+(frac + "0000000000")[:10], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// rateText is a rate as a plain decimal.
func rateText(rate int64) string {
	frac := strconv.FormatInt(rate%rateUnit+rateUnit, 10)[1:]
	return strings.TrimSuffix(strconv.FormatInt(rate/rateUnit, 10)+"."+strings.TrimRight(frac, "0"), ".")
}
