package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// told is a history of site 0 in which each op is answered as its outcome says.
func toldHistory(ops ...attempt) []*life {
	for i := range ops {
		ops[i].Start, ops[i].End = int64(10*i), int64(10*i+5)
	}
	return lives(ops)
}

func at(id, kind string, o outcome, set func(*op)) attempt {
	one := op{ID: id, Kind: kind, Email: "bob@x", Order: "o-1"}
	if set != nil {
		set(&one)
	}
	return attempt{op: one, Outcome: o}
}

func visitOf(campaign string) attempt {
	return at("visit", kindVisit, yes, func(o *op) { o.Visitor, o.Advocate, o.Campaign = "v", "ann@x", campaign })
}

func purchaseOf(id string, o outcome, amount int64) attempt {
	return at(id, kindPurchase, o, func(o *op) { o.Amount, o.Visitor = amount, "v" })
}

func refundOf(id string, o outcome, amount int64) attempt {
	return at(id, kindRefund, o, func(o *op) { o.Amount, o.Key = amount, id })
}

func statusOf(status string, o outcome) attempt {
	return at("status "+status, kindStatus, o, func(o *op) { o.Status = status })
}

func TestOracle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		says    string
		history []attempt
		want    string
	}{
		{"a friend buys and sends a third back", []attempt{visitOf(tagAuto), purchaseOf("p", yes, 30000), refundOf("r", yes, 10000)},
			"o-1 30000-10000 approved points 500-166 commission 3000-1000; bob@x 200, ann@x 334"},
		{"what is refused did not happen", []attempt{visitOf(tagAuto), purchaseOf("p", yes, 30000), refundOf("r", no, 10000)},
			"o-1 30000-0 approved points 500-0 commission 3000-0; bob@x 300, ann@x 500"},
		{"unknown, then yes, is done once", []attempt{visitOf(tagAuto), purchaseOf("p", unknown, 30000), purchaseOf("p", yes, 30000)},
			"o-1 30000-0 approved points 500-0 commission 3000-0; bob@x 300, ann@x 500"},
		{"all that is left", []attempt{visitOf(tagAuto), purchaseOf("p", yes, 99), refundOf("a", yes, 33), refundOf("b", yes, 0)},
			"o-1 99-99 approved points 500-500 commission 10-10; bob@x 0, ann@x 0"},
		{"a VIP's friend waits for a decision", []attempt{visitOf(tagManual), purchaseOf("p", yes, 30000)}, "o-1 30000-0 pending; bob@x 300"},
		{"a partner is paid a share by the day's rate and an amount, and an amount later", []attempt{visitOf(tagPartner), purchaseOf("p", yes, 30000),
			statusOf("approved", yes), refundOf("r", yes, 10000)}, "o-1 30000-10000 approved commission 2343-781 commission 100-33; bob@x 200"},
		{"a code goes before a link", []attempt{visitOf(tagAuto), at("p", kindPurchase, yes, func(o *op) {
			o.Amount, o.Visitor, o.Code, o.Advocate = 30000, "v", "FRIENDS-1", "ann@x"
		})}, "o-1 30000-0 approved points 150-0; bob@x 300, ann@x 150"},
		{"who claimed is referred without a browser", []attempt{at("c", kindClaim, yes, func(o *op) { o.Advocate, o.Order = "ann@x", "" }), purchaseOf("p", yes, 30000)},
			"o-1 30000-0 approved points 200-0; bob@x 300, ann@x 200"},
		{"a page that was shown is no visit for sure", []attempt{at("visit", kindVisit, yes, func(o *op) {
			o.Page, o.Visitor, o.Advocate, o.Campaign = true, "v", "ann@x", tagClaim
		}), purchaseOf("p", yes, 30000)}, "o-1 30000-0; bob@x 300"},
		{"and is approved", []attempt{visitOf(tagManual), purchaseOf("p", yes, 30000), statusOf("approved", yes)},
			"o-1 30000-0 approved points 300-0 commission 1500-0; bob@x 300, ann@x 300"},
		{"a full refund voids what nobody approved", []attempt{visitOf(tagManual), purchaseOf("p", yes, 30000), refundOf("r", yes, 0), statusOf("approved", no)},
			"o-1 30000-30000 voided; bob@x 0"},
		{"nobody brought him", []attempt{purchaseOf("p", yes, 30000)}, "o-1 30000-0; bob@x 300"},
		{"a refund of nothing", []attempt{purchaseOf("p", no, 30000), refundOf("r", yes, 1)}, "wrong: answered yes, of an order that was refused: r"},
		{"two amounts", []attempt{purchaseOf("p", yes, 30000), purchaseOf("q", yes, 30001)},
			"o-1 30000-0; bob@x 300 wrong: order o-1 was taken with 30000 and with 30001: q"},
		{"nobody knows", []attempt{purchaseOf("p", unknown, 30000)}, "undecided: p"},
	} {
		l := expect(toldHistory(c.history...), 0)
		if got := inWords(l); got != c.want {
			t.Errorf("%s: %s; want %s", c.says, got, c.want)
		}
		if other := expect(toldHistory(c.history...), 1); len(other.Orders)+len(other.People)+len(other.Wrong)+len(other.Undecided) > 0 {
			t.Errorf("%s: the twin knows of it", c.says)
		}
	}
}

