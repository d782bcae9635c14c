package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// counters are the metrics that count business facts, as a server shows them on its internal address.
type counters map[string]string

var businessCounter = regexp.MustCompile(`^(talkable_(?:customer|referral|loyalty|notify|gateway|analytics)_[a-z_]+_total(?:\{[^}]*\})?) (\S+)$`)

// countersOf reads them. The look at the coupons' stock, which nobody asked for, counts nothing here.
func countersOf(t testing.TB, internal string) counters {
	t.Helper()
	answer, err := http.Get("http://" + internal + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := counters{}
	for line := range strings.Lines(string(text)) {
		if of := businessCounter.FindStringSubmatch(strings.TrimSpace(line)); of != nil && !strings.HasPrefix(of[1], "talkable_referral_coupon_lists_low") {
			out[of[1]] = of[2]
		}
	}
	return out
}

// changed names the counters that differ. One that stands at zero is as one that isn't there.
func (c counters) changed(now counters) (out []string) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was := c[name]; was != now[name] && (was != "" || now[name] != "0") {
			out = append(out, fmt.Sprintf("%s was %q, and is %s", name, was, now[name]))
		}
	}
	return out
}
