package loyalty

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

func date(identifier, day string) loyaltyapi.MemberDate {
	return loyaltyapi.MemberDate{Identifier: identifier, Date: day}
}

func TestMemberDates(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for id := range int64(2) {
		w.start(id+1, club())
		hear(w, w.originsRecorded, id+1, w.bought(id+1, 7, 1, 1000))
	}
	ctx := t.Context()
	set := func(siteID int64, key string, dates ...loyaltyapi.MemberDate) (string, bool) {
		t.Helper()
		m, replayed, err := w.SetMemberDates(ctx, siteID, 7, dates, idempotency.Key{Value: key, Fingerprint: fmt.Sprint(dates)})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(m.Balance, m.Dates), replayed
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	first, _ := set(1, "k", date("wedding", "2020-02-29"), date("birthday", "1990-01-01"), date("birthday", "1990-05-17"))
	want("new", first, "100 [{birthday 1990-05-17} {wedding 2020-02-29}]")
	got, _ := set(1, "", date("wedding", ""), date("nothing", ""), date("joined", "2026-03-01"))
	want("one taken away", got, "100 [{birthday 1990-05-17} {joined 2026-03-01}]")
	got, replayed := set(1, "k", date("wedding", "2020-02-29"), date("birthday", "1990-01-01"), date("birthday", "1990-05-17"))
	if want("repeated late", got, first); !replayed {
		t.Error("not replayed")
	}
	got, replayed = set(2, "k", date("birthday", "2000-12-31")) // the twin
	if want("twin", got, "100 [{birthday 2000-12-31}]"); replayed {
		t.Error("another site's key")
	}
	if m, err := w.Member(ctx, 1, 7); err != nil || fmt.Sprint(m.Dates) != "[{birthday 1990-05-17} {joined 2026-03-01}]" {
		t.Errorf("read: %+v, %v", m, err)
	}

	before := w.dump()
	var many []loyaltyapi.MemberDate
	for i := range maxDates {
		many = append(many, date(fmt.Sprint("d", i), "2026-01-01"))
	}
	for says, dates := range map[string][]loyaltyapi.MemberDate{
		"Identifier can contain lowercase letters, numbers and '_' only and cannot begin with a number": {date("1st", "2026-01-01")},
		"Identifier can contain lowercase letters":                                                      {date("ok", "2026-01-01"), date("", "2026-01-01")},
		"Date is invalid":             {date("a", "2026-02-30")},
		"Date is invalid ":            {date("a", "0000-01-01")},
		"Date is invalid  ":           {date("a", "17/05/1990")},
		"A member has at most 50":     many,
		"A member has at most 50 now": append(many, date("x", "2026-01-01")),
	} {
		_, _, err := w.SetMemberDates(ctx, 1, 7, dates, idempotency.Key{})
		if f, ok := fault.Of(err); !ok || f.Kind != fault.Unprocessable || !strings.HasPrefix(f.Detail, "Validation failed: "+strings.TrimSuffix(strings.TrimSpace(says), " now")) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if _, _, err := w.SetMemberDates(ctx, 1, 8, nil, idempotency.Key{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("nobody: %v", err)
	}
	if after := w.dump(); after != before {
		t.Errorf("refusals changed\n%s\nto\n%s", before, after)
	}
	if _, err := w.admin.Exec(`update loyalty.member set status = 'suspended' where site_id = 2`); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.SetMemberDates(ctx, 2, 7, nil, idempotency.Key{}); err == nil || !strings.Contains(err.Error(), "Loyalty member is not active") {
		t.Errorf("inactive: %v", err)
	}

	forgotten := customerevent.PersonAnonymized{SiteID: 1, PersonID: 7, AnonymizedAt: noon}
	hear(w, w.anonymized, 1, forgotten, forgotten, customerevent.PersonAnonymized{SiteID: 1, PersonID: 999, AnonymizedAt: noon})
	hear(w, w.anonymized, 1, forgotten)
	if m, err := w.Member(ctx, 1, 7); err != nil || len(m.Dates) != 0 || m.Balance != 100 {
		t.Errorf("anonymized: %+v, %v", m, err)
	}
	if m, err := w.Member(ctx, 2, 7); err != nil || len(m.Dates) != 1 {
		t.Errorf("the twin: %+v, %v", m, err)
	}
}

// TestMemberDates_races: many dates at once, beside purchases of the same member; none is lost, and the bound holds.
func TestMemberDates_races(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000))
	var all sync.WaitGroup
	gate := make(chan struct{})
	for i := range 60 {
		all.Go(func() {
			<-gate
			_, _, err := w.SetMemberDates(context.WithoutCancel(t.Context()), 1, 7, []loyaltyapi.MemberDate{date(fmt.Sprint("d", i), "2026-01-01")}, idempotency.Key{})
			if err != nil && !fault.Is(err, fault.Unprocessable) {
				t.Error(err)
			}
		})
	}
	all.Go(func() {
		<-gate
		for i := range int64(10) {
			if err := tryHear(w, w.originsRecorded, 1, w.bought(1, 7, 10+i, 1000)); err != nil {
				t.Error(err)
			}
		}
	})
	close(gate)
	all.Wait()
	if m, err := w.Member(t.Context(), 1, 7); err != nil || len(m.Dates) != maxDates || m.Balance != 1100 {
		t.Errorf("%d dates, balance %d, %v", len(m.Dates), m.Balance, err)
	}
}
