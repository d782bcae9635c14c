package finance

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"
)

func TestValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ per, amount, points, want int64 }{
		{100, 100, 250, 250}, {100, 1, 49, 0}, {100, 1, 50, 1}, {100, 1, -50, -1}, {100, 1, -49, 0}, {3, 1, 1, 0}, {3, 1, 2, 1}, {1, 0, 7, 0},
		{1, 1_000_000_000, 9_000_000, 9_000_000_000_000_000},
	} {
		if got := (Value{Points: c.per, Amount: c.amount}).Of(c.points); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
	values := []Value{{Version: 1, From: "2026-01-01"}, {Version: 2, From: "2026-03-01"}, {Version: 3, From: "2026-02-01"}}
	for day, want := range map[string]int{"2025-12-31": 0, "2026-01-31": 1, "2026-02-01": 3, "2026-03-05": 3} {
		got := 0
		if v := On(values, day); v != nil {
			got = v.Version
		}
		if got != want {
			t.Errorf("%s: version %d, want %d", day, got, want)
		}
	}
	rate := int64(1250)
	if v := (Value{Breakage: &rate}); *v.Broken(1004) != 126 || *v.Broken(-5) != 0 || (Value{}).Broken(7) != nil {
		t.Error("expected breakage")
	}
}

// TestMoney: whatever moved, and whatever points were worth, each day and month is in balance, months follow each other, days come to their month, and
// what is owed is worth what it says at the end of each.
func TestMoney(t *testing.T) {
	t.Parallel()
	kinds := [][2]string{{"earn", issued}, {"claw_back", issued}, {"redeem", redeemed}, {"cancel", redeemed}, {"expire", expired}, {"reinstate", expired}, {"adjust", adjusted}}
	rapid.Check(t, func(t *rapid.T) {
		wallets := []string{Main, "credit", "stars"}[:rapid.IntRange(1, 3).Draw(t, "wallets")]
		before, balances := &Journal{}, map[string]map[string]int64{}
		values := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Value {
			v := Value{From: fmt.Sprintf("2026-%02d-%02d", rapid.IntRange(1, 3).Draw(t, "month"), rapid.IntRange(1, 5).Draw(t, "day")), Points: rapid.Int64Range(1, 200).Draw(t, "per"),
				Amount: rapid.Int64Range(0, 300).Draw(t, "amount"), Currency: rapid.SampledFrom([]string{"USD", "USD", "EUR"}).Draw(t, "currency"), Wallet: rapid.SampledFrom(wallets).Draw(t, "wallet")}
			if rapid.Bool().Draw(t, "rated") {
				rate := rapid.Int64Range(0, 10_000).Draw(t, "rate")
				v.Breakage = &rate
			}
			return v
		}), 0, 6).Draw(t, "values")
		for month := 1; month <= 3; month++ {
			var days []string
			var sums []Sum
			for day := 1; day <= 5; day++ {
				days = append(days, fmt.Sprintf("2026-%02d-%02d", month, day))
				for _, wallet := range wallets {
					if rapid.IntRange(0, 3).Draw(t, "quiet") == 0 {
						continue
					}
					for _, k := range kinds {
						on, later := rapid.Int64Range(-1000, 1000).Draw(t, k[0]), rapid.Int64Range(-200, 200).Draw(t, "pending")
						sums = append(sums, Sum{day, member, k[0], on, 1, wallet}, Sum{day, pending, k[0], later, 1, wallet}, Sum{day, k[1], k[0], -on - later, 1, wallet})
					}
					n := rapid.Int64Range(-500, 500).Draw(t, "held")
					sums = append(sums, Sum{day, member, "hold", -n, 1, wallet}, Sum{day, held, "hold", n, 1, wallet})
				}
			}
			after := map[string]map[string]int64{}
			for _, wallet := range wallets {
				if balances[wallet] == nil {
					balances[wallet] = map[string]int64{}
				}
				for _, s := range only(sums, wallet) {
					balances[wallet][s.Account] += s.Points
				}
				after[wallet] = maps.Clone(balances[wallet])
			}
			lines := Days(wallets, days, sums, after, values)
			opening := map[string]*Book{}
			for _, b := range before.Books() {
				opening[b.Wallet] = b
			}
			var j Journal
			j.Close(opening, days, sums, values)
			for n, wallet := range wallets {
				var own []Day
				for i := n; i < len(lines); i += len(wallets) {
					own = append(own, lines[i])
				}
				balanced(t, before.Of(wallet), j.Of(wallet), balances[wallet], On(ValuesOf(values, wallet), days[4]))
				tied(t, before.Of(wallet), j.Of(wallet), own)
			}
			summed(t, &j)
			kept, err := json.Marshal(j)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := Read(kept); err != nil || !reflect.DeepEqual(back, j) {
				t.Fatalf("%+v is read as %+v, %v", j, back, err)
			}
			before = &j
		}
	})
}

