package importer

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
)

// comma reads CSV: a header, then rows. Commas, semicolons or tabs separate; quoted fields may hold line ends.
type comma struct {
	r      *csv.Reader
	guard  *guard
	base   place
	header *header
}

// guard fails a row that is too long, before it fills the memory.
type guard struct {
	r    io.Reader
	left int
}

var errLong = errors.New("a row is longer than 1 MiB; a closing quote may be missing")

func (g *guard) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, errLong
	}
	n, err := g.r.Read(p)
	g.left -= n
	return n, err
}

func openCSV(file io.ReadSeeker, head []byte, start place, v vocabulary, begin func(place) (place, error)) (source, string, []string, error) {
	separator := separatorOf(head)
	r := csv.NewReader(strings.NewReader(string(head)))
	r.Comma = separator
	names, err := r.Read()
	if err != nil {
		return nil, CSV, nil, fmt.Errorf("read the header: %w", err)
	}
	if r.InputOffset() == headSize {
		return nil, CSV, nil, errors.New("the header is longer than 64 KiB")
	}
	h, err := newHeader(names, v)
	if err != nil {
		return nil, CSV, nil, err
	}
	at, err := begin(place{start.bytes + r.InputOffset(), lastLine(r, names)})
	if err != nil {
		return nil, CSV, nil, fmt.Errorf("read the file: %w", err)
	}
	c := &comma{guard: &guard{r: file}, base: at, header: h}
	c.r = csv.NewReader(c.guard)
	c.r.Comma, c.r.FieldsPerRecord, c.r.ReuseRecord = separator, -1, true
	return c, CSV, h.ignored, nil
}

// separatorOf is the one of comma, semicolon and tab that the header has most of, outside quotes.
func separatorOf(head []byte) rune {
	count := map[rune]int{}
	quoted := false
	for _, r := range string(head) {
		if r == '"' {
			quoted = !quoted
		}
		if r == '\n' && !quoted {
			break
		}
		if !quoted {
			count[r]++
		}
	}
	best := ','
	for _, r := range ";\t" {
		if count[r] > count[best] {
			best = r
		}
	}
	return best
}

// lastLine is the line on which the record ends.
func lastLine(r *csv.Reader, record []string) int64 {
	last := len(record) - 1
	line, _ := r.FieldPos(last)
	return int64(line + strings.Count(record[last], "\n"))
}

func (c *comma) next() (row, error) {
	c.guard.left = longest
	record, err := c.r.Read()
	out := row{after: place{bytes: c.base.bytes + c.r.InputOffset()}}
	if broken, ok := errors.AsType[*csv.ParseError](err); ok {
		out.line, out.after.lines = c.base.lines+int64(broken.StartLine), c.base.lines+int64(broken.Line)
		out.wrong = &finding{what: "is no CSV: " + broken.Err.Error()}
		return out, nil
	}
	switch {
	case errors.Is(err, errLong):
		return row{}, fmt.Errorf("after line %d: %w", c.base.lines, err)
	case err != nil:
		return row{}, err
	}
	line, _ := c.r.FieldPos(0)
	out.line, out.after.lines = c.base.lines+int64(line), c.base.lines+lastLine(c.r, record)
	c.header.fill(&out, record)
	return out, nil
}
