package leaktest

import "testing"

// What ends late is waited for.
func TestNone(t *testing.T) {
	stop, left := make(chan struct{}), make(chan struct{})
	go func() { defer close(left); <-stop }()
	go close(stop)
	None(t)
	<-left
}
