package freeport_test

import (
	"net"
	"testing"

	"github.com/talkable/talkable/internal/freeport"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 200 {
		a := freeport.Address(t)
		if seen[a] {
			t.Fatalf("%s is given twice", a)
		}
		seen[a] = true
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}
