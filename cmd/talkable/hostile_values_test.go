package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The values follow the tables of bad inputs: 4.1 JSON, 4.2 amounts, 4.3 identifiers and texts, 4.4 headers, 4.5 dates, addresses,
// cursors. value.row names the row; refuse says that no operation may take it, else it may be taken as a value like any other.
type value struct {
	row    string
	raw    string // JSON as it is sent
	refuse bool
}

func quoted(texts ...string) (out []string) {
	for _, text := range texts {
		raw, _ := json.Marshal(text)
		out = append(out, string(raw))
	}
	return out
}

func values(row string, refuse bool, raws ...string) (out []value) {
	for _, raw := range raws {
		out = append(out, value{row, raw, refuse})
	}
	return out
}

// literals are 4.3's texts that look like something else; they are data wherever texts are.
var literals = quoted(`' OR 1=1 --`, `"; DROP TABLE x; --`, `\x27`, `%27`, `$1`, `?`, `:name`, `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`,
	`javascript:alert(1)`, `{{7*7}}`, `{{{x}}}`, `${7*7}`, `{% for i in (1..1e9) %}`, `=HYPERLINK("http://evil","x")`, `@SUM(1)`, `+1`, `-1`, "\t=1", "\r=1", `＝1`,
	"x\n2026-01-01 ERROR it fell", "\x1b[31m", `../../etc/passwd`, `É`, "E\u0301", `straße İı`, `SАVE10`, "\u202e", "\ufeff", "\U0001F600", `__proto__`, ` 1001`, "1001\t", "01001")

const (
	belowZero = "4.2/26 below zero"
	looksLike = "4.3/48-57 looks like something else"
)

