package asset

import (
	"bytes"
	"context"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/webp"

	"github.com/talkable/talkable/internal/fault"
)

const (
	// MaxBytes is how large a file may be.
	MaxBytes  = 10 << 20
	maxSide   = 10_000     // pixels of a width or height
	maxPixels = 16_000_000 // of an image: decoding takes up to 8 bytes for each
)

// Image is what the bytes of an image say of it, whatever it was called.
type Image struct {
	ContentType   string
	Width, Height int
}

// format is a kind of image that is taken. SVG is none: it is a program.
type format struct {
	magic, contentType string
	config             func(io.Reader) (image.Config, error)
	decode             func(io.Reader) (image.Image, error)
}

// formats by how they begin; '?' stands for any byte. Of a GIF the first picture is decoded: one file may hold thousands of large ones.
var formats = []format{
	{"\x89PNG\r\n\x1a\n", "image/png", png.DecodeConfig, png.Decode},
	{"\xff\xd8\xff", "image/jpeg", jpeg.DecodeConfig, jpeg.Decode},
	{"GIF8?a", "image/gif", gif.DecodeConfig, gif.Decode},
	{"RIFF????WEBP", "image/webp", webp.DecodeConfig, webp.Decode},
}

var (
	errKind   = fault.New(fault.Unprocessable, "asset_not_an_image", "Validation failed: File must be a PNG, JPEG, GIF or WebP image").At("/file", "no image that is taken here")
	errBroken = fault.New(fault.Unprocessable, "asset_broken", "Validation failed: File is not a whole image").At("/file", "can't be decoded")
	errPixels = fault.New(fault.Unprocessable, "asset_too_many_pixels", "Validation failed: File must have at most 16 million pixels, 10000 on a side").At("/file", "too many pixels")
)

// decoders is how many images are decoded at once in this process: a small file may need a hundred megabytes.
var decoders = make(chan struct{}, 2)

// Look decodes an image. The faults are the client's to read.
func Look(ctx context.Context, content []byte) (Image, error) {
	f, ok := formatOf(content)
	if !ok {
		return Image{}, errKind
	}
	c, err := f.config(bytes.NewReader(content))
	if err != nil {
		return Image{}, errBroken.Because(err)
	}
	if c.Width < 1 || c.Height < 1 {
		return Image{}, errBroken
	}
	if c.Width > maxSide || c.Height > maxSide || c.Width*c.Height > maxPixels {
		return Image{}, errPixels
	}
	select {
	case decoders <- struct{}{}:
		defer func() { <-decoders }()
	case <-ctx.Done():
		return Image{}, ctx.Err()
	}
	if _, err := f.decode(bytes.NewReader(content)); err != nil {
		return Image{}, errBroken.Because(err)
	}
	return Image{ContentType: f.contentType, Width: c.Width, Height: c.Height}, nil
}

func formatOf(content []byte) (format, bool) {
	for _, f := range formats {
		if len(content) < len(f.magic) {
			continue
		}
		same := true
		for i := range len(f.magic) {
			same = same && (f.magic[i] == '?' || f.magic[i] == content[i])
		}
		if same {
			return f, true
		}
	}
	return format{}, false
}
