package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/loyalty/seal"
)

// exitDiffers is what a process ends with whose check has found a difference; 1 is that it could not check.
const exitDiffers = 2

func ledgerCommand(c *config) *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Export the points ledger, and prove that nobody has rewritten it",
		Long: `Each site's transactions of points form a chain of hashes, which the running platform extends and signs once a day (UTC). A dump holds all that is
hashed, and no personal data: member ids, points, times. docs/loyalty.md says byte by byte how it is hashed, so that anybody can write a check of their own.`}
	cmd.AddCommand(ledgerExport(c), ledgerVerify(c), ledgerKey(c))
	return cmd
}

func ledgerExport(c *config) *cobra.Command {
	var slug, path string
	cmd := &cobra.Command{Use: "export", Short: "Write a site's ledger as NDJSON", Args: cobra.NoArgs,
		Long: `Writes every transaction with its entries, allocations and lots in the order of the chain, its anchors and checkpoints, and the balances: all of one
moment, as a stream. The last line is signed with TALKABLE_LEDGER_KEY. It works beside a running platform and holds nobody up.`,
		Example: "  talkable ledger export --site shop --out shop.ndjson\n  talkable ledger export --site shop | zstd > shop.ndjson.zst",
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, _ []string) (err error) {
			s, err := p.gateway.SiteBySlug(ctx, slug)
			if err != nil {
				return plain(err)
			}
			out := cmd.OutOrStdout()
			if path != "" {
				var file *os.File
				if file, err = os.Create(path); err != nil {
					return err
				}
				defer func() { err = errors.Join(err, file.Close()) }()
				out = file
			}
			m := newMeter(cmd.ErrOrStderr(), "ledger of "+s.Slug)
			defer m.done()
			return p.points.DumpLedger(ctx, out, s.ID, s.Slug, m.count)
		})}
	cmd.Flags().StringVar(&slug, "site", "", "the site's slug")
	_ = cmd.MarkFlagRequired("site") // the flag exists
	cmd.Flags().StringVar(&path, "out", "", "the file to write (default: standard output)")
	return cmd
}

func ledgerVerify(c *config) *cobra.Command {
	var slug string
	var keys []string
	cmd := &cobra.Command{Use: "verify [FILE]", Short: "Check a dump without the platform, or a site in the database", Args: cobra.MaximumNArgs(1),
		Long: `Checks the chain, that the entries of every transaction sum to zero, each account's numbers and balances, that lots are neither overdrawn nor allocated
twice, all sums, and the signatures; and says where the first difference is. FILE needs neither database nor settings; "-" is standard input.
With --site the ledger is read from the database instead.

Give the platform's public key (talkable ledger key, kept elsewhere since) as --key: then every checkpoint must be signed by it. Without one it is only
known that the signatures belong to what they sign, not whose they are.

It ends with 0 if all is as it should be, 2 if something differs, and 1 if it couldn't be checked.`,
		Example: "  talkable ledger verify shop.ndjson --key 11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n  talkable ledger verify --site shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			trusted := make([]ed25519.PublicKey, len(keys))
			for i, text := range keys {
				var err error
				if trusted[i], err = seal.ParsePublicKey(text); err != nil {
					return fmt.Errorf("--key %s: %w", text, err)
				}
			}
			switch {
			case (slug == "") == (len(args) == 0):
				return errors.New("name a FILE or a --site, and not both")
			case slug == "":
				report, err := verifyFile(cmd, args[0], trusted)
				return tellVerified(cmd.OutOrStdout(), report, err)
			}
			return beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, _ []string) error {
				s, err := p.gateway.SiteBySlug(ctx, slug)
				if err != nil {
					return plain(err)
				}
				m := newMeter(cmd.ErrOrStderr(), "ledger of "+s.Slug)
				report, err := p.points.VerifyLedger(ctx, s.ID, s.Slug, trusted, m.count)
				m.done()
				return tellVerified(cmd.OutOrStdout(), report, err)
			})(cmd, args)
		}}
	cmd.Flags().StringVar(&slug, "site", "", "check this site in the database")
	cmd.Flags().StringSliceVar(&keys, "key", nil, "public key that has signed, in base64; several where it was changed")
	return cmd
}

