package importer

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

// Rewards takes in rewards that were issued elsewhere and are open: coupons that nobody used. Their referrals are there already.
func Rewards(ctx context.Context, m House, file io.ReadSeeker, o Options) (Summary, error) {
	return movedIn(ctx, file, o, "rewards", func(row row) (referralapi.MovedReward, []finding) { return row.reward(o) },
		func(ctx context.Context, in []referralapi.MovedReward) ([]postgres.Result[bool], error) {
			return m.TakeRewards(ctx, o.Site, o.source(), in)
		})
}

// sides are whose a reward is, as somebody may say it.
var sides = map[string]bool{"": false, "advocate": false, "referrer": false, "friend": true, "referred": true}

// coupons are what a reward that is a coupon may be called. Whatever else is open comes otherwise.
var coupons = []string{"", "coupon", "coupon_code", "discount_coupon"}

func (r *row) reward(o Options) (w referralapi.MovedReward, wrong []finding) {
	c := r.cells
	w.Number, w.Referral, w.Code = c[externalID], c[referralID], c[shareCode]
	var known bool
	if w.Friend, known = sides[strings.ToLower(c[rewardSide])]; !known {
		wrong = append(wrong, finding{column: "side", value: c[rewardSide], what: "is neither advocate nor friend"})
	}
	if !slices.Contains(coupons, strings.ReplaceAll(strings.ToLower(c[rewardKind]), " ", "_")) {
		wrong = append(wrong, finding{column: "kind", value: c[rewardKind], what: "is no coupon: points come as adjustments, commissions as balances, what is pending with its referral"})
	}
	if w.ListID = o.CouponList; c[couponList] != "" {
		var err error
		if w.ListID, err = strconv.ParseInt(c[couponList], 10, 64); err != nil {
			wrong = append(wrong, finding{column: "coupon_list_id", value: c[couponList], what: "is no coupon list's id"})
		}
	}
	var ok bool
	if w.IssuedAt, ok = moment(c[date], o.Site.Zone); !ok && c[date] != "" {
		wrong = append(wrong, noDate("date", c[date]))
	}
	if c[expiresAt] != "" {
		ends, ok := moment(c[expiresAt], o.Site.Zone)
		if w.Expires = &ends; !ok {
			wrong = append(wrong, noDate("expires_at", c[expiresAt]))
		}
	}
	return w, wrong
}
