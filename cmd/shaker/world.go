package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/mailsink"
	"github.com/talkable/talkable/internal/postgres/embedded"
)

// world is everything that a run owns: a PostgreSQL, a proxy before it, two replicas of the real binary, a mail server, a
// server of the merchants for webhooks, a provider of SMS, a directory.
type world struct {
	dir, binary string
	server      *embedded.Server
	disk        *disk // nil: no disk that can be filled
	admin       *sqlx.DB
	proxy       *proxy
	replicas    [2]*replica
	sites       [2]shop
	post        *postOffice
	hooks       *hookSink
	texts       *textOffice
	phones      phones
	club        club
	home        home
	history     *history
	tally       *tally
	calm        int64 // since when nothing is done to it, in microseconds of the history
	env         []string
}

func makeWorld(ctx context.Context, dir, binary string) (*world, error) {
	w := &world{dir: dir, binary: binary, tally: newTally()}
	var err error
	if w.history, err = createHistory(filepath.Join(dir, "history.jsonl")); err != nil {
		return w, err
	}
	if w.binary == "" {
		if w.binary, err = buildBinary(ctx, dir); err != nil {
			return w, err
		}
	}
	if err := w.startPostgres(ctx); err != nil {
		return w, err
	}
	if w.admin, err = sqlx.ConnectContext(ctx, "postgres", w.server.URL("postgres")); err != nil {
		return w, err
	}
	place := ""
	if w.disk, err = smallDisk(dir, filepath.Join(dir, "postgres")); err == nil {
		if _, err := w.admin.ExecContext(ctx, "create tablespace small location '"+w.disk.path+"'"); err != nil {
			return w, err
		}
		place = " tablespace small"
	} else {
		w.tally.skip("fault "+faultDisk, err)
		w.tally.skip("writes that found the disk full", err)
	}
	if _, err := w.admin.ExecContext(ctx, "create database talkable"+place); err != nil {
		return w, err
	}
	w.admin.Close()
	if w.admin, err = sqlx.ConnectContext(ctx, "postgres", w.server.URL("talkable")); err != nil {
		return w, err
	}
	if w.proxy, err = startProxy(w.socket()); err != nil {
		return w, err
	}
	if w.post, err = openPostOffice(filepath.Join(dir, "mail")); err != nil {
		return w, err
	}
	if w.hooks, err = openHookSink(w.tally); err != nil {
		return w, err
	}
	if w.texts, err = openTextOffice(dir, w.tally); err != nil {
		return w, err
	}
	w.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TALKABLE_FAILPOINT_PAUSE=bus.before_commit:20ms:4", "TALKABLE_DATABASE_URL=postgres://postgres@" + w.proxy.address() + "/talkable?sslmode=disable",
		"TALKABLE_SMTP_URL=" + w.post.sink.URL(), "TALKABLE_LOG_FORMAT=json", "TALKABLE_LOG_LEVEL=warn", "TALKABLE_RATE_LIMIT=1000000000",
		"TALKABLE_TRUSTED_PROXIES=127.0.0.0/8", "TALKABLE_PRIVATE_TARGETS=true", "TALKABLE_SMS_URL=" + w.texts.sink.URL()}
	if _, err := w.command(ctx, "migrate"); err != nil {
		return w, err
	}
	for i := range w.replicas {
		if w.replicas[i], err = newReplica(i, w.binary, dir, w.env); err != nil {
			return w, err
		}
	}
	return w, w.makeSites(ctx)
}

// buildBinary builds the program with its failpoints.
func buildBinary(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "talkable")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "failpoint", "-o", path, "github.com/talkable/talkable/cmd/talkable")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build talkable: %w\n%s", err, out)
	}
	return path, nil
}

func (w *world) startPostgres(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var err error
	w.server, err = embedded.Start(ctx, embedded.Config{DataDir: w.dir, BinDir: os.Getenv("PG_BINDIR"), Log: zerolog.Nop(),
		Settings: map[string]string{"log_min_duration_statement": "-1", "shared_buffers": "128MB"}})
	return err
}

// socket is the path of PostgreSQL's unix socket.
func (w *world) socket() string {
	u, err := url.Parse(w.server.URL("talkable"))
	if err != nil {
		panic(err) // embedded has just made it
	}
	return filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))
}

// crashPostgres stops PostgreSQL as a loss of power to its processes does, and starts it again.
func (w *world) crashPostgres(ctx context.Context) error {
	_ = syscall.Kill(w.server.PID(), syscall.SIGQUIT) // immediate
	select {
	case <-w.server.Done():
	case <-time.After(20 * time.Second):
		return errors.New("PostgreSQL does not stop")
	}
	if err := w.server.Stop(ctx); err != nil { // gives the lock back
		return err
	}
	if err := w.startPostgres(ctx); err != nil {
		return err
	}
	w.proxy.aim(w.socket())
	return nil
}

// command runs the program beside the replicas.
func (w *world) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.binary, args...)
	cmd.Env = append(append([]string(nil), w.env...), "TALKABLE_DATA_DIR="+filepath.Join(w.dir, "data-commands"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("talkable %s: %w: %s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), nil
}

// close ends everything; keep leaves the data.
func (w *world) close(keep bool) error {
	var stops sync.WaitGroup
	for _, r := range w.replicas {
		if r != nil && r.cmd != nil {
			stops.Go(r.stop)
		}
	}
	stops.Wait()
	if w.proxy != nil {
		w.proxy.close()
	}
	var err error
	if w.post != nil {
		err = w.post.sink.Close()
	}
	if w.hooks != nil {
		err = errors.Join(err, w.hooks.close())
	}
	if w.texts != nil {
		err = errors.Join(err, w.texts.sink.Close())
	}
	if w.admin != nil {
		w.admin.Close()
	}
	if w.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = errors.Join(err, w.server.Stop(ctx))
	}
	if w.disk != nil {
		err = errors.Join(err, w.disk.close(keep))
	}
	if w.history != nil {
		err = errors.Join(err, w.history.close())
	}
	return err
}

// postOffice is the mail server: it remembers what it took, and misbehaves while asked to.
type postOffice struct {
	sink  *mailsink.Sink
	mu    sync.Mutex
	taken map[string]int // by Message-ID
	rude  func() mailsink.Reply
}

var messageID = regexp.MustCompile(`(?im)^Message-ID:\s*(\S+)`)

func openPostOffice(dir string) (*postOffice, error) {
	p := &postOffice{taken: map[string]int{}}
	var err error
	p.sink, err = mailsink.Start(dir, mailsink.Options{Keep: 100, OnMail: p.take, OnData: func(mailsink.Mail) mailsink.Reply {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.rude == nil {
			return mailsink.Reply{}
		}
		return p.rude()
	}})
	return p, err
}

func (p *postOffice) take(m mailsink.Mail) {
	id := ""
	if found := messageID.FindSubmatch(m.Data); found != nil {
		id = string(found[1])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken[id]++
}

func (p *postOffice) behave(rude func() mailsink.Reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rude = rude
}
