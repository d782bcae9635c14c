package referral

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
)

// Formats in which codes are delivered.
const (
	plainText = "text/plain"
	csvText   = "text/csv"
	ndjson    = "application/x-ndjson"
)

const longestLine = 16 << 10 // a line that is longer is refused, whatever is in it

// codeLine is one line of a delivery.
type codeLine struct {
	number int
	code   string // in its one form
	why    string // it is refused; "" if not
}

// codeLines reads a delivery of codes line by line and keeps no more than one line of it.
type codeLines struct {
	in     *bufio.Reader
	format string
	number int
	column int    // of the code, in CSV
	begun  bool   // a line that says something was read
	line   []byte // reused
	lastCR bool
}

func newCodeLines(in io.Reader, format string) *codeLines {
	return &codeLines{in: bufio.NewReaderSize(in, 64<<10), format: format}
}

// next returns the next line that says something; io.EOF after the last.
func (l *codeLines) next() (codeLine, error) {
	for {
		long, err := l.read()
		if err != nil {
			return codeLine{}, err
		}
		if l.number == 1 {
			l.line = bytes.TrimPrefix(l.line, []byte("\ufeff"))
		}
		if !long && len(bytes.TrimSpace(l.line)) == 0 {
			continue
		}
		first := !l.begun
		l.begun = true
		out := codeLine{number: l.number}
		switch {
		case long:
			out.why = "the line is too long"
		case l.format == csvText:
			cells, why := cellsOf(string(l.line))
			if why == "" && first && l.header(cells) {
				continue
			}
			if out.why = why; why == "" && l.column < len(cells) {
				out.code = cells[l.column]
			}
		case l.format == ndjson:
			out.code, out.why = codeOfJSON(l.line)
		default:
			out.code = string(l.line)
		}
		if out.code = codeOfCoupon(out.code); out.why == "" {
			out.why = codeFault(out.code)
		}
		return out, nil
	}
}

// read reads the next line, which ends with LF, CR or both; of one that is too long, only that it is.
func (l *codeLines) read() (long bool, err error) {
	l.line = l.line[:0]
	for any := false; ; any = true {
		c, err := l.in.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && any {
				l.number++
				return long, nil
			}
			return false, err
		}
		if c == '\n' && l.lastCR && !any { // the second half of CR LF
			l.lastCR = false
			c, err = l.in.ReadByte()
			if err != nil {
				return false, err
			}
		}
		l.lastCR = c == '\r'
		switch {
		case c == '\n' || c == '\r':
			l.number++
			return long, nil
		case len(l.line) < longestLine:
			l.line = append(l.line, c)
		default:
			long = true
		}
	}
}

// header says whether the first line names the columns, and finds that of the code.
func (l *codeLines) header(cells []string) bool {
	for i, c := range cells {
		switch strings.ToLower(strings.TrimSpace(c)) {
		case "code", "coupon_code", "coupon code":
			l.column = i
			return true
		}
	}
	return false
}

// cellsOf splits a line of CSV at commas, semicolons or tabs, none of which a code can hold. A cell doesn't go on in the next line.
func cellsOf(line string) (cells []string, why string) {
	for {
		cell := ""
		if quoted := strings.TrimLeft(line, " "); strings.HasPrefix(quoted, `"`) {
			line = quoted[1:]
			for {
				part, rest, closed := strings.Cut(line, `"`)
				if !closed {
					return nil, "a quote is not closed in its line"
				}
				cell += part
				if line = rest; !strings.HasPrefix(rest, `"`) {
					break
				}
				cell, line = cell+`"`, rest[1:]
			}
			if at := strings.IndexAny(line, ",;\t"); at > 0 && strings.TrimSpace(line[:at]) != "" || at < 0 && strings.TrimSpace(line) != "" {
				return nil, "there is something behind a closing quote"
			}
		}
		at := strings.IndexAny(line, ",;\t")
		if at < 0 {
			return append(cells, cell+line), ""
		}
		cells, line = append(cells, cell+line[:at]), line[at+1:]
	}
}

// codeOfJSON reads {"code":"…"} or "…".
func codeOfJSON(line []byte) (code, why string) {
	var row struct {
		Code string `json:"code"`
	}
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(line), []byte(`"`)) {
		err = json.Unmarshal(line, &row.Code)
	} else {
		err = json.Unmarshal(line, &row)
	}
	if err != nil {
		return "", `is neither {"code":"…"} nor "…"`
	}
	return row.Code, ""
}
