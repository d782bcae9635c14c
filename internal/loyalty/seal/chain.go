// Package seal makes a site's points ledger provable: a chain of hashes over everything that was posted, signed checkpoints of it, and
// a dump that anybody can check without the database.
//
// # What is hashed
//
// A record is one transaction with its entries, its allocations and the lots that it made: all that is append-only, and nothing that says
// who somebody is. Free texts (descriptions, notes, references, reasons) stay outside, so erasing a person changes no record; of the rule that
// decided only its name and version are sealed.
//
// A record's bytes are its fields, one after the other. A field is its length in decimal digits, a colon, its bytes, and a comma (a
// netstring), so that no two records have the same bytes:
//
//	11:transaction, SITE ID MEMBER KIND REASON SOURCE POINTS ABOUT ORIGIN REFERRAL REWARD RULE VERSION EFFECTIVE RECORDED
//	count of entries,     each: ACCOUNT NAME OWNER ASSET AMOUNT SEQ BALANCE_AFTER   by account, then number
//	count of allocations, each: LOT AMOUNT                                          by lot
//	count of lots,        each: ID GRANTED                                          by id
//
// Numbers are decimal, with a minus below zero. What is missing is an empty field ("0:,"): an id that names nothing, the owner of an account of the
// site, a rule without a name or version. Times are UTC with six decimals: 2026-03-01T12:00:00.000000Z. The rule and its version are the members
// "rule" (a string) and "version" (an integer) of the decision as it was kept.
//
// # The chain
//
// Records stand in the order of their ids. With SHA-256, and the hashes as 32 bytes:
//
//	hash(0) = SHA-256( 17:talkable-ledger-1, SITE )
//	hash(n) = SHA-256( hash(n-1) record(n) )
//
// # Checkpoints
//
// A checkpoint says what the chain came to. Its signature is Ed25519 over these fields:
//
//	10:checkpoint, SITE DAY PLACE ID HASH ENTRIES ALLOCATIONS MADE_AT
//	count of sums, each: NAME SUM   by name
//
// PLACE is how many records there are, ID the last one's, HASH in lower-case hexadecimal digits, DAY as 2026-03-01. A sum is what the entries of
// all accounts of that name add up to, where accounts of another asset than "points" have it before their name ("stars:issued"); all sums of an asset
// add up to zero. The last line of a dump is a checkpoint without a day.
package seal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// Format is the name of the encoding: another one gets another name.
const Format = "talkable-ledger-1"

// Transaction is a record of the chain. What is 0 or "" names nothing.
type Transaction struct {
	ID          int64        `json:"id"`
	MemberID    int64        `json:"member_id"`
	Kind        string       `json:"kind"`
	Reason      string       `json:"reason"`
	Source      string       `json:"source"`
	Points      int64        `json:"points"`
	About       int64        `json:"about,omitempty"`
	OriginID    int64        `json:"origin_id,omitempty"`
	ReferralID  int64        `json:"referral_id,omitempty"`
	RewardID    int64        `json:"reward_id,omitempty"`
	Rule        string       `json:"rule,omitempty"`
	RuleVersion int64        `json:"rule_version,omitempty"`
	EffectiveAt time.Time    `json:"effective_at"`
	RecordedAt  time.Time    `json:"recorded_at"`
	Entries     []Entry      `json:"entries"`
	Allocations []Allocation `json:"allocations"`
	Lots        []Lot        `json:"lots"`
}

// Entry is what a transaction did to an account.
type Entry struct {
	TxnID     int64  `db:"txn_id" json:"-"`
	AccountID int64  `db:"account_id" json:"account_id"`
	Name      string `db:"name" json:"name"`
	OwnerID   int64  `db:"owner_id" json:"owner_id,omitempty"` // member; 0: the site
	Asset     string `db:"asset" json:"asset"`
	Amount    int64  `db:"amount" json:"amount"`
	Seq       int64  `db:"seq" json:"seq"`
	Balance   int64  `db:"balance_after" json:"balance_after"`
}

// mainAsset is that of a programme's main wallet, whose accounts are called by their names alone.
const mainAsset = "points"

// account is what the sums call the account of an entry.
func (e Entry) account() string {
	if e.Asset == mainAsset || e.Asset == "" {
		return e.Name
	}
	return e.Asset + ":" + e.Name
}

