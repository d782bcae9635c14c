package referral

import (
	"context"
	"encoding/json"
	"fmt"
)

// explainedCommission is a commission with all that is known of it.
type explainedCommission struct {
	Commission commissionJSON  `json:"commission"`
	Explain    json.RawMessage `json:"explain" doc:"Terms, lines with their rules, rate, and caps that were hit"`
	Entries    []entryJSON     `json:"entries" doc:"The newest 100 of the account that it made"`
	Payout     *paidBy         `json:"payout" doc:"The newest payout that took it; null if none did"`
	Recurring  *followingJSON  `json:"recurring" doc:"What the plan does for the friend's next order, and why it stopped if it did; null: it pays for the referred order only"`
}

type paidBy struct {
	BatchID int64  `json:"batch_id" db:"batch_id"`
	LineID  int64  `json:"line_id" db:"line_id"`
	Status  string `json:"status" db:"status"`
}

// explainCommission says why a commission is what it is; not found is a fault.
func (m *Module) explainCommission(ctx context.Context, siteID, id int64) (out explainedCommission, err error) {
	var list []commission
	err = m.db.SelectContext(ctx, &list, `select `+commissionColumns+` from referral.commission c where c.site_id = $1 and c.id = $2`, siteID, id)
	if err != nil || len(list) == 0 {
		if err == nil {
			err = errNoCommission
		}
		return out, err
	}
	out = explainedCommission{Commission: list[0].json(), Explain: json.RawMessage(list[0].Explain), Entries: []entryJSON{}}
	var entries []entry
	err = m.db.SelectContext(ctx, &entries, `
		select `+entryColumns+` from referral.account_entry e where e.site_id = $1 and e.commission_id = $2 order by e.seq desc limit 100`, siteID, id)
	if err != nil {
		return out, fmt.Errorf("entries of a commission: %w", err)
	}
	for i := range entries {
		out.Entries = append(out.Entries, entries[i].json())
	}
	var by []paidBy
	err = m.db.SelectContext(ctx, &by, `
		select l.batch_id, l.id as line_id, l.status
		from referral.account_entry e
		join referral.payout_entry p on p.site_id = e.site_id and p.entry_id = e.id
		join referral.payout_line l on l.site_id = p.site_id and l.id = p.line_id
		where e.site_id = $1 and e.commission_id = $2 and e.kind = 'earned'
		order by l.id desc limit 1`, siteID, id)
	if err != nil {
		return out, fmt.Errorf("payout of a commission: %w", err)
	}
	if len(by) > 0 {
		out.Payout = &by[0]
	}
	out.Recurring, err = recurrenceOf(ctx, m.db, &list[0], m.now())
	return out, err
}
