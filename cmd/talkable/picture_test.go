package main

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPagesInABrowser takes pictures of the pages in Chromium, on a phone and on a desk, in light and in dark. They are left in
// TALKABLE_PICTURES, if it names a directory, to be looked at.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	s := startServer(t, oneDatabase(t))
	shop := newShop(t, s.demo)
	offer := shop.offerOf("picture-ann@shop.example")
	claim, share := offer["claim_url"].(string), offer["show_url"].(string)
	into := os.Getenv("TALKABLE_PICTURES")
	if into == "" {
		into = t.TempDir()
	}
	type shot struct{ name, links, url string }
	for _, one := range []shot{
		{"claim", `{"claim_page":true}`, claim},
		{"gate", `{"claim_page":true,"gate":"email_and_phone","opt_in":true}`, claim},
		{"share", `{}`, share},
		{"gone", `{}`, s.demo.Server + "/x/abcdefghjk"},
		{"name", `{}`, s.demo.Server + "/by/"},
	} {
		shop.links(one.links)
		light := map[string]float64{}
		for _, theme := range []string{"light", "dark"} {
			for size, name := range map[string]string{"390,844": "phone", "1280,800": "desk"} {
				picture := browser(one.url, size, theme, filepath.Join(into, one.name+"-"+name+"-"+theme+".png"))
				if want := strings.ReplaceAll(size, ",", "x"); picture.Bounds().Size().String() != "("+size+")" {
					t.Errorf("%s: %v, want %s", one.name, picture.Bounds(), want)
				}
				light[theme] += brightness(picture)
			}
		}
		if light["light"] < 2*0.75 || light["dark"] > 2*0.35 {
			t.Errorf("%s: light pages have a brightness of %.2f, dark ones of %.2f", one.name, light["light"]/2, light["dark"]/2)
		}
	}
}

// chromium finds Debian's browser, and returns what takes a picture with it.
func chromium(t *testing.T) func(url, size, theme, file string) image.Image {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("the pages are looked at in a browser, and there is none: make tools installs Debian's (apt-get install chromium), or put chromium or google-chrome into PATH")
	}
	profile := t.TempDir()
	return func(url, size, theme, file string) image.Image {
		t.Helper()
		scheme := map[string]string{"light": "1", "dark": "0"}[theme]
		cmd := exec.CommandContext(t.Context(), program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--lang=en-US",
			"--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
			"--blink-settings=preferredColorScheme="+scheme, "--user-data-dir="+profile, "--window-size="+size, "--screenshot="+file, url)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		picture, err := png.Decode(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return picture
	}
}

// brightness is the mean of a picture, 0 to 1.
func brightness(p image.Image) float64 {
	var sum, n float64
	for y := p.Bounds().Min.Y; y < p.Bounds().Max.Y; y += 4 {
		for x := p.Bounds().Min.X; x < p.Bounds().Max.X; x += 4 {
			r, g, b, _ := p.At(x, y).RGBA()
			sum += float64(r+g+b) / 3 / 0xffff
			n++
		}
	}
	return sum / n
}
