package customer

import (
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

func TestNormalEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a@b.co": "a@b.co", "A.B+Tag@Example.COM": "a.b+tag@example.com", "o'neil@x.ie": "o'neil@x.ie",
		"x@Bücher.example": "x@xn--bcher-kva.example", "x@bu\u0308cher.example": "x@xn--bcher-kva.example", "a@x.museum": "a@x.museum",
		"a@b": "", "a..b@c.de": "", ".a@c.de": "", "a.@c.de": "", `"a b"@c.de`: "", "a@[127.0.0.1]": "", "a@127.0.0.1": "", "Name <a@b.co>": "",
		"=?utf-8?q?x?= <a@b.co>": "", "a@b@c.de": "", " a@b.co": "", "a@b.co ": "", "a@-b.co": "", "a@b..co": "", "a@b.co.": "", "a@b_c.co": "",
		"ä@b.co": "", "a\x00@b.co": "", "a@b.co\x00": "", "a@\xff.co": "", "@b.co": "", "a@": "", "": "", "a@b.c": "",
		strings.Repeat("a", 65) + "@b.co": "", "a@" + strings.Repeat("b", 64) + ".co": "", "a@" + strings.Repeat("b.", 130) + "co": "",
	} {
		got, ok := normalEmail(in)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestNormalPhone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"+12025551111": "+12025551111", "+1 (202) 555-1111": "+12025551111", "0012025551111": "+12025551111",
		"2025551111": "", "+0123456789": "", "+12": "", "+1202555111111111": "", "+1202x": "", "١٢٣٤٥٦٧٨": "", "++12025551111": "",
	} {
		got, ok := normalPhone(in)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzNormalEmail(f *testing.F) {
	for _, s := range []string{"a@b.co", "x@Bücher.example", "a@[::1]", "a\x00@b.co", "a@ⅷ.example", "a@b。co"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		norm, ok := normalEmail(s)
		if !ok {
			return
		}
		again, ok := normalEmail(norm)
		if !ok || again != norm || len(norm) > 254 {
			t.Errorf("%q gives %q gives %q", s, norm, again)
		}
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	s := site.Site{ID: 1, Currency: "EUR"}
	for name, c := range map[string]struct {
		change  func(*customerapi.Origin)
		pointer string // "" means fine
	}{
		"fine":                   {func(o *customerapi.Origin) {}, ""},
		"customer id alone":      {func(o *customerapi.Origin) { o.Person = customerapi.Identity{CustomerID: "1"} }, ""},
		"five years ago":         {func(o *customerapi.Origin) { o.OccurredAt = noon.AddDate(-5, 0, 0) }, ""},
		"in an hour":             {func(o *customerapi.Origin) { o.OccurredAt = noon.Add(time.Hour) }, ""},
		"a long browser":         {func(o *customerapi.Origin) { o.UserAgent = strings.Repeat("\xffx", 5000) }, ""},
		"a discount line":        {func(o *customerapi.Origin) { o.Items = []customerapi.Item{{Price: -1, Quantity: 1}} }, ""},
		"nobody":                 {func(o *customerapi.Origin) { o.Person = customerapi.Identity{} }, "/data/email"},
		"phone alone":            {func(o *customerapi.Origin) { o.Person = customerapi.Identity{Phone: "+12025551111"} }, "/data/email"},
		"no number":              {func(o *customerapi.Origin) { o.Number = "" }, "/data/order_number"},
		"256 characters":         {func(o *customerapi.Origin) { o.Number = strings.Repeat("ü", 256) }, "/data/order_number"},
		"tab in number":          {func(o *customerapi.Origin) { o.Number = "1001\t" }, "/data/order_number"},
		"NUL in number":          {func(o *customerapi.Origin) { o.Number = "a\x00b" }, "/data/order_number"},
		"broken number":          {func(o *customerapi.Origin) { o.Number = "\xff\xfe" }, "/data/order_number"},
		"NUL in a name":          {func(o *customerapi.Origin) { o.Person.FirstName = "\x00" }, "/data/first_name"},
		"no type":                {func(o *customerapi.Origin) { o.Type = "Foo" }, "/type"},
		"negative":               {func(o *customerapi.Origin) { o.Subtotal = -1 }, "/data/subtotal"},
		"too much":               {func(o *customerapi.Origin) { o.Subtotal = money.Max + 1 }, "/data/subtotal"},
		"no currency":            {func(o *customerapi.Origin) { o.Currency = "usd" }, "/data/currency_iso_code"},
		"event without category": {func(o *customerapi.Origin) { o.Type = "Event" }, "/data/event_category"},
		"51 coupons":             {func(o *customerapi.Origin) { o.CouponCodes = make([]string, 51) }, "/data/coupon_codes"},
		"501 items":              {func(o *customerapi.Origin) { o.Items = make([]customerapi.Item, 501) }, "/data/items"},
		"visitor in braces":      {func(o *customerapi.Origin) { o.Visitors = []string{"{" + visitor1 + "}"} }, "/data/uuid"},
		"visitor of zeros":       {func(o *customerapi.Origin) { o.Visitors = []string{"00000000-0000-0000-0000-000000000000"} }, "/data/uuid"},
		"in two days":            {func(o *customerapi.Origin) { o.OccurredAt = noon.Add(48 * time.Hour) }, "/data/created_at"},
		"before 1970":            {func(o *customerapi.Origin) { o.OccurredAt = time.Unix(-1, 0) }, "/data/created_at"},
		"no address":             {func(o *customerapi.Origin) { o.IP = "999.1.1.1" }, "/data/ip_address"},
		"property of upper case": {func(o *customerapi.Origin) { o.Person.CustomProperties = map[string]string{"VIP": "1"} }, "/data/custom_properties"},
		"property of 1001": {func(o *customerapi.Origin) {
			o.Person.CustomProperties = map[string]string{"x": strings.Repeat("y", 1001)}
		}, "/data/custom_properties/x"},
		"negative quantity":       {func(o *customerapi.Origin) { o.Items = []customerapi.Item{{Quantity: -1}} }, "/data/items/0/quantity"},
		"phone without a country": {func(o *customerapi.Origin) { o.Person.Phone = "555-0000" }, "/data/phone_number"},
	} {
		in := purchase("1", "a@example.com", 100)
		c.change(&in)
		err := Check(in, s, noon)
		f, _ := fault.Of(err)
		switch {
		case c.pointer == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.pointer != "" && (f == nil || f.Kind != fault.Invalid || f.Fields[0].Pointer != c.pointer):
			t.Errorf("%s: got %+v, want %s", name, f, c.pointer)
		}
	}
}