func verifyFile(cmd *cobra.Command, path string, keys []ed25519.PublicKey) (seal.Report, error) {
	if path == "-" {
		return seal.Verify(cmd.InOrStdin(), keys, nil)
	}
	file, err := os.Open(path)
	if err != nil {
		return seal.Report{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return seal.Report{}, err
	}
	m := newMeter(cmd.ErrOrStderr(), filepath.Base(path))
	defer m.done()
	return seal.Verify(file, keys, func(read int64) { m.count(read, info.Size()) })
}

// tellVerified prints what was found.
func tellVerified(out io.Writer, r seal.Report, err error) error {
	var d *seal.Difference
	if errors.As(err, &d) {
		fmt.Fprintf(out, "NOT as it should be, first at line %d:\n  %s\nUp to there %d transactions, %d anchors and %d checkpoints are right.\n", d.Line, d.What, r.Places, r.Anchors, r.Checkpoints)
		return exitCode(exitDiffers)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "site %d (%s), %s: all is as it should be\n", r.Ledger.SiteID, r.Ledger.Site, r.Ledger.ExportedAt.Format("2006-01-02 15:04:05 MST"))
	fmt.Fprintf(out, "  %d transactions (%d sealed), %d entries, %d allocations, %d accounts, %d lots\n", r.End.Place, r.End.Sealed, r.End.Entries, r.End.Allocations, r.End.Accounts, r.End.Lots)
	fmt.Fprintf(out, "  hash %s\n", r.End.Hash)
	if r.Key == nil {
		fmt.Fprintf(out, "  %d checkpoints, none signed: that nobody has rewritten all of it can't be known\n", r.Checkpoints)
	} else {
		fmt.Fprintf(out, "  %d checkpoints; %d signatures, with the last line's, by %s\n", r.Checkpoints, r.Signed, base64.StdEncoding.EncodeToString(r.Key))
	}
	return nil
}

func ledgerKey(c *config) *cobra.Command {
	return &cobra.Command{Use: "key", Short: "Print the public key of the ledger's checkpoints", Args: cobra.NoArgs,
		Long: "Prints the public part of TALKABLE_LEDGER_KEY, in base64. With the embedded database that key is made at the first start, in DATA_DIR/ledger.key.\n" +
			"Keep what is printed away from the platform: whoever checks a dump later needs it to know who signed.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := c.signer(c.embedded())
			if err != nil {
				return err
			}
			if key == nil {
				return errors.New("there is no key: set TALKABLE_LEDGER_KEY to 32 random bytes in base64, as `openssl rand -base64 32` makes them")
			}
			fmt.Fprintln(cmd.OutOrStdout(), base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey)))
			return nil
		}}
}

// signer is the key that signs the ledger's checkpoints: the configured one, or, where the database is our own, one that is made up at the first
// start and kept beside it. nil: there is none, for replicas on a shared database would each make up another.
func (c *config) signer(embedded bool) (ed25519.PrivateKey, error) {
	if c.ledgerKey != nil || !embedded {
		return c.ledgerKey, nil
	}
	path := filepath.Join(c.DataDir, "ledger.key")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = makeLedgerKey(path); err != nil {
			return nil, fmt.Errorf("make the ledger's key: %w", err)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the ledger's key: %w", err)
	}
	key, err := seal.ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// makeLedgerKey writes a new key. Of two processes that do so at once one wins, and both use its key.
func makeLedgerKey(path string) ([]byte, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), "ledger-*.key") // only its owner may read it
	if err != nil {
		return nil, err
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(base64.StdEncoding.EncodeToString(seed))
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}
