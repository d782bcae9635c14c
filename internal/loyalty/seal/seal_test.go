package seal

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	mine  = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	other = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, ed25519.SeedSize))
)

// history is a member who earns 100 points four times and spends 50 after each; ids have holes.
func history() []Transaction {
	var all []Transaction
	for i := range int64(4) {
		at := noon.Add(time.Duration(i) * time.Hour)
		lot := 20*i + 2
		all = append(all, Transaction{ID: lot, MemberID: 7, Kind: "earn", Reason: "purchase", Source: fmt.Sprintf("origin:%d", i), Points: 100, OriginID: i + 1,
			Rule: "points_per_unit", RuleVersion: 3, EffectiveAt: at, RecordedAt: at,
			Entries: []Entry{{AccountID: 1, Name: "issued", Asset: "points", Amount: -100, Seq: i + 1, Balance: -100 * (i + 1)},
				{AccountID: 9, Name: "member", OwnerID: 7, Asset: "points", Amount: 100, Seq: 2*i + 1, Balance: 50*i + 100}},
			Allocations: []Allocation{}, Lots: []Lot{{ID: lot, Granted: 100}}},
			Transaction{ID: 20*i + 5, MemberID: 7, Kind: "redeem", Reason: "redemption", Source: fmt.Sprintf("redeem:%d", i), Points: 50, EffectiveAt: at, RecordedAt: at,
				Entries: []Entry{{AccountID: 2, Name: "redeemed", Asset: "points", Amount: 50, Seq: i + 1, Balance: 50 * (i + 1)},
					{AccountID: 9, Name: "member", OwnerID: 7, Asset: "points", Amount: -50, Seq: 2*i + 2, Balance: 50*i + 50}},
				Allocations: []Allocation{{LotID: lot, Amount: 50}}, Lots: []Lot{}})
	}
	return all
}

// forge writes a dump whose chain is that of the transactions, but with the anchor, the checkpoint and the balances of the true ones.
func forge(t *testing.T, all []Transaction, key ed25519.PrivateKey) []string {
	t.Helper()
	truth := Begin(1)
	var anchor Anchor
	var day Checkpoint
	for i, r := range history() {
		truth.Add(r)
		if i == 3 {
			anchor = Anchor{Place: truth.Place, ID: truth.ID, Hash: truth.Hash}
		}
		if i == 5 {
			day = Sign(truth, "2026-03-01", noon, key)
		}
	}
	var out bytes.Buffer
	d, err := NewDump(&out, Ledger{SiteID: 1, Site: "shop", ExportedAt: noon})
	for i := 0; err == nil && i < len(all); i++ {
		if err = d.Transaction(all[i]); err == nil && i == 3 {
			err = d.Anchor(anchor)
		}
		if err == nil && i == 5 {
			err = d.Checkpoint(day)
		}
	}
	d.Sealed()
	for _, a := range []Account{{ID: 1, Name: "issued", Seq: 4, Balance: -400}, {ID: 2, Name: "redeemed", Seq: 4, Balance: 200}, {ID: 9, Name: "member", OwnerID: 7, Seq: 8, Balance: 200}} {
		err = errors.Join(err, d.Account(a))
	}
	for i := range int64(4) {
		err = errors.Join(err, d.Lot(LotLeft{ID: 20*i + 2, Remaining: 50}))
	}
	err = errors.Join(err, d.End(func(c Chain) Checkpoint { return Sign(c, "", noon, key) }))
	if err != nil {
		t.Fatal(err)
	}
	return strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
}

func verify(lines []string, keys ...ed25519.PublicKey) (Report, error) {
	return Verify(strings.NewReader(strings.Join(lines, "")), keys, nil)
}

