package loyalty

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// cdnowFile is a real purchase history that is not ours to publish; it lies beside the project where somebody has put it.
const cdnowFile = "../../../shared/data/cdnow.txt"

// readCDNOW reads it without the importer; false: it is not there.
func readCDNOW(t testing.TB) (*hindsight.History, bool) {
	t.Helper()
	text, err := os.ReadFile(cdnowFile)
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("NOT TESTED: %s is not there", cdnowFile)
		return nil, false
	}
	h := &hindsight.History{Source: "cdnow.txt"}
	for i, line := range strings.Split(string(text), "\n")[1:] {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		who, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse("20060102 15", f[1]+" 12")
		if err != nil {
			t.Fatal(err)
		}
		cents, err := strconv.ParseInt(strings.Replace(f[3], ".", "", 1), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		h.Take(customerevent.OriginRecorded{OriginID: int64(i) + 1, Type: customerevent.Purchase, PersonID: who, Subtotal: cents, Currency: "USD", Verified: true,
			FirstPurchase: true, OccurredAt: at})
	}
	return h, true
}

var (
	cdnowFrom  = time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)
	cdnowUntil = time.Date(1998, 7, 1, 0, 0, 0, 0, time.UTC)
)

// rivals are two programmes: the demo's, which gives a point a dollar for ever, and one that gives more to who buys more, for half a year.
func rivals(t testing.TB) (drafts []Draft) {
	t.Helper()
	for i, text := range []string{`{"name":"Plain","points_per_unit":1,"tiers":[{"name":"Silver","threshold":1000},{"name":"Gold","threshold":5000}]}`,
		`{"name":"Eager","points_per_unit":1,"expires_after_days":180,"tier_plan":{"window":"rolling_months","length":12,"grace_days":30},
			"tiers":[{"name":"Silver","spend":20000},{"name":"Gold","spend":50000}],
			"earning":{"rules":[{"key":"tiers","kind":"multiplier","multiplier":20000,"tiers":["Silver","Gold"]},
				{"key":"large","kind":"fixed","points":10,"when":"origin.subtotal >= 10000","limits":[{"per":"month","times":1}]}]}}`} {
		d, err := ReadDraft(strconv.Itoa(i+1), []byte(text), shop(1))
		if err != nil {
			t.Fatal(err)
		}
		drafts = append(drafts, d)
	}
	return drafts
}

// inFull is a report in all its forms.
func inFull(t testing.TB, r *hindsight.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := errors.Join(r.JSON(&out), r.HTML(&out), r.MonthsCSV(&out), r.PeopleCSV(&out)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestBacktestCDNOW: 69,659 real orders by two programmes. What the plain one gives is counted here without the engine; the report is the same, byte
// for byte, whoever plays it.
func TestBacktestCDNOW(t *testing.T) {
	t.Parallel()
	h, there := readCDNOW(t)
	if !there {
		return
	}
	h.Keep(cdnowFrom, cdnowUntil)
	play := func(workers int) *hindsight.Report {
		r, err := Backtest(t.Context(), BacktestInput{Shop: shop(1), Drafts: rivals(t), History: h, From: cdnowFrom, Until: cdnowUntil, Workers: workers,
			Terms: hindsight.Terms{Redeem: hindsight.Redeem{Kind: hindsight.When, Points: 50}, Worth: hindsight.Worth{Points: 100, Amount: 500}}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	plainly(t, h, play(4))
	h.People = h.People[:len(h.People)/8] // enough to see whether anything depends on who is played when
	first := inFull(t, play(1))
	for _, workers := range []int{1, 7} {
		if sha256.Sum256([]byte(inFull(t, play(workers)))) != sha256.Sum256([]byte(first)) {
			t.Errorf("%d workers write another report", workers)
		}
	}
}

// plainly compares what the plain programme gave with a sum over the orders: a point for each whole dollar, fifty spent as often as there are fifty.
func plainly(t *testing.T, h *hindsight.History, r *hindsight.Report) {
	t.Helper()
	issued, spent, left, tiers, months := int64(0), int64(0), int64(0), map[string]int64{}, map[string]int64{}
	for _, p := range h.People {
		earned := int64(0)
		for _, o := range p.Orders {
			earned += o.Subtotal / 100
			months[o.At.Format("2006-01")] += o.Subtotal / 100
		}
		issued, spent, left = issued+earned, spent+earned/50*50, left+earned%50
		switch {
		case earned >= 5000:
			tiers["Gold"]++
		case earned >= 1000:
			tiers["Silver"]++
		default:
			tiers[""]++
		}
	}
	p := r.Programmes[0]
	if got := p.Totals; got.Issued != issued || got.Redeemed != spent || got.Outstanding != left || got.Cost != spent*5 || got.Members != int64(len(h.People)) {
		t.Errorf("issued %d, redeemed %d, left %d; want %d, %d, %d", got.Issued, got.Redeemed, got.Outstanding, issued, spent, left)
	}
	for _, x := range p.Tiers {
		if x.Members != tiers[x.Name] {
			t.Errorf("%d have tier %q, want %d", x.Members, x.Name, tiers[x.Name])
		}
	}
	if len(p.Months) != 18 {
		t.Errorf("%d months", len(p.Months))
	}
	for _, m := range p.Months {
		if m.Issued != months[m.Month] {
			t.Errorf("%d points were issued in %s, want %d", m.Issued, m.Month, months[m.Month])
		}
	}
	for _, x := range r.Programmes {
		if s := x.Totals; s.Issued-s.ClawedBack != s.Redeemed-s.Restored+s.Expired+s.Outstanding-s.Debt+s.Pending {
			t.Errorf("%s does not add up: %+v", x.Name, s)
		}
	}
}

// BenchmarkBacktest plays a million orders of 250,000 people by two programmes.
func BenchmarkBacktest(b *testing.B) {
	const people, each = 250_000, 4
	h := &hindsight.History{Source: "made up"}
	from := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range int64(people * each) {
		who := i%people + 1
		h.Take(customerevent.OriginRecorded{OriginID: i + 1, Type: customerevent.Purchase, PersonID: who, Subtotal: 500 + i*7919%20_000, Currency: "USD", Verified: true,
			FirstPurchase: true, OccurredAt: from.Add(time.Duration(i*104729%(365*24)) * time.Hour)})
	}
	until := from.AddDate(1, 0, 1)
	h.Keep(from, until)
	for b.Loop() {
		_, err := Backtest(b.Context(), BacktestInput{Shop: shop(1), Drafts: rivals(b), History: h, From: from, Until: until, Workers: 4,
			Terms: hindsight.Terms{Redeem: hindsight.Redeem{Kind: hindsight.When, Points: 100}, Worth: hindsight.Worth{Points: 100, Amount: 100}}})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(people*each*b.N)/b.Elapsed().Seconds(), "orders/s")
}
