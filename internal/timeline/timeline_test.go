package timeline_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/timeline"
)

var modules = []string{"customer", "loyalty", "notify", "referral"}

// entries draws what happened to a person: few moments, so that many are equal, in several zones.
func entries(t *rapid.T) []timeline.Entry {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) timeline.Entry {
		at := day.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "at")) * time.Microsecond)
		if rapid.Bool().Draw(t, "elsewhere") {
			at = at.In(time.FixedZone("", 3600))
		}
		return timeline.Entry{
			At:     at,
			Module: rapid.SampledFrom(modules).Draw(t, "module"),
			Type:   rapid.SampledFrom([]string{"", "a", "b", "b_b"}).Draw(t, "type"),
			ID:     rapid.Int64Range(1, 3).Draw(t, "id"),
		}
	}), 0, 60, func(e timeline.Entry) timeline.Place { p := e.Place(); p.At = p.At.UTC(); return p }).Draw(t, "entries")
}

// tell is a module's Timeline: its newest entries that are older than before.
func tell(all []timeline.Entry, module string, before timeline.Place, limit int) (told []timeline.Entry) {
	for _, e := range all {
		if e.Module == module && before.Older(e) {
			told = append(told, e)
		}
	}
	told, _ = timeline.Merge(limit, told)
	return told
}

func TestPaging_yields_each_entry_once_newest_first(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, limit := entries(t), rapid.IntRange(1, 7).Draw(t, "limit")
		var read []timeline.Entry
		var before timeline.Place
		for more := true; more; {
			told := make([][]timeline.Entry, len(modules))
			for i, m := range modules {
				told[i] = tell(all, m, before, limit+1)
			}
			var page []timeline.Entry
			page, more = timeline.Merge(limit, told...)
			if len(page) > limit || more && len(page) < limit {
				t.Fatalf("a page of %d, more: %v", len(page), more)
			}
			if read = append(read, page...); more {
				before = carried(t, page[len(page)-1].Place())
			}
		}
		if len(read) != len(all) {
			t.Fatalf("read %d entries of %d", len(read), len(all))
		}
		for i := 1; i < len(read); i++ {
			if newer, older := read[i-1], read[i]; !newer.Place().Older(older) || older.Place().Older(newer) || older.At.After(newer.At) {
				t.Fatalf("%v before %v", newer, older)
			}
		}
	})
}

// carried is the place as it comes back in a cursor.
func carried(t *rapid.T, p timeline.Place) (back timeline.Place) {
	text, err := json.Marshal(p)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil {
		t.Fatal(err)
	}
	return back
}

func TestMerge_does_not_depend_on_the_lists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, limit := entries(t), rapid.IntRange(0, 70).Draw(t, "limit")
		one, more := timeline.Merge(limit, all)
		if more != (len(all) > limit) || len(one) != min(len(all), limit) {
			t.Fatalf("%d of %d entries, at most %d, more: %v", len(one), len(all), limit, more)
		}
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		if two, _ := timeline.Merge(limit, all[cut:], nil, all[:cut]); !reflect.DeepEqual(one, two) {
			t.Fatalf("in two lists: %v, in one: %v", two, one)
		}
	})
}

func TestOlder(t *testing.T) {
	e := timeline.Entry{At: time.Unix(1, 0), Module: "m", Type: "t", ID: 1}
	if !(timeline.Place{}).Older(e) {
		t.Error("the newest end has nothing older")
	}
	if e.Place().Older(e) {
		t.Error("older than itself")
	}
}
