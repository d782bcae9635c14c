package seal

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Difference is the first place where a dump is not what it should be.
type Difference struct {
	Line int64
	What string
}

func (d *Difference) Error() string { return fmt.Sprintf("line %d: %s", d.Line, d.What) }

// Report is what a dump holds that is as it should be.
type Report struct {
	Ledger      Ledger
	End         End
	Lines       int64
	Places      int64 // transactions that are right
	Anchors     int64
	Checkpoints int64
	Signed      int64             // checkpoints whose signature was checked; the end is one
	Key         ed25519.PublicKey // of the last signature; nil: none
	Covered     int64             // places up to the last signed checkpoint
}

// longest is how many bytes a line may have: a transaction that takes from a hundred thousand lots has some five million.
const longest = 64 << 20

// Verify reads a dump and checks everything about it that can be known without the database. keys are who may
// have signed every checkpoint (none: whoever has, or nobody); progress, which may be nil, hears how many bytes were read. A *Difference says where the dump is wrong first.
func Verify(r io.Reader, keys []ed25519.PublicKey, progress func(bytes int64)) (Report, error) {
	v := &verifier{keys: keys, accounts: map[int64]*account{}, lots: map[int64]*lot{}}
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 1<<16), longest)
	var read int64
	for scan.Scan() {
		v.Lines++
		if err := v.line(scan.Bytes()); err != nil {
			return v.Report, &Difference{Line: v.Lines, What: err.Error()}
		}
		if read += int64(len(scan.Bytes())) + 1; progress != nil && v.Lines%1000 == 0 {
			progress(read)
		}
	}
	if err := scan.Err(); errors.Is(err, bufio.ErrTooLong) {
		return v.Report, &Difference{Line: v.Lines + 1, What: "is longer than any line of a ledger"}
	} else if err != nil {
		return v.Report, fmt.Errorf("read the dump: %w", err)
	}
	if !v.ended {
		return v.Report, &Difference{Line: v.Lines + 1, What: "the dump is cut off: its last line is missing"}
	}
	return v.Report, nil
}

type account struct {
	name         string
	owner        int64
	asset        string
	seq, balance int64
	shown        bool
}

type lot struct {
	granted, remaining int64
	shown              bool
}

// verifier keeps what every account and lot comes to: about a hundred bytes each.
type verifier struct {
	Report
	keys     []ed25519.PublicKey
	chain    Chain
	accounts map[int64]*account
	lots     map[int64]*lot
	proven   int64 // the last place that an anchor or a checkpoint agrees with
	closing  bool  // accounts and lots have begun
	ended    bool
}

func (v *verifier) line(raw []byte) error {
	var l line
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return fmt.Errorf("is no line of a ledger: %w", err)
	}
	if d.More() {
		return errors.New("is more than one object")
	}
	switch {
	case v.ended:
		return errors.New("follows the end of the dump")
	case (v.Lines == 1) != (l.Ledger != nil):
		return errors.New("the first line, and no other, says which ledger this is")
	case v.closing && (l.Transaction != nil || l.Anchor != nil || l.Checkpoint != nil):
		return errors.New("stands behind the accounts and lots")
	case l.Ledger != nil:
		return v.begin(*l.Ledger)
	case l.Transaction != nil:
		return v.transaction(*l.Transaction)
	case l.Anchor != nil:
		return v.anchor(*l.Anchor)
	case l.Checkpoint != nil:
		return v.checkpoint(*l.Checkpoint)
	case l.Account != nil:
		return v.account(*l.Account)
	case l.Lot != nil:
		return v.lot(*l.Lot)
	case l.End != nil:
		return v.end(*l.End)
	}
	return errors.New("is empty")
}

func (v *verifier) begin(l Ledger) error {
	if l.Format != Format {
		return fmt.Errorf("is of format %q; this program knows %q", l.Format, Format)
	}
	v.Ledger, v.chain = l, Begin(l.SiteID)
	return nil
}

func (v *verifier) transaction(t Sealed) error {
	name := fmt.Sprintf("transaction %d at place %d ", t.ID, t.Place)
	switch {
	case t.Place > v.chain.Place+1:
		return fmt.Errorf(name+"follows place %d: %d transactions are missing", v.chain.Place, t.Place-v.chain.Place-1)
	case t.Place <= v.chain.Place:
		return fmt.Errorf(name+"follows place %d: it was added, or stands in the wrong order", v.chain.Place)
	case t.ID <= v.chain.ID:
		return fmt.Errorf(name+"follows transaction %d: they are in the wrong order", v.chain.ID)
	}
	v.chain.Add(t.Transaction)
	if v.chain.Hash != t.Hash {
		return fmt.Errorf(name+"is not what was sealed: its hash is %s, by what it says it would be %s", t.Hash, v.chain.Hash)
	}
	if err := v.post(t.Transaction); err != nil {
		return fmt.Errorf(name+"%w", err)
	}
	v.Places = v.chain.Place
	return nil
}

