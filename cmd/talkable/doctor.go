package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/notify"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/postgres/embedded"
	"github.com/talkable/talkable/migrations"
)

func doctorCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check database, settings, clocks and disk, and say what to do",
		Long:  "Looks at everything that the platform needs and changes nothing. It ends with failure when something must be mended.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &doctor{c: c, out: cmd.OutOrStdout()}
			d.settings()
			d.disk()
			d.listeners()
			d.mail(cmd.Context())
			d.assets(cmd.Context())
			d.ledger()
			d.databases(cmd.Context())
			if d.bad > 0 {
				fmt.Fprintf(d.out, "\n%d of %d checks failed\n", d.bad, d.checks)
				return errShown
			}
			fmt.Fprintf(d.out, "\nall %d checks passed\n", d.checks)
			return nil
		},
	}
}

type doctor struct {
	c           *config
	out         io.Writer
	checks, bad int
}

// report prints one finding; cure says what to do about it when it is bad.
func (d *doctor) report(what string, err error, cure, fine string) {
	d.checks++
	if err == nil {
		fmt.Fprintf(d.out, "ok    %-22s %s\n", what, fine)
		return
	}
	d.bad++
	fmt.Fprintf(d.out, "FAIL  %-22s %v\n      %-22s → %s\n", what, err, "", cure)
}

func (d *doctor) settings() { // they were checked before the command ran
	d.report("settings", nil, "", fmt.Sprintf("%d read; `talkable config` prints them", len(d.c.settings())))
	if d.c.DataDir == "/" {
		d.report("data directory", errors.New("is the root directory"), "set TALKABLE_DATA_DIR", "")
	}
}

const diskNeeded = 1 << 30

func (d *doctor) disk() {
	dir := d.c.DataDir
	for dir != "/" { // the directory may not be there yet; its parent then holds it
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	var fs syscall.Statfs_t
	err := syscall.Statfs(dir, &fs)
	free := fs.Bavail * uint64(fs.Bsize)
	if err == nil && free < diskNeeded {
		err = fmt.Errorf("%d MiB are free in %s", free>>20, dir)
	}
	d.report("disk", err, "free some space, or choose another TALKABLE_DATA_DIR", fmt.Sprintf("%d GiB free in %s", free>>30, dir))
}

func (d *doctor) listeners() {
	for name, address := range map[string]string{"LISTEN": d.c.Listen, "INTERNAL_LISTEN": d.c.InternalListen} {
		l, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			d.report("address "+address, nil, "", "in use: by a talkable that runs, or choose another with "+prefix+name)
			continue
		}
		if err == nil {
			err = l.Close()
		}
		d.report("address "+address, err, "choose another with "+prefix+name, "free")
	}
}

func (d *doctor) mail(ctx context.Context) {
	if d.c.SMTPURL == "" {
		d.report("mail", nil, "", "caught in "+filepath.Join(d.c.DataDir, "mail")+"; set TALKABLE_SMTP_URL to send it")
		return
	}
	server, err := notify.ParseSMTP(d.c.SMTPURL)
	if err != nil {
		d.report("mail", err, "mend TALKABLE_SMTP_URL: smtp://user:password@host:587?tls=starttls", "")
		return
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(server.Host, strconv.Itoa(server.Port)))
	if err == nil {
		err = conn.Close()
	}
	d.report("mail", err, "is the server up, and may this machine reach it?", net.JoinHostPort(server.Host, strconv.Itoa(server.Port))+" answers")
}

func (d *doctor) assets(ctx context.Context) {
	store, err := d.c.assets()
	if err != nil {
		d.report("assets", err, "mend TALKABLE_ASSETS_URL", "")
		return
	}
	d.report("assets", store.Check(ctx), "make it, or choose another place with TALKABLE_ASSETS_URL", "kept in "+store.String())
}

func (d *doctor) ledger() {
	switch {
	case d.c.ledgerKey != nil:
		d.report("ledger key", nil, "", "set; `talkable ledger key` prints its public part")
	case d.c.embedded():
		d.report("ledger key", nil, "", "kept in "+filepath.Join(d.c.DataDir, "ledger.key")+", made at the first start")
	default:
		d.report("ledger key", nil, "", "none: the ledger's checkpoints are not signed; set TALKABLE_LEDGER_KEY")
	}
}

func (d *doctor) databases(ctx context.Context) {
	if d.c.embedded() {
		server, running, err := embedded.Attach(d.c.DataDir)
		if err == nil && !running {
			d.report("embedded database", nil, "", "not running; checking it by starting it")
			server, err = embedded.Start(ctx, embedded.Config{DataDir: d.c.DataDir, BinDir: d.c.PostgresBin, Log: zerolog.Nop()})
		}
		if err != nil {
			d.report("embedded database", err, "mend that, or set TALKABLE_DATABASE_URL to a PostgreSQL of yours", "")
			return
		}
		defer func() {
			if err := server.Stop(context.WithoutCancel(ctx)); err != nil {
				d.report("embedded database", err, "look at "+filepath.Join(d.c.DataDir, "postgres.log"), "")
			}
		}()
		if err := createDatabase(ctx, server.URL("postgres")); err != nil {
			d.report("embedded database", err, "look at "+filepath.Join(d.c.DataDir, "postgres.log"), "")
			return
		}
		d.schemas(ctx, d.c.urls(server.URL(embeddedDatabase)), true)
		return
	}
	d.schemas(ctx, d.c.urls(d.c.DatabaseURL), false)
}

func (d *doctor) schemas(ctx context.Context, urls map[string]string, ours bool) {
	seen := map[string]bool{}
	for _, m := range migrations.Modules {
		if url := urls[m]; !seen[url] {
			seen[url] = true
			db, err := postgres.Open(ctx, postgres.Pool{URL: url, Application: "talkable doctor", Size: 1})
			if err != nil {
				d.report("database of "+m, err, "is the server up, and is the address right?", "")
				continue
			}
			found, err := postgres.CheckServer(ctx, db)
			d.report("database of "+m, err, "see the text above", "PostgreSQL "+found+", durable")
			d.clocks(ctx, db)
			db.Close()
		}
		n, err := migrations.Schema(m).Behind(ctx, urls[m])
		if err == nil && n > 0 && ours {
			d.report("schema "+m, nil, "", fmt.Sprintf("%d migrations to run; serve does it at its start", n))
			continue
		}
		if err == nil && n > 0 {
			err = fmt.Errorf("%d migrations are missing", n)
		}
		d.report("schema "+m, err, "run `talkable migrate`", "up to date")
	}
}

const clockTolerance = 2 * time.Second

func (d *doctor) clocks(ctx context.Context, db *sqlx.DB) {
	var theirs time.Time
	before := clock.System()
	err := db.GetContext(ctx, &theirs, `select clock_timestamp()`)
	apart := theirs.Sub(before)
	if err == nil && (apart > clockTolerance || apart < -clockTolerance) {
		err = fmt.Errorf("this machine and the database are %s apart", apart.Round(time.Millisecond))
	}
	d.report("clocks", err, "let both follow a time server (NTP)", "agree within "+clockTolerance.String())
}
