package finance

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"html/template"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
)

// CSV writes rows, structs of numbers and texts, with the names that their JSON has. What is missing is empty. Nothing in a report was written by
// people, so no cell can be a formula.
func CSV[T any](rows []T) ([]byte, error) {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	t := reflect.TypeFor[T]()
	line := make([]string, t.NumField())
	for i := range line {
		line[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	_ = w.Write(line) // to memory
	for _, row := range rows {
		v := reflect.ValueOf(row)
		for i := range line {
			line[i] = cell(v.Field(i))
		}
		_ = w.Write(line)
	}
	w.Flush()
	return out.Bytes(), w.Error()
}

func cell(v reflect.Value) string {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	if v.Kind() == reflect.Int64 {
		return strconv.FormatInt(v.Int(), 10)
	}
	return v.String()
}

// Parquet writes rows by their parquet tags.
func Parquet[T any](rows []T) ([]byte, error) {
	var out bytes.Buffer
	if err := parquet.Write(&out, rows, parquet.CreatedBy("talkable", "", "")); err != nil {
		return nil, fmt.Errorf("write parquet: %w", err)
	}
	return out.Bytes(), nil
}

//go:embed journal.html
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"points": grouped, "money": func(n *int64) string {
	if n == nil {
		return ""
	}
	return grouped(*n)
}}).ParseFS(files, "journal.html"))

// HTML is a journal as a page to print.
func (j *Journal) HTML() ([]byte, error) {
	var out bytes.Buffer
	there := *j
	if zone, err := time.LoadLocation(j.Zone); err == nil {
		there.BeginsAt, there.EndsAt, there.ClosedAt = j.BeginsAt.In(zone), j.EndsAt.In(zone), j.ClosedAt.In(zone)
	}
	err := pages.ExecuteTemplate(&out, "journal.html", &there)
	if err != nil {
		return nil, fmt.Errorf("print a journal: %w", err)
	}
	return out.Bytes(), nil
}

// Total adds up the lines.
func (b *Book) Total() (sum Line) {
	for _, l := range b.Lines {
		sum.Entries, sum.Debit, sum.Credit = sum.Entries+l.Entries, sum.Debit+l.Debit, sum.Credit+l.Credit
		for _, side := range []struct {
			sum **int64
			n   *int64
		}{{&sum.DebitValue, l.DebitValue}, {&sum.CreditValue, l.CreditValue}} {
			if side.n != nil {
				n := *side.n
				if *side.sum != nil {
					n += **side.sum
				}
				*side.sum = &n
			}
		}
	}
	return sum
}

// grouped writes a number with a thin space between thousands.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "\u2212", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u2009" + digits[i:]
	}
	return sign + digits
}
