package finance

import (
	"cmp"
	"math"
	"slices"
)

// Account is what the accounts of a name had, got and have, credits above zero.
type Account struct {
	Account      string `json:"account" parquet:"account" example:"member"`
	Opening      int64  `json:"opening" parquet:"opening" doc:"Points; credits above zero"`
	Debit        int64  `json:"debit" parquet:"debit"`
	Credit       int64  `json:"credit" parquet:"credit"`
	Closing      int64  `json:"closing" parquet:"closing" doc:"opening less debit and with credit"`
	OpeningValue *int64 `json:"opening_value" parquet:"opening_value,optional" doc:"In minor units, as all values; null: nobody has said what points were worth"`
	DebitValue   *int64 `json:"debit_value" parquet:"debit_value,optional"`
	CreditValue  *int64 `json:"credit_value" parquet:"credit_value,optional"`
	ClosingValue *int64 `json:"closing_value" parquet:"closing_value,optional"`
	Wallet       string `json:"wallet" parquet:"wallet" example:"points"`
}

// Line is what one kind of movement came to on the accounts of a name.
type Line struct {
	Account     string `json:"account" parquet:"account" example:"issued"`
	Kind        string `json:"kind" parquet:"kind" example:"earn"`
	Entries     int64  `json:"entries" parquet:"entries"`
	Debit       int64  `json:"debit" parquet:"debit"`
	Credit      int64  `json:"credit" parquet:"credit"`
	DebitValue  *int64 `json:"debit_value" parquet:"debit_value,optional"`
	CreditValue *int64 `json:"credit_value" parquet:"credit_value,optional"`
	Wallet      string `json:"wallet" parquet:"wallet" example:"points"`
}

// Book is what a month comes to in one wallet. It is in balance by itself: points of one wallet are never turned into those of another.
type Book struct {
	Wallet string `json:"wallet" doc:"Its key; points is the main one" example:"points"`

	Value    *Value  `json:"point_value" doc:"By which the month's end was valued; null: nobody has said what points are worth, or it is more than can be counted"`
	Currency *string `json:"currency"`

	Liability        int64  `json:"liability" doc:"What is owed at the end: members' balances, less their debts, and what checkouts hold"`
	Pending          int64  `json:"pending" doc:"What may come to be owed"`
	ExpectedBreakage *int64 `json:"expected_breakage" doc:"Of the liability, as a note: it is not booked"`
	LiabilityValue   *int64 `json:"liability_value"`
	PendingValue     *int64 `json:"pending_value"`
	ExpectedValue    *int64 `json:"expected_breakage_value"`

	Accounts []Account `json:"accounts"`
	Lines    []Line    `json:"lines" doc:"Debits and credits come to the same, in points and in money"`
}

// Close fills in what a month comes to in the wallet. before is the month before it, or what was there when the first one began, without values; sums are
// those of the month's days.
func (b *Book) Close(before *Book, days []string, sums []Sum, values []Value) {
	k := keeper{wallet: b.Wallet, accounts: map[string]*Account{}, lines: map[[2]string]*Line{}}
	for _, a := range before.Accounts {
		k.account(a.Account).Opening = a.Closing
	}
	for _, s := range sums {
		k.line(s.Account, s.Kind).Entries += s.Entries
		k.move(s.Account, s.Kind, s.Points, pointsOf)
	}
	k.net(pointsOf)
	b.Liability = k.closing(member) + k.closing(held) + k.closing(transferred)
	b.Pending = k.closing(pending)
	if v := On(values, days[len(days)-1]); v != nil && k.value(before, days, sums, values, v) {
		b.Value, b.Currency = v, &v.Currency
		owed, later := *k.accounts[member].ClosingValue+*k.accounts[held].ClosingValue+*k.accounts[transferred].ClosingValue, *k.accounts[pending].ClosingValue
		b.LiabilityValue, b.PendingValue = &owed, &later
		if b.ExpectedBreakage = v.Broken(b.Liability); b.ExpectedBreakage != nil {
			worth := v.Of(*b.ExpectedBreakage)
			b.ExpectedValue = &worth
		}
	}
	b.Accounts, b.Lines = k.sorted()
}

// keeper adds up a journal.
type keeper struct {
	wallet   string
	accounts map[string]*Account
	lines    map[[2]string]*Line
}

func (k keeper) account(name string) *Account {
	a := k.accounts[name]
	if a == nil {
		a = &Account{Account: name, Wallet: k.wallet}
		k.accounts[name] = a
	}
	return a
}

func (k keeper) line(account, kind string) *Line {
	l := k.lines[[2]string{account, kind}]
	if l == nil {
		l = &Line{Account: account, Kind: kind, Wallet: k.wallet}
		k.lines[[2]string{account, kind}] = l
		k.account(account)
	}
	return l
}

func (k keeper) closing(account string) int64 { return k.account(account).Closing }

