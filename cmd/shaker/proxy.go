package main

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// proxy stands between the replicas and PostgreSQL, so that connections can be cut, held up, and robbed of their answers.
type proxy struct {
	listener net.Listener
	target   atomic.Pointer[string] // path of PostgreSQL's socket
	deaf     atomic.Bool            // what PostgreSQL answers goes nowhere
	gate     sync.RWMutex           // held for writing while nothing passes

	mu    sync.Mutex
	pairs map[*link]bool
	done  sync.WaitGroup
}

type link struct{ client, server net.Conn }

func startProxy(target string) (*proxy, error) {
	l, err := listenLow()
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, pairs: map[*link]bool{}}
	p.aim(target)
	p.done.Go(p.accept)
	return p, nil
}

func (p *proxy) aim(target string) { p.target.Store(&target) }

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.done.Go(func() { p.serve(client) })
	}
}

func (p *proxy) serve(client net.Conn) {
	server, err := net.DialTimeout("unix", *p.target.Load(), time.Second)
	if err != nil {
		reset(client) // PostgreSQL is away
		return
	}
	one := &link{client, server}
	p.mu.Lock()
	p.pairs[one] = true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, nil); _ = server.Close() })
	both.Go(func() { p.copy(client, server, &p.deaf); _ = client.Close() })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, one)
	p.mu.Unlock()
}

func (p *proxy) copy(to, from net.Conn, lose *atomic.Bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.gate.RLock()
		lost := lose != nil && lose.Load()
		p.gate.RUnlock()
		if n > 0 && !lost {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut resets every connection and says how many there were.
func (p *proxy) cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for one := range p.pairs {
		reset(one.client)
		_ = one.server.Close()
	}
	return len(p.pairs)
}

// hold lets nothing pass for a while.
func (p *proxy) hold(d time.Duration) {
	p.gate.Lock()
	time.Sleep(d)
	p.gate.Unlock()
}

// rob loses all answers for a while, then cuts: what was committed meanwhile was committed without anybody knowing.
func (p *proxy) rob(d time.Duration) {
	p.deaf.Store(true)
	time.Sleep(d)
	p.cut()
	p.deaf.Store(false)
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.cut()
	p.done.Wait()
}

// reset closes with RST, as a machine does that has forgotten the connection.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
