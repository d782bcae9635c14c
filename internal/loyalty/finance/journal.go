package finance

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Main is the wallet that every programme has.
const Main = "points"

// Journal is a closed month: the book of the main wallet, and those of the others.
type Journal struct {
	Month    string    `json:"month" example:"2026-10"`
	Zone     string    `json:"time_zone" doc:"In which the month ends" example:"Europe/Berlin"`
	BeginsAt time.Time `json:"begins_at" doc:"When the month before it ended"`
	EndsAt   time.Time `json:"ends_at" doc:"What was booked before this belongs to the month"`
	ClosedAt time.Time `json:"closed_at"`

	Place         int64  `json:"place" doc:"Of the ledger's chain, when the month was closed"`
	TransactionID int64  `json:"transaction_id" doc:"The last in the chain then: what came into it later belongs to later months, whenever it was written"`
	Hash          string `json:"hash" doc:"Of that place, hexadecimal: GET /loyalty/ledger"`

	Book
	Wallets []Book  `json:"wallets" doc:"The same of each further wallet that had points"`
	Totals  []Total `json:"totals" doc:"What all wallets come to that have a value, by currency"`

	all bool // wallets are in it
}

// Total is what several wallets are worth together. Points of different wallets are never added up.
type Total struct {
	Currency       string `json:"currency" example:"USD"`
	LiabilityValue int64  `json:"liability_value" doc:"In minor units"`
	PendingValue   int64  `json:"pending_value"`
	ExpectedValue  *int64 `json:"expected_breakage_value" doc:"Of the wallets that have a rate; null: none has"`
}

// Books are those of all wallets, the main one's first.
func (j *Journal) Books() []*Book {
	out := []*Book{&j.Book}
	for i := range j.Wallets {
		out = append(out, &j.Wallets[i])
	}
	return out
}

// Of is a wallet's book; one without anything where the wallet had nothing by then.
func (j *Journal) Of(wallet string) *Book {
	for _, b := range j.Books() {
		if b.Wallet == wallet {
			return b
		}
	}
	return &Book{Wallet: wallet, Accounts: []Account{}, Lines: []Line{}}
}

// Only is the journal of a single wallet.
func (j *Journal) Only(wallet string) *Journal {
	one := *j
	one.Book, one.Wallets = *j.Of(wallet), []Book{}
	one.Totals = totals(one.Books())
	return &one
}

// AllLines are the lines of all wallets.
func (j *Journal) AllLines() (out []Line) {
	for _, b := range j.Books() {
		out = append(out, b.Lines...)
	}
	return out
}

// All says that the journal has all wallets. Those of months that were closed when wallets had no values have the main one.
func (j *Journal) All() bool { return j.all }

// Read reads a journal as it was kept, of before there were others than the main wallet's, too.
func Read(kept []byte) (j Journal, err error) {
	if err := json.Unmarshal(kept, &j); err != nil {
		return j, fmt.Errorf("read a closed month: %w", err)
	}
	if j.all = j.Wallets != nil; !j.all {
		j.Book.name(Main)
		j.Wallets, j.Totals = []Book{}, totals([]*Book{&j.Book})
	}
	return j, nil
}

// name says of all that a book has whose it is.
func (b *Book) name(wallet string) {
	b.Wallet = wallet
	if b.Value != nil {
		b.Value.Wallet = wallet
	}
	for i := range b.Accounts {
		b.Accounts[i].Wallet = wallet
	}
	for i := range b.Lines {
		b.Lines[i].Wallet = wallet
	}
}

// Close fills in the books of all wallets that have something, and what they come to together. before are their books of the month before.
func (j *Journal) Close(before map[string]*Book, days []string, sums []Sum, values []Value) {
	var names []string
	for wallet := range before {
		names = append(names, wallet)
	}
	for _, s := range sums {
		names = append(names, s.Wallet)
	}
	slices.Sort(names)
	j.Book, j.Wallets, j.all = Book{Wallet: Main}, []Book{}, true
	j.Book.Close(orEmpty(before[Main]), days, only(sums, Main), ValuesOf(values, Main))
	for _, wallet := range slices.Compact(names) {
		if wallet == Main {
			continue
		}
		b := Book{Wallet: wallet}
		if b.Close(orEmpty(before[wallet]), days, only(sums, wallet), ValuesOf(values, wallet)); len(b.Accounts)+len(b.Lines) > 0 {
			j.Wallets = append(j.Wallets, b)
		}
	}
	j.Totals = totals(j.Books())
}

func orEmpty(b *Book) *Book {
	if b == nil {
		return &Book{}
	}
	return b
}

// totals adds up what books are worth, by currency.
func totals(books []*Book) []Total {
	out := []Total{}
	for _, b := range books {
		if b.Currency == nil {
			continue
		}
		i := slices.IndexFunc(out, func(t Total) bool { return t.Currency == *b.Currency })
		if i < 0 {
			i, out = len(out), append(out, Total{Currency: *b.Currency})
		}
		out[i].LiabilityValue, out[i].PendingValue = out[i].LiabilityValue+*b.LiabilityValue, out[i].PendingValue+*b.PendingValue
		if b.ExpectedValue != nil {
			sum := *b.ExpectedValue
			if out[i].ExpectedValue != nil {
				sum += *out[i].ExpectedValue
			}
			out[i].ExpectedValue = &sum
		}
	}
	return out
}
