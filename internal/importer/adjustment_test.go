package importer

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

// ledger is points in memory: a reference is applied once.
type ledger struct {
	applied map[string]int64
	has     map[int64]int64
}

func (l *ledger) Person(_ context.Context, _ int64, slug string) (customerapi.Person, error) {
	if slug == "stranger@shop.example" {
		return customerapi.Person{}, fault.New(fault.Invalid, "person_not_found", "No person found")
	}
	return customerapi.Person{ID: int64(len(slug))}, nil
}

func (l *ledger) AdjustAll(ctx context.Context, _ int64, rows []loyaltyapi.BulkRow, _ string, _ int64, _ idempotency.Key) (out loyaltyapi.Bulk, _ bool, _ error) {
	for _, r := range rows {
		_, known := l.applied[r.Reference]
		switch {
		case r.PersonID == 0:
			out.Rows = append(out.Rows, loyaltyapi.BulkResult{Status: loyaltyapi.BulkRefused, Code: "member_not_found", Detail: "No such loyalty member"})
		case known:
			out.Known++
			out.Rows = append(out.Rows, loyaltyapi.BulkResult{Status: loyaltyapi.BulkKnown})
		default:
			if out.Applied++; !postgres.Rehearsing(ctx) {
				l.applied[r.Reference], l.has[r.PersonID] = r.Points, l.has[r.PersonID]+r.Points
			}
			out.Given, out.Taken = out.Given+max(r.Points, 0), out.Taken+max(-r.Points, 0)
			out.Rows = append(out.Rows, loyaltyapi.BulkResult{Status: loyaltyapi.BulkApplied})
		}
	}
	return out, false, nil
}

// TestAdjustments: a dry run moves nothing, a file is applied once, and what is wrong with rows is reported.
func TestAdjustments(t *testing.T) {
	t.Parallel()
	file := "email,points,note,reference,counts_for_tier,expires_at,colour\n" +
		"ann@shop.example,100,Easter,e-1,yes,2030-01-01,red\n" +
		"ann@shop.example,-30,,,,,\n" +
		"stranger@shop.example,5,,,,,\n" +
		"ann@shop.example,1.5,,,,,\n" +
		",5,,,maybe,soon,\n"
	l := &ledger{applied: map[string]int64{}, has: map[int64]int64{}}
	for i, c := range []struct {
		dry          bool
		new, again   int64
		given, taken int64
	}{{dry: true, new: 2, given: 100, taken: 30}, {new: 2, given: 100, taken: 30}, {again: 2}} {
		var report bytes.Buffer
		sum, err := Adjustments(t.Context(), l, strings.NewReader(file), Options{Site: site.Site{ID: 1, Zone: time.UTC}, Name: "gifts", DryRun: c.dry, Batch: 2, Report: &report})
		if err != nil || sum.New != c.new || sum.Unchanged != c.again || sum.Failed != 3 || sum.Read != 5 || sum.Given != c.given || sum.Taken != c.taken || strings.Join(sum.Ignored, "") != "colour" {
			t.Errorf("run %d: %+v, %v", i, sum, err)
		}
		const want = "line,column,value,error\n4,points,5,No such loyalty member\n5,points,1.5,is no whole number\n6,email,,\"is empty, and nothing else names somebody\"\n" +
			"6,counts_for_tier,maybe,is neither true nor false\n"
		if !strings.HasPrefix(report.String(), "line,") || report.Len() < len(want) {
			t.Errorf("run %d: %s", i, report.String())
		}
	}
	if l.has[16] != 70 || l.applied["gifts:3"] != -30 {
		t.Errorf("%v", l)
	}
	if _, err := Adjustments(t.Context(), l, strings.NewReader("email,note\nann@shop.example,hi\n"), Options{Name: "x"}); err == nil || !strings.Contains(err.Error(), "points") {
		t.Error(err)
	}
}
