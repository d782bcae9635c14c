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

	"rsc.io/qr"
)

func (p *place) qrOf(method, link string) *httptest.ResponseRecorder {
	p.t.Helper()
	w := httptest.NewRecorder()
	p.QR().ServeHTTP(w, httptest.NewRequest(method, link, nil))
	return w
}

func TestQR_draws_claim_links_and_makes_no_visit(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	h := p.shareBy(p.one, o.ShortURLCode, "qr_code")
	want, err := qr.Encode(h.Share.ShortURL, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	w := p.qrOf("GET", h.Share.ShortURL+"/qr.png")
	picture, err := png.Decode(bytes.NewReader(w.Body.Bytes()))
	if err != nil || w.Header().Get("Content-Type") != "image/png" {
		t.Fatalf("%v %v", w.Header(), err)
	}
	if side := picture.Bounds().Dx(); side != (want.Size+2*qrQuiet)*qrScale || side != picture.Bounds().Dy() {
		t.Fatalf("%v", picture.Bounds())
	}
	for y := range want.Size {
		for x := range want.Size {
			at := func(n int) int { return (n+qrQuiet)*qrScale + qrScale/2 }
			if r, _, _, _ := picture.At(at(x), at(y)).RGBA(); (r == 0) != want.Black(x, y) {
				t.Fatalf("module %d, %d", x, y)
			}
		}
	}
	w = p.qrOf("GET", "/"+strings.ToUpper(o.ClaimURL[len(o.ClaimURL)-10:])+"/qr.svg")
	if w.Code != 404 { // not even a path
		t.Errorf("%d", w.Code)
	}
	w = p.qrOf("GET", o.ClaimURL+"/qr.svg")
	d := xml.NewDecoder(w.Body)
	for {
		if _, err = d.Token(); err != nil {
			break
		}
	}
	if !errors.Is(err, io.EOF) || w.Header().Get("Content-Type") != "image/svg+xml" || w.Code != 200 {
		t.Errorf("%d %v %v", w.Code, w.Header(), err)
	}
	if head := p.qrOf("HEAD", o.ClaimURL+"/qr.svg"); head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
		t.Errorf("%d %v", head.Code, head.Header())
	}
	for _, link := range []string{o.ShowURL + "/qr.svg", "https://go.example/x/zzzzzzzzzz/qr.svg", "https://go.example/x/x/qr.png", o.ClaimURL + "/qr.gif", o.ClaimURL + "/qr.svg/x"} {
		if w := p.qrOf("GET", link); w.Code != 404 {
			t.Errorf("%s: %d", link, w.Code)
		}
	}
	if w := p.qrOf("POST", o.ClaimURL+"/qr.svg"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("%d", w.Code)
	}
	if n := p.count(`select count(*) from referral.visit`); n != 0 {
		t.Errorf("%d visits", n)
	}
}
