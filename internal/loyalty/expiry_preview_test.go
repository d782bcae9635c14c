package loyalty

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/idempotency"
)

// TestPreviewExpiry: a member's points end when they would have, had they been earned under the rule.
func TestPreviewExpiry(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club()) // a year, rolling
	w.start(2, club())
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 1, 1000), w.bought(1, 8, 2, 2000)) // 1 March
	w.days(40)
	hear(w, w.originsRecorded, 1, w.bought(1, 7, 3, 500)) // 10 April
	hear(w, w.originsRecorded, 2, w.bought(2, 7, 1, 7000))
	w.days(10) // 20 April
	for name, c := range map[string]struct {
		rule          triedRule
		months        string // when how much ends: now, then
		once          string // members and points: at once, sooner, later
		next7, then7  string
		touchesNobody bool
	}{
		"as it is":    {rule: triedRule{Days: days(365)}, months: "2027-03 300 300, 2027-04 50 50", once: "0 0, 0 0, 0 0", touchesNobody: true},
		"shorter":     {rule: triedRule{Days: days(30)}, months: "2026-04 0 300, 2026-05 0 50, 2027-03 300 0, 2027-04 50 0", once: "2 300, 2 350, 0 0", next7: "2027-03-01", then7: "2026-04-20"},
		"never":       {rule: triedRule{}, months: "2027-03 300 0, 2027-04 50 0, never 0 350", once: "0 0, 0 0, 2 350", next7: "2027-03-01"},
		"end of year": {rule: triedRule{Rule: endOfYear, Days: days(1)}, months: "2026-12 0 350, 2027-03 300 0, 2027-04 50 0", once: "0 0, 2 350, 0 0", next7: "2027-03-01", then7: "2027-01-01"},
		"fixed":       {rule: triedRule{Rule: fixedDate, Day: "03-31"}, months: "2026-04 0 300, 2027-03 300 50, 2027-04 50 0", once: "2 300, 2 350, 0 0", next7: "2027-03-01", then7: "2026-04-20"},
		"activity":    {rule: triedRule{Rule: inactivity, Days: days(20)}, months: "2026-04 0 350, 2027-03 300 0, 2027-04 50 0", once: "1 200, 2 350, 0 0", next7: "2027-03-01", then7: "2026-04-30"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.dump()
			out, _, err := w.previewRule(t.Context(), shop(1), w.program(1), c.rule, "", 25, noKey)
			if err != nil || w.dump() != before {
				t.Fatal(err)
			}
			p, months := out.Preview, []string{}
			for _, m := range p.Months {
				if m.Month == nil {
					m.Month = named("never")
				}
				months = append(months, fmt.Sprintf("%s %d %d", *m.Month, m.Now, m.Then))
			}
			once := fmt.Sprintf("%d %d, %d %d, %d %d", p.AtOnce.Members, p.AtOnce.Points, p.Sooner.Members, p.Sooner.Points, p.Later.Members, p.Later.Points)
			if got := strings.Join(months, ", "); got != c.months || once != c.once || p.Members != 2 || p.Points != 350 || !p.Complete || out.NextCursor != nil {
				t.Errorf("%+v: %s; %s", p, got, once)
			}
			if c.touchesNobody {
				if len(out.Members) != 0 {
					t.Errorf("%+v", out.Members)
				}
				return
			}
			day := func(at *time.Time) string {
				if at == nil {
					return ""
				}
				return at.Format(time.DateOnly)
			}
			if len(out.Members) != 2 || day(out.Members[0].Next) != c.next7 || day(out.Members[0].NextThen) != c.then7 || out.Members[0].PersonID != 7 || out.Members[0].Points != 150 {
				t.Errorf("%+v", out.Members)
			}
		})
	}
}