// summed checks what a journal says of all its wallets together.
func summed(t *rapid.T, j *Journal) {
	want := map[string]int64{}
	for _, b := range j.Books() {
		if b.Currency != nil {
			want[*b.Currency] += *b.LiabilityValue + *b.PendingValue
		}
	}
	got := map[string]int64{}
	for _, total := range j.Totals {
		got[total.Currency] = total.LiabilityValue + total.PendingValue
	}
	if !maps.Equal(want, got) || len(got) != len(j.Totals) {
		t.Fatalf("wallets come to %v, not %+v", want, j.Totals)
	}
}

// balanced checks what a journal promises by itself.
func balanced(t *rapid.T, before, j *Book, balances map[string]int64, v *Value) {
	total := j.Total()
	if total.Debit != total.Credit || (j.Currency == nil) != (v == nil) || j.Currency != nil && len(j.Lines) > 0 && *total.DebitValue != *total.CreditValue {
		t.Fatalf("debits are not credits: %+v", j)
	}
	points, money := int64(0), int64(0)
	was := map[string]Account{}
	for _, a := range before.Accounts {
		was[a.Account] = a
	}
	for _, a := range j.Accounts {
		if a.Closing != balances[a.Account] || a.Opening-a.Debit+a.Credit != a.Closing || a.Opening != was[a.Account].Closing {
			t.Fatalf("%+v: has %d, was %+v", a, balances[a.Account], was[a.Account])
		}
		points += a.Closing
		if a.Wallet != j.Wallet {
			t.Fatalf("%+v stands in the book of %s", a, j.Wallet)
		}
		if v == nil {
			if a.ClosingValue != nil {
				t.Fatalf("%+v has a value", a)
			}
			continue
		}
		money += *a.ClosingValue
		if *a.OpeningValue-*a.DebitValue+*a.CreditValue != *a.ClosingValue || owes(a.Account) && *a.ClosingValue != naive(a.Closing, *v) {
			t.Fatalf("%+v is worth %d", a, naive(a.Closing, *v))
		}
		if same := before.Currency != nil && *before.Currency == v.Currency; same && was[a.Account].ClosingValue != nil && *a.OpeningValue != *was[a.Account].ClosingValue {
			t.Fatalf("%+v begins otherwise than %+v ended", a, was[a.Account])
		}
	}
	if points != 0 || money != 0 {
		t.Fatalf("accounts come to %d points and %d", points, money)
	}
}

// naive is a value by fractions.
func naive(points int64, v Value) int64 {
	x := big.NewRat(points*v.Amount, v.Points)
	half := big.NewRat(1, 2)
	if points < 0 {
		half.Neg(half)
	}
	x.Add(x, half)
	return new(big.Int).Quo(x.Num(), x.Denom()).Int64()
}

// tied checks that days come to their month.
func tied(t *rapid.T, before, j *Book, days []Day) {
	var sum Day
	var issuedWorth, clawedWorth, redeemedWorth, brokenWorth, adjustedWorth int64
	for _, d := range days {
		sum.Issued, sum.ClawedBack, sum.Redeemed, sum.Breakage, sum.Adjusted = sum.Issued+d.Issued, sum.ClawedBack+d.ClawedBack, sum.Redeemed+d.Redeemed, sum.Breakage+d.Breakage, sum.Adjusted+d.Adjusted
		if d.Currency != nil && j.Currency != nil && *d.Currency == *j.Currency {
			issuedWorth, clawedWorth, redeemedWorth = issuedWorth+*d.IssuedValue, clawedWorth+*d.ClawedBackValue, redeemedWorth+*d.RedeemedValue
			brokenWorth, adjustedWorth = brokenWorth+*d.BreakageValue, adjustedWorth+*d.AdjustedValue
		}
	}
	for _, a := range j.Accounts {
		want, worth, known := map[string]int64{issued: sum.ClawedBack - sum.Issued, redeemed: sum.Redeemed, expired: sum.Breakage, adjusted: -sum.Adjusted}[a.Account],
			map[string]int64{issued: clawedWorth - issuedWorth, redeemed: redeemedWorth, expired: brokenWorth, adjusted: -adjustedWorth}[a.Account], !owes(a.Account) && a.Account != revaluation
		if known && (a.Closing-a.Opening != want || a.ClosingValue != nil && *a.ClosingValue-*a.OpeningValue != worth) {
			t.Fatalf("days come to %d points and %d, the month to %+v", want, worth, a)
		}
	}
	last := days[len(days)-1]
	if last.Liability != j.Liability || last.Pending != j.Pending || (last.LiabilityValue == nil) != (j.LiabilityValue == nil) ||
		j.LiabilityValue != nil && (*last.LiabilityValue != *j.LiabilityValue || *last.PendingValue != *j.PendingValue) || (last.ExpectedValue == nil) != (j.ExpectedValue == nil) {
		t.Fatalf("the last day has %+v, the month %+v", last, j)
	}
}

