package loyalty

import (
	"context"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
)

// Subjects of the audit log.
const (
	aboutProgram = "loyalty_program"
	aboutBatch   = "redemption_batch"
	aboutAction  = "action_config"
	aboutMonth   = "finance_month"
	aboutValue   = "point_value"
	aboutRun     = "expiry_reversal"

	aboutRedemption = "redemption"
	aboutFulfilHook = "fulfilment_hook"
	aboutBacktest   = "backtest"
)

// note keeps a change of the programme, or of what it has, in the audit log; keyID is the API key that asked for it.
func note(ctx context.Context, u *bus.Unit, siteID, keyID int64, done, subject string, id int64, before, after any) error {
	return audit.Write(ctx, u.Tx, module, u.Now, siteID, audit.Change{KeyID: keyID, Action: subject + "." + done, Subject: subject, SubjectID: id,
		Before: before, After: after})
}

// Audit reads the module's part of the audit log.
func (m *Module) Audit(ctx context.Context, siteID int64, f audit.Filter, before audit.Place, limit int) ([]audit.Line, error) {
	return audit.Read(ctx, m.db, module, siteID, f, before, limit)
}