// TestPreviewExpiry_true: what the preview says of a rule is what happens to who earns under it.
func TestPreviewExpiry_true(t *testing.T) {
	t.Parallel()
	for _, c := range []triedRule{{Days: days(45)}, {Rule: endOfMonth, Days: days(20)}, {Rule: fixedDate, Day: "04-15", Days: days(7)}, {Rule: inactivity, Days: days(33)}} {
		w := setup(t)
		s := club()
		w.start(1, s)
		s.ExpiryRule, s.ExpiryDay, s.ExpiresAfterDays = c.Rule, c.Day, c.Days
		w.start(2, s)
		for i := range int64(6) {
			for _, id := range []int64{1, 2} {
				hear(w, w.originsRecorded, id, w.bought(id, 7+i%2, 10+i, 1000*(i+1)))
			}
			w.days(5)
		}
		w.expireAll()
		out, _, err := w.previewRule(t.Context(), shop(1), w.program(1), c, "", 25, noKey)
		if err != nil || len(out.Members) != 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		for i, m := range out.Members {
			if twin := w.balance(2, 7+int64(i)); m.Points-m.AtOnce != twin {
				t.Errorf("%+v: %+v keeps %d", c, m, twin)
			}
		}
		var sums []struct {
			Month string `db:"month"`
			N     int64  `db:"n"`
		}
		if err := w.admin.Select(&sums, `select to_char(coalesce(case when l.by_activity then m.lapses_at else l.expires_at end) - interval '1 microsecond', 'YYYY-MM') as month, sum(remaining) as n
			from loyalty.lot l join loyalty.account a on a.site_id = l.site_id and a.id = l.account_id join loyalty.member m on m.site_id = a.site_id and m.id = a.owner_id
			where l.site_id = 2 and remaining > 0 group by 1`); err != nil {
			t.Fatal(err)
		}
		then := map[string]int64{}
		for _, m := range out.Preview.Months {
			then[*m.Month] = m.Then
		}
		then["2026-03"] -= out.Preview.AtOnce.Points
		for _, s := range sums {
			if then[s.Month] != s.N {
				t.Errorf("%+v: %s has %d, want %d", c, s.Month, then[s.Month], s.N)
			}
		}
	}
}

// TestPreviewExpiry_pages: each member once, and cursors are of one rule; sets of members follow each other.
func TestPreviewExpiry_pages(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.start(1, club())
	w.start(2, club())
	for person := range int64(7) {
		hear(w, w.originsRecorded, 1, w.bought(1, 10+person, 10+person, 1000))
	}
	rule, seen, cursor := triedRule{Days: days(10)}, map[int64]bool{}, ""
	for page := 0; page == 0 || cursor != ""; page++ {
		out, _, err := w.previewRule(t.Context(), shop(1), w.program(1), rule, cursor, 3, noKey)
		if err != nil || (out.Preview == nil) != (page > 0) || page > 3 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, m := range out.Members {
			if seen[m.PersonID] {
				t.Errorf("%+v again", m)
			}
			seen[m.PersonID] = true
		}
		if cursor = ""; out.NextCursor != nil {
			cursor = *out.NextCursor
			_, _, err := w.previewRule(t.Context(), shop(1), w.program(1), triedRule{Days: days(11)}, cursor, 3, idempotency.Key{})
			refused(t, err, "invalid_cursor")
		}
	}
	if len(seen) != 7 {
		t.Errorf("%v", seen)
	}
	err := w.glance(t.Context(), func(tx *sqlx.Tx) error {
		n := 0
		complete, err := eachSample(t.Context(), tx, 1, 2, 3, func(after int64, _ bool) (int64, error) {
			n++
			lots, err := openLotsAfter(t.Context(), tx, 1, "", after, 2, false)
			return lots[len(lots)-1].MemberID, err
		})
		if complete || n != 3 {
			t.Errorf("%v after %d samples", complete, n)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	call, path := w.serve(1), fmt.Sprintf("/api/v2/loyalty/programs/%d/expiry_preview", w.program(1))
	for body, want := range map[string]int{`{"expires_after_days":10}`: 200, `{"expiry_rule":"inactivity"}`: 400, `{"expiry_rule":"x"}`: 400, `{"expires_after_days":0}`: 400, `{"expiry_rule":"fixed_date","expiry_day":"02-30"}`: 400} {
		if code, text, _ := call("POST", path, "", body); code != want {
			t.Errorf("%s: %d %.300s", body, code, text)
		}
	}
	if code, text, _ := w.serve(2)("POST", path, "", `{"expires_after_days":10}`); code != 404 {
		t.Errorf("the twin: %d %s", code, text)
	}
}
