package hindsight

import (
	"encoding/json"
	"io"
	"time"
)

// Format names the report's shape; it changes when a member changes its meaning.
const Format = "talkable-backtest-1"

// Notice is what every report says first.
const Notice = "This is what the programmes would have cost if everybody had done exactly what they did. People do other things under other programmes: it is an " +
	"estimate of cost, not a forecast."

// Report is what a backtest says. Amounts are in minor units of the currency, shares in basis points.
type Report struct {
	Format      string    `json:"format"`
	Notice      string    `json:"notice"`
	Site        string    `json:"site"`
	Source      string    `json:"source"`
	Currency    string    `json:"currency"`
	Zone        string    `json:"zone"`
	From        string    `json:"from"` // first day
	To          string    `json:"to"`   // last day
	Redeem      string    `json:"redeem"`
	PointValue  Worth     `json:"point_value"`
	Input       Input     `json:"input"`
	Assumptions []string  `json:"assumptions"`
	Programmes  []Outcome `json:"programmes"`
	Change      *Change   `json:"change,omitempty"` // from the first programme to the second

	people []*Person
	stands [][]Stand
}

// Input is what was played.
type Input struct {
	People           int64 `json:"people"`
	Orders           int64 `json:"orders"`
	Events           int64 `json:"events"`
	Sales            int64 `json:"sales"`             // of orders in the currency
	OtherOrders      int64 `json:"other_orders"`      // in another currency
	Refunds          int64 `json:"refunds"`           // of orders in the currency
	Refunded         int64 `json:"refunded"`          //
	Redemptions      int64 `json:"redemptions"`       // real ones
	RedemptionPoints int64 `json:"redemption_points"` // of the main wallet
}

// Outcome is what came of a programme.
type Outcome struct {
	Label  string  `json:"label"`
	Name   string  `json:"name"`
	Totals Totals  `json:"totals"`
	Months []Month `json:"months"`
	Tiers  []Tier  `json:"tiers"`
	Moves  []Cell  `json:"moves"` // between tiers in all that time, by how often

	Wallets []WalletOutcome `json:"wallets,omitempty"` // beside the main one, which all else is about
	Feats   []FeatOutcome   `json:"achievements,omitempty"`
	Opening *OpeningSum     `json:"opening,omitempty"` // what members had when it begins; without: nothing

	given [][]int64 // for achievements: its value by wallet, of which the first is the main one, and month
}

// OpeningSum is what all members had when it begins.
type OpeningSum struct {
	Members int64 `json:"members"`
	Held
	Liability int64  `json:"liability"`
	Tiers     []Tier `json:"tiers"`
}

// Totals are sums of all months, and what is there at the end.
type Totals struct {
	Members int64 `json:"members"`
	Moved
	Held
	Cost      int64 `json:"cost"`      // of what was redeemed and not given back
	Liability int64 `json:"liability"` // of what is outstanding and pending
	OfSales   int64 `json:"cost_of_sales_bp"`
	Spent     int64 `json:"redeemed_bp"` // of what was there, or issued and not clawed back
	Breakage  int64 `json:"breakage_bp"` // so much of that expired

	Impossible       int64 `json:"impossible_redemptions"`
	ImpossiblePoints int64 `json:"impossible_redemption_points"` // of the main wallet
}

// Month is what moved in a month, and what is there at its end.
type Month struct {
	Month   string `json:"month"`
	Members int64  `json:"members"`
	Moved
	Held
	Cost      int64   `json:"cost"`
	Liability int64   `json:"liability"`
	Tiers     []int64 `json:"tiers"` // members, as tiers are listed
}

// Tier is how many members have a tier at the end; the first one, without a name, is below the others.
type Tier struct {
	Name    string `json:"name"`
	Members int64  `json:"members"`
}

// Cell is how many go from one tier to another; "" is below the first.
type Cell struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Members int64  `json:"members"`
}

// Played is what a report is made of.
type Played struct {
	Site, Zone, Currency string
	From, Until          time.Time // in the zone
	Terms                Terms
	History              *History
	Assumptions          []string
	Programmes           []PlayedProgramme
}