// TestTooMuch: amounts that no integer holds are not shown at all.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	sums := []Sum{{1, member, "earn", 1 << 50, 1, Main}, {1, issued, "earn", -(1 << 50), 1, Main}}
	values := []Value{{From: "2026-01-01", Points: 1, Amount: 1_000_000_000, Currency: "USD", Wallet: Main}}
	d := Days([]string{Main}, []string{"2026-01-01"}, sums, map[string]map[string]int64{Main: {member: 1 << 50, issued: -(1 << 50)}}, values)[0]
	var j Journal
	j.Close(nil, []string{"2026-01-01"}, sums, values)
	if d.Currency != nil || d.Issued != 1<<50 || d.Liability != 1<<50 || j.Currency != nil || j.Liability != 1<<50 || j.Accounts[0].OpeningValue != nil || len(j.Lines) != 2 || j.Lines[0].DebitValue != nil {
		t.Errorf("%+v %+v", d, j)
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	worth, currency := int64(12), "USD"
	days := []Day{{Day: "2026-03-01", Issued: 5, Liability: -3}, {Day: "2026-03-02", LiabilityValue: &worth, Currency: &currency}}
	text, err := CSV(days)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 3 || rows[0][0] != "day" || rows[1][9] != "-3" || rows[1][17] != "" || rows[2][17] != "12" || rows[0][17] != "liability_value" {
		t.Errorf("%q %v", rows, err)
	}
	file, err := Parquet(days)
	if err != nil {
		t.Fatal(err)
	}
	back, err := parquet.Read[Day](bytes.NewReader(file), int64(len(file)))
	if err != nil || len(back) != 2 || back[0].Issued != 5 || back[0].LiabilityValue != nil || *back[1].LiabilityValue != 12 || *back[1].Currency != "USD" || back[1].Day != "2026-03-02" {
		t.Errorf("%+v %v", back, err)
	}
	main := Book{Wallet: Main, Currency: &currency, LiabilityValue: &worth, Accounts: []Account{{Account: "<member>", Opening: -1234567, OpeningValue: &worth}},
		Lines: []Line{{Account: member, Kind: "earn", Debit: 7, DebitValue: &worth}, {Account: issued, Kind: "earn", Credit: 7, CreditValue: &worth}}}
	j := &Journal{Month: "2026-03", Book: main}
	page, err := j.HTML()
	if err != nil || !strings.Contains(string(page), "−1\u2009234\u2009567") || strings.Contains(string(page), "<member>") || strings.Count(string(page), "<td>12</td>") < 4 ||
		!strings.Contains(string(page), "<h2>Accounts</h2>") {
		t.Errorf("%s %v", page, err)
	}
	j.Wallets = []Book{{Wallet: "stars", Lines: []Line{{Account: issued, Kind: "earn", Credit: 9}}}}
	if page, err = j.HTML(); err != nil || !strings.Contains(string(page), "<h2>Accounts of points</h2>") || !strings.Contains(string(page), "<h2>Movements of stars</h2>") {
		t.Errorf("%s %v", page, err)
	}
}

// TestRead: months that were closed when journals had one wallet are read as that one's, and say nothing of others; one wallet of a journal stands by itself.
func TestRead(t *testing.T) {
	t.Parallel()
	old, err := Read([]byte(`{"month":"2026-03","currency":"USD","point_value":{"version":1,"points":1,"amount":1},"liability":5,"liability_value":5,"pending_value":2,"accounts":[{"account":"member","closing":5}],"lines":[{"account":"member","kind":"earn"}]}`))
	if err != nil || old.All() || old.Wallet != Main || old.Accounts[0].Wallet != Main || old.Lines[0].Wallet != Main || old.Value.Wallet != Main || old.Wallets == nil ||
		len(old.Totals) != 1 || old.Totals[0].LiabilityValue != 5 || old.Totals[0].PendingValue != 2 {
		t.Errorf("%+v, %v", old, err)
	}
	if _, err := Read([]byte(`{`)); err == nil {
		t.Error("half a journal is read")
	}
	var j Journal
	sums := []Sum{{1, member, "earn", 5, 1, Main}, {1, issued, "earn", -5, 1, Main}, {1, member, "earn", 8, 1, "stars"}, {1, issued, "earn", -8, 1, "stars"}}
	j.Close(nil, []string{"2026-01-01"}, sums, []Value{{From: "2026-01-01", Points: 1, Amount: 1, Currency: "USD", Wallet: Main}, {From: "2026-01-01", Points: 1, Amount: 3, Currency: "USD", Wallet: "stars"}})
	stars, none := j.Only("stars"), j.Only("gems")
	if j.Totals[0].LiabilityValue != 29 || stars.Liability != 8 || len(stars.Wallets) != 0 || stars.Totals[0].LiabilityValue != 24 || len(stars.AllLines()) != 2 || len(j.AllLines()) != 4 {
		t.Errorf("%+v: %+v", j, stars)
	}
	if none.Wallet != "gems" || none.Liability != 0 || len(none.Totals) != 0 || none.Accounts == nil {
		t.Errorf("%+v", none)
	}
}
