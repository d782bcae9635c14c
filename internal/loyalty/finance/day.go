package finance

// Names of accounts that reports speak of.
const (
	member      = "member"
	held        = "held"
	pending     = "pending"
	issued      = "issued"
	redeemed    = "redeemed"
	expired     = "expired"
	adjusted    = "adjusted"
	transferred = "transferred"
	revaluation = "revaluation" // of money only
)

// Kinds of movement that say more than their accounts.
const (
	kindEarn   = "earn"
	kindExpire = "expire"
	kindGiven  = "transfer_out"
)

// owes says that what is on an account is owed to members, or may come to be. All accounts do but those where points come from and where they end.
func owes(account string) bool {
	switch account {
	case issued, adjusted, redeemed, expired, revaluation:
		return false
	}
	return true
}

// Sum is what the entries of a day on accounts of a name, by a kind of movement, come to.
type Sum struct {
	Day     int    `db:"day"` // of the report, from 1
	Account string `db:"name"`
	Kind    string `db:"kind"`
	Points  int64  `db:"points"`
	Entries int64  `db:"entries"`
	Wallet  string `db:"wallet"`
}

// Day is what a day of the site comes to in one wallet, and what is owed at its end. Amounts are in minor units; they are nil where nobody has said what points
// are worth on that day, and where they would be more than can be counted.
type Day struct {
	Day              string  `json:"day" parquet:"day" format:"date"`
	Issued           int64   `json:"issued" parquet:"issued" doc:"Points that were earned, also those that are pending"`
	ClawedBack       int64   `json:"clawed_back" parquet:"clawed_back" doc:"Of what was earned, by refunds and the like"`
	Redeemed         int64   `json:"redeemed" parquet:"redeemed" doc:"Spent, less what was given back"`
	Expired          int64   `json:"expired" parquet:"expired" doc:"Points that nobody spent in time"`
	Reinstated       int64   `json:"reinstated" parquet:"reinstated" doc:"Of what had expired, by taking back that it did"`
	Breakage         int64   `json:"breakage" parquet:"breakage" doc:"expired less reinstated"`
	Adjusted         int64   `json:"adjusted" parquet:"adjusted" doc:"Given by hand, less what was taken"`
	Transferred      int64   `json:"transferred" parquet:"transferred" doc:"From one member to another: nothing more is owed by it, nor less"`
	Liability        int64   `json:"liability" parquet:"liability" doc:"What is owed at the end of the day: members' balances, less their debts, and what checkouts hold"`
	Pending          int64   `json:"pending" parquet:"pending" doc:"What may come to be owed: points that can't be spent yet"`
	ExpectedBreakage *int64  `json:"expected_breakage" parquet:"expected_breakage,optional" doc:"Of the liability, by the rate that the merchant expects; null: none was set"`
	IssuedValue      *int64  `json:"issued_value" parquet:"issued_value,optional"`
	ClawedBackValue  *int64  `json:"clawed_back_value" parquet:"clawed_back_value,optional"`
	RedeemedValue    *int64  `json:"redeemed_value" parquet:"redeemed_value,optional"`
	BreakageValue    *int64  `json:"breakage_value" parquet:"breakage_value,optional"`
	AdjustedValue    *int64  `json:"adjusted_value" parquet:"adjusted_value,optional"`
	LiabilityValue   *int64  `json:"liability_value" parquet:"liability_value,optional"`
	PendingValue     *int64  `json:"pending_value" parquet:"pending_value,optional"`
	ExpectedValue    *int64  `json:"expected_breakage_value" parquet:"expected_breakage_value,optional"`
	Currency         *string `json:"currency" parquet:"currency,optional"`
	Wallet           string  `json:"wallet" parquet:"wallet" doc:"Whose points they are; points is the main one" example:"points"`
}

// Days makes a line of each day and wallet, day after day. balances are what accounts of a wallet hold after the last of them, by name; they are used up.
func Days(wallets, days []string, sums []Sum, balances map[string]map[string]int64, values []Value) []Day {
	out := make([]Day, len(days)*len(wallets))
	for n, wallet := range wallets {
		for i, d := range daysIn(wallet, days, only(sums, wallet), balances[wallet], ValuesOf(values, wallet)) {
			out[i*len(wallets)+n] = d
		}
	}
	return out
}

