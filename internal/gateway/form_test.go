package gateway

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

// formBody has a member of each type that a form may fill.
type formBody struct {
	_ struct{} `json:"-" additionalProperties:"true"`
	web.SiteBody
	Text   string   `json:"text,omitempty"`
	Any    optional `json:"any,omitempty"`
	Count  *int64   `json:"count,omitempty"`
	Share  *float64 `json:"share,omitempty"`
	Really *bool    `json:"really,omitempty"`
	Tags   list     `json:"tags,omitempty"`
	Words  []string `json:"words,omitempty"`
	IDs    []int64  `json:"ids,omitempty"`
	Lines  []struct {
		Price optional `json:"price,omitempty"`
		Tags  []string `json:"tags,omitempty"`
	} `json:"lines,omitempty"`
	Custom properties `json:"custom,omitempty"`
}

// formShapes are those of an operation that takes a formBody, and of one that takes none.
func formShapes() (*shapes, *huma.Schema) {
	all := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	return &shapes{all: all}, all.Schema(reflect.TypeFor[formBody](), true, "")
}

// asJSON reads a form as the edge does.
func asJSON(s *shapes, schema *huma.Schema, encoded string) (string, error) {
	pairs, err := urlencoded(encoded)
	if err != nil {
		return "", err
	}
	tree, err := decodeForm(pairs)
	if err != nil {
		return "", err
	}
	raw, err := s.json(nil, tree, schema, nil)
	if err == nil {
		_, err = scan(raw)
	}
	return string(raw), err
}

func TestForms_that_are_read(t *testing.T) {
	s, schema := formShapes()
	for _, c := range []struct{ name, form, want string }{
		{"nothing", "", `{}`},
		{"texts", "text=a+b%26c&any=5&site_slug=my-store", `{"text":"a b&c","any":"5","site_slug":"my-store"}`},
		{"an empty text", "text=&any=", `{"text":"","any":""}`},
		{"numbers where only such may stand", "count=-5&share=1.5e3", `{"count":-5,"share":1.5e3}`},
		{"what looks like one and isn't stays for strict decoding", "count=007&share=%2B5", `{"count":"007","share":"+5"}`},
		{"a number keeps its digits", "count=9007199254740993", `{"count":9007199254740993}`},
		{"truths", "really=1", `{"really":true}`},
		{"another truth", "really=false", `{"really":false}`},
		{"null, as one client sends it", "count=&really=&words=&lines=&custom=", `{"count":null,"really":null,"words":null,"lines":null,"custom":null}`},
		{"a list by brackets", "tags[]=a&tags[]=b&words[]=c&ids[]=1&ids[]=2", `{"tags":["a","b"],"words":["c"],"ids":[1,2]}`},
		{"a list by commas", "tags=a,b&words=c,d&ids=1,2", `{"tags":"a,b","words":["c","d"],"ids":[1,2]}`},
		{"a list of one", "tags=a&words=c&ids=1", `{"tags":"a","words":["c"],"ids":[1]}`},
		{"a list by the bare name again", "tags=a&tags=b&ids=1&ids=2", `{"tags":["a","b"],"ids":[1,2]}`},
		{"a list by places", "ids[1]=8&ids[0]=7&tags[10]=b&tags[2]=a", `{"ids":[7,8],"tags":["a","b"]}`},
		{"a list of one empty text", "tags[]=", `{"tags":[""]}`},
		{"objects in a list: a key that comes again begins the next", "lines[][price]=1&lines[][tags][]=a&lines[][tags][]=b&lines[][price]=2",
			`{"lines":[{"price":"1","tags":["a","b"]},{"price":"2"}]}`},
		{"objects in a list by places", "lines[0][price]=1&lines[1][price]=2&lines[0][tags]=a,b", `{"lines":[{"price":"1","tags":["a","b"]},{"price":"2"}]}`},
		{"escaped brackets", "lines%5B%5D%5Bprice%5D=1", `{"lines":[{"price":"1"}]}`},
		{"an object", "custom[a]=1&custom[b]=true", `{"custom":{"a":"1","b":"true"}}`},
		{"members that nobody knows", "x[y][][z]=1&x[w]=2", `{"x":{"y":[{"z":"1"}],"w":"2"}}`},
		{"empty pairs", "&&text=a&", `{"text":"a"}`},
	} {
		got, err := asJSON(s, schema, c.form)
		if err != nil || got != c.want {
			t.Errorf("%s: %s\n\tis %s (%v)\n\twant %s", c.name, c.form, got, err, c.want)
		}
	}
}

