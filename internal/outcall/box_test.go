package outcall_test

import (
	"bytes"
	"testing"

	"github.com/talkable/talkable/internal/outcall"
)

// A sealed secret is read by who has the key, for its own site; one that was written before is as it was.
func TestSeal(t *testing.T) {
	t.Parallel()
	ours, theirs := outcall.New(outcall.Settings{Key: []byte("ours")}), outcall.New(outcall.Settings{Key: []byte("theirs")})
	secret := outcall.NewSecret()
	sealed, err := ours.Seal(1, secret)
	if err != nil || bytes.Contains(sealed, []byte(secret[6:20])) {
		t.Fatalf("%q, %v", sealed, err)
	}
	if got, err := ours.Open(1, sealed); err != nil || got != secret {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := ours.Open(2, sealed); err == nil {
		t.Errorf("another site reads %q", got)
	}
	if got, err := theirs.Open(1, sealed); err == nil {
		t.Errorf("another key reads %q", got)
	}
	if got, err := theirs.Open(1, []byte(secret)); err != nil || got != secret {
		t.Errorf("of before: %q, %v", got, err)
	}
}