// TestVerify finds each change of a dump at its first line.
func TestVerify(t *testing.T) {
	good := forge(t, history(), mine)
	r, err := verify(good, mine.Public().(ed25519.PublicKey))
	if err != nil || r.Lines != 19 || r.Anchors != 1 || r.Checkpoints != 1 || r.Signed != 2 || r.Covered != 8 || r.End.Sums["member"] != 200 {
		t.Fatalf("%+v, %v", r, err)
	}
	edit := func(line int, old, new string) func([]string) []string {
		return func(l []string) []string {
			if !strings.Contains(l[line-1], old) {
				t.Fatalf("line %d has no %s: %s", line, old, l[line-1])
			}
			l[line-1] = strings.Replace(l[line-1], old, new, 1)
			return l
		}
	}
	for name, c := range map[string]struct {
		change func([]string) []string
		line   int64
		says   string
	}{
		"an amount":            {edit(4, `"amount":100`, `"amount":101`), 4, "place 3 is not what was sealed"},
		"points":               {edit(2, `"points":100`, `"points":1000`), 2, "place 1 is not what was sealed"},
		"a time":               {edit(3, `12:00:00Z`, `12:00:01Z`), 3, "place 2 is not what was sealed"},
		"a reason":             {edit(2, `"purchase"`, `"referral"`), 2, "is not what was sealed"},
		"an allocation":        {edit(3, `"lot_id":2`, `"lot_id":3`), 3, "is not what was sealed"},
		"a lot":                {edit(2, `"granted":100`, `"granted":200`), 2, "is not what was sealed"},
		"a hash":               {edit(5, `"hash":"`, `"hash":"00`), 5, "no hash of 64"},
		"a member more":        {edit(5, `{"place"`, `{"note":"x","place"`), 5, "unknown field"},
		"removed":              {func(l []string) []string { return append(l[:3:3], l[4:]...) }, 4, "1 transactions are missing"},
		"added":                {func(l []string) []string { return append(l[:4:4], l[3:]...) }, 5, "was added, or stands in the wrong order"},
		"reordered":            {func(l []string) []string { l[2], l[3] = l[3], l[2]; return l }, 3, "1 transactions are missing"},
		"the anchor":           {edit(6, `"place":4`, `"place":5`), 6, "was sealed at place 5"},
		"without an anchor":    {func(l []string) []string { return append(l[:5:5], l[6:]...) }, 0, ""}, // nothing is lost by it
		"a checkpoint's sum":   {edit(9, `"member":150`, `"member":151`), 9, "has other sums"},
		"a checkpoint's day":   {edit(9, `"2026-03-01"`, `"2026-03-02"`), 9, "has a signature that is not right"},
		"an account":           {edit(14, `"balance":200`, `"balance":210`), 14, "account 9 has 210 points after 8 entries, by its entries 200"},
		"an account twice":     {func(l []string) []string { l[13] = l[12]; return l }, 14, "account 2 comes twice"},
		"an account less":      {func(l []string) []string { return append(l[:12:12], l[13:]...) }, 18, "account 2 is missing"},
		"a lot's rest":         {edit(15, `"remaining":50`, `"remaining":49`), 15, "lot 2 has 49 points left, by its allocations 50 of 100"},
		"the end":              {func(l []string) []string { return l[:18] }, 19, "is cut off"},
		"more behind the end":  {func(l []string) []string { return append(append(l[:18:18], l[18]+"\n"), l[1]) }, 20, "follows the end"},
		"no first line":        {func(l []string) []string { return l[1:] }, 1, "the first line, and no other"},
		"another format":       {edit(1, Format, "talkable-ledger-9"), 1, "this program knows"},
		"not JSON":             {edit(7, `{`, `[`), 7, "is no line of a ledger"},
		"a transaction behind": {func(l []string) []string { l[14], l[2] = l[2], l[14]; return l }, 3, "lot 2 has 50 points left"},
	} {
		lines := c.change(append([]string{}, good...))
		_, err := verify(lines)
		var d *Difference
		switch {
		case c.line == 0 && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.line != 0 && (!errors.As(err, &d) || d.Line != c.line || !strings.Contains(d.What, c.says)):
			t.Errorf("%s: %v; want line %d, %q", name, err, c.line, c.says)
		}
	}
}