func TestForms_that_are_refused(t *testing.T) {
	s, schema := formShapes()
	many := strings.TrimSuffix(strings.Repeat("words[]=a&", maxValues+1), "&")
	for _, c := range []struct{ name, form, pointer string }{
		{"a text and an object", "a=1&a[b]=2", "/a/b"},
		{"an object and a text", "a[b]=2&a=1", "/a"},
		{"a text and a list", "a=1&a[]=2", "/a/-"},
		{"a list and an object", "a[]=1&a[b]=2", "/a/b"},
		{"an object and a list", "a[b]=1&a[]=2", "/a/-"},
		{"texts and objects in a list", "a[]=1&a[][b][c]=2&a[][b]=3&a[][b][d]=1", "/a/-/b/d"},
		{"a name twice", "text=1&text=2", "/text"},
		{"a name twice deep down", "lines[0][price]=1&lines[0][price]=2", "/lines/0/price"},
		{"an unknown name twice", "x=1&x=2", "/x"},
		{"a list in a list", "a[][]=1", "/a/-/-"},
		{"no name", "=1", ""}, {"no name in brackets", "a[b]c=1", ""}, {"an open bracket", "a[b=1", ""}, {"a closing bracket", "a]=1", ""}, {"brackets in brackets", "a[[b]]=1", ""},
		{"brackets first", "[a]=1", ""}, {"a bracket behind", "a[b]]=1", ""}, {"spaces", "a%20b=1", ""}, {"NUL in a key", "a%00=1", ""}, {"NUL", "text=a%00b", "/text"},
		{"not UTF-8", "text=%ff", "/text"}, {"not UTF-8 in a key", "%ff=1", ""}, {"half a surrogate pair", "text=%ed%a0%80", "/text"}, {"not escaped", "text=%zz", ""}, {"cut off", "text=%f", ""},
		{"semicolons", "text=a;b=c", ""}, {"JSON", `{"text":"a","lines":[{"price":1}]}`, ""}, {"JSON, escaped", url.QueryEscape(`{"text":"a"}`) + "=", ""},
		{"too deep", "a" + strings.Repeat("[b]", maxDepth) + "=1", ""}, {"very deep", "a" + strings.Repeat("[b]", 100_000) + "=1", ""}, {"a long key", strings.Repeat("a", longestName+1) + "=1", ""},
		{"too many", many, ""}, {"too many by commas", "words=" + strings.Repeat(",", maxValues+1), ""}, {"__proto__ is a name, twice", "__proto__=1&__proto__=1", "/__proto__"},
	} {
		got, err := asJSON(s, schema, c.form)
		f, ok := fault.Of(err)
		if !ok || f.Kind != fault.Invalid {
			t.Errorf("%s: %.100s was read as %.200s (%v)", c.name, c.form, got, err)
		} else if c.pointer != "" && (len(f.Fields) == 0 || f.Fields[0].Pointer != c.pointer) {
			t.Errorf("%s: %+v, want %s", c.name, f.Fields, c.pointer)
		}
	}
}

