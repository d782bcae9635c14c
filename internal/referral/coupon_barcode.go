package referral

import (
	"context"
	"fmt"
	"image/color"
	"net/http"

	"github.com/boombuler/barcode/code128"
	"github.com/danielgtaylor/huma/v2"
	"rsc.io/qr"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/web"
)

const (
	barQuiet = 10 // modules of margin, as Code 128 wants
	barTall  = 50 // modules that a bar is high
	barScale = 3
	barMost  = 80 // characters

	byCode128 = "code128"
	formatPNG = "png"
)

var errBarcodeLong = fault.New(fault.Unprocessable, "barcode_too_long", "A Code 128 has at most %d characters; a QR code takes any coupon.", barMost).
	At("query.symbology", "can't be code128 for such a long code")

func (m *Module) barcodeRoutes(api huma.API) {
	picture := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	huma.Register(api, huma.Operation{OperationID: "getCouponBarcode", Method: http.MethodGet, Path: "/api/v2/coupons/{code}/barcode", Tags: []string{"Coupons"},
		Summary: "Draw a coupon's code for the till", Description: "As Code 128, which most scanners of tills read, or as a QR code; as SVG, which is sharp at every size, or as PNG. " +
			"What is drawn is the code in upper case, as the site has it. A code with slashes is escaped. 404 if the site has no such coupon, 422 `barcode_too_long` for more " +
			"than 80 characters as Code 128.",
		Responses: map[string]*huma.Response{"200": {Description: "The picture", Content: map[string]*huma.MediaType{"image/svg+xml": picture, "image/png": picture}}}}, m.getBarcode)
}

func (m *Module) getBarcode(ctx context.Context, in *struct {
	Code      string `path:"code" example:"SAVE-7KQ2M9XF"`
	Symbology string `query:"symbology" enum:"code128,qr" default:"code128"`
	Format    string `query:"format" enum:"svg,png" default:"svg"`
}) (*huma.StreamResponse, error) {
	code := codeOfCoupon(in.Code)
	if codeFault(code) != "" {
		return nil, errNoCoupon
	}
	c, err := couponByCode(ctx, m.db, web.From(ctx).Site.ID, code)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errNoCoupon
	}
	drawn, err := drawCoupon(c.Code, in.Symbology)
	if err != nil {
		return nil, err
	}
	kind, image := "image/svg+xml", drawn.svg()
	if in.Format == formatPNG {
		kind = "image/png"
		if image, err = drawn.png(); err != nil {
			return nil, fmt.Errorf("draw a coupon: %w", err)
		}
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", kind)
		out.SetHeader("Cache-Control", "private, max-age=86400") // a code never changes
		out.SetHeader("Content-Security-Policy", pictureCSP)
		_, _ = out.BodyWriter().Write(image) // the client may be gone
	}}, nil
}

// drawCoupon draws a code.
func drawCoupon(code, symbology string) (drawing, error) {
	if symbology != byCode128 {
		c, err := qr.Encode(code, qr.M)
		if err != nil {
			return drawing{}, fmt.Errorf("draw a QR code: %w", err)
		}
		return drawnQR(c), nil
	}
	if len(code) > barMost {
		return drawing{}, errBarcodeLong
	}
	bars, err := code128.Encode(code)
	if err != nil {
		return drawing{}, fmt.Errorf("draw a Code 128: %w", err)
	}
	dark := func(x, _ int) bool { return bars.At(x, 0) == color.Black }
	return drawing{width: bars.Bounds().Dx(), rows: 1, tall: barTall, quiet: barQuiet, scale: barScale, dark: dark}, nil
}