// TestVerify_a_forged_chain is right in itself, and differs from what was sealed and signed.
func TestVerify_a_forged_chain(t *testing.T) {
	key := mine.Public().(ed25519.PublicKey)
	both := func(r []Transaction, i int, points int64) []Transaction { // consistent within the transaction
		r[i].Points = points
		r[i].Entries[0].Amount, r[i].Entries[1].Amount = -points, points
		return r
	}
	for name, c := range map[string]struct {
		all  []Transaction
		says string
	}{
		"a time":        {func() []Transaction { r := history(); r[2].RecordedAt = noon; return r }(), "line 6: the places 1 to 4 are not what was sealed"},
		"a source":      {func() []Transaction { r := history(); r[4].Source = "origin:99"; return r }(), "line 9: the checkpoint of 2026-03-01 has another hash"},
		"an amount":     {both(history(), 2, 300), "line 4: transaction 22 at place 3 leaves account 1 with -200 points"},
		"not zero":      {func() []Transaction { r := history(); e := &r[0].Entries[1]; e.Amount, e.Balance = 90, 90; return r }(), "sum is -10 points"},
		"a gap":         {func() []Transaction { r := history(); r[3].Entries[1].Seq++; return r }(), "has entry 5 of account 9, whose last one is 3"},
		"another's lot": {func() []Transaction { r := history(); r[1].Allocations[0].LotID = 77; return r }(), "lot 77, which nobody has made"},
		"too much":      {func() []Transaction { r := history(); r[1].Allocations[0].Amount = 150; return r }(), "takes 150 points from lot 2, which has 100"},
		"less":          {history()[:4], "line 7: account 1 has -400 points after 4 entries"},
		"renamed":       {func() []Transaction { r := history(); r[3].Entries[1].Name = "issued"; return r }(), "calls account 9 issued of 7"},
		"order":         {func() []Transaction { r := history(); r[1].ID = 1; return r }(), "are in the wrong order"},
	} {
		if _, err := verify(forge(t, c.all, mine), key); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
	if _, err := verify(forge(t, history(), other)); err != nil {
		t.Errorf("another key, and none was named: %v", err)
	}
	if _, err := verify(forge(t, history(), other), key); err == nil || !strings.Contains(err.Error(), "none of those given") {
		t.Errorf("another key: %v", err)
	}
	if _, err := verify(forge(t, history(), other), key, other.Public().(ed25519.PublicKey)); err != nil {
		t.Errorf("a key that was changed: %v", err)
	}
	if _, err := verify(forge(t, history(), nil), key); err == nil || !strings.Contains(err.Error(), "signed by nobody") {
		t.Errorf("no key: %v", err)
	}
	if r, err := verify(forge(t, history(), nil)); err != nil || r.Signed != 0 {
		t.Errorf("no key, none wanted: %+v, %v", r, err)
	}
}

// TestBytes is the encoding: a change of it would break every chain that there is.
func TestBytes(t *testing.T) {
	const want = "11:transaction,1:1,1:5,1:7,6:redeem,10:redemption,8:redeem:0,2:50,0:,0:,0:,0:,0:,0:,27:2026-03-01T12:00:00.000000Z,27:2026-03-01T12:00:00.000000Z," +
		"1:2,1:2,8:redeemed,0:,6:points,2:50,1:1,2:50,1:9,6:member,1:7,6:points,3:-50,1:2,2:50,1:1,1:2,2:50,1:0,"
	if got := string(history()[1].Bytes(1)); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	c := Begin(1)
	if got := c.Hash.String(); got != "477a2fff9383a7448c118150c6abfb549f46991c651945bbe1fb9902c5aacd2d" {
		t.Errorf("hash 0 is %s", got)
	}
	for _, r := range history() {
		c.Add(r)
	}
	if got := c.Hash.String(); got != "41618311160a0d908986ec08d2b5d75a1f6db47e31bd6cc848afd3f53b71e6b2" {
		t.Errorf("hash 8 is %s", got)
	}
}

func TestRuleOf(t *testing.T) {
	for in, want := range map[string]string{`{"rule":"expiry","version":4,"note":"ann@x.y"}`: "expiry 4", `{"rule":"expiry"}`: "expiry 0", `{"rule":1,"version":2}`: " 2",
		``: " 0", `[]`: " 0", `{"version":"x","rule":"r"}`: "r 0"} {
		if name, version := RuleOf(in); fmt.Sprint(name, " ", version) != want {
			t.Errorf("%s: %s %d", in, name, version)
		}
	}
}
