// Package freeport finds addresses for servers of tests that must know theirs before they listen, because they are started again
// on it, or are told it from outside.
//
// A port that the system hands out (":0") and that is closed again isn't free for long: any connection out of this machine may get it as
// its own, and the server that comes for it moments later fails. These ports are below all that systems hand out by themselves.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
)

const first, many = 20_000, 10_000

var (
	next  atomic.Int64
	twins sync.Map // by address; what nobody refers to would be closed
)

func init() { next.Store(rand.Int64N(many)) } // processes begin at different places

// test is what is needed of a testing.TB: programs that measure and shake take ports from here, too.
type test interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
}

// Address is a loopback address on which only the caller will listen, until its test ends.
func Address(t test) string {
	t.Helper()
	address, giveBack, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(giveBack)
	return address
}

// Take is Address for a whole process. The port's UDP twin is held until giveBack, which keeps the other tests of this machine from it.
func Take() (address string, giveBack func(), err error) {
	for range many {
		address = fmt.Sprintf("127.0.0.1:%d", first+next.Add(1)%many)
		twin, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil { // a server that is no test's
			_ = twin.Close()
			continue
		}
		_ = l.Close()
		twins.Store(address, twin)
		return address, func() {
			twins.Delete(address)
			_ = twin.Close()
		}, nil
	}
	return "", nil, fmt.Errorf("no port from %d to %d is free", first, first+many-1)
}
