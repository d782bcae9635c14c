package money

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, code string
		want       int64
	}{
		{"0", "USD", 0}, {"100.44", "USD", 10044}, {"100.4", "USD", 10040}, {"100", "JPY", 100}, {"-1.5", "EUR", -150},
		{"33.330000000000005", "USD", 3333}, {"0.005", "USD", 1}, {"1.2345", "KWD", 1235}, {"007.10", "USD", 710},
		{"10000000000.00", "USD", Max},
	} {
		if got, err := Parse(c.text, c.code); err != nil || got != c.want {
			t.Errorf("Parse(%q, %s) = %d, %v; want %d", c.text, c.code, got, err, c.want)
		}
	}
	for _, text := range []string{"", ".", "1.", ".5", "1e3", "+5", " 5", "5 ", "1 000", "12,50", "$5", "0x10", "1_000", "NaN", "Infinity",
		"١٢", "５", "--1", "10000000000.01", "99999999999999999999999999"} {
		if got, err := Parse(text, "USD"); err == nil {
			t.Errorf("Parse(%q) = %d; want an error", text, got)
		}
	}
	for _, code := range []string{"", "usd", "XX", "QQQQ"} {
		if _, err := Parse("1", code); err == nil {
			t.Errorf("currency %q was accepted", code)
		}
	}
}

func TestForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Price(500, "USD"), "$5"}, {Price(550, "USD"), "$5.50"}, {Price(500, "CHF"), "CHF 5"}, {Price(5, "GBP"), "£0.05"},
		{Price(1200, "JPY"), "¥1200"}, {Rate(1000), "10"}, {Rate(1050), "10.5"}, {Rate(1055), "10.55"}, {Rate(5), "0.05"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestFormatIsTheInverseOfParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minor := rapid.Int64Range(-Max, Max).Draw(t, "minor")
		code := rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD"}).Draw(t, "code")
		if got, err := Parse(Format(minor, code), code); err != nil || got != minor {
			t.Fatalf("%d %s became %q, then %d (%v)", minor, code, Format(minor, code), got, err)
		}
	})
}

// However a refund is split, the parts that were taken back add up to the whole.
func TestSharesOfACumulativePartLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total, whole := rapid.Int64Range(0, Max).Draw(t, "total"), rapid.Int64Range(1, Max).Draw(t, "whole")
		var part, taken int64
		for part < whole {
			part += rapid.Int64Range(1, whole-part).Draw(t, "step")
			step := Share(total, part, whole) - taken
			if step < 0 {
				t.Fatalf("a step took %d", step)
			}
			taken += step
		}
		if taken != total {
			t.Fatalf("took %d of %d", taken, total)
		}
	})
}

func TestPercent(t *testing.T) {
	for _, c := range []struct{ amount, bp, want int64 }{{10000, 1000, 1000}, {5, 1000, 1}, {4, 1000, 0}, {Max, 10000, Max}, {0, 1000, 0}, {333, 3333, 111}} {
		if got := Percent(c.amount, c.bp); got != c.want {
			t.Errorf("Percent(%d, %d) = %d, want %d", c.amount, c.bp, got, c.want)
		}
	}
}