// branch is a random tree of texts.
func branch(t *rapid.T, depth int) any {
	kind := rapid.IntRange(0, 2).Draw(t, "kind")
	switch {
	case depth <= 0 || kind == 0:
		return rapid.StringMatching(`[a-zA-Z0-9é&=;%+\[\] ,]{0,8}`).Draw(t, "text")
	case kind == 1:
		out := []any{}
		for range rapid.IntRange(1, 3).Draw(t, "length") {
			if rapid.Bool().Draw(t, "object") {
				out = append(out, twig(t, depth-1))
			} else {
				out = append(out, rapid.StringMatching(`[a-z]{1,3}`).Draw(t, "element"))
			}
		}
		return out
	}
	return twig(t, depth)
}

// twig is an object whose first member marks where the element begins, as in forms of real clients.
func twig(t *rapid.T, depth int) map[string]any {
	out := map[string]any{"a": rapid.StringMatching(`[a-z]{0,3}`).Draw(t, "first")}
	for _, name := range rapid.SliceOfN(rapid.StringMatching(`[b-e][a-z0-9_]{0,3}`), 0, 3).Draw(t, "names") {
		out[name] = branch(t, depth-1)
	}
	return out
}

// spell writes a tree as a form, in the order of its names.
func spell(key string, v any, out *[]string) {
	switch v := v.(type) {
	case string:
		*out = append(*out, url.QueryEscape(key)+"="+url.QueryEscape(v))
	case []any:
		for _, e := range v {
			spell(key+"[]", e, out)
		}
	case map[string]any:
		for _, name := range append([]string{"a"}, without(v, "a")...) {
			inner := name
			if key != "" {
				inner = key + "[" + name + "]"
			}
			spell(inner, v[name], out)
		}
	}
}

func without(m map[string]any, name string) (out []string) {
	for k := range m {
		if k != name {
			out = append(out, k)
		}
	}
	return out
}

// TestFormsSayWhatTheyWereMadeOf: a tree that is spelled with brackets is read as the same tree.
func TestFormsSayWhatTheyWereMadeOf(t *testing.T) {
	s, _ := formShapes()
	rapid.Check(t, func(t *rapid.T) {
		want := twig(t, 4)
		var pairs []string
		spell("", want, &pairs)
		raw, err := asJSON(s, nil, strings.Join(pairs, "&"))
		if err != nil {
			t.Fatalf("%s: %v", strings.Join(pairs, "&"), err)
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(raw), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\n\tis %s (%v)\n\twant %v", strings.Join(pairs, "&"), raw, err, want)
		}
	})
}

// FuzzForm: whatever is sent as a form is refused, or is JSON that the scan lets through; and both encodings read the same.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"a=1&b[c]=2", "lines[][price]=1&lines[][price]=2", "ids[0]=1&ids[1]=x", "tags=a&tags=b", "a[]=1&a[b]=1", "a[[]]=1", "%5b=1", "count=1e400&really=1&count=", "custom[a][b]=1", "words[][a]=1", "a[][b][]=1&a[][b][]=2&a[][c][d]=1"} {
		f.Add(s)
	}
	s, schema := formShapes()
	f.Fuzz(func(t *testing.T, encoded string) {
		for _, fits := range []*huma.Schema{nil, schema} {
			raw, err := asJSON(s, fits, encoded)
			if err != nil {
				if f, ok := fault.Of(err); !ok || f.Kind != fault.Invalid || len(f.Detail) > 400 {
					t.Fatalf("%q: %v", encoded, err)
				}
				continue
			}
			if !json.Valid([]byte(raw)) {
				t.Fatalf("%q is %s", encoded, raw)
			}
			doc, err := scan([]byte(raw))
			if err != nil {
				t.Fatal(err)
			}
			accepted(t, []byte(raw), doc)
		}
	})
}

// FuzzParts: a multipart body is refused or read, whatever it is.
func FuzzParts(f *testing.F) {
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"a[b]\"\r\n\r\n1\r\n--x--\r\n"))
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\n1\r\n--x--\r\n"))
	f.Add([]byte("--x\r\n\r\n1\r\n--x--"))
	f.Add([]byte("--x--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := parts(raw, "x"); err != nil {
			if _, ok := fault.Of(err); !ok {
				t.Fatal(err)
			}
		}
	})
}