// Allocation is points that a transaction took out of a lot; below zero it gave them back.
type Allocation struct {
	TxnID  int64 `db:"txn_id" json:"-"`
	LotID  int64 `db:"lot_id" json:"lot_id"`
	Amount int64 `db:"amount" json:"amount"`
}

// Lot is points that a transaction made.
type Lot struct {
	TxnID   int64 `db:"txn_id" json:"-"`
	ID      int64 `db:"id" json:"id"`
	Granted int64 `db:"granted" json:"granted"`
}

// Hash is a place's in the chain.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes it as hexadecimal digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Hash) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	if err != nil || len(raw) != len(h) {
		return fmt.Errorf("%q is no hash of 64 hexadecimal digits", text)
	}
	copy(h[:], raw)
	return nil
}

// Chain is what the records so far come to.
type Chain struct {
	SiteID      int64            `json:"site_id"`
	Place       int64            `json:"place"` // how many records
	ID          int64            `json:"id"`    // of the last
	Hash        Hash             `json:"hash"`
	Entries     int64            `json:"entries"`
	Allocations int64            `json:"allocations"`
	Sums        map[string]int64 `json:"sums"` // of all entries, by the name of their accounts, and the asset where it isn't points
}

// Begin is a site's chain before its first record.
func Begin(siteID int64) Chain {
	b := field(field(nil, Format), strconv.FormatInt(siteID, 10))
	return Chain{SiteID: siteID, Hash: sha256.Sum256(b), Sums: map[string]int64{}}
}

// Clone is a chain that may go on by itself.
func (c Chain) Clone() Chain {
	c.Sums = maps.Clone(c.Sums)
	return c
}

// Add puts a record at the end. Its parts are in their order.
func (c *Chain) Add(t Transaction) {
	h := sha256.New()
	h.Write(c.Hash[:])
	h.Write(t.Bytes(c.SiteID))
	h.Sum(c.Hash[:0])
	c.Place, c.ID = c.Place+1, t.ID
	c.Entries, c.Allocations = c.Entries+int64(len(t.Entries)), c.Allocations+int64(len(t.Allocations))
	for _, e := range t.Entries {
		c.Sums[e.account()] += e.Amount
	}
}

// Bytes are what is hashed of a record: see the package's comment.
func (t Transaction) Bytes(siteID int64) []byte {
	b := make([]byte, 0, 512)
	b = field(b, "transaction")
	b = number(b, siteID, t.ID, t.MemberID)
	b = field(b, t.Kind, t.Reason, t.Source)
	b = number(b, t.Points)
	b = reference(b, t.About, t.OriginID, t.ReferralID, t.RewardID)
	b = field(b, t.Rule)
	b = reference(b, t.RuleVersion)
	b = field(b, stamp(t.EffectiveAt), stamp(t.RecordedAt))
	b = number(b, int64(len(t.Entries)))
	for _, e := range t.Entries {
		b = number(b, e.AccountID)
		b = field(b, e.Name)
		b = reference(b, e.OwnerID)
		b = field(b, e.Asset)
		b = number(b, e.Amount, e.Seq, e.Balance)
	}
	b = number(b, int64(len(t.Allocations)))
	for _, a := range t.Allocations {
		b = number(b, a.LotID, a.Amount)
	}
	b = number(b, int64(len(t.Lots)))
	for _, l := range t.Lots {
		b = number(b, l.ID, l.Granted)
	}
	return b
}

// RuleOf is what is sealed of a decision as it was kept.
func RuleOf(decision string) (name string, version int64) {
	var r struct {
		Rule    json.RawMessage `json:"rule"`
		Version json.RawMessage `json:"version"`
	}
	if json.Unmarshal([]byte(decision), &r) == nil { // each for itself: what is no name may stand beside a version
		_ = json.Unmarshal(r.Rule, &name)
		_ = json.Unmarshal(r.Version, &version)
	}
	return name, version
}

func field(b []byte, texts ...string) []byte {
	for _, text := range texts {
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(append(append(b, ':'), text...), ',')
	}
	return b
}

func number(b []byte, values ...int64) []byte {
	for _, v := range values {
		b = field(b, strconv.FormatInt(v, 10))
	}
	return b
}

// reference is a number of which 0 says that there is none.
func reference(b []byte, ids ...int64) []byte {
	for _, id := range ids {
		if id == 0 {
			b = field(b, "")
		} else {
			b = number(b, id)
		}
	}
	return b
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
