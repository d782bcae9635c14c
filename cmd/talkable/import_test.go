package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
)

// cdnowFile is a real purchase history that is not ours to publish; it lies beside the project where somebody has put it.
const cdnowFile = "../../../shared/data/cdnow.txt"

// history is what a file of CDNOW holds, added up without the platform.
type history struct {
	orders int
	cents  int64
	months map[string]int64 // cents, by "1/97"
	people map[string]*buyer
}

type buyer struct {
	orders int
	points int64     // a point for each whole dollar of an order
	first  time.Time // order in the file; a day without a time is its noon
	silver time.Time // day of the order that reached 1,000 points
	gold   time.Time
}

// order is a line of the file.
type order struct {
	customer string
	noon     time.Time // of its day
	cents    int64
}

// readOrders reads CDNOW's file, or the sample of it, whose lines have the sample's own number besides and no heading.
func readOrders(t *testing.T, path string) (out []order) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] == "customer_id" {
			continue
		}
		when, dollars := f[len(f)-3], f[len(f)-1]
		noon, err := time.Parse("20060102 15", when+" 12")
		if err != nil {
			t.Fatal(err)
		}
		cents, err := strconv.ParseInt(strings.Replace(dollars, ".", "", 1), 10, 64)
		if err != nil || dollars[len(dollars)-3] != '.' {
			t.Fatalf("line %q: %v", line, err)
		}
		out = append(out, order{f[0], noon, cents})
	}
	return out
}

func readHistory(t *testing.T, path string) history {
	t.Helper()
	h := history{months: map[string]int64{}, people: map[string]*buyer{}}
	for _, o := range readOrders(t, path) {
		day, cents := o.noon, o.cents
		b := h.people[o.customer]
		if b == nil {
			b = &buyer{first: day}
			h.people[o.customer] = b
		}
		h.orders, h.cents, h.months[day.Format("1/06")] = h.orders+1, h.cents+cents, h.months[day.Format("1/06")]+cents
		b.orders, b.points = b.orders+1, b.points+cents/100
		if b.silver.IsZero() && b.points >= 1000 {
			b.silver = day
		}
		if b.gold.IsZero() && b.points >= 5000 {
			b.gold = day
		}
	}
	return h
}

func (b *buyer) tier() string {
	switch {
	case !b.gold.IsZero():
		return "Gold"
	case !b.silver.IsZero():
		return "Silver"
	}
	return ""
}

// TestImportCDNOW takes in a real history of 69,659 orders with the real program and compares every member and every month with
// the file. The second run changes nothing.
func TestImportCDNOW(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(cdnowFile); errors.Is(err, fs.ErrNotExist) {
		t.Logf("NOT TESTED: %s is not there", cdnowFile)
		return
	}
	h := readHistory(t, cdnowFile)
	if h.orders != 69659 || h.cents != 250031563 || len(h.people) != 23570 {
		t.Fatalf("%s is another file: %d orders, %d cents, %d people", cdnowFile, h.orders, h.cents, len(h.people))
	}
	l := oneDatabase(t)
	s := startServer(t, l)
	if err := s.stop(); err != nil { // the site and the programme are there; the import does all the work
		t.Fatal(err)
	}
	db := open(t, l["TALKABLE_DATABASE_URL"])
	out := importByProgram(t, s, cdnowFile)
	t.Log(out)
	for _, want := range []string{"new          69659\n", "unchanged    0\n", "failed       0\n", "2500315.63 USD"} {
		if !strings.Contains(out, want) {
			t.Errorf("the import did not print %q", want)
		}
	}
	compareMembers(t, db, h)
	before := census(t, db)
	out = importByProgram(t, s, cdnowFile)
	for _, want := range []string{"new          0\n", "unchanged    69659\n", "failed       0\n", "2500315.63 USD"} {
		if !strings.Contains(out, want) {
			t.Errorf("the second import did not print %q:\n%s", want, out)
		}
	}
	before.same(t, census(t, db), "customer.import", "*.cursor")
	compareMonths(t, newShop(t, startServer(t, l).demo), h)
}

