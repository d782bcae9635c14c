package referral

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/site"
)

const limitWindow = 30 * 24 * time.Hour

// limits are how many rewards a campaign gives, and what they may cost; nil: no limit. They hold from when they are set.
type limits struct {
	Advocate30 *int64  `json:"advocate_30_days,omitempty" nullable:"true" doc:"Referrals of one advocate that are rewarded within 30 days; those that were taken back don't count"`
	Advocate   *int64  `json:"advocate_total,omitempty" nullable:"true" doc:"Referrals of one advocate that are rewarded in all, likewise"`
	Friends    *int64  `json:"friends_per_offer,omitempty" nullable:"true" doc:"Friends of one offer that are rewarded for the click; counted since there is such a limit"`
	Budget     *budget `json:"budget,omitempty" doc:"What its rewards may cost; none when left out"`
}

// Scan reads the column.
func (l *limits) Scan(v any) error {
	switch v := v.(type) {
	case []byte:
		return json.Unmarshal(v, l)
	case string:
		return json.Unmarshal([]byte(v), l)
	}
	return fmt.Errorf("limits are %T", v)
}

// Value writes the column.
func (l limits) Value() (driver.Value, error) {
	b, err := json.Marshal(l)
	return string(b), err
}

// check fills in what was left out. currency is the site's.
func (l *limits) check(currency string) error {
	var f findings
	for name, n := range map[string]*int64{"advocate_30_days": l.Advocate30, "advocate_total": l.Advocate, "friends_per_offer": l.Friends} {
		if n != nil && (*n < 0 || *n > maxReferrals) {
			f.add("/limits/"+name, "must be from 0 to %d", maxReferrals)
		}
	}
	if b := l.Budget; b != nil {
		if b.Currency == "" {
			b.Currency = currency
		}
		if b.Period == "" {
			b.Period = budgetTotal
		}
		if _, ok := money.Digits(b.Currency); !ok {
			f.add("/limits/budget/currency", "must be an ISO 4217 code")
		}
		if b.Amount < 0 || b.Amount > money.Max {
			f.add("/limits/budget/amount", "must be from 0 to %d", money.Max)
		}
		if b.Period != budgetTotal && b.Period != budgetMonth {
			f.add("/limits/budget/period", "must be month or total")
		}
	}
	if len(f.fields) == 0 {
		return nil
	}
	slices.SortFunc(f.fields, func(a, b fault.Field) int { return strings.Compare(a.Pointer, b.Pointer) })
	e := fault.New(fault.Invalid, "invalid_limits", "The limits can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return e
}

// limit refuses rewards that are too many for their advocate or their offer. The advocates' tallies are locked already.
func (m *Module) limit(ctx context.Context, u *bus.Unit, a *awards) error {
	if err := m.limitAdvocates(ctx, u, a); err != nil {
		return err
	}
	return m.limitFriends(ctx, u, a)
}

// rewardedReferrals is how many of an advocate's referrals are rewarded.
type rewardedReferrals struct {
	Total  int64            `db:"total"`
	Lately int64            `db:"lately"` // within the window
	refuse map[int64]string // the referrals that were decided, and why not
}

// judge says why a referral isn't rewarded; "" if it is. All rewards of a referral share the answer.
func (r *rewardedReferrals) judge(referral int64, l limits) string {
	why, known := r.refuse[referral]
	if known {
		return why
	}
	switch {
	case l.Advocate != nil && r.Total >= *l.Advocate:
		why = refusedTotal
	case l.Advocate30 != nil && r.Lately >= *l.Advocate30:
		why = refusedMonth
	default:
		r.Total, r.Lately = r.Total+1, r.Lately+1
	}
	r.refuse[referral] = why
	return why
}

// limitedAdvocate says whether a reward counts towards the limits of its advocate.
func (a *awards) limitedAdvocate(w *reward) bool {
	c := a.campaign(w)
	return w.Reason == actionReferrer && w.ReferralID != nil && c != nil && (c.Limits.Advocate != nil || c.Limits.Advocate30 != nil)
}

func (m *Module) limitAdvocates(ctx context.Context, u *bus.Unit, a *awards) error {
	var keys []advocateKey
	for i := range a.given {
		if w := &a.given[i]; a.limitedAdvocate(w) {
			keys = append(keys, advocateKey{w.SiteID, w.CampaignID, *w.PersonID})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, advocateKey.compare)
	keys = slices.Compact(keys)
	kin, err := m.kinOfAdvocates(ctx, u, keys)
	if err != nil {
		return err
	}
	had, err := rewardedOf(ctx, u, keys, u.Now.Add(-limitWindow), kin)
	if err != nil {
		return err
	}
	a.refuse(func(w *reward) string {
		if !a.limitedAdvocate(w) {
			return ""
		}
		return had[advocateKey{w.SiteID, w.CampaignID, *w.PersonID}].judge(*w.ReferralID, a.campaign(w).Limits)
	})
	return nil
}

// limitFriends lets so many friends of an offer be rewarded for the click.
func (m *Module) limitFriends(ctx context.Context, u *bus.Unit, a *awards) error {
	limited := func(w *reward) bool {
		c := a.campaign(w)
		return w.FriendOfferID != nil && c != nil && c.Limits.Friends != nil
	}
	var keys []key
	for i := range a.given {
		if w := &a.given[i]; limited(w) {
			keys = append(keys, key{w.SiteID, w.offer})
		}
	}
	if len(keys) == 0 {
		return nil
	}
	counts, err := lockOfferCounts(ctx, u.Tx, keys)
	if err != nil {
		return err
	}
	decided := map[key]string{}
	a.refuse(func(w *reward) string {
		if !limited(w) {
			return ""
		}
		one, of := key{w.SiteID, *w.FriendOfferID}, key{w.SiteID, w.offer}
		why, known := decided[one]
		if !known {
			if counts[of] >= *a.campaign(w).Limits.Friends {
				why = refusedFriends
			} else {
				counts[of]++
			}
			decided[one] = why
		}
		return why
	})
	return saveOfferCounts(ctx, u.Tx, counts)
}

// setLimits gives a campaign other limits; replayed says that the Idempotency-Key had done it before.
func (m *Module) setLimits(ctx context.Context, s site.Site, id, keyID int64, l limits, k idempotency.Key) (out limitsJSON, replayed bool, err error) {
	if err := l.check(s.Currency); err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			before, err := m.readLimits(ctx, u, s.ID, id, u.Now)
			if err != nil {
				return err
			}
			a := audit.Change{KeyID: keyID, Action: "campaign_limits.set", Subject: aboutLimits, SubjectID: id, Before: before.Limits, After: l}
			if err := writeAudit(ctx, u.Tx, u.Now, s.ID, a); err != nil {
				return err
			}
			if err := saveLimits(ctx, u.Tx, u.Now, s.ID, id, keyID, l); err != nil {
				return err
			}
			out, err = m.readLimits(ctx, u, s.ID, id, u.Now)
			return err
		})
		return err
	})
	m.catalog.changed(s.ID)
	return out, replayed, err
}
