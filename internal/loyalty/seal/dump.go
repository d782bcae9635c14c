package seal

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// A dump is a file of lines, each a JSON object with one of these members: first the ledger; then the transactions in their order, with anchors and
// checkpoints where the chain had come to them; then the accounts and lots as they were at that moment; at last the end.
type line struct {
	Ledger      *Ledger     `json:"ledger,omitempty"`
	Transaction *Sealed     `json:"transaction,omitempty"`
	Anchor      *Anchor     `json:"anchor,omitempty"`
	Checkpoint  *Checkpoint `json:"checkpoint,omitempty"`
	Account     *Account    `json:"account,omitempty"`
	Lot         *LotLeft    `json:"lot,omitempty"`
	End         *End        `json:"end,omitempty"`
}

// Ledger is what a dump is of.
type Ledger struct {
	Format     string    `json:"format"`
	SiteID     int64     `json:"site_id"`
	Site       string    `json:"site"`
	ExportedAt time.Time `json:"exported_at"`
}

// Sealed is a transaction at its place of the chain.
type Sealed struct {
	Place int64 `json:"place"`
	Transaction
	Hash Hash `json:"hash"`
}

// Anchor is what the chain came to at a place, as it was kept when that was sealed.
type Anchor struct {
	Place int64 `db:"place" json:"place"`
	ID    int64 `db:"txn_id" json:"id"`
	Hash  Hash  `db:"-" json:"hash"`
}

// Account is an account with the balance that it has.
type Account struct {
	ID      int64  `db:"id" json:"id"`
	Name    string `db:"name" json:"name"`
	OwnerID int64  `db:"owner_id" json:"owner_id,omitempty"`
	Seq     int64  `db:"seq" json:"seq"`
	Balance int64  `db:"balance" json:"balance"`
}

// LotLeft is a lot with what is left of it.
type LotLeft struct {
	ID        int64 `db:"id" json:"id"`
	Remaining int64 `db:"remaining" json:"remaining"`
}

// End says how much there was, and signs all of it.
type End struct {
	Checkpoint
	Sealed   int64 `json:"sealed"` // places that the platform had sealed; those behind may still move to later places
	Accounts int64 `json:"accounts"`
	Lots     int64 `json:"lots"`
}

// Dump writes one.
type Dump struct {
	w     *bufio.Writer
	out   *json.Encoder
	Chain Chain
	end   End
}

// NewDump begins a dump.
func NewDump(w io.Writer, l Ledger) (*Dump, error) {
	d := &Dump{w: bufio.NewWriterSize(w, 1<<16), Chain: Begin(l.SiteID)}
	d.out = json.NewEncoder(d.w)
	d.out.SetEscapeHTML(false)
	l.Format = Format
	return d, d.put(line{Ledger: &l})
}

func (d *Dump) put(l line) error {
	if err := d.out.Encode(l); err != nil {
		return fmt.Errorf("write the dump: %w", err)
	}
	return nil
}

// Transaction writes the next one.
func (d *Dump) Transaction(t Transaction) error {
	d.Chain.Add(t)
	return d.put(line{Transaction: &Sealed{Place: d.Chain.Place, Transaction: t, Hash: d.Chain.Hash}})
}

// Anchor writes what the chain had come to.
func (d *Dump) Anchor(a Anchor) error { return d.put(line{Anchor: &a}) }

// Checkpoint writes one where the chain had come to it.
func (d *Dump) Checkpoint(k Checkpoint) error { return d.put(line{Checkpoint: &k}) }

// Sealed says that the platform had sealed what was written so far.
func (d *Dump) Sealed() { d.end.Sealed = d.Chain.Place }

// Account writes an account.
func (d *Dump) Account(a Account) error {
	d.end.Accounts++
	return d.put(line{Account: &a})
}

// Lot writes a lot.
func (d *Dump) Lot(l LotLeft) error {
	d.end.Lots++
	return d.put(line{Lot: &l})
}

// End signs the dump, by sign, and writes what is left of it.
func (d *Dump) End(sign func(Chain) Checkpoint) error {
	d.end.Checkpoint = sign(d.Chain)
	if err := d.put(line{End: &d.end}); err != nil {
		return err
	}
	if err := d.w.Flush(); err != nil {
		return fmt.Errorf("write the dump: %w", err)
	}
	return nil
}
