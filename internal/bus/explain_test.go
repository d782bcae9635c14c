package bus_test

import (
	"fmt"
	"strings"
	"testing"
)

// A prepared read of the log settles for one plan for all numbers, which leaves out the partitions it doesn't need when it starts.
func TestPreparedReadPrunesPartitions(t *testing.T) {
	tr := newTrap(t)
	tr.exec(tr.admin, `update shop.head set seq = 2500000`)
	tr.exec(tr.admin, `select shop.ensure_partitions(1000000)`)
	tr.exec(tr.admin, `insert into shop.log select n, now(), 100, '' from generate_series(100, 3000000, 100) n`)
	tr.exec(tr.admin, `analyze shop.log`)
	conn, err := tr.admin.Connx(t.Context())
	tr.must(err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), `
		prepare read (bigint, bigint) as
		select l.seq, l.at, l.n, l.body, h.epoch
		from shop.log l cross join shop.head h
		where l.seq > $1 and l.seq <= $2
		order by l.seq limit 1000`)
	tr.must(err)
	var plan string
	for i := range 8 {
		var lines []string
		tr.must(conn.SelectContext(t.Context(), &lines, fmt.Sprintf(`explain (costs off) execute read (%d, %d)`, 1000100+i, 1000600+i)))
		plan = strings.Join(lines, "\n")
	}
	if !strings.Contains(plan, "$1") || strings.Count(plan, "Index Scan") != 1 || strings.Contains(plan, "Sort") {
		t.Errorf("not one prepared index scan:\n%s", plan)
	}
}
