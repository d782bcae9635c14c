// Package leaktest looks for goroutines that tests have left behind. It is goleak with patience: on a busy machine what has been told to end
// may take longer than the half second that goleak waits.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// longest is how long a machine may take, at the very most, to do what it does at once when it isn't busy. A test that passes never waits
// for it.
const longest = time.Minute

// Main runs a package's tests, and then looks.
func Main(m *testing.M, ignore ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		if err := find(ignore); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// None fails the test if anything is left.
func None(t testing.TB, ignore ...goleak.Option) {
	t.Helper()
	if err := find(ignore); err != nil {
		t.Error(err)
	}
}

func find(ignore []goleak.Option) (err error) {
	for end := time.Now().Add(longest); ; {
		if err = goleak.Find(ignore...); err == nil || time.Now().After(end) {
			return err
		}
	}
}
