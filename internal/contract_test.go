package internal_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/catalogue/events"
)

var update = flag.Bool("update", false, "write golden files of events that have none yet")

// TestEventsAreFrozen compares each event with the file that was committed when it was made: the file decodes into today's
// struct, and today's struct encodes to every member that the file has. Members may be added, never changed.
func TestEventsAreFrozen(t *testing.T) {
	for _, e := range events.All {
		name := e.EventType()
		module, _, _ := strings.Cut(name, ".")
		path := filepath.Join(module, module+"event", "testdata", name+".json")
		t.Run(name, func(t *testing.T) {
			sample := reflect.New(reflect.TypeOf(e)).Elem()
			fill(sample, 1)
			now, err := json.MarshalIndent(sample.Interface(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if _, err := os.Stat(path); os.IsNotExist(err) {
					if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(path, append(now, '\n'), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			frozen, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v (make golden writes it)", err)
			}
			decoded := reflect.New(reflect.TypeOf(e))
			if err := json.Unmarshal(frozen, decoded.Interface()); err != nil {
				t.Fatalf("the frozen event doesn't decode: %v", err)
			}
			again, err := json.Marshal(decoded.Interface())
			if err != nil {
				t.Fatal(err)
			}
			var want, got map[string]json.RawMessage
			_ = json.Unmarshal(frozen, &want)
			_ = json.Unmarshal(again, &got)
			for member, value := range want {
				if !bytes.Equal(compact(got[member]), compact(value)) {
					t.Errorf("member %q was %s and is now %s: make a new version instead", member, value, got[member])
				}
			}
		})
	}
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		return b
	}
	return out.Bytes()
}

// fill gives every field a value that isn't its zero, so that no member is left out.
func fill(v reflect.Value, n int) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch {
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Date(2026, 2, 3, 4, 5, 6, 789000000, time.UTC)))
		case f.Kind() == reflect.String:
			f.SetString(strings.ToLower(v.Type().Field(i).Name))
		case f.Kind() == reflect.Int64:
			f.SetInt(int64(100*n + i))
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		case f.Kind() == reflect.Slice:
			item := reflect.New(f.Type().Elem()).Elem()
			if item.Kind() == reflect.Struct {
				fill(item, n+1)
			} else {
				item.SetString("a")
			}
			f.Set(reflect.Append(f, item))
		default:
			panic("an event has a field of kind " + f.Kind().String() + ": events are flat")
		}
	}
}
