package importer

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/talkable/talkable/internal/fault"
)

// finding is one thing that is wrong with a row.
type finding struct{ column, value, what string }

// report writes findings as CSV that a spreadsheet may open: no cell begins like a formula.
type report struct {
	w     *csv.Writer
	begun bool
}

func newReport(w io.Writer) *report {
	if w == nil {
		w = io.Discard
	}
	return &report{w: csv.NewWriter(w)}
}

func (r *report) add(row row, wrong ...finding) {
	if !r.begun {
		r.begun = true
		_ = r.w.Write([]string{"line", "column", "value", "error"}) // the writer keeps its error for flush
	}
	for _, f := range wrong {
		_ = r.w.Write([]string{strconv.FormatInt(row.line, 10), harmless(f.column), harmless(shorten(f.value)), harmless(f.what)})
	}
}

func (r *report) flush() error {
	if r.w.Flush(); r.w.Error() != nil {
		return fmt.Errorf("write the report: %w", r.w.Error())
	}
	return nil
}

func shorten(s string) string {
	s = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\ufffd"))
	if r := []rune(s); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return s
}

// harmless keeps spreadsheets from taking a text for a formula.
func harmless(s string) string {
	if t := strings.TrimLeftFunc(s, unicode.IsSpace); t != "" && strings.ContainsRune("=+-@＝＋－＠|%", []rune(t)[0]) {
		return "'" + s
	}
	return s
}

// columnOf are the names of columns where they differ from the body's members.
var columnOf = map[string]string{"currency_iso_code": "currency", "created_at": "date"}

// refusal is what the module says against a row, column by column.
func refusal(row row, err error) []finding {
	f, ok := fault.Of(err)
	if !ok {
		return []finding{{what: "could not be saved: " + err.Error()}}
	}
	if len(f.Fields) == 0 {
		name := "order_number"
		if row.cells[eventNumber] != "" {
			name = "event_number"
		}
		c, _ := columnNamed(name)
		return []finding{{column: name, value: row.cells[c], what: strings.TrimSpace(f.Detail)}}
	}
	var out []finding
	for _, field := range f.Fields {
		name, rest, _ := strings.Cut(strings.TrimPrefix(field.Pointer, "/data/"), "/")
		if other := columnOf[name]; other != "" {
			name = other
		}
		one := finding{column: name, what: field.Detail}
		if c, known := columnNamed(name); known {
			one.value = row.cells[c]
		} else if name == "custom_properties" {
			one.column, one.value = propertyPrefix+rest, row.properties[rest]
		}
		out = append(out, one)
	}
	return out
}
