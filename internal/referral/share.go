package referral

import (
	"context"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// Shares lists what a person shared, newest first. There is no operation that shares, so nobody has.
func (m *Module) Shares(context.Context, site.Site, int64) ([]referralapi.Share, error) {
	return []referralapi.Share{}, nil
}
