package referral

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"rsc.io/qr"

	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

// barcode asks for the picture of a coupon.
func (p *place) barcode(s site.Site, path string) *httptest.ResponseRecorder {
	p.t.Helper()
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(web.With(r.Context(), &web.Request{ID: "request", Site: s})))
		})
	})
	p.Routes(web.NewAPI(router, "test", "1", ""))
	w := httptest.NewRecorder()
	router.ServeHTTP(w, httptest.NewRequest("GET", "/api/v2/coupons/"+path, nil))
	return w
}

// readRow are the modules of a row of a PNG without its margin: 1 is dark.
func readRow(t *testing.T, picture []byte, quiet, scale, row int) string {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for x := quiet; x < img.Bounds().Dx()/scale-quiet; x++ {
		if r, _, _, _ := img.At(x*scale+scale/2, (quiet+row)*scale+scale/2).RGBA(); r == 0 {
			out.WriteByte('1')
		} else {
			out.WriteByte('0')
		}
	}
	return out.String()
}

func TestCoupon_barcodes(t *testing.T) {
	t.Parallel()
	p := setup(t)
	long := strings.Repeat("LONG", 25)
	p.list(p.one, "AB/12", "PLAIN", long)

	// The standard's patterns: start, the characters, the check character, stop.
	const start, a, b, stop = "11010010000", "10100011000", "10001011000", "1100011101011"
	d, err := drawCoupon("ABA", byCode128)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := d.png()
	if err != nil {
		t.Fatal(err)
	}
	check := "11110100010" // (104 + 1·33 + 2·34 + 3·33) mod 103 = 98
	if got, want := readRow(t, picture, barQuiet, barScale, barTall-1), start+a+b+a+check+stop; got != want {
		t.Errorf("ABA is\n%s, want\n%s", got, want)
	}

	w := p.barcode(p.one, "ab%2F12/barcode?format=png&symbology=qr")
	want, err := qr.Encode("AB/12", qr.M)
	if err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/png" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for y := range want.Size {
		for x, c := range readRow(t, w.Body.Bytes(), qrQuiet, qrScale, y) {
			if (c == '1') != want.Black(x, y) {
				t.Fatalf("module %d, %d", x, y)
			}
		}
	}
	w = p.barcode(p.one, "PLAIN/barcode")
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	for d := xml.NewDecoder(w.Body); err == nil; {
		_, err = d.Token()
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	for path, status := range map[string]int{
		long + "/barcode":               http.StatusUnprocessableEntity,
		long + "/barcode?symbology=qr":  http.StatusOK,
		"NONE/barcode":                  http.StatusNotFound,
		"%20/barcode":                   http.StatusNotFound,
		"PLAIN/barcode?format=gif":      http.StatusBadRequest,
		"PLAIN/barcode?symbology=ean13": http.StatusBadRequest,
	} {
		if w := p.barcode(p.one, path); w.Code != status {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if w := p.barcode(p.two, "PLAIN/barcode"); w.Code != http.StatusNotFound {
		t.Errorf("the other site's: %d", w.Code)
	}
}
