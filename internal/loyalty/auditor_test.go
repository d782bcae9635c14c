package loyalty

import (
	"testing"

	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// TestAuditor: who may read the books reads the views, and nothing else; and they say what the ledger does.
func TestAuditor(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.movements()
	w.sealed()
	s := located(t, 1, "UTC")
	w.valued(s, "2026-01-01", 1, 1)
	w.closed(s, "2026-03")
	pgtest.Auditor(t, w.admin, "audit_views.txt")
	for query, want := range map[string]int{
		`select count(*) from audit.ledger_entry_v1 where site_id = 1`:                                                                               -1,
		`select count(*) from audit.ledger_transaction_v1 where rule is null or rule_version is null and kind in ('earn', 'redeem')`:                 0,
		`select sum(amount) from audit.ledger_entry_v1`:                                                                                              0,
		`select count(*) from audit.closing_line_v1 l join audit.closing_account_v1 a using (site_id, month, account) where a.closing_value is null`: 0,
		`select sum(debit) - sum(credit) from audit.closing_line_v1`:                                                                                 0,
		`select count(*) from audit.closing_v1 where liability = liability_value and currency = 'USD'`:                                               1,
		`select sum(granted - remaining) - (select sum(amount) from audit.allocation_v1) from audit.lot_v1`:                                          0,
	} {
		var n int
		if err := w.admin.Get(&n, query); err != nil || n != want && (want >= 0 || n == 0) {
			t.Errorf("%s: %d, %v", query, n, err)
		}
	}
}
