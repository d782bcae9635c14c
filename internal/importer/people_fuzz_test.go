package importer_test

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/importer"
	"github.com/talkable/talkable/internal/site"
)

// FuzzImports: of any file, each row is taken or reported, the report is CSV, and no cell of it is a formula. A byte order mark changes nothing.
func FuzzImports(f *testing.F) {
	for _, s := range []string{"email,first_name\na@b.co,Ann\n", "email;first_name\n\"a@b.co\";\"=HYPERLINK(1)\"\n", "{\"email\":\"a@b.co\"}\n{\n", "email\n\"unclosed", "email,email\na@b.co,x\n", "email\r\na@b.co\r\n\r\n", "email\n@SUM(1)\n+1\n-1\n\t=1\n",
		"order_number,email,date,subtotal\n=1,a@b.co,2026-02-30,x\n", "a 19970101 1 1\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, people := range []bool{true, false} {
			take := func(text string) (importer.Summary, string, error) {
				var report bytes.Buffer
				o := importer.Options{Site: site.Site{ID: 1, Currency: "USD"}, Name: "x", DryRun: true, Report: &report}
				if people {
					s, err := importer.People(t.Context(), nil, strings.NewReader(text), o)
					return s, report.String(), err
				}
				s, err := importer.Purchases(t.Context(), nil, strings.NewReader(text), o)
				return s, report.String(), err
			}
			s, report, err := take(text)
			if err != nil {
				continue
			}
			if s.New+s.Failed != s.Read {
				t.Errorf("%+v", s)
			}
			rows, err := csv.NewReader(strings.NewReader(report)).ReadAll()
			if err != nil {
				t.Fatalf("the report is no CSV: %v\n%s", err, report)
			}
			for _, row := range rows {
				for _, cell := range row {
					if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
						t.Errorf("the report holds the formula %q", cell)
					}
				}
			}
			if strings.HasPrefix(text, "\ufeff") {
				continue
			}
			if marked, _, err := take("\ufeff" + text); err == nil && (marked.New != s.New || marked.Failed != s.Failed || marked.Read != s.Read) {
				t.Errorf("%+v, with a byte order mark %+v", s, marked)
			}
		}
	})
}
