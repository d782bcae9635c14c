package referral

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"rsc.io/qr"
)

// drawing is a code as it is drawn: rows of dark and light modules, and a margin around them.
type drawing struct {
	width, rows int
	tall        int // modules that a row is high
	quiet       int // modules of margin
	scale       int // pixels a module
	dark        func(x, y int) bool
}

func drawnQR(c *qr.Code) drawing {
	return drawing{width: c.Size, rows: c.Size, tall: 1, quiet: qrQuiet, scale: qrScale, dark: c.Black}
}

// size is width and height with the margin, in modules.
func (d drawing) size() (w, h int) { return d.width + 2*d.quiet, d.rows*d.tall + 2*d.quiet }

// runs calls draw for each run of dark modules in a row.
func (d drawing) runs(draw func(row, from, to int)) {
	for y := range d.rows {
		for x := 0; x < d.width; x++ {
			from := x
			for x < d.width && d.dark(x, y) {
				x++
			}
			if x > from {
				draw(y, from, x)
			}
		}
	}
}

// svg is one path, a run of dark modules a stroke, so that it is sharp at every size.
func (d drawing) svg() []byte {
	var path strings.Builder
	d.runs(func(row, from, to int) {
		fmt.Fprintf(&path, "M%d %dh%dv%dh-%dz", from+d.quiet, row*d.tall+d.quiet, to-from, d.tall, to-from)
	})
	w, h := d.size()
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="%s"/></svg>`, w, h, w*d.scale, h*d.scale, w, h, path.String())
}

func (d drawing) png() ([]byte, error) {
	w, h := d.size()
	picture := image.NewPaletted(image.Rect(0, 0, w*d.scale, h*d.scale), color.Palette{color.White, color.Black})
	d.runs(func(row, from, to int) {
		for y := (row*d.tall + d.quiet) * d.scale; y < ((row+1)*d.tall+d.quiet)*d.scale; y++ {
			for x := (from + d.quiet) * d.scale; x < (to+d.quiet)*d.scale; x++ {
				picture.SetColorIndex(x, y, 1)
			}
		}
	})
	var out bytes.Buffer
	err := png.Encode(&out, picture)
	return out.Bytes(), err
}