var (
	brokenTexts = append(append(append(append(values("4.3/19 NUL", true, `"a\u0000b"`), values("4.1/17 not UTF-8", true, "\"\xff\xfe\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"")...),
		values("4.1/18 half a surrogate", true, `"\ud800"`, `"\udc00x"`)...),
		values("4.1/3 another type", true, `{"a":1}`, `[{"a":1}]`, `[[1]]`)...),
		values("4.3/42 too long", true, `"`+strings.Repeat("x", 65536)+`"`)...)
	textValues = append(append(slices.Clone(brokenTexts),
		values("4.3/42 at the edge", false, `""`, `" "`, `"`+strings.Repeat("x", 255)+`"`, `"`+strings.Repeat("é", 256)+`"`, `null`, `true`, `5`, `1e400`, `[]`, `[null]`)...),
		values(looksLike, false, literals...)...)
	numbersInWords = values("4.2/31-32 no number", true, append(quoted("12,50", "1 000", "$5", "١٢", "５", "+5", " 5 ", "0x10", "1_000", "NaN", "Infinity", "-Infinity", "1e", "--1", "1.2.3"),
		`true`, `[1]`, `{"a":1}`, `[]`)...)
	beyond        = values("4.2/27-28 beyond", true, `9223372036854775808`, `-9223372036854775809`, `1e400`, `1e30`, `9223372036854775807`, `99999999999999999999999999999999999999`)
	amountValues  = slices.Concat(numbersInWords, beyond, values(belowZero, true, `-1`, `-0.01`, `"-1"`), values("4.2/26-33 at the edge", false, `""`, `null`, `0`, `-0`, `1e3`, `1.0`, `"0"`, `0.001`, `9007199254740993`))
	integerValues = slices.Concat(numbersInWords, beyond, values(belowZero, true, `-1`), values("4.2/29 no integer", true, `1.5`, `"5"`),
		values("4.2/29 at the edge", false, `0`, `-0`, `1e3`, `1.0`, `null`, `2147483648`, `9007199254740993`))
	dateValues = slices.Concat(brokenTexts, values("4.5/81-82 no date", true, append(quoted("2026-02-30T00:00:00Z", "yesterday", "2026-01-02T25:00:00Z", "2026-01-02 10:00:00 XQT", "0000-00-00", "31/12/2026 25:61",
		"2026-01-01T00:00:00Z; drop", "infinity", "-infinity", "epoch", "now", "P1D"), `true`)...),
		values("4.5/81-82 at the edge", false, append(quoted("", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2020-02-29T00:00:00+14:00", "2026-03-29T02:30:00+01:00",
			"1969-12-31T23:59:59Z", "2026-01-01T00:00:60Z", "2026-W01-1"), `null`, `1767225600`, `-1`, `1e400`)...))
	addressValues = values("4.5/84 no address", true, append(quoted("nobody", "a..b@c.d", strings.Repeat("x", 320)+"@c.de", `"a b"@c.de`, "a@[127.0.0.1]", "Name <a@b.cd>", "=?utf-8?q?x?= <a@b.cd>",
		"a@b.cd\r\nBcc: x@y.zz", "a@b.cd,e@f.gh", "@b.cd", "a@", "a@b@c.de", "a@-b.cd", "a@b..cd", "a b@c.de", ".a@b.cd", "a@"+strings.Repeat("x", 64)+".de"), `5`)...)
	urlValues = values("4.5/88 no address of a page", true, quoted("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "gopher://x", "//evil.example", `/\evil.example`, "https:evil.example",
		"http:///evil", "https://good.example@evil.example/", "https://good.example%2f@evil.example", "https://evil.example/\nx", "https://evil.example/\tx", "https://x.example/"+strings.Repeat("x", 4096))...)
	uuidValues = values("4.3/58 no UUID", true, append(quoted("{00000000-0000-4000-8000-000000000001}", "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b0", "0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6", "00000000-0000-0000-0000-000000000000",
		"urn:uuid:0193b1d6-9bd1-7cc0-9d8e-0c2f1f6f6a6b", "0193b1d69bd17cc09d8e0c2f1f6f6a6b", "' '"), `5`)...)
	listValues = values("4.1/3 no list", true, `{"a":1}`, `true`, `5.5`, `[[[1]]]`, `[`+strings.Repeat(`"x",`, 9000)+`"x"]`)
	mapValues  = append(values("4.3/61 no flat map", true, `[]`, `"x"`, `5`, `true`, `{"a":{"b":1}}`, `{"a":[1]}`, `{"a\u0000":"x"}`, `{"`+strings.Repeat("k", 65536)+`":1}`, `{`+strings.TrimSuffix(manyKeys(300), ",")+`}`,
		`{"a":"`+strings.Repeat("x", 65536)+`"}`), values("4.3/61 names like any other", false, `{}`, `null`, `{"site_id":"x","constructor":"y","__proto__":"z","":"e"}`, `{"a":null,"b":1e400}`, `{"' or 1=1":"x"}`)...)
	objectValues = values("4.1/3 no object", true, `[]`, `"x"`, `5`, `true`, strings.Repeat(`{"a":`, 40)+"1"+strings.Repeat("}", 40))
)

// field is a place in a body.
type field struct {
	at     []string
	schema *schema
}

// names are the member's, and of what it stands in.
func (f field) names() (out []string) {
	for _, name := range f.at {
		if name != "0" && (name != "data" || len(f.at) == 1) {
			out = append(out, name)
		}
	}
	return out
}

// fields are all places that the schema of a body names, containers among them.
func fields(s *schema, at ...string) (out []field) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		here := append(slices.Clone(at), name)
		out = append(out, field{here, p})
		switch {
		case p.Items != nil && p.Items.Properties != nil && len(p.Items.Properties) > 0:
			out = append(out, fields(p.Items, append(here, "0")...)...)
		case p.Items != nil:
			out = append(out, field{append(slices.Clone(here), "0"), p.Items})
		default:
			out = append(out, fields(p, here...)...)
		}
	}
	return out
}

