package bus_test

import (
	"testing"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/bus/bustest"
)

func TestTable(t *testing.T) {
	t.Parallel()
	bustest.Conformance(t, func(_ testing.TB, producer *bus.Table) bus.Log { return producer })
}
