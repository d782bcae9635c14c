package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/importer"
)

// meter shows how far long work is: a bar on a terminal, a plain line every few seconds elsewhere.
type meter struct {
	w    io.Writer
	name string
	tty  bool
	bar  *progressbar.ProgressBar
	last time.Time
}

const plainPause = 2 * time.Second

func newMeter(w io.Writer, name string) *meter { return &meter{w: w, name: name, tty: isTerminal(w)} }

func (m *meter) rows(p importer.Progress) {
	if m.tty {
		if m.bar == nil {
			m.bar = progressbar.NewOptions64(p.Size, progressbar.OptionSetWriter(m.w), progressbar.OptionShowBytes(true),
				progressbar.OptionSetDescription(m.name), progressbar.OptionFullWidth(), progressbar.OptionSetPredictTime(true),
				progressbar.OptionThrottle(100*time.Millisecond))
		}
		_ = m.bar.Set64(p.Bytes) // the terminal may be gone; the import goes on
		return
	}
	m.say("%s: %d rows, %d%%", m.name, p.Rows, 100*p.Bytes/max(p.Size, 1))
}

// count shows how much of all is done.
func (m *meter) count(done, all int64) {
	if m.tty {
		if m.bar == nil {
			m.bar = progressbar.NewOptions64(all, progressbar.OptionSetWriter(m.w), progressbar.OptionSetDescription(m.name), progressbar.OptionFullWidth(),
				progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond))
		}
		_ = m.bar.Set64(done) // as above
		return
	}
	m.say("%s: %d of %d, %d%%", m.name, done, all, 100*done/max(all, 1))
}

// left shows how many events have still to be heard.
func (m *meter) left(n int64) {
	if n == 0 {
		return
	}
	if m.tty {
		fmt.Fprintf(m.w, "\r\033[K%d events to work through", n)
		return
	}
	m.say("%d events to work through", n)
}

func (m *meter) say(format string, args ...any) {
	if now := clock.System(); now.Sub(m.last) >= plainPause {
		m.last = now
		fmt.Fprintf(m.w, format+"\n", args...)
	}
}

// done leaves the terminal on a clean line.
func (m *meter) done() {
	if m.bar != nil {
		_ = m.bar.Finish() // as above
		m.bar = nil
		fmt.Fprintln(m.w)
	} else if m.tty {
		fmt.Fprint(m.w, "\r\033[K")
	}
}