func importByProgram(t *testing.T, s *served, path string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t), "import", "purchases", path, "--site", "demo")
	cmd.Env = s.environ
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// compareMembers joins module customer's people with module loyalty's members, which no SQL of the platform does.
func compareMembers(t *testing.T, db *sqlx.DB, h history) {
	t.Helper()
	var people []struct {
		ID         int64  `db:"id"`
		CustomerID string `db:"customer_id"`
		Purchases  int    `db:"purchases"`
	}
	if err := db.Select(&people, `select id, customer_id, purchases from customer.person where customer_id is not null`); err != nil {
		t.Fatal(err)
	}
	var members []struct {
		PersonID int64     `db:"person_id"`
		Balance  int64     `db:"balance"`
		Earned   int64     `db:"earned"`
		Tier     string    `db:"tier"`
		Joined   time.Time `db:"joined_at"`
		Changes  string    `db:"changes"`
	}
	if err := db.Select(&members, `
		select m.person_id, a.balance, m.earned, m.tier, m.joined_at,
			coalesce((select string_agg(c.to_tier || ' ' || to_char(c.changed_at at time zone 'UTC', 'YYYY-MM-DD'), ', ' order by c.id)
				from loyalty.tier_change c where c.site_id = m.site_id and c.member_id = m.id), '') as changes
		from loyalty.member m join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id`); err != nil {
		t.Fatal(err)
	}
	if len(people) != len(h.people) || len(members) != len(h.people) {
		t.Errorf("%d people and %d members, want %d of each", len(people), len(members), len(h.people))
	}
	byID := map[int64]*buyer{}
	for _, p := range people {
		b := h.people[p.CustomerID]
		if b == nil || b.orders != p.Purchases {
			t.Errorf("customer %s has %d purchases, want %+v", p.CustomerID, p.Purchases, b)
			continue
		}
		byID[p.ID] = b
	}
	wrong := 0
	for _, m := range members {
		b := byID[m.PersonID]
		if b == nil {
			t.Errorf("member of person %d: not in the file", m.PersonID)
			continue
		}
		var changes []string
		if !b.silver.IsZero() && b.silver != b.gold {
			changes = append(changes, "Silver "+b.silver.Format(time.DateOnly))
		}
		if !b.gold.IsZero() {
			changes = append(changes, "Gold "+b.gold.Format(time.DateOnly))
		}
		if m.Balance != b.points || m.Earned != b.points || m.Tier != b.tier() || !m.Joined.Equal(b.first) || m.Changes != strings.Join(changes, ", ") {
			if wrong++; wrong <= 5 {
				t.Errorf("member %+v, want %+v", m, *b)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d members are wrong", wrong, len(members))
	}
}

func compareMonths(t *testing.T, s shop, h history) {
	t.Helper()
	var got struct {
		Segmented []struct {
			Plain  float64 `json:"plain"`
			Period string  `json:"period"`
		} `json:"segmented"`
	}
	s.must("GET", "/api/v2/metrics/total_sales_sum/segmentize?segment_by[period]=month&start_date=1997-01-01&end_date=1998-06-30", nil, &got)
	if len(got.Segmented) != 18 || len(h.months) != 18 {
		t.Fatalf("%d months, %d in the file, want 18: %+v", len(got.Segmented), len(h.months), got.Segmented)
	}
	for _, m := range got.Segmented {
		first, _, _ := strings.Cut(m.Period, " ") // 1/1/97
		day, err := time.Parse("1/2/06", first)
		if err != nil {
			t.Fatal(err)
		}
		if want := h.months[day.Format("1/06")]; m.Plain != float64(want)/100 {
			t.Errorf("%s: %v, want %d cents", m.Period, m.Plain, want)
		}
	}
	var sum struct {
		Plain float64 `json:"plain"`
	}
	s.must("GET", "/api/v2/metrics/total_sales_sum?start_date=1997-01-01&end_date=1998-06-30", nil, &sum)
	if sum.Plain != 2500315.63 {
		t.Errorf("in all %v, want 2500315.63", sum.Plain)
	}
}

const threeRows = `order_number,email,subtotal,date,_note
csv-1,one@shop.example,10.00,2025-01-02,good
csv-2,two@shop.example,1O.00,2025-01-02,a letter in the amount
csv-1,one@shop.example,10.00,2025-01-02,the first again
csv-1,one@shop.example,99.00,2025-01-02,another order with that number
csv-3,=cmd|x,5.00,2025-01-02,no address
`

// TestImportReportsRows: what can't be taken stands in the report with its line, and stops nothing. A dry run writes nothing.
func TestImportReportsRows(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	db := open(t, l["TALKABLE_DATABASE_URL"])
	path := filepath.Join(t.TempDir(), "orders.csv")
	if err := os.WriteFile(path, []byte(threeRows), 0o600); err != nil {
		t.Fatal(err)
	}
	settled(t, s, db)
	before := census(t, db)
	out, err := talkable(t, s.environ, "import", "purchases", path, "--site", "demo", "--dry-run")
	if err != nil || !strings.Contains(out, "would take   3\n") || !strings.Contains(out, "failed       2\n") {
		t.Errorf("dry run: %v\n%s", err, out)
	}
	before.same(t, census(t, db))
	if text := reportOf(t, path); !strings.Contains(text, "3,subtotal,1O.00,") || !strings.Contains(text, "6,email,'=cmd|x,") {
		t.Errorf("report of the dry run:\n%s", text)
	}

	out, err = talkable(t, s.environ, "import", "purchases", path, "--site", "demo")
	if err != nil || !strings.Contains(out, "new          1\n") || !strings.Contains(out, "unchanged    1\n") || !strings.Contains(out, "failed       3\n") ||
		!strings.Contains(out, "10.00 USD") && !strings.Contains(out, "20.00 USD") {
		t.Errorf("import: %v\n%s", err, out)
	}
	text := reportOf(t, path)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 4 || lines[0] != "line,column,value,error" || !strings.HasPrefix(lines[1], "3,subtotal,1O.00,") {
		t.Errorf("report:\n%s", text)
	}
	for _, want := range []string{"\n5,", "\n6,email,'=cmd|x,"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	var n, cents int64
	if err := db.QueryRow(`select count(*), sum(subtotal) from customer.origin where number like 'csv-%'`).Scan(&n, &cents); err != nil || n != 1 || cents != 1000 {
		t.Errorf("%d orders of %d cents (%v), want one of 1000", n, cents, err)
	}
	for _, wrong := range [][]string{{"import", "purchases", path, "--site", "nobody"}, {"import", "purchases", path + ".no", "--site", "demo"}, {"import", "purchases", path}} {
		if out, err := talkable(t, s.environ, wrong...); err == nil {
			t.Errorf("%q ended well:\n%s", wrong, out)
		}
	}
}

func reportOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path + ".errors.csv")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestImportInterrupted: an import that is cut off goes on where it stopped; two at once take each row in once.
func TestImportInterrupted(t *testing.T) {
	t.Parallel()
	const rows = 6000
	l := oneDatabase(t)
	s := startServer(t, l)
	db := open(t, l["TALKABLE_DATABASE_URL"])
	var text strings.Builder
	text.WriteString("order_number,email,subtotal,date\n")
	for i := range rows {
		fmt.Fprintf(&text, "cut-%d,buyer%d@shop.example,1.50,2025-03-%02d\n", i, i%100, i%28+1)
	}
	path := filepath.Join(t.TempDir(), "cut.csv")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		if err := db.Get(&n, `select count(*) from customer.origin where number like 'cut-%'`); err != nil {
			t.Error(err)
		}
		return n
	}

	goOn := stopsAfter(t, db, "cut-%")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, log lockedBuffer
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"import", "purchases", path, "--site", "demo"}, s.environ, strings.NewReader(""), &out, &log)
	}()
	eventually(t, "some rows are in", func() bool { return count() > 0 })
	cancel()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "goes on from here") {
		t.Errorf("interrupted: %v\n%s", err, out.String())
	}
	goOn()
	taken := count()
	if taken == 0 || taken == rows {
		t.Fatalf("%d of %d rows were in when it was cut off: the test proves nothing", taken, rows)
	}

	var both sync.WaitGroup
	said := make([]string, 2)
	errs := make([]error, 2)
	for i := range said { // which both go on from there
		both.Go(func() { said[i], errs[i] = talkable(t, s.environ, "import", "purchases", path, "--site", "demo") })
	}
	both.Wait()
	if errs[0] != nil && errs[1] != nil {
		t.Errorf("both ended badly: %v\n%v", errs[0], errs[1])
	}
	for i, err := range errs {
		if err != nil && !strings.Contains(err.Error(), "Another import") {
			t.Errorf("import %d: %v", i, err)
		}
		if anew := regexp.MustCompile(`new\s+0\n`); err == nil && !strings.Contains(said[i], "skipped") && !anew.MatchString(said[i]) {
			t.Errorf("import %d began anew:\n%s", i, said[i])
		}
	}
	if !strings.Contains(said[0]+said[1], "skipped") { // who comes when the other is done finds all rows unchanged
		t.Errorf("neither import went on where the first stopped:\n%s\n%s", said[0], said[1])
	}
	if n := count(); n != rows {
		t.Errorf("%d rows are in, want %d", n, rows)
	}
	shop := newShop(t, s.demo)
	var sum struct {
		Plain float64 `json:"plain"`
	}
	settled(t, s, db) // counts and points are heard of by different modules
	if shop.must("GET", "/api/v2/metrics/total_sales_sum?start_date=2025-03-01&end_date=2025-03-31", nil, &sum); sum.Plain != rows*1.5 {
		t.Errorf("sales are %v, want %v", sum.Plain, rows*1.5)
	}
	var points int64
	if err := db.Get(&points, `select sum(balance) from loyalty.account where owner_id is not null`); err != nil || points != rows {
		t.Errorf("%d points (%v), want %d", points, err, rows)
	}
}
