package money

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
)

// FuzzParse: what is read is written back as the same amount, is within the bounds, and is made of ASCII digits only.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"100.44", "-0", "0.005", "1e3", "+5", " 5", "12,50", "１２", "٣", "NaN", "Infinity", "9223372036854775808", "33.330000000000005", "-.5", "5.", "0x10", "1_000", strings.Repeat("9", 400)} {
		f.Add(s, "USD")
	}
	f.Add("100", "JPY")
	f.Add("1.2345", "KWD")
	f.Add("1", "usd")
	f.Fuzz(func(t *testing.T, text, currency string) {
		minor, err := Parse(text, currency)
		if err != nil {
			return
		}
		if minor > Max || minor < -Max || strings.Trim(text, "-.0123456789") != "" {
			t.Errorf("%q was read as %d", text, minor)
		}
		again, err := Parse(Format(minor, currency), currency)
		if err != nil || again != minor {
			t.Errorf("%q is %d, written %q and read as %d (%v)", text, minor, Format(minor, currency), again, err)
		}
	})
}

// FuzzNumber: what a body holds as a number or a text stays to the letter; everything else is refused.
func FuzzNumber(f *testing.F) {
	for _, s := range []string{`1`, `"1"`, `-0.10`, `1e400`, `null`, `true`, `[1]`, `{}`, `"\u0031"`, `9007199254740993`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var v struct{ N Number }
		if json.Unmarshal([]byte(`{"N":`+string(raw)+`}`), &v) != nil {
			return
		}
		if minor, err := Parse(string(v.N), "USD"); err == nil && (minor > Max || minor < -Max) {
			t.Errorf("%s became %d", raw, minor)
		}
	})
}

// FuzzShares: a share is the floor of the exact quotient, grows with its part, and is all of it at the end.
func FuzzShares(f *testing.F) {
	f.Add(int64(500), int64(60), int64(120))
	f.Add(int64(1), int64(1), int64(3))
	f.Add(Max, Max-1, Max)
	f.Fuzz(func(t *testing.T, total, part, whole int64) {
		if total < 0 || part < 0 || whole < 0 {
			return
		}
		got := Share(total, part, whole)
		if whole > 0 && part < whole {
			want := new(big.Int).Mul(big.NewInt(total), big.NewInt(part))
			if want.Div(want, big.NewInt(whole)); want.Int64() != got {
				t.Errorf("%d × %d ÷ %d is %d, got %d", total, part, whole, want, got)
			}
			if more := Share(total, part+1, whole); more < got {
				t.Errorf("%d × %d ÷ %d is less than with a smaller part", total, part+1, whole)
			}
		} else if got != total {
			t.Errorf("all of %d is %d", total, got)
		}
	})
}
