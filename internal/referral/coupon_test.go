package referral

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCodeOfCoupon_has_one_form(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"save-10": "SAVE-10", " A/B%C:D*E+F@G&H#I_J.K ": "A/B%C:D*E+F@G&H#I_J.K", strings.Repeat("a", 255): strings.Repeat("A", 255), "...": "...", "a/b": "A/B", "50%off": "50%OFF", "50%2foff": "50%2FOFF", "//a": "//A", "%%%": "%%%",
	} {
		if got := codeOfCoupon(in); got != want || codeFault(got) != "" {
			t.Errorf("%q: %q %q", in, got, codeFault(got))
		}
	}
	for _, in := range []string{"", "AB", strings.Repeat("A", 256), "A B", "STRASSE\u00df", "i\u0131i", "\u0130II", "A\x00B", "A\tB", "caf\u00e9", "sample-coupon-code",
		"=CMD()", "A'B", "A\"B", "A,B", "A;B", "%00", "%FF", "A/%2E%2E/B", "%2E%2E", "A/..%5CB", "../X", "A/./B", "A/..", "\uff21\uff22\uff23", "A\u200bBC", "\xff\xfe\xfd"} {
		if why := codeFault(codeOfCoupon(in)); why == "" {
			t.Errorf("%q is taken", in)
		}
	}
	if codeOfCoupon("\u00dfss") == codeOfCoupon("ssss") {
		t.Error("ß is folded")
	}
}

func TestCheckCode_is_what_the_table_checks(t *testing.T) {
	t.Parallel()
	p := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		code := strings.ReplaceAll(codeOfCoupon(rapid.StringN(0, 8, -1).Draw(rt, "code")), "\x00", "")
		_, err := p.root.Exec(`insert into referral.coupon (site_id, code, single_use, created_at) values (1, $1, false, now()) on conflict do nothing`, code)
		if why := codeFault(code); (err == nil) != (why == "") && why != pathFault(code) {
			rt.Fatalf("%q: the table says %v, we say %q", code, err, why)
		}
	})
}