func (v *verifier) anchor(a Anchor) error {
	if a.Place != v.chain.Place || a.ID != v.chain.ID {
		return fmt.Errorf("transaction %d was sealed at place %d; here stands transaction %d at place %d: behind place %d some are missing or were added",
			a.ID, a.Place, v.chain.ID, v.chain.Place, v.proven)
	}
	if a.Hash != v.chain.Hash {
		return fmt.Errorf("the places %d to %d are not what was sealed: one of their transactions was changed", v.proven+1, a.Place)
	}
	v.Anchors, v.proven = v.Anchors+1, a.Place
	return nil
}

func (v *verifier) checkpoint(k Checkpoint) error {
	if err := v.signed(k); err != nil {
		return fmt.Errorf("the checkpoint of %s %w", k.Day, err)
	}
	v.Checkpoints++
	return nil
}

// signed compares a checkpoint with the chain, and looks at its signature.
func (v *verifier) signed(k Checkpoint) error {
	if err := k.differs(v.chain); err != nil {
		return fmt.Errorf("%w (the last place that was right is %d)", err, v.proven)
	}
	v.proven = k.Place
	if len(k.Signature) == 0 && len(k.PublicKey) == 0 {
		if len(v.keys) > 0 {
			return errors.New("was signed by nobody")
		}
		return nil
	}
	if !k.Signed() {
		return errors.New("has a signature that is not right")
	}
	if len(v.keys) > 0 && !slices.ContainsFunc(v.keys, func(key ed25519.PublicKey) bool { return key.Equal(ed25519.PublicKey(k.PublicKey)) }) {
		return fmt.Errorf("was signed by key %s, which is none of those given", base64.StdEncoding.EncodeToString(k.PublicKey))
	}
	v.Signed, v.Covered, v.Key = v.Signed+1, k.Place, k.PublicKey
	return nil
}

func (v *verifier) account(a Account) error {
	v.closing = true
	known := v.accounts[a.ID]
	switch {
	case known == nil:
		return fmt.Errorf("account %d (%s) has no entries", a.ID, a.Name)
	case known.shown:
		return fmt.Errorf("account %d comes twice", a.ID)
	case known.name != a.Name || known.owner != a.OwnerID:
		return fmt.Errorf("account %d is %s of %d, by its entries %s of %d", a.ID, a.Name, a.OwnerID, known.name, known.owner)
	case known.seq != a.Seq || known.balance != a.Balance:
		return fmt.Errorf("account %d has %d points after %d entries, by its entries %d after %d", a.ID, a.Balance, a.Seq, known.balance, known.seq)
	}
	known.shown = true
	return nil
}

func (v *verifier) lot(l LotLeft) error {
	v.closing = true
	known := v.lots[l.ID]
	switch {
	case known == nil:
		return fmt.Errorf("lot %d was made by nobody", l.ID)
	case known.shown:
		return fmt.Errorf("lot %d comes twice", l.ID)
	case known.remaining != l.Remaining:
		return fmt.Errorf("lot %d has %d points left, by its allocations %d of %d", l.ID, l.Remaining, known.remaining, known.granted)
	}
	known.shown = true
	return nil
}

func (v *verifier) end(e End) error {
	if n := int64(len(v.accounts)); e.Accounts != n {
		return fmt.Errorf("counts %d accounts, %d have entries", e.Accounts, n)
	}
	if n := int64(len(v.lots)); e.Lots != n {
		return fmt.Errorf("counts %d lots, %d were made", e.Lots, n)
	}
	for id, a := range v.accounts {
		if !a.shown {
			return fmt.Errorf("account %d is missing before it", id)
		}
	}
	for id, l := range v.lots {
		if !l.shown {
			return fmt.Errorf("lot %d is missing before it", id)
		}
	}
	if e.Sealed < 0 || e.Sealed > v.chain.Place {
		return fmt.Errorf("says that %d places were sealed, of %d", e.Sealed, v.chain.Place)
	}
	if err := v.signed(e.Checkpoint); err != nil {
		return fmt.Errorf("the end %w", err)
	}
	v.Report.End, v.ended = e, true
	return nil
}
