// Package archive takes a site out of one installation and into another: all rows of all modules that are the site's, and its files, as one file.
//
// It knows no table. The database's catalogue says which there are, what they hold, in which order they can be filled and which sequences number
// them: a table whose first column is site_id is the sites'. So what a module adds tomorrow is in the file without a line here. What belongs to the
// installation stays where it is: the log of events (each has been heard, or nothing is written), the cursors, the platform's own secrets.
//
// # The file
//
// A ZIP: for each table MODULE/TABLE.ndjson, a row a line, which is a JSON array of PostgreSQL's text of each value, or null; the contents of assets as
// asset/FINGERPRINT; and at last manifest.json, which has counts and SHA-256 sums of all that, and says of which migrations and columns the tables are. Rows
// are in the order of their keys, so the same site gives the same bytes wherever it is.
//
// # What is promised
//
//   - A database is read at one moment. Where modules have databases of their own their moments differ by as long as it takes to open them; what was told between
//     them is seen, and they are taken again.
//   - Restore writes a site that isn't there, with its ids, or nothing: a transaction in each database, committed one after the other, the gateway's, which
//     makes the site known, at last. Before that every table is read back, and is what the file says, byte for byte.
//   - No name of the file gets into SQL: what the file says is compared with the catalogue, and the catalogue's names are used.
package archive

import (
	"time"

	"github.com/talkable/talkable/internal/asset"
	"github.com/talkable/talkable/internal/clock"
)

// Installation is where a site is taken from, or to.
type Installation struct {
	Modules  []Module // the first is the one that knows the sites: it is committed last
	Hearings []Hearing
	Store    asset.Store
	Version  string
	Now      clock.Clock

	Sealed map[string]Box    // columns whose bytes only this installation can read: "schema.table.column"
	Days   map[string]string // tables parted by days, and the function that makes their partitions: "schema.table" to "schema.function"
	Marks  []string          // tables of one row that say how far something came over all sites, by all their columns but the first: "schema.table"
	Sites  string            // the table of the sites: "schema.table"
	Files  string            // the table that has the fingerprints of stored files: "schema.table"
}

// Module is a schema, and the database that it is in, as its owner.
type Module struct{ Name, URL string }

// Hearing says that a consumer hears a module.
type Hearing struct{ Consumer, Source string }

// Box opens and seals what only one installation can read.
type Box struct {
	Open func(siteID int64, sealed []byte) (string, error)
	Seal func(siteID int64, secret string) ([]byte, error)
}

const (
	format       = "talkable-site-1"
	manifestName = "manifest.json"
	mostManifest = 16 << 20
	mostLine     = 256 << 20       // a row
	mostID       = int64(1) << 53  // ids behind it would leave too few to whoever comes next
	mostDays     = 4000            // of a table that is parted by days
	lockPatience = "30s"           // for a sequence that another transaction uses
	clockSkew    = 5 * time.Minute // by how much the moment of an export may be ahead of our clock
)

// Manifest is what a file says of itself.
type Manifest struct {
	Format     string    `json:"format"`
	Site       Site      `json:"site"`
	ExportedAt time.Time `json:"exported_at"`
	Version    string    `json:"version"`
	Modules    []Part    `json:"modules"`
	Files      []File    `json:"files"`
}

// Site is whose file it is.
type Site struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
}

// Part is what a file has of a module.
type Part struct {
	Name       string            `json:"name"`
	Migrations []int64           `json:"migrations"`
	Tables     []Table           `json:"tables"`
	Sequences  map[string]int64  `json:"sequences"` // the last number that each has given
	Marks      map[string]string `json:"marks,omitempty"`
}

// Table is what a file has of a table.
type Table struct {
	Name    string   `json:"name"`
	Columns []string `json:"columns"` // each with its type
	Rows    int64    `json:"rows"`
	Bytes   int64    `json:"bytes"`
	SHA256  string   `json:"sha256"`
	Days    []string `json:"days,omitempty"` // the first and the last, of a table that is parted by days
}

// File is a stored content.
type File struct {
	Fingerprint string `json:"fingerprint"` // its SHA-256
	Bytes       int64  `json:"bytes"`
}

// Rows is how many there are in all.
func (m *Manifest) Rows() (n int64) {
	for _, p := range m.Modules {
		for _, t := range p.Tables {
			n += t.Rows
		}
	}
	return n
}
