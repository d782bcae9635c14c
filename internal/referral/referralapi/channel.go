package referralapi

import (
	"regexp"

	"github.com/talkable/talkable/internal/fault"
)

// refusedChannels have no claim links of their own: they are made by what they stand for.
var refusedChannels = map[string]bool{"email": true, "reminder": true, "facebook_sponsored": true, "coupon": true}

var channelName = regexp.MustCompile(`^[a-z0-9_]{1,50}$`)

// CheckChannels refuses sharing channels for which no claim links are given out.
func CheckChannels(channels []string) error {
	for _, c := range channels {
		if refusedChannels[c] || !channelName.MatchString(c) {
			return fault.New(fault.Invalid, "wrong_sharing_channel", "Wrong sharing channel: %s", shorten(c))
		}
	}
	if len(channels) > 20 {
		return fault.New(fault.Invalid, "too_many_channels", "At most 20 sharing channels can be asked for at once.")
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 50 {
		return s[:50] + "…"
	}
	return s
}