// hostileTo are the values to try at a field: by its schema, and by what its name says of texts that are more than texts.
func hostileTo(f field) []value {
	types, name := f.schema.types(), f.at[len(f.at)-1]
	switch {
	case len(f.schema.Properties) > 0:
		return objectValues
	case f.schema.Items != nil:
		return listValues
	case types["object"]:
		return mapValues
	case types["integer"] && name == "price": // as below
		return slices.DeleteFunc(slices.Clone(integerValues), func(v value) bool { return v.row == belowZero })
	case types["integer"]:
		return integerValues
	case name == "price": // a discount is an item with a negative price
		return slices.DeleteFunc(slices.Clone(amountValues), func(v value) bool { return v.row == belowZero })
	case types["number"] && !types["null"]:
		return amountValues
	case f.schema.Format == "date-time" || strings.HasSuffix(name, "_at") || strings.HasSuffix(name, "_date"):
		return dateValues
	case name == "email":
		return append(slices.Clone(textValues), addressValues...)
	case name == "destination_url":
		return append(slices.Clone(textValues), urlValues...)
	case name == "uuid" || strings.HasSuffix(name, "_uuid"):
		return append(slices.Clone(textValues), uuidValues...)
	}
	return textValues
}

// put sets one place of a body to raw JSON, valid or not, making what it lacks on the way there.
func put(body string, at []string, raw string) string {
	var v any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		panic(fmt.Sprintf("a sample's body: %v: %s", err, body))
	}
	const mark = "the place of what is put"
	text, _ := json.Marshal(putIn(v, at, mark))
	return strings.Replace(string(text), `"`+mark+`"`, raw, 1)
}

func putIn(v any, at []string, leaf any) any {
	if len(at) == 0 {
		return leaf
	}
	if at[0] == "0" {
		list, _ := v.([]any)
		if len(list) == 0 {
			list = []any{nil}
		}
		list[0] = putIn(list[0], at[1:], leaf)
		return list
	}
	m, ok := v.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	m[at[0]] = putIn(m[at[0]], at[1:], leaf)
	return m
}

// bodies are 4.1's that are wrong as a whole; good is the sample's.
func wrongBodies(good string) []value {
	open := strings.TrimSuffix(strings.TrimSpace(good), "}")
	comma := ","
	if strings.TrimSpace(open) == "{" {
		comma = ""
	}
	with := func(member string) string { return open + comma + member + "}" }
	return slices.Concat(
		values("4.1/2-3 no object", true, `null`, `[]`, `"x"`, `5`, `true`, `   `, `nul`, `[`+good+`]`),
		values("4.1/4 a name twice", true, with(`"x":1,"x":2`), with(`"site_slug":"a","site_slug":"a"`)),
		values("4.1/7-8 something behind", true, good+good, good+"garbage", good+"\x00", good+",", "\ufeff"+good),
		values("4.1/11-12 deep", true, with(`"x":`+strings.Repeat("[", 10001)+strings.Repeat("]", 10001)), with(`"x":`+strings.Repeat(`{"a":`, 9999)+"1"+strings.Repeat("}", 9999)), with(`"x":`+strings.Repeat("[", 100000))),
		values("4.1/13-14 many", true, with(strings.TrimSuffix(manyKeys(90000), ",")), with(`"x":[`+strings.Repeat("1,", 100000)+`1]`)),
		values("4.1/16 UTF-16", true, "\xff\xfe{\x00}\x00", "\xfe\xff\x00{\x00}"),
		values("4.1/17-19 broken texts", true, with("\"x\":\"\xff\xfe\""), with("\"\xff\":1"), with(`"x":"\ud800"`), with(`"x":"a\u0000b"`), with(`"a\u0000b":1`)),
		values("4.1/23 too large", true, with(`"x":"`+strings.Repeat("x", 1<<20)+`"`)),
		values("4.1 cut off", true, good[:len(good)-1], `{`, `{"data":{"`, `{"a":1,}`, `{'a':1}`, `{a:1}`, `{"a":01}`, `{"a":.5}`, `{"a":NaN}`, `{/**/}`))
}