// asParts writes a urlencoded form as multipart.
func asParts(encoded string) string {
	var b strings.Builder
	pairs, _ := urlencoded(encoded)
	for _, p := range pairs {
		fmt.Fprintf(&b, "--Boundary+A\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", p.key, p.value)
	}
	return b.String() + "--Boundary+A--\r\n"
}

func TestFormsAtTheEdge(t *testing.T) {
	h := newHouse(t)
	const form, parted = "application/x-www-form-urlencoded", "multipart/form-data; boundary=Boundary+A"
	send := func(method, path, encoded, kind string, headers ...string) reply {
		body := encoded
		if strings.HasPrefix(kind, "multipart") {
			body = asParts(encoded)
		}
		return h.call(method, path, body, append([]string{"Content-Type", kind}, headers...)...)
	}
	all := "text=a&count=5&really=1&tags[]=x&tags[]=y&lines[][price]=1.50&lines[][price]=2&custom[colour]=red&site_slug=my-store"
	want := `{"site_slug":"my-store","text":"a","any":"","count":5,"really":true,"tags":["x","y"],"lines":[{"price":"1.50"},{"price":"2"}],"custom":{"colour":"red"}}`
	for _, kind := range []string{form, form + "; charset=utf-8", "Application/X-WWW-Form-Urlencoded", parted, parted + "; charset=UTF-8"} {
		for _, method := range []string{"POST", "PUT"} {
			h.on(method+" "+kind, func(h *house) {
				r := send(method, "/api/v2/form", all, kind)
				h.fine(r)
				if got := strings.ReplaceAll(string(r.body.Result), `"any":"",`, ""); got != strings.ReplaceAll(want, `"any":"",`, "") {
					h.t.Errorf("got %s\nwant %s", got, want)
				}
			})
		}
	}
	h.on("what doesn't fit is named as in JSON", func(h *house) {
		for name, encoded := range map[string]string{"/count": "count=1.5", "/really": "really=maybe", "/ids/1": "ids=1,x", "/lines/0/price": "lines[][price][x]=1"} {
			for _, kind := range []string{form, parted} {
				r := send("POST", "/api/v2/form", encoded, kind)
				h.problem(r, 400, "invalid_request")
				if !strings.Contains(r.text, `"pointer":"`+name) {
					h.t.Errorf("%s: %s", encoded, r.text)
				}
			}
		}
	})
	h.on("hostile keys", func(h *house) {
		for _, encoded := range []string{"a[b=1", "a=1&a[b]=1", "a[][]=1", "=1"} {
			for _, kind := range []string{form, parted} {
				h.problem(send("POST", "/api/v2/form", encoded, kind), 400, "invalid_form")
			}
		}
		h.problem(h.call("POST", "/api/v2/form", `{"text":"a"}`, "Content-Type", form), 400, "invalid_form")
		h.problem(h.call("POST", "/api/v2/form", "--x\r\ncut", "Content-Type", "multipart/form-data; boundary=x"), 400, "invalid_form")
		h.problem(h.call("POST", "/api/v2/form", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\n\r\nc\r\n--x--", "Content-Type", "multipart/form-data; boundary=x"), 400, "invalid_form")
		h.problem(h.call("POST", "/api/v2/form", "a=1", "Content-Type", form+"; charset=latin1"), 415, "unsupported_media_type")
		h.problem(h.call("POST", "/api/v2/form", "a=1", "Content-Type", "multipart/form-data"), 415, "unsupported_media_type")
		h.problem(h.call("POST", "/api/v2/form", "a=1", "Content-Type", "text/plain"), 415, "unsupported_media_type")
		h.problem(h.call("POST", "/api/v2/form", "a="+strings.Repeat("x", 1<<20), "Content-Type", form), 413, "too_large")
	})
	h.on("the site and the key in a form", func(h *house) {
		h.fine(send("POST", "/api/v2/form", "text=a&api_key="+h.secret, form, "Authorization", ""))
		h.fine(send("POST", "/api/v2/form", "text=a&site_slug=my-store&api_key="+h.secret, parted, "Authorization", ""))
		h.fine(send("PUT", "/api/v2/form?site_slug=other-store", "text=a&site_slug=my-store", form)) // the body's goes first
		h.problem(send("POST", "/api/v2/form", "text=a&site_slug=other-store", form), 400, "site_not_found")
		h.problem(send("POST", "/api/v2/form?site_slug=other-store", "text=a", form), 400, "site_not_found")
		h.problem(send("POST", "/api/v2/form", "site_slug[]=my-store", form), 400, "site_not_found")
	})
	h.on("operations without a body take forms that say the site", func(h *house) {
		h.fine(send("POST", "/api/v2/bodyless/x", "site_slug=my-store", form))
		h.fine(send("POST", "/api/v2/bodyless/x", "site_slug=my-store", parted))
		h.problem(send("POST", "/api/v2/bodyless/x", "site_slug=other-store", form), 400, "site_not_found")
	})
	h.on("without a body the query says it", func(h *house) {
		r := h.call("POST", "/api/v2/form?text=a&ids[]=5&ids[]=6&site_slug=my-store&api_key="+h.secret, "", "Authorization", "")
		h.fine(r)
		if !strings.Contains(r.text, `"ids":[5,6]`) {
			h.t.Errorf("got %s", r.text)
		}
		h.problem(h.call("POST", "/api/v2/form?text=a&text[b]=5", ""), 400, "invalid_form")
		h.problem(h.call("POST", "/api/v2/form", ""), 400, "invalid_request")
		h.problem(h.call("POST", "/api/v2/strict?external_id=a&amount=1", ""), 400, "invalid_request") // JSON only
	})
	h.on("a browser's page elsewhere can't use a key that the browser knows", func(h *house) {
		r := httptest.NewRequest("POST", "/", nil)
		r.SetBasicAuth(h.secret, "")
		basic := r.Header.Get("Authorization")
		h.fine(send("POST", "/api/v2/form", "text=a", form, "Authorization", basic))
		h.problem(send("POST", "/api/v2/form", "text=a", form, "Authorization", basic, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "cross_site")
		h.problem(send("POST", "/api/v2/form", "text=a", form, "Authorization", basic, "Origin", "https://evil.example"), http.StatusForbidden, "cross_site")
		// A form without fields is a request without a body, and what it says stands in the query.
		for _, target := range []string{"/api/v2/form?text=a", "/api/v2/bodyless/x"} {
			h.fine(h.call("POST", target, "", "Authorization", basic))
			h.problem(h.call("POST", target, "", "Authorization", basic, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "cross_site")
		}
	})
}

// TestFormsAreReadInBoundedTime: the worst that fits in a body takes no time that anybody notices.
func TestFormsAreReadInBoundedTime(t *testing.T) {
	s, schema := formShapes()
	deep := ""
	for i := range 30 {
		deep += fmt.Sprintf("[k%d]", i)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, key := range []func() string{
		func() string { return "a[]" + deep },
		func() string { return "a[][b][][c][][d]" },
		func() string { return fmt.Sprintf("a[%d][b]", rng.IntN(10_000)) },
		func() string { return fmt.Sprintf("k%d", rng.IntN(1<<30)) },
	} {
		var b strings.Builder
		for b.Len() < 1<<20 {
			b.WriteString(key() + "=1&")
		}
		_, _ = asJSON(s, schema, b.String()) // refused or not; that it ends is all
	}
}

// TestFormsAreReadInBoundedMemory: a text with commas where a list stands becomes no more values than a body may have.
func TestFormsAreReadInBoundedMemory(t *testing.T) {
	s, schema := formShapes()
	encoded := "ids=" + strings.Repeat(",", 1<<20)
	made := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := asJSON(s, schema, encoded); !fault.Is(err, fault.Invalid) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if made > 16<<20 {
		t.Errorf("%d MiB for a body of one", made>>20)
	}
}
