package hindsight

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// MonthsCSV writes the months of all programmes, a line each.
func (r *Report) MonthsCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := strings.Split("programme,month,members,joined,issued,clawed_back,activated,redeemed,restored,expired,outstanding,debt,pending,cost,liability,currency", ",")
	wallets := r.walleted()
	if wallets {
		head = append(head, "wallet")
	}
	achieved := r.achieved()
	if achieved {
		head = append(head, "achievements_value")
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for _, p := range r.Programmes {
		for i, m := range p.Months {
			line := []string{plain(p.Label), m.Month}
			line = append(line, numbers(m.Members, m.Joined, m.Issued, m.ClawedBack, m.Activated, m.Redeemed, m.Restored, m.Expired, m.Outstanding, m.Debt, m.Pending,
				m.Cost, m.Liability)...)
			if line = append(line, r.Currency); wallets {
				line = append(line, "points")
			}
			if achieved {
				line = append(line, numbers(p.given[0][i])...)
			}
			if err := out.Write(line); err != nil {
				return err
			}
		}
		if err := p.walletsCSV(out, r.Currency, achieved); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// walletsCSV writes the months of the wallets beside the main one. Members of one are those who had points in it.
func (p Outcome) walletsCSV(out *csv.Writer, currency string, achieved bool) error {
	for k, w := range p.Wallets {
		members := w.Totals.Members - w.Totals.Joined
		for i, m := range w.Months {
			members += m.Joined
			line := append([]string{plain(p.Label), m.Month}, numbers(members, m.Joined, m.Issued, m.ClawedBack, m.Activated, m.Redeemed, m.Restored, m.Expired, m.Outstanding, m.Debt,
				m.Pending, m.Cost, m.Liability)...)
			if line = append(line, currency, w.Key); achieved {
				line = append(line, numbers(p.given[1+k][i])...)
			}
			if err := out.Write(line); err != nil {
				return err
			}
		}
	}
	return nil
}

// PeopleCSV writes where everybody is at the end, a line each, with the programmes side by side.
func (r *Report) PeopleCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := []string{"person", "name"}
	for i := range r.Programmes {
		for _, c := range []string{"member", "earned", "redeemed", "expired", "balance", "pending", "tier"} {
			head = append(head, c+"_"+strconv.Itoa(i+1))
		}
	}
	if len(r.Programmes) == 2 {
		head = append(head, "change")
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for i, who := range r.people {
		line := append(numbers(who.ID), plain(who.Name))
		for k, p := range r.Programmes {
			s := r.stands[k][i]
			line = append(line, strconv.FormatBool(s.Member))
			line = append(line, numbers(s.Earned, s.Redeemed, s.Expired, s.Balance, s.Pending)...)
			line = append(line, plain(p.Tiers[s.Tier].Name))
		}
		if len(r.Programmes) == 2 {
			line = append(line, numbers(r.stands[1][i].Kept()-r.stands[0][i].Kept())...)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func numbers(all ...int64) []string {
	out := make([]string, len(all))
	for i, n := range all {
		out[i] = strconv.FormatInt(n, 10)
	}
	return out
}

// plain keeps spreadsheets from taking a name for a formula.
func plain(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}
