package referral

import (
	"context"
	"math"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// ReferralsAsAdvocate lists the referrals that a person made, newest first, from below before (0: the newest), and says whether older
// ones follow.
func (m *Module) ReferralsAsAdvocate(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Referral, bool, error) {
	people, err := m.idsOf(ctx, s.ID, personID)
	if err != nil {
		return nil, false, err
	}
	list, err := referralsOfAdvocate(ctx, m.db, s.ID, people, below(before), limit+1)
	if err != nil {
		return nil, false, err
	}
	return m.referralsPage(ctx, s, list, limit)
}

// ReferralsAsFriend lists the referrals in which a person is the friend, as ReferralsAsAdvocate does.
func (m *Module) ReferralsAsFriend(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Referral, bool, error) {
	people, err := m.idsOf(ctx, s.ID, personID)
	if err != nil {
		return nil, false, err
	}
	list, err := referralsOfFriend(ctx, m.db, s.ID, people, below(before), limit+1)
	if err != nil {
		return nil, false, err
	}
	return m.referralsPage(ctx, s, list, limit)
}

// PersonRewards lists what a person earned, newest first, from below before (0: the newest), and says whether older ones follow.
func (m *Module) PersonRewards(ctx context.Context, s site.Site, personID, before int64, limit int) ([]referralapi.Reward, bool, error) {
	people, err := m.idsOf(ctx, s.ID, personID)
	if err != nil {
		return nil, false, err
	}
	list, err := rewardsOfPerson(ctx, m.db, s.ID, people, below(before), limit+1)
	if err != nil {
		return nil, false, err
	}
	out, now := []referralapi.Reward{}, m.now()
	for _, w := range list[:min(len(list), limit)] {
		out = append(out, w.present(now, s.Zone))
	}
	return out, len(list) > limit, nil
}

func (m *Module) referralsPage(ctx context.Context, s site.Site, list []referral, limit int) ([]referralapi.Referral, bool, error) {
	page := list[:min(len(list), limit)]
	sites, ids, of := make([]int64, len(page)), make([]int64, len(page)), map[int64][]reward{}
	for i, r := range page {
		sites[i], ids[i] = s.ID, r.ID
	}
	rewards, err := rewardsOfReferrals(ctx, m.db, sites, ids)
	if err != nil {
		return nil, false, err
	}
	for _, w := range rewards {
		of[*w.ReferralID] = append(of[*w.ReferralID], w)
	}
	out, now := make([]referralapi.Referral, len(page)), m.now()
	for i := range page {
		out[i] = page[i].answer(of[page[i].ID], now, s.Zone)
	}
	return out, len(list) > limit, nil
}

func below(id int64) int64 {
	if id == 0 {
		return math.MaxInt64
	}
	return id
}
