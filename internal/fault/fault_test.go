package fault_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
)

func TestError(t *testing.T) {
	base := fault.New(fault.Invalid, "bad_thing", "Thing %d is 100%% bad.", 7)
	if base.Detail != "Thing 7 is 100% bad." || base.Error() != "bad_thing: Thing 7 is 100% bad." {
		t.Errorf("got %q", base.Error())
	}
	if got := fault.New(fault.Invalid, "bad", "50% off"); got.Detail != "50% off" {
		t.Errorf("without arguments: %q", got.Detail)
	}
	base.Retry = time.Second

	one := base.At("/a", "wrong")
	two, three := one.At("/b", "wrong"), one.At("/c", "wrong")
	if len(base.Fields) != 0 || len(one.Fields) != 1 || two.Fields[1].Pointer != "/b" || three.Fields[1].Pointer != "/c" {
		t.Errorf("faults share their fields: %v, %v, %v, %v", base.Fields, one.Fields, two.Fields, three.Fields)
	}
	caused := two.Because(io.EOF)
	if !errors.Is(caused, io.EOF) || errors.Is(two, io.EOF) || caused.Retry != time.Second || len(caused.Fields) != 2 {
		t.Errorf("got %#v from %#v", caused, two)
	}
	if got, want := caused.Error(), "bad_thing: Thing 7 is 100% bad.: EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPointed(t *testing.T) {
	bad := fault.New(fault.Invalid, "bad", "The thing is not valid.")
	if err := bad.Pointed(); err != nil {
		t.Errorf("without a place: %v", err)
	}
	bad = bad.At("/a", "must be 1").At("/b", "must be 2")
	if f, ok := fault.Of(bad.Pointed()); !ok || f.Detail != "The thing is not valid: /a must be 1." || len(f.Fields) != 2 || bad.Detail != "The thing is not valid." {
		t.Errorf("got %+v from %+v", f, bad)
	}
}

func TestOf(t *testing.T) {
	gone := fault.New(fault.NotFound, "gone", "Gone.")
	for name, tt := range map[string]struct {
		err  error
		want *fault.Error
	}{
		"itself":  {gone, gone},
		"wrapped": {fmt.Errorf("a: %w", fmt.Errorf("b: %w", gone)), gone},
		"joined":  {errors.Join(io.EOF, gone), gone},
		"none":    {io.EOF, nil},
		"nil":     {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := fault.Of(tt.err)
			if got != tt.want || ok != (tt.want != nil) || fault.Is(tt.err, fault.NotFound) != ok || fault.Is(tt.err, fault.Conflict) {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
	if outer := fault.New(fault.Conflict, "c", "d").Because(gone); !fault.Is(outer, fault.Conflict) || fault.Is(outer, fault.NotFound) {
		t.Error("the cause decides the kind")
	}
}
