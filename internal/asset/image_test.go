package asset

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/talkable/talkable/internal/fault"
)

func made(t testing.TB, kind string, width, height int) []byte {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White})
	var out bytes.Buffer
	var err error
	switch kind {
	case "png":
		err = png.Encode(&out, m)
	case "jpeg":
		err = jpeg.Encode(&out, m, nil)
	case "gif":
		err = gif.Encode(&out, m, nil)
	case "webp": // one pixel; no encoder writes it
		raw, e := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
		out.Write(raw)
		err = e
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// claims is a PNG whose head promises more pixels than it has.
func claims(t testing.TB, width, height uint32) []byte {
	raw := made(t, "png", 1, 1)
	binary.BigEndian.PutUint32(raw[16:], width)
	binary.BigEndian.PutUint32(raw[20:], height)
	binary.BigEndian.PutUint32(raw[29:], crc32.ChecksumIEEE(raw[12:29]))
	return raw
}

func TestLook_takes_images(t *testing.T) {
	for kind, size := range map[string]image.Point{"png": {3, 2}, "jpeg": {300, 200}, "gif": {4000, 4000}, "webp": {1, 1}} {
		got, err := Look(t.Context(), made(t, kind, size.X, size.Y))
		if want := (Image{"image/" + kind, size.X, size.Y}); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", kind, got, err, want)
		}
	}
}

func TestLook_refuses(t *testing.T) {
	whole := made(t, "png", 300, 200)
	for name, tt := range map[string]struct {
		content []byte
		code    string
	}{
		"nothing":                       {nil, "asset_not_an_image"},
		"a text":                        {[]byte("hello"), "asset_not_an_image"},
		"a picture that is a program":   {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "asset_not_an_image"},
		"a page":                        {[]byte("<!DOCTYPE html><script>alert(1)</script>"), "asset_not_an_image"},
		"a page that begins like a GIF": {[]byte("GIF89a/*<script>alert(1)</script>*/=1"), "asset_too_many_pixels"},
		"a sound in a RIFF":             {[]byte("RIFF\x00\x00\x00\x00WAVEfmt "), "asset_not_an_image"},
		"the head of a PNG":             {whole[:40], "asset_broken"},
		"half a PNG":                    {whole[:len(whole)/2], "asset_broken"},
		"half a JPEG":                   {made(t, "jpeg", 300, 200)[:400], "asset_broken"},
		"20,000 × 20,000":               {claims(t, 20_000, 20_000), "asset_too_many_pixels"},
		"10,000 × 10,000":               {claims(t, 10_000, 10_000), "asset_too_many_pixels"},
		"a page that is a small GIF":    {[]byte("GIF89a\x01\x00\x01\x00<script>alert(1)</script>"), "asset_broken"},
		"16 million that aren't there":  {claims(t, 4000, 4000), "asset_broken"},
		"4 billion on a side":           {claims(t, 1<<31-1, 1<<31-1), "asset_broken"},
		"no pixels":                     {claims(t, 0, 5), "asset_broken"},
	} {
		_, err := Look(t.Context(), tt.content)
		if f, _ := fault.Of(err); f == nil || f.Kind != fault.Unprocessable || f.Code != tt.code {
			t.Errorf("%s: %v, want %s", name, err, tt.code)
		}
	}
}

func FuzzLook(f *testing.F) {
	for _, kind := range []string{"png", "jpeg", "gif", "webp"} {
		f.Add(made(f, kind, 5, 5))
	}
	f.Add(claims(f, 4000, 4000))
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := Look(t.Context(), content)
		if f, _ := fault.Of(err); err != nil && f == nil {
			t.Errorf("%v is no fault", err)
		}
		if err == nil && (got.Width < 1 || got.Height < 1 || got.Width*got.Height > maxPixels) {
			t.Errorf("taken: %v", got)
		}
	})
}
