package main

import (
	"fmt"
	"testing"
)

func TestPointsAreExpected(t *testing.T) {
	t.Parallel()
	by := func(id, kind string, o outcome, set func(*op)) attempt {
		a := attempt{op: op{ID: id, Kind: kind, Key: id, Email: "bob@x"}, Outcome: o}
		set(&a.op)
		return a
	}
	redeemed := func(id, batch string, o outcome, points int64) attempt {
		return by(id, kindRedeem, o, func(o *op) { o.Batch, o.Amount = batch, points })
	}
	history := []attempt{
		purchaseOf("p", yes, 30000),
		by("a", kindAdjust, yes, func(o *op) { o.Amount = 50 }),
		by("b", kindAdjust, no, func(o *op) { o.Amount = -5000 }),
		redeemed("c", mug, yes, mugCost), redeemed("c", mug, yes, mugCost), // its repetition
		redeemed("d", mug, no, mugCost),
		redeemed("e", voucher(0), yes, voucherCost),
		by("f", kindCancel, yes, func(o *op) { o.Target, o.Amount = 7, mugCost }),
		by("g", kindCancel, yes, func(o *op) { o.Target, o.Amount = 7, mugCost }), // the same redemption
		by("h", kindStock, yes, func(o *op) { o.Batch, o.Amount = voucher(1), 2 }),
	}
	for i := range scarce + 1 {
		history = append(history, redeemed(fmt.Sprint("v", i), voucher(1), yes, voucherCost))
	}
	l := expect(toldHistory(history...), 0)
	left := 300 + 50 - voucherCost - (scarce+1)*voucherCost
	for _, c := range []struct{ says, got, want string }{
		{"member", wantMembers(l, nil)["bob@x"], fmt.Sprintf("%d points, earned 300", left)},
		{"entries", wantAPIEntries(l)["bob@x"], fmt.Sprintf("%d points in all, %[1]d after the last", left)},
		{"adjustments", wantAdjustments(l, nil)["bob@x"], "1 of 50 points"},
		{"redemptions", wantRedemptions(l, nil)["bob@x"], fmt.Sprintf("%d of %d points, 1 cancelled", scarce+3, mugCost+(scarce+2)*voucherCost)},
		{"stock", wantStock(l, nil)[voucher(0)], "3 codes, asked 1 times"},
		{"more stock", wantStock(l, nil)[voucher(1)], "5 codes, asked 4 times"},
		{"untouched", wantStock(l, nil)[voucher(2)], "3 codes, asked 0 times"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s; want %s", c.says, c.got, c.want)
		}
	}
}

// Coupon and balance may differ between two answers to one key; what was done may not.
func TestActed(t *testing.T) {
	t.Parallel()
	var first, second, other attempt
	first.acted([]byte(`{"result":{"action":{"id":5,"type":"redeem","points":-30,"redemption_id":5,"coupon":null},"loyalty_member":{"points_balance":9}}}`))
	second.acted([]byte(`{"result":{"action":{"id":5,"type":"redeem","points":-30,"redemption_id":5,"coupon":{"code":"X"}},"loyalty_member":{"points_balance":7}}}`))
	other.acted([]byte(`{"result":{"action":{"id":6,"type":"redeem","points":-30,"redemption_id":6}}}`))
	if first.Hash != second.Hash || first.Made != 5 || first.Hash == other.Hash {
		t.Errorf("%+v %+v %+v", first, second, other)
	}
}

func TestSweepSparesTheLiving(t *testing.T) {
	t.Parallel()
	dir, lock, err := claimDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if free(dir) {
		t.Error("a world whose lock is held is taken for dead")
	}
	lock.Close()
	if !free(dir) {
		t.Error("a world whose owner is gone is taken for living")
	}
	if free(t.TempDir()) {
		t.Error("a directory without a lock is taken for ours")
	}
}

// What is given goes from one to the other; what is held is gone until it is released, and what was committed stays so.
func TestGiftsAndHoldsAreExpected(t *testing.T) {
	t.Parallel()
	by := func(id, kind, email string, o outcome, set func(*op)) attempt {
		a := attempt{op: op{ID: id, Kind: kind, Key: id, Email: email}, Outcome: o}
		set(&a.op)
		return a
	}
	gives := func(id string, o outcome, from, to string, points int64) attempt {
		return by(id, kindGive, from, o, func(o *op) { o.To, o.Amount = to, points })
	}
	ends := func(id, how string, target, points int64) attempt {
		return by(id, kindEnd, "bob@x", yes, func(o *op) { o.Status, o.Target, o.Amount = how, target, points })
	}
	ann := purchaseOf("q", yes, 10000)
	ann.Email, ann.Order = "ann@x", "o-2"
	l := expect(toldHistory(purchaseOf("p", yes, 30000), ann,
		gives("a", yes, "bob@x", "ann@x", 50), gives("a", yes, "bob@x", "ann@x", 50), // told twice
		gives("b", no, "ann@x", "bob@x", 500), gives("c", yes, "ann@x", "bob@x", 7),
		by("d", kindHold, "bob@x", yes, func(o *op) { o.Amount = 20 }), by("e", kindHold, "bob@x", yes, func(o *op) { o.Amount = 30 }),
		ends("f", "release", 1, 20), ends("g", "commit", 2, 30)), 0)
	members := wantMembers(l, nil)
	if got := members["bob@x"] + ", " + members["ann@x"]; got != "227 points, earned 300, 143 points, earned 100" {
		t.Error(got)
	}
}
