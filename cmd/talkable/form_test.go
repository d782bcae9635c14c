package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// spell writes JSON as the pairs of a form, in the order of its names, as Talkable's iOS client does.
func spell(key string, v any, out *[][2]string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner := name
			if key != "" {
				inner = key + "[" + name + "]"
			}
			spell(inner, v[name], out)
		}
	case []any:
		for _, e := range v {
			spell(key+"[]", e, out)
		}
	case nil:
		*out = append(*out, [2]string{key, ""})
	case bool:
		*out = append(*out, [2]string{key, map[bool]string{true: "1", false: "0"}[v]})
	default:
		*out = append(*out, [2]string{key, fmt.Sprint(v)})
	}
}

const parted = "multipart/form-data; boundary=Boundary+0A1B2C"

// formOf spells a JSON body as a form of this kind.
func formOf(t testing.TB, body, kind string) string {
	t.Helper()
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var pairs [][2]string
	spell("", v, &pairs)
	var b strings.Builder
	for i, p := range pairs {
		if kind == parted {
			fmt.Fprintf(&b, "--Boundary+0A1B2C\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", p[0], p[1])
			continue
		}
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1]))
	}
	if kind == parted {
		b.WriteString("--Boundary+0A1B2C--\r\n")
	}
	return b.String()
}

// usedUp are the answers to what can be done once.
var usedUp = regexp.MustCompile(`"code":"(already_refunded|person_not_found)"`)

// TestFormsSayTheSame_11_13 sends the sample of every operation of Talkable's as a form, in both encodings: it does what the JSON does. Our own
// operations say that they take JSON only.
func TestFormsSayTheSame_11_13(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop := newShop(t, demoFile{Server: s.demo.Server, APIKey: makeSite(t, s, "forms")})
	ops := operationsOf(t, s.demo.Server)
	w := play(t, shop, ops)
	forms, none := 0, 0
	for _, op := range ops {
		one, _ := sampleOf(op.id)
		if op.body == nil || one.kind != "" {
			continue
		}
		for i, kind := range []string{"application/x-www-form-urlencoded", parted} {
			body := put(w.fill(one.body), []string{"site_slug"}, `"forms"`)
			if one.fresh != "" {
				body = strings.Replace(body, `"`+one.fresh+`"`, fmt.Sprintf(`"%s-form-%d"`, one.fresh, i), 1)
			}
			a := ask(t, shop, op.method, one.target(op, w), formOf(t, body, kind), "Content-Type", kind)
			switch {
			case op.forms && usedUp.MatchString(a.body): // it was read, and the JSON said it first
				forms++
			case op.forms:
				if forms++; !one.good(a.status) {
					t.Errorf("%s as %s: %d %s", op.id, kind, a.status, a.body)
				}
			default:
				if none++; a.status != 415 || !strings.Contains(a.body, "application/json") {
					t.Errorf("%s as %s: %d %s", op.id, kind, a.status, a.body)
				}
			}
		}
	}
	if forms < 14 || none < 14 {
		t.Errorf("only %d forms were read, %d refused", forms, none)
	}
}
