package web

import (
	"reflect"
	"testing"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/timeline"
)

type page struct{}

type pair[A, B any] struct{}

func TestSchemaName(t *testing.T) {
	for _, tt := range []struct {
		of   any
		want string
	}{
		{timeline.Entry{}, "TimelineEntry"},
		{&timeline.Entry{}, "TimelineEntry"},
		{fault.Field{}, "FaultField"},
		{page{}, "Page"},
		{Envelope[timeline.Entry]{}, "EnvelopeTimelineEntry"},
		{Envelope[*timeline.Entry]{}, "EnvelopeTimelineEntry"},
		{Envelope[int64]{}, "EnvelopeInt64"},
		{Envelope[Envelope[fault.Field]]{}, "EnvelopeEnvelopeFaultField"},
		{pair[timeline.Entry, timeline.Place]{}, "PairTimelineEntryTimelinePlace"},
	} {
		if got := schemaName(reflect.TypeOf(tt.of), "hint"); got != tt.want {
			t.Errorf("%T: got %s, want %s", tt.of, got, tt.want)
		}
	}
	// An unnamed type takes its place's name.
	if got := schemaName(reflect.TypeOf(struct{ A int }{}), "CreateThingRequest"); got != "CreateThingRequest" {
		t.Errorf("got %s", got)
	}
	// A list of things and a thing are both named: two schemas of one name make huma panic at the start.
	one, many := schemaName(reflect.TypeOf(Envelope[page]{}), ""), schemaName(reflect.TypeOf(Envelope[[]page]{}), "")
	if one == many {
		t.Errorf("both are %s", one)
	}
}
