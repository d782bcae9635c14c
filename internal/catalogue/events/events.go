// Package events gathers the types of all event contracts, for the catalogue and for the test that freezes them.
package events

import (
	"slices"

	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/gateway/gatewayevent"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/notify/notifyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// All events that are told, by module.
var All = slices.Concat(gatewayevent.Types, customerevent.Types, referralevent.Types, loyaltyevent.Types, notifyevent.Types)
