package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/archive"
	"github.com/talkable/talkable/migrations"
)

func siteExport(c *config) *cobra.Command {
	var path string
	var wait time.Duration
	cmd := &cobra.Command{Use: "export SLUG", Short: "Write everything of a site into a file, for another installation", Args: cobra.ExactArgs(1),
		Long: `Writes all rows that every module has of the site, and its files, as they are at one moment: programme, members, ledger, people, orders, campaigns, referrals,
rewards, messages, numbers. It works beside a running platform, and waits for a moment in which nothing of the site is under way.

The file is as confidential as a copy of the database: it holds people, the secrets of webhooks, and hashes of API keys, which go on working where it
is imported. docs/moving.md says how to move.`,
		Example: "  talkable site export shop --out shop.zip\n  talkable site export shop | age -r age1… > shop.zip.age",
		RunE: beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, args []string) (err error) {
			s, err := p.gateway.SiteBySlug(ctx, args[0])
			if err != nil {
				return plain(err)
			}
			out := cmd.OutOrStdout()
			if path != "" {
				var file *os.File
				if file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
					return err
				}
				out = file
				defer func() {
					if err = errors.Join(err, file.Close()); err != nil {
						err = errors.Join(err, os.Remove(path))
					}
				}()
			}
			m := newMeter(cmd.ErrOrStderr(), "site "+s.Slug)
			defer m.done()
			var manifest *archive.Manifest
			err = p.alive(ctx, func(ctx context.Context) (err error) {
				manifest, err = p.export(ctx, out, archive.Site{ID: s.ID, Slug: s.Slug}, wait, m.count)
				return err
			})
			if err == nil {
				m.done()
				fmt.Fprintf(cmd.ErrOrStderr(), "site %s (%d), as of %s: %d rows, %d files\n", s.Slug, s.ID, manifest.ExportedAt.Format(time.RFC3339), manifest.Rows(), len(manifest.Files))
			}
			return err
		})}
	cmd.Flags().StringVar(&path, "out", "", "the file to write; there must be none (default: standard output)")
	cmd.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for a moment in which nothing of the site is under way")
	return cmd
}

// export writes a site as soon as it is at rest.
func (p *platform) export(ctx context.Context, w io.Writer, s archive.Site, wait time.Duration, progress func(done, all int64)) (*archive.Manifest, error) {
	for until := time.After(wait); ; {
		manifest, err := archive.Write(ctx, w, p.installation(), s, progress)
		busy, waits := errors.AsType[*archive.Busy](err)
		if !waits {
			return manifest, err
		}
		select {
		case <-until:
			return nil, fmt.Errorf("%w; --wait longer, or stop what writes", busy)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func siteImport(c *config) *cobra.Command {
	return &cobra.Command{Use: "import FILE", Short: "Take in a site that another installation has exported", Args: cobra.ExactArgs(1),
		Long: `Makes the site with all that the file has, or nothing. It keeps its number, its slug and all ids, so the installation must not have a site with one of these;
and it must be of the same version. Before anything is kept, every table is read back and compared with the file. It works beside a running platform.`,
		Example: "  talkable site import shop.zip\n  talkable ledger verify --site shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := archive.Open(args[0])
			if err != nil {
				return err
			}
			err = beside(c, func(ctx context.Context, p *platform, cmd *cobra.Command, _ []string) error {
				return p.restore(ctx, cmd, file)
			})(cmd, args)
			return errors.Join(err, file.Close())
		}}
}

func (p *platform) restore(ctx context.Context, cmd *cobra.Command, file *archive.Reader) error {
	s := file.Manifest.Site
	for _, step := range []struct {
		name string
		do   func(progress func(done, all int64)) error
	}{
		{"checking the file", func(progress func(done, all int64)) error { return file.Check(ctx, progress) }},
		{"site " + s.Slug, func(progress func(done, all int64)) error { return file.Restore(ctx, p.installation(), progress) }},
	} {
		m := newMeter(cmd.ErrOrStderr(), step.name)
		err := step.do(m.count)
		m.done()
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "site %s (%d) is here, as it was on %s: %d rows, %d files\n", s.Slug, s.ID, file.Manifest.ExportedAt.Format(time.RFC3339),
		file.Manifest.Rows(), len(file.Manifest.Files))
	fmt.Fprintf(cmd.OutOrStdout(), "check it: talkable ledger verify --site %s; docs/moving.md says what else has to move\n", s.Slug)
	return nil
}

// installation is what a site is taken from, or to.
func (p *platform) installation() archive.Installation {
	box := archive.Box{Open: p.calls.Open, Seal: p.calls.Seal}
	in := archive.Installation{Version: version, Now: p.now, Store: p.store, Sites: "gateway.site", Files: "gateway.asset_content",
		Days: map[string]string{"referral.visit": "referral.add_visit_days"}, Marks: []string{"referral.reminded"},
		Sealed: map[string]archive.Box{"notify.endpoint.secret": box, "notify.endpoint.old_secret": box, "notify.mail_hook.secret": box,
			"referral.decision_hook.secret": box, "referral.coupon_supply.secret": box, "loyalty.fulfilment_hook.secret": box}}
	for _, m := range migrations.Modules {
		in.Modules = append(in.Modules, archive.Module{Name: m, URL: p.dbs.urls[m]})
	}
	for _, consumer := range p.consumers {
		for _, source := range consumer.Sources() {
			in.Hearings = append(in.Hearings, archive.Hearing{Consumer: consumer.Name(), Source: source})
		}
	}
	return in
}
