package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// longest is the most bytes that one row may have; a quote that nobody closes must not swallow the file.
const longest = 1 << 20

// headSize is how much of the file is looked at to recognise it.
const headSize = 64 << 10

// place is a point between two rows of the file.
type place struct{ bytes, lines int64 }

// row is one row of the file, whatever its format.
type row struct {
	line       int64 // where it begins, from 1
	after      place
	cells      [columns]string
	coupons    []string
	tags       []string
	properties map[string]string
	wrong      *finding // it can't be read
}

// source gives the rows of a file; io.EOF after the last.
type source interface{ next() (row, error) }

// open recognises the format, reads the header and goes to the place from. ignored are columns that mean nothing here.
func open(file io.ReadSeeker, format string, v vocabulary, from place, name string) (source, string, []string, error) {
	head := make([]byte, headSize)
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, format, nil, fmt.Errorf("read the file: %w", err)
	}
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, format, nil, fmt.Errorf("read the file: %w", err)
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return nil, format, nil, errors.New("the file is UTF-16; please save it as UTF-8")
	}
	var start place
	if bytes.HasPrefix(head, []byte("\ufeff")) {
		head, start.bytes = head[3:], 3
	}
	if format == "" || format == Auto {
		format = recognise(head)
	}
	begin := func(header place) (place, error) {
		if from.bytes > header.bytes {
			header = from
		}
		_, err := file.Seek(header.bytes, io.SeekStart)
		return header, err
	}
	switch format {
	case CSV:
		return openCSV(file, head, start, v, begin)
	case NDJSON:
		at, err := begin(start)
		return &ndjson{lines: newLines(file, at), words: v}, format, nil, err
	case CDNOW:
		if v.kind != "purchases" {
			return nil, format, nil, errors.New("a file in CDNOW's format holds purchases")
		}
		if name == "" {
			return nil, format, nil, errors.New("the orders in CDNOW's format have no numbers; the source needs a name to number them after")
		}
		line, ok := firstLine(head)
		if !ok || strings.Join(strings.Fields(line), " ") != cdnowHeader {
			return nil, format, nil, fmt.Errorf("the first line isn't %q", cdnowHeader)
		}
		at, err := begin(place{start.bytes + int64(len(line)), 1})
		return &cdnow{lines: newLines(file, at), name: name}, format, nil, err
	}
	return nil, format, nil, fmt.Errorf("%q is no format; there are %s, %s, %s and %s", format, Auto, CSV, NDJSON, CDNOW)
}

func recognise(head []byte) string {
	line, _ := firstLine(head)
	switch {
	case strings.Join(strings.Fields(line), " ") == cdnowHeader:
		return CDNOW
	case bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{")):
		return NDJSON
	}
	return CSV
}

// firstLine is the first line with its end; false when there is none within what was read.
func firstLine(head []byte) (string, bool) {
	i := bytes.IndexByte(head, '\n')
	if i < 0 {
		return string(head), false
	}
	return string(head[:i+1]), true
}

// lines reads line by line, and passes over those that are too long.
type lines struct {
	r  *bufio.Reader
	at place
}

func newLines(r io.Reader, at place) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10), at: at} }

// next returns a line without its end; wrong says that it can't be read.
func (l *lines) next() (text string, wrong *finding, err error) {
	var b []byte
	for {
		part, err := l.r.ReadSlice('\n')
		l.at.bytes += int64(len(part))
		if len(b)+len(part) <= longest {
			b = append(b, part...)
		} else {
			b, wrong = nil, &finding{what: "the line is longer than 1 MiB"}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", nil, fmt.Errorf("read the file: %w", err)
		}
		if err != nil && len(b) == 0 && wrong == nil {
			return "", nil, io.EOF
		}
		l.at.lines++
		text = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
		if wrong == nil && !utf8.ValidString(text) {
			wrong = &finding{value: text, what: "is not UTF-8"}
		}
		return text, wrong, nil
	}
}

// row begins a row of the line that was just read.
func (l *lines) row() row { return row{line: l.at.lines, after: l.at} }
