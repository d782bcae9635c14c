package seal

import "fmt"

// post does to accounts and lots what a transaction says.
func (v *verifier) post(t Transaction) error {
	sums := map[string]int64{}
	for _, e := range t.Entries {
		a := v.accounts[e.AccountID]
		if a == nil {
			a = &account{name: e.Name, owner: e.OwnerID, asset: e.Asset}
			v.accounts[e.AccountID] = a
		}
		switch {
		case a.name != e.Name || a.owner != e.OwnerID:
			return fmt.Errorf("calls account %d %s of %d, which is %s of %d", e.AccountID, e.Name, e.OwnerID, a.name, a.owner)
		case a.asset != e.Asset:
			return fmt.Errorf("puts %s on account %d, which has %s", e.Asset, e.AccountID, a.asset)
		case e.Seq != a.seq+1:
			return fmt.Errorf("has entry %d of account %d, whose last one is %d", e.Seq, e.AccountID, a.seq)
		case e.Amount == 0:
			return fmt.Errorf("has an entry of nothing on account %d", e.AccountID)
		case e.Balance != a.balance+e.Amount:
			return fmt.Errorf("leaves account %d with %d points, but %d and %d are %d", e.AccountID, e.Balance, a.balance, e.Amount, a.balance+e.Amount)
		}
		a.seq, a.balance = e.Seq, e.Balance
		sums[e.Asset] += e.Amount
	}
	for asset, sum := range sums {
		if sum != 0 {
			return fmt.Errorf("has entries whose sum is %d %s instead of zero", sum, asset)
		}
	}
	return v.allocate(t)
}

// allocate does to lots what a transaction says.
func (v *verifier) allocate(t Transaction) error {
	for _, l := range t.Lots {
		if v.lots[l.ID] != nil || l.Granted <= 0 {
			return fmt.Errorf("makes lot %d of %d points, which is there already or has none", l.ID, l.Granted)
		}
		v.lots[l.ID] = &lot{granted: l.Granted, remaining: l.Granted}
	}
	for _, a := range t.Allocations {
		l := v.lots[a.LotID]
		if l == nil {
			return fmt.Errorf("takes points from lot %d, which nobody has made", a.LotID)
		}
		if l.remaining -= a.Amount; l.remaining < 0 || l.remaining > l.granted {
			return fmt.Errorf("takes %d points from lot %d, which has %d of %d", a.Amount, a.LotID, l.remaining+a.Amount, l.granted)
		}
	}
	return nil
}