// only are the sums of one wallet.
func only(sums []Sum, wallet string) (out []Sum) {
	for _, s := range sums {
		if s.Wallet == wallet {
			out = append(out, s)
		}
	}
	return out
}

func daysIn(wallet string, days []string, sums []Sum, balances map[string]int64, values []Value) []Day {
	of := byDay(len(days), sums)
	out := make([]Day, len(days))
	if balances == nil { // what was there has ended
		balances = map[string]int64{}
	}
	for i := len(days) - 1; i >= 0; i-- {
		out[i] = dayOf(days[i], of[i], balances, On(values, days[i]))
		out[i].Wallet = wallet
		for _, s := range of[i] {
			balances[s.Account] -= s.Points
		}
	}
	return out
}

func byDay(n int, sums []Sum) [][]Sum {
	out := make([][]Sum, n)
	for _, s := range sums {
		out[s.Day-1] = append(out[s.Day-1], s)
	}
	return out
}

func dayOf(day string, sums []Sum, balances map[string]int64, v *Value) Day {
	points := make([]int64, len(sums))
	for i, s := range sums {
		points[i] = s.Points
	}
	f := flowsOf(sums, points)
	d := Day{Day: day, Issued: f.issued, ClawedBack: f.clawedBack, Redeemed: f.redeemed, Expired: f.expired, Reinstated: f.reinstated, Breakage: f.expired - f.reinstated,
		Adjusted: f.adjusted, Transferred: f.transferred, Liability: balances[member] + balances[held] + balances[transferred], Pending: balances[pending]}
	if v == nil || !fits(sums, balances, v) {
		return d
	}
	f = flowsOf(sums, worths(sums, v))
	breakage, owed, later := f.expired-f.reinstated, v.Of(balances[member])+v.Of(balances[held])+v.Of(balances[transferred]), v.Of(balances[pending])
	d.IssuedValue, d.ClawedBackValue, d.RedeemedValue, d.BreakageValue, d.AdjustedValue = &f.issued, &f.clawedBack, &f.redeemed, &breakage, &f.adjusted
	d.LiabilityValue, d.PendingValue, d.Currency = &owed, &later, &v.Currency
	if d.ExpectedBreakage = v.Broken(d.Liability); d.ExpectedBreakage != nil {
		worth := v.Of(*d.ExpectedBreakage)
		d.ExpectedValue = &worth
	}
	return d
}

// flows are what sums come to by what they mean.
type flows struct{ issued, clawedBack, redeemed, expired, reinstated, adjusted, transferred int64 }

// flowsOf reads them from the accounts where points come from and end; n are the sums' points, or what those are worth.
func flowsOf(sums []Sum, n []int64) (f flows) {
	for i, s := range sums {
		switch {
		case s.Account == issued && s.Kind == kindEarn:
			f.issued -= n[i]
		case s.Account == issued:
			f.clawedBack += n[i]
		case s.Account == redeemed:
			f.redeemed += n[i]
		case s.Account == expired && s.Kind == kindExpire:
			f.expired += n[i]
		case s.Account == expired:
			f.reinstated -= n[i]
		case s.Account == adjusted:
			f.adjusted -= n[i]
		case s.Account == transferred && s.Kind == kindGiven:
			f.transferred += n[i]
		}
	}
	return f
}

// worths are the values of a day's sums: of those that are owed what they are worth; the others are, for each kind of movement, the other side of
// that, so that a kind's values sum to zero as its points do.
func worths(sums []Sum, v *Value) []int64 {
	out, rest, other := make([]int64, len(sums)), map[string]int64{}, map[string]int{}
	for i, s := range sums {
		out[i] = v.Of(s.Points)
		rest[s.Kind] += out[i]
		if _, found := other[s.Kind]; !found || !owes(s.Account) {
			other[s.Kind] = i
		}
	}
	for kind, i := range other {
		out[i] -= rest[kind]
	}
	return out
}

// fits says that all amounts of a day are within what can be counted.
func fits(sums []Sum, balances map[string]int64, v *Value) bool {
	size := 0.0
	for _, s := range sums {
		size += v.size(s.Points)
	}
	for _, points := range balances {
		size += v.size(points)
	}
	return size < most
}
