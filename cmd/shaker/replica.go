package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/talkable/talkable/internal/freeport"
)

// replica is one `talkable serve`, started again whenever it ends.
type replica struct {
	number            int
	binary            string
	env               []string
	address, internal string
	log               string // path
	*client

	next    func() string               // the failpoint that the next life is armed with, "" for none
	ended   func(armed string, how end) // told of each end
	mu      sync.Mutex
	cmd     *exec.Cmd
	armed   string
	struck  bool // we have ended this life ourselves
	up      bool // this life has been ready
	stopped bool
	done    chan struct{}
}

// end is how a life ended.
type end struct {
	struck bool // by us
	killed bool // by SIGKILL, which is what a failpoint does
	ready  bool // it had been up
	err    error
}

// listenLow listens on a port that the system gives to nobody by itself, so that nobody takes it while its server is away.
func listenLow() (net.Listener, error) {
	address, _, err := freeport.Take()
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp", address)
}

func newReplica(number int, binary, dir string, env []string) (*replica, error) {
	r := &replica{number: number, binary: binary, log: filepath.Join(dir, fmt.Sprintf("replica-%d.log", number)), done: make(chan struct{}),
		next: func() string { return "" }, ended: func(string, end) {}}
	var err error
	if r.address, _, err = freeport.Take(); err == nil {
		r.internal, _, err = freeport.Take()
	}
	if err != nil {
		return nil, err
	}
	r.client = newClient(r.address)
	r.env = append(append([]string(nil), env...), "TALKABLE_LISTEN="+r.address, "TALKABLE_INTERNAL_LISTEN="+r.internal,
		"TALKABLE_PUBLIC_URL=http://share.example", "TALKABLE_DATA_DIR="+filepath.Join(dir, fmt.Sprintf("data-%d", number)))
	return r, nil
}

// start begins the first life and sees to the following ones.
func (r *replica) start(ctx context.Context) error {
	if err := r.launch(); err != nil {
		return err
	}
	go r.watch()
	return r.await(ctx)
}

// heed sets who arms its lives and who mourns them.
func (r *replica) heed(next func() string, ended func(string, end)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next, r.ended = next, ended
}

func (r *replica) hooks() (next func() string, ended func(string, end)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.next, r.ended
}

func (r *replica) launch() error {
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	next, _ := r.hooks()
	armed := next()
	cmd := exec.Command(r.binary, "serve")
	cmd.Env, cmd.Stdout, cmd.Stderr = r.env, log, log
	if armed != "" {
		cmd.Env = append(append([]string(nil), r.env...), "TALKABLE_FAILPOINT="+armed)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us
	if err := cmd.Start(); err != nil {
		return err
	}
	r.mu.Lock()
	r.cmd, r.armed, r.struck, r.up = cmd, armed, false, false
	r.mu.Unlock()
	go r.probe(cmd)
	return nil
}

// probe notes when a life is ready.
func (r *replica) probe(cmd *exec.Cmd) {
	for {
		ready := r.ready()
		r.mu.Lock()
		same := r.cmd == cmd && !r.stopped
		if same && ready {
			r.up = true
		}
		r.mu.Unlock()
		if !same || ready {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (r *replica) ready() bool {
	res, err := r.http.Get("http://" + r.internal + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func (r *replica) watch() {
	defer close(r.done)
	for {
		err := r.cmd.Wait()
		r.mu.Lock()
		how := end{struck: r.struck || r.stopped, err: err, ready: r.up}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			status, ok := exit.Sys().(syscall.WaitStatus)
			how.killed = ok && status.Signaled() && status.Signal() == syscall.SIGKILL
		}
		armed, stopped := r.armed, r.stopped
		r.mu.Unlock()
		_, mourn := r.hooks()
		mourn(armed, how)
		if stopped {
			return
		}
		if !how.killed && err != nil { // it could not start: PostgreSQL is away
			time.Sleep(100 * time.Millisecond)
		}
		if err := r.launch(); err != nil {
			mourn("", end{ready: true, err: err})
			return
		}
	}
}

// signal sends sig to the present life; ends says that it will not survive.
func (r *replica) signal(sig os.Signal, ends bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.struck = r.struck || ends
	_ = r.cmd.Process.Signal(sig) // it may have ended just now
}

// await waits until it is ready.
func (r *replica) await(ctx context.Context) error {
	for !r.ready() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("replica %d does not get ready: %w\n%s", r.number, ctx.Err(), r.tail())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (r *replica) tail() string {
	text, err := os.ReadFile(r.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-3000):])
}

// stop ends it for good.
func (r *replica) stop() {
	r.mu.Lock()
	r.stopped = true
	cmd := r.cmd
	r.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(15 * time.Second):
		_ = cmd.Process.Kill()
		<-r.done
	}
}