func inWords(l *ledger) string {
	var parts []string
	if o := l.Orders["o-1"]; o != nil {
		text := fmt.Sprintf("o-1 %d-%d", o.Amount, o.refunded())
		if r := l.Referrals["bob@x"]; r != nil {
			text += " " + r.status(o)
			for _, g := range l.gifts(r, o) {
				text += fmt.Sprintf(" %s %d-%d", g.Kind, g.Value, g.Clawed)
			}
		}
		accounts := l.accounts()
		text += fmt.Sprintf("; bob@x %d", accounts["bob@x"].earned-accounts["bob@x"].back)
		if a, there := accounts["ann@x"]; there {
			text += fmt.Sprintf(", ann@x %d", a.earned-a.back)
		}
		parts = append(parts, text)
	}
	if len(l.Wrong) > 0 {
		parts = append(parts, "wrong: "+strings.Join(l.Wrong, ", "))
	}
	if len(l.Undecided) > 0 {
		parts = append(parts, "undecided: "+strings.Join(l.Undecided, ", "))
	}
	return strings.Join(parts, " ")
}

func TestShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(1, 1e15).Draw(t, "whole")
		part := rapid.Int64Range(0, whole).Draw(t, "part")
		total := rapid.Int64Range(0, 1e15).Draw(t, "total")
		if got := share(total, part, whole); got < 0 || got > total || part == whole && got != total {
			t.Fatalf("%d of %d of %d: %d", part, whole, total, got)
		}
	})
}

func TestDuelsAreJudged(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, d := range duels {
		if names[d.name] || d.least > d.most || d.most < 1 || d.set == nil {
			t.Errorf("%+v", d)
		}
		names[d.name] = true
		for wins := range d.most + 2 {
			var all []attempt
			for i := range d.most + 1 {
				a := attempt{op: op{ID: fmt.Sprint(i), Duel: d.name + " @1-1"}, Outcome: no}
				if i < wins {
					a.Outcome = yes
				}
				all = append(all, a)
			}
			if got, want := len(checkDuels(lives(all))) == 0, wins >= d.least && wins <= d.most; got != want {
				t.Errorf("%s with %d winners: %v", d.name, wins, got)
			}
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	h, err := createHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	wrote := []attempt{purchaseOf("p", unknown, 100), purchaseOf("p", yes, 100), refundOf("r", no, 7)}
	wrote[1].Replayed, wrote[1].Hash, wrote[2].Fault = true, "abc", "refund_exceeds"
	for _, a := range wrote {
		if err := h.add(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	read, err := readHistory(path)
	if err != nil || fmt.Sprint(read) != fmt.Sprint(wrote) || read[1] != wrote[1] || read[2] != wrote[2] {
		t.Errorf("%v %v", read, err)
	}
	if ops := lives(read); len(ops) != 2 || ops[0].fate() != yes || ops[1].fate() != no {
		t.Errorf("%+v", ops)
	}
	if got := mentions(read, "order o-1 is wrong", 2); len(got) != 2 {
		t.Errorf("%v", got)
	}
}