// PlayedProgramme is what was added up of a programme.
type PlayedProgramme struct {
	Label, Name string
	Tiers       []string
	Wallets     []PlayedWallet
	Feats       []PlayedFeat
	Tally       *Tally
	Stands      []Stand // by person of the history
}

// NewReport adds everything up.
func NewReport(p Played) *Report {
	r := &Report{Format: Format, Notice: Notice, Site: p.Site, Source: p.History.Source, Currency: p.Currency, Zone: p.Zone,
		From: p.From.Format(time.DateOnly), To: p.Until.Add(-1).Format(time.DateOnly), Redeem: p.Terms.Redeem.String(), PointValue: p.Terms.Worth,
		Assumptions: p.Assumptions, Input: p.History.input(p.Currency), people: p.History.People}
	for _, x := range p.Programmes {
		r.Programmes = append(r.Programmes, x.outcome(p.Terms.Worth, r.Input.Sales-r.Input.Refunded))
		r.stands = append(r.stands, x.Stands)
	}
	if len(p.Programmes) == 2 {
		r.Change = change(p)
	}
	return r
}

func (h *History) input(currency string) Input {
	in := Input{People: int64(len(h.People))}
	for _, p := range h.People {
		for i := range p.Orders {
			o := &p.Orders[i]
			switch {
			case o.Event:
				in.Events++
				continue
			case o.Currency != currency:
				in.Orders, in.OtherOrders = in.Orders+1, in.OtherOrders+1
				continue
			}
			in.Orders, in.Sales = in.Orders+1, in.Sales+o.Subtotal
			for _, f := range o.Refunds {
				in.Refunds, in.Refunded = in.Refunds+1, in.Refunded+f.Amount
			}
		}
		for _, x := range p.Redemptions {
			if in.Redemptions++; x.Wallet == "" { // points of different wallets don't add up
				in.RedemptionPoints += x.Points
			}
		}
	}
	return in
}

func (p PlayedProgramme) outcome(worth Worth, sales int64) Outcome {
	names := append([]string{""}, p.Tiers...)
	out := Outcome{Label: p.Label, Name: p.Name, Moves: []Cell{}}
	var held Held
	var moved Moved
	tiers := append([]int64{}, p.Tally.placed...)
	had := p.Tally.opening
	held = had
	if p.Tally.opened > 0 {
		out.Opening = &OpeningSum{Members: p.Tally.opened, Held: had, Liability: worth.Of(had.Outstanding + had.Pending), Tiers: named(names, tiers)}
	}
	for i, s := range p.Tally.steps {
		moved, held = moved.plus(s.moved), held.plus(s.held)
		add(tiers, s.tiers)
		out.Months = append(out.Months, Month{Month: p.Tally.month(i), Members: p.Tally.opened + moved.Joined, Moved: s.moved, Held: held,
			Cost: worth.Of(s.moved.Redeemed - s.moved.Restored), Liability: worth.Of(held.Outstanding + held.Pending), Tiers: append([]int64{}, tiers...)})
	}
	net, spent := had.Outstanding+had.Pending+moved.Issued-moved.ClawedBack, moved.Redeemed-moved.Restored
	out.Totals = Totals{Members: p.Tally.opened + moved.Joined, Moved: moved, Held: held, Cost: worth.Of(spent), Liability: worth.Of(held.Outstanding + held.Pending),
		OfSales: share(worth.Of(spent), sales), Spent: share(spent, net), Breakage: share(moved.Expired, net),
		Impossible: p.Tally.Impossible, ImpossiblePoints: p.Tally.ImpossiblePoints}
	out.Wallets = p.wallets(worth)
	out.Feats, out.given = p.feats(worth)
	out.Tiers = named(names, tiers)
	for from, row := range p.Tally.moves {
		for to, n := range row {
			if n > 0 {
				out.Moves = append(out.Moves, Cell{names[from], names[to], n})
			}
		}
	}
	return out
}

func named(names []string, members []int64) (out []Tier) {
	for i, n := range members {
		out = append(out, Tier{names[i], n})
	}
	return out
}

// share is part of whole in basis points, rounded to the nearest; 0 of nothing.
func share(part, whole int64) int64 {
	if whole <= 0 {
		return 0
	}
	return Worth{whole, 10_000}.Of(part)
}

// JSON writes the report.
func (r *Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
