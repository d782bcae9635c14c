package notify

import (
	"context"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
)

const aboutHook = "webhook" // the subject of the audit log

// What people do with webhooks, as the audit log calls it.
const (
	hookCreated = "webhook.created"
	hookChanged = "webhook.changed"
	hookDeleted = "webhook.deleted"
	hookRotated = "webhook.secret_rotated"
)

// note keeps a change of a webhook in the audit log; keyID is the API key that asked for it. Secrets are in none of the states.
func note(ctx context.Context, u *bus.Unit, siteID, keyID int64, action string, id int64, before, after any) error {
	return audit.Write(ctx, u.Tx, "notify", u.Now, siteID, audit.Change{KeyID: keyID, Action: action, Subject: aboutHook, SubjectID: id, Before: before, After: after})
}

// Audit reads the module's part of the audit log.
func (m *Module) Audit(ctx context.Context, siteID int64, f audit.Filter, before audit.Place, limit int) ([]audit.Line, error) {
	return audit.Read(ctx, m.DB, "notify", siteID, f, before, limit)
}
