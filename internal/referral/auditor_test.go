package referral

import (
	"testing"

	"github.com/talkable/talkable/internal/postgres/pgtest"
)

// TestAuditor: who may read the books reads the views, and nothing else.
func TestAuditor(t *testing.T) {
	t.Parallel()
	pgtest.Auditor(t, setup(t).root, "audit_views.txt")
}