func TestDraw_makes_different_codes_of_the_template(t *testing.T) {
	t.Parallel()
	codes := draw("SAVE-########", 50_000)
	seen, letters := map[string]bool{}, map[byte]int{}
	for _, c := range codes {
		if seen[c] || codeFault(c) != "" || len(c) != 13 || !strings.HasPrefix(c, "SAVE-") {
			t.Fatalf("%q", c)
		}
		seen[c] = true
		for i := 5; i < len(c); i++ {
			letters[c[i]]++
		}
	}
	const each = 50_000 * 8 / len(drawn)
	for i := range len(drawn) {
		if n := letters[drawn[i]]; n < each*95/100 || n > each*105/100 {
			t.Errorf("%c came %d times, %d were to be expected", drawn[i], n, each)
		}
	}
	if len(letters) != len(drawn) {
		t.Errorf("%d letters", len(letters))
	}
	for _, bad := range []string{"SAVE-#######", "", "save ########", strings.Repeat("#", 256), "../########"} {
		if checkTemplate(codeOfCoupon(bad)) == "" {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestThreshold_is_21_days_or_what_the_merchant_said(t *testing.T) {
	t.Parallel()
	own := int64(5)
	for _, tt := range []struct {
		own          *int64
		lately, want int64
	}{{nil, 0, 20}, {nil, 20, 20}, {nil, 21, 21}, {&own, 500, 5}} {
		if got := (&couponList{LowStock: tt.own}).threshold(tt.lately); got != tt.want {
			t.Errorf("%v: %d", tt, got)
		}
	}
}

// read is all of a delivery: codes, or what is wrong with them.
func read(t testing.TB, format, body string) (out []codeLine) {
	t.Helper()
	lines := newCodeLines(strings.NewReader(body), format)
	for {
		l, err := lines.next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if l.why != "" {
			l.code = ""
		}
		out = append(out, l)
	}
}

const form = "must have 3 to 255 of A-Z, 0-9 and - _ / . % : * + @ & #"

func TestCodeLines(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		format, body string
		want         []codeLine
	}{
		"text":    {plainText, "aaa\nBBB\r\n\r\n ccc \rddd", []codeLine{{1, "AAA", ""}, {2, "BBB", ""}, {4, "CCC", ""}, {5, "DDD", ""}}},
		"BOM":     {plainText, "\ufeffaaa\n", []codeLine{{1, "AAA", ""}}},
		"nothing": {plainText, "\n\n \r\n", nil},
		"too long, too short, strange": {plainText, strings.Repeat("a", 300) + "\nab\nä\n" + strings.Repeat("b", longestLine+1) + "\nccc",
			[]codeLine{{1, "", form}, {2, "", form}, {3, "", form}, {4, "", "the line is too long"}, {5, "CCC", ""}}},
		"csv without a header": {csvText, "aaa,x\n\"bbb\";y", []codeLine{{1, "AAA", ""}, {2, "BBB", ""}}},
		"csv with one":         {csvText, "\ufeffid;Code;note\n1;aaa;\"a;b\"\n2;\"b\"\"b\";\n3\n", []codeLine{{2, "AAA", ""}, {3, "", form}, {4, "", form}}},
		"csv with open quotes": {csvText, "code\n\"aaa\nbbb\n\"ccc\"d,e\n", []codeLine{{2, "", "a quote is not closed in its line"}, {3, "BBB", ""},
			{4, "", "there is something behind a closing quote"}}},
		"formulas": {csvText, "code\n=1+1\n+AAA\n@BBB\n-CCC\n'=cmd", []codeLine{{2, "", form}, {3, "+AAA", ""}, {4, "@BBB", ""}, {5, "-CCC", ""}, {6, "", form}}},
		"ndjson": {ndjson, "{\"code\":\"aaa\",\"x\":1}\n\"b/b\"\n{\"code\":1}\n{\"code\":\"c\",\"code\":\"ccc\"}\n[]\n{}\n{\"code\":\"d\\u0000dd\"}",
			[]codeLine{{1, "AAA", ""}, {2, "B/B", ""}, {3, "", `is neither {"code":"…"} nor "…"`}, {4, "", `is neither {"code":"…"} nor "…"`},
				{5, "", `is neither {"code":"…"} nor "…"`}, {6, "", form}, {7, "", form}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := read(t, tt.format, tt.body); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func FuzzCodeLines(f *testing.F) {
	for _, s := range []string{"a\n", "\"", "\r\r\n", "code;\"", "{\"code\":\"AAA\"}"} {
		f.Add(csvText, s)
		f.Add(ndjson, s)
	}
	f.Fuzz(func(t *testing.T, format, body string) {
		last := 0
		for _, l := range read(t, format, body) {
			if l.number <= last || l.number > len(body)+1 || l.why == "" && codeFault(l.code) != "" {
				t.Fatalf("%+v after %d", l, last)
			}
			last = l.number
		}
	})
}

func TestCouponListInput_is_checked(t *testing.T) {
	t.Parallel()
	at, days, negative := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), 30, int64(-1)
	old := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	zero := 0
	for _, tt := range []struct {
		in      couponListInput
		pointer string
	}{
		{couponListInput{Name: "a", Kind: singleUse, Percent: "10", ExpiresAt: &at}, ""},
		{couponListInput{Name: "a", Kind: singleUse, Amount: 500, ExpiresAfterDays: &days}, ""},
		{couponListInput{Kind: singleUse, Percent: "10"}, "/name"},
		{couponListInput{Name: "a", Kind: "personal", Percent: "10"}, "/kind"},
		{couponListInput{Name: "a", Kind: singleUse}, "/percent"},
		{couponListInput{Name: "a", Kind: singleUse, Percent: "0"}, "/percent"},
		{couponListInput{Name: "a", Kind: singleUse, Percent: "101"}, "/percent"},
		{couponListInput{Name: "a", Kind: singleUse, Percent: "10", Amount: 5}, "/amount"},
		{couponListInput{Name: "a", Kind: singleUse, Amount: -5}, "/amount"},
		{couponListInput{Name: "a", Kind: singleUse, Amount: 5, Currency: "DOLLAR"}, "/currency"},
		{couponListInput{Name: "a", Kind: singleUse, Amount: 5, ExpiresAt: &at, ExpiresAfterDays: &days}, "/expires_after_days"},
		{couponListInput{Name: "a", Kind: singleUse, Amount: 5, ExpiresAfterDays: &zero}, "/expires_after_days"},
		{couponListInput{Name: "a", Kind: singleUse, Amount: 5, ExpiresAt: &old}, "/expires_at"},
		{couponListInput{Name: "a", Kind: multiUse, Amount: 5, ExpiresAfterDays: &days}, "/kind"},
		{couponListInput{Name: "a", Kind: singleUse, Amount: 5, SubtotalMin: &negative}, "/subtotal_min"},
		{couponListInput{Name: "a", Kind: singleUse, Amount: 5, LowStock: &negative}, "/low_stock"},
	} {
		_, err := tt.in.list("USD")
		if (err == nil) != (tt.pointer == "") || err != nil && !strings.Contains(err.Error(), tt.pointer+" ") {
			t.Errorf("%+v: %v, want %q", tt.in, err, tt.pointer)
		}
	}
}