// sides are the debit and the credit of a line and of its account, in points or in money.
type sides func(l *Line, a *Account) (debit, credit, accountDebit, accountCredit *int64)

func pointsOf(l *Line, a *Account) (debit, credit, accountDebit, accountCredit *int64) {
	return &l.Debit, &l.Credit, &a.Debit, &a.Credit
}

func moneyOf(l *Line, a *Account) (debit, credit, accountDebit, accountCredit *int64) {
	for _, p := range []**int64{&l.DebitValue, &l.CreditValue} {
		if *p == nil {
			*p = new(int64)
		}
	}
	return l.DebitValue, l.CreditValue, a.DebitValue, a.CreditValue
}

// move adds to a line's credit; what comes out below zero becomes a debit by net.
func (k keeper) move(account, kind string, n int64, of sides) {
	_, credit, _, _ := of(k.line(account, kind), k.account(account))
	*credit += n
}

// net puts each line on its side, and adds up the accounts.
func (k keeper) net(of sides) {
	for _, l := range k.lines {
		debit, credit, accountDebit, accountCredit := of(l, k.accounts[l.Account])
		*debit, *credit = max(-*credit, 0), max(*credit, 0)
		*accountDebit, *accountCredit = *accountDebit+*debit, *accountCredit+*credit
	}
	for _, a := range k.accounts {
		a.Closing = a.Opening - a.Debit + a.Credit
	}
}

// value adds the money: movements by the values of their days, and what is left to the value of the end as a revaluation: by another rate, by
// rounding, or, in the first month with a value, of all that was there. false: it is more than can be counted, and nothing was added.
func (k keeper) value(before *Book, days []string, sums []Sum, values []Value, end *Value) bool {
	for _, name := range []string{member, held, pending, transferred, revaluation} {
		k.account(name)
	}
	var worth []int64
	size := 0.0
	for i, of := range byDay(len(days), sums) {
		if v := On(values, days[i]); v != nil && v.Currency == end.Currency {
			for _, s := range of {
				size += v.size(s.Points)
			}
			worth = append(worth, worths(of, v)...)
		} else {
			worth = append(worth, make([]int64, len(of))...)
		}
	}
	for name, a := range k.accounts {
		opening := before.valueOf(name, end.Currency)
		a.OpeningValue, a.DebitValue, a.CreditValue = &opening, new(int64), new(int64)
		size += end.size(a.Closing) + math.Abs(float64(opening))
	}
	if size >= most {
		k.forget()
		return false
	}
	for i, s := range inDays(len(days), sums) {
		k.move(s.Account, s.Kind, worth[i], moneyOf)
	}
	k.revalue(end)
	k.net(moneyOf)
	for _, a := range k.accounts {
		closing := *a.OpeningValue - *a.DebitValue + *a.CreditValue
		a.ClosingValue = &closing
	}
	return true
}

// inDays are sums in the order in which byDay has them.
func inDays(n int, sums []Sum) []Sum { return slices.Concat(byDay(n, sums)...) }

// revalue brings what is owed to its value at the end.
func (k keeper) revalue(end *Value) {
	moved := map[string]int64{}
	for _, l := range k.lines {
		if l.CreditValue != nil {
			moved[l.Account] += *l.CreditValue
		}
	}
	for name, a := range k.accounts {
		if step := end.Of(a.Closing) - *a.OpeningValue - moved[name]; owes(name) && step != 0 {
			k.move(name, revaluation, step, moneyOf)
			k.move(revaluation, revaluation, -step, moneyOf)
		}
	}
}

// forget takes back what value had begun.
func (k keeper) forget() {
	for _, a := range k.accounts {
		a.OpeningValue, a.DebitValue, a.CreditValue = nil, nil, nil
	}
}

// valueOf is what an account was worth at a month's end; 0 where that was in another currency, or nobody had said.
func (b *Book) valueOf(account, currency string) int64 {
	if b.Currency == nil || *b.Currency != currency {
		return 0
	}
	for _, a := range b.Accounts {
		if a.Account == account && a.ClosingValue != nil {
			return *a.ClosingValue
		}
	}
	return 0
}

// sorted are the accounts and lines that say something, in the order of their names.
func (k keeper) sorted() ([]Account, []Line) {
	accounts, lines := []Account{}, []Line{}
	for _, a := range k.accounts {
		if !a.empty() {
			accounts = append(accounts, *a)
		}
	}
	for _, l := range k.lines {
		lines = append(lines, *l)
	}
	slices.SortFunc(accounts, func(a, b Account) int { return cmp.Compare(a.Account, b.Account) })
	slices.SortFunc(lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind)) })
	return accounts, lines
}

// empty says that an account had, got and has nothing.
func (a Account) empty() bool {
	for _, n := range []*int64{&a.Opening, &a.Debit, &a.Credit, a.OpeningValue, a.DebitValue, a.CreditValue} {
		if n != nil && *n != 0 {
			return false
		}
	}
	return true
}
