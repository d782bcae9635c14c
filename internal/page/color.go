package page

import (
	"fmt"
	"math"
	"strconv"
)

// Grounds are what stands behind colours.
const (
	paper  = "#ffffff"
	night  = "#1c1f26"
	bright = "#ffffff"
	dim    = "#000000"
)

const (
	readable = 4.5 // the least contrast of text with what is behind it (WCAG 2.2, AA)
	bold     = 6.5 // of what is to stand out on a dark page
	glare    = 0.6 // the most saturation there
)

// palette is what one colour of a site becomes: of buttons, of the words on them, and of links.
type palette struct{ brand, ink, link string }

func paletteOn(ground, color string) palette {
	toward := dim
	if luminance(ground) < 0.5 {
		toward = bright
	}
	return palette{brand: color, ink: inkOn(color), link: toContrast(color, toward, ground)}
}

// inkOn is what is better to read on a color; one of the two always is.
func inkOn(color string) string {
	if contrast(color, bright) >= contrast(color, dim) {
		return bright
	}
	return dim
}

// toContrast moves a color towards another one until it can be read on a ground.
func toContrast(color, toward, ground string) string {
	for step := range 21 {
		if mixed := mix(color, toward, float64(step)/20); contrast(mixed, ground) >= readable {
			return mixed
		}
	}
	return toward
}

// lit is a colour for dark pages: the same hue, light enough to be read there, and not so strong that it glares.
func lit(color string) string {
	c := channels(color)
	high, low := max(c[0], c[1], c[2]), min(c[0], c[1], c[2])
	for light := 0.6; light < 1; light += 0.02 {
		spread := 0.0 // of the channels around the light, as HSL has it
		if high > low {
			spread = min(glare, (high-low)/(255-math.Abs(high+low-255))) * (1 - math.Abs(2*light-1))
		}
		var out [3]int
		for i := range out {
			at := 0.5
			if high > low {
				at = (c[i] - low) / (high - low)
			}
			out[i] = int(math.Round(255 * (light + (at-0.5)*spread)))
		}
		if one := fmt.Sprintf("#%02x%02x%02x", out[0], out[1], out[2]); contrast(one, night) >= bold {
			return one
		}
	}
	return bright
}

func channels(color string) (out [3]float64) {
	for i := range out {
		n, _ := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8) // the gateway has checked the form
		out[i] = float64(n)
	}
	return out
}

func mix(a, b string, part float64) string {
	x, y := channels(a), channels(b)
	var out [3]int
	for i := range out {
		out[i] = int(math.Round(x[i] + (y[i]-x[i])*part))
	}
	return fmt.Sprintf("#%02x%02x%02x", out[0], out[1], out[2])
}

// contrast is that of WCAG 2.2 between two colours, 1 to 21.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(color string) float64 {
	c := channels(color)
	for i := range c {
		if c[i] /= 255; c[i] <= 0.04045 {
			c[i] /= 12.92
		} else {
			c[i] = math.Pow((c[i]+0.055)/1.055, 2.4)
		}
	}
	return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
}
