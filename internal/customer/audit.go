package customer

import (
	"context"

	"github.com/talkable/talkable/internal/audit"
)

const aboutPerson = "person" // the subject of the audit log

// What people do with persons, as the audit log calls it.
const (
	personMerged   = "person.merged"
	personUnmerged = "person.unmerged"
)

// Audit reads the module's part of the audit log.
func (m *Module) Audit(ctx context.Context, siteID int64, f audit.Filter, before audit.Place, limit int) ([]audit.Line, error) {
	return audit.Read(ctx, m.db, moduleName, siteID, f, before, limit)
}
