package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestPagesInABrowser takes pictures of the pages in Chromium, on a phone and on a desk, in light and in dark. They are left in
// TALKABLE_PICTURES, if it names a directory, to be looked at.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	take := chromium(t)
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
			for name, size := range map[string]image.Point{"phone": {390, 844}, "desk": {1280, 800}} {
				picture := take(one.url, size.X, size.Y, theme, filepath.Join(into, one.name+"-"+name+"-"+theme+".png"))
				if picture.Bounds().Size() != size {
					t.Errorf("%s: %v, want %v", one.name, picture.Bounds(), size)
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
func chromium(t *testing.T) func(url string, width, height int, theme, file string) image.Image {
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
	b := startBrowser(t, program)
	return func(url string, width, height int, theme, file string) image.Image {
		t.Helper()
		b.do("Emulation.setDeviceMetricsOverride", object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
		b.do("Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": theme}}}, nil)
		var went struct {
			Error string `json:"errorText"`
		}
		if b.do("Page.navigate", object{"url": url}, &went); went.Error != "" {
			t.Fatalf("%s: %s", url, went.Error)
		}
		b.await("Page.loadEventFired")
		var shot struct{ Data []byte }
		b.do("Page.captureScreenshot", object{"format": "png"}, &shot)
		if err := os.WriteFile(file, shot.Data, 0o600); err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(shot.Data))
		if err != nil {
			t.Fatal(err)
		}
		return picture
	}
}

// browser is a running Chromium with one page, spoken to by its DevTools protocol: messages of JSON, each ended by a NUL, on two pipes.
type browser struct {
	t       *testing.T
	to      io.Writer
	from    *bufio.Reader
	session string
	asked   int
	came    []string // events
}

func startBrowser(t *testing.T, program string) *browser {
	t.Helper()
	theirs, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run", "--lang=en-US",
		"--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe")
	cmd.ExtraFiles = []*os.File{theirs, ours} // it reads what is 3 there, and writes to 4
	var said lockedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = longest
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	ours.Close()
	b := &browser{t: t, to: to, from: bufio.NewReaderSize(from, 1<<16)}
	late := time.AfterFunc(3*longest, func() { _ = cmd.Process.Kill() }) // which ends what is read from it
	t.Cleanup(func() {
		late.Stop()
		to.Close() // it ends with its pipe
		_ = cmd.Wait()
		from.Close()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	var target struct {
		ID string `json:"targetId"`
	}
	b.do("Target.createTarget", object{"url": "about:blank"}, &target)
	var attached struct {
		ID string `json:"sessionId"`
	}
	b.do("Target.attachToTarget", object{"targetId": target.ID, "flatten": true}, &attached)
	b.session = attached.ID
	b.do("Page.enable", object{}, nil)
	return b
}

// do sends a command and waits for its result.
func (b *browser) do(method string, params object, result any) {
	b.t.Helper()
	b.asked++
	command := object{"id": b.asked, "method": method, "params": params}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	text, err := json.Marshal(command)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(text, 0)); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	if method == "Page.navigate" {
		b.came = nil // of the page before
	}
	for {
		got := b.next(method)
		if got.ID != b.asked {
			continue
		}
		if got.Error.Message != "" {
			b.t.Fatalf("%s: %s", method, got.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(got.Result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
		return
	}
}

// await waits for an event, unless it came since the last page was asked for.
func (b *browser) await(event string) {
	b.t.Helper()
	for !slices.Contains(b.came, event) {
		b.next(event)
	}
}

type fromBrowser struct {
	ID     int
	Method string
	Result json.RawMessage
	Error  struct{ Message string }
}

// next reads a message, and notes which event it is.
func (b *browser) next(waiting string) (got fromBrowser) {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if err == nil {
		err = json.Unmarshal(text[:len(text)-1], &got)
	}
	if err != nil {
		b.t.Fatalf("waiting for %s: %v", waiting, err)
	}
	if got.Method != "" {
		b.came = append(b.came, got.Method)
	}
	return got
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
