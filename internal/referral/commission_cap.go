package referral

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
)

// Caps that hold over more than one order.
const (
	capFriend = "friend"
	capMonth  = "month"
)

// capCounter is how much of a cap is used up.
type capCounter struct {
	SiteID   int64  `db:"site_id" json:"site_id"`
	PlanID   int64  `db:"plan_id" json:"plan_id"`
	PersonID int64  `db:"person_id" json:"person_id"`
	Kind     string `db:"kind" json:"kind"`
	Subject  int64  `db:"subject" json:"subject"` // the friend; the month as 202611
	Used     int64  `db:"used" json:"used"`
}

// capCounters are locked counters. What they count is what was earned; a refund makes no new room. Each counts what was earned under its own ids; whoever is one by
// now has the room that all of them leave.
type capCounters struct {
	used map[capCounter]*int64 // by the counter with Used 0
	kin  kin
}

// counters are those that a commission is counted by.
func (c *commission) counters() []capCounter {
	if c.PlanID == nil {
		return nil
	}
	var out []capCounter
	caps := c.explained().Caps
	if caps.Friend > 0 {
		out = append(out, capCounter{SiteID: c.SiteID, PlanID: *c.PlanID, PersonID: c.PersonID, Kind: capFriend, Subject: c.FriendID})
	}
	if caps.Month > 0 {
		out = append(out, capCounter{SiteID: c.SiteID, PlanID: *c.PlanID, PersonID: c.PersonID, Kind: capMonth, Subject: monthNumber(c.OccurredAt)})
	}
	return out
}

// alike are the counters of all who are one with a counter's advocate, and with its friend.
func (k kin) alike(c capCounter) (out []capCounter) {
	subjects := []int64{c.Subject}
	if c.Kind == capFriend {
		subjects = k.all(c.SiteID, c.Subject)
	}
	for _, c.PersonID = range k.all(c.SiteID, c.PersonID) {
		for _, c.Subject = range subjects {
			out = append(out, c)
		}
	}
	return out
}

// room is how much of its caps was used up before a commission.
func (l capCounters) room(c *commission) (used capRoom) {
	for _, own := range c.counters() {
		for _, k := range l.kin.alike(own) {
			if k.Kind == capFriend {
				used.friend += *l.used[k]
			} else {
				used.month += *l.used[k]
			}
		}
	}
	return used
}

// use counts an earned commission.
func (l capCounters) use(c *commission) {
	for _, k := range c.counters() {
		*l.used[k] += c.Amount
	}
}

// list is all counters, in the order of their locks.
func (l capCounters) list() []capCounter {
	out := make([]capCounter, 0, len(l.used))
	for k, used := range l.used {
		k.Used = *used
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b capCounter) int {
		return cmp.Or(cmp.Compare(a.SiteID, b.SiteID), cmp.Compare(a.PlanID, b.PlanID), cmp.Compare(a.PersonID, b.PersonID), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

// lockCaps locks the counters of commissions that are about to be earned, in one order.
func (m *Module) lockCaps(ctx context.Context, tx *sqlx.Tx, list []commission) (out capCounters, err error) {
	var own []capCounter
	var people []key
	for i := range list {
		c := &list[i]
		if counters := c.counters(); len(counters) > 0 {
			own, people = append(own, counters...), append(people, key{c.SiteID, c.PersonID}, key{c.SiteID, c.FriendID})
		}
	}
	if len(own) == 0 {
		return out, nil
	}
	if out.kin, err = m.kinOf(ctx, tx, people); err != nil {
		return out, err
	}
	out.used = map[capCounter]*int64{}
	for _, c := range own {
		for _, k := range out.kin.alike(c) {
			out.used[k] = new(int64)
		}
	}
	var found []capCounter
	err = tx.SelectContext(ctx, &found, `
		insert into referral.commission_cap as c (site_id, plan_id, person_id, kind, subject, used)
		select site_id, plan_id, person_id, kind, subject, 0
		from jsonb_to_recordset($1::jsonb) x (site_id bigint, plan_id bigint, person_id bigint, kind text, subject bigint)
		order by site_id, plan_id, person_id, kind collate "C", subject
		on conflict (site_id, plan_id, person_id, kind, subject) do update set used = c.used
		returning site_id, plan_id, person_id, kind, subject, used`, recordset(out.list()))
	if err != nil {
		return out, fmt.Errorf("lock caps: %w", err)
	}
	for _, f := range found {
		used := f.Used
		f.Used = 0
		*out.used[f] = used
	}
	return out, nil
}

// save writes what is used up now.
func (l capCounters) save(ctx context.Context, tx *sqlx.Tx) error {
	if len(l.used) == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		update referral.commission_cap c set used = x.used
		from jsonb_to_recordset($1::jsonb) x (site_id bigint, plan_id bigint, person_id bigint, kind text, subject bigint, used bigint)
		where c.site_id = x.site_id and c.plan_id = x.plan_id and c.person_id = x.person_id and c.kind = x.kind and c.subject = x.subject`, recordset(l.list()))
	if err != nil {
		return fmt.Errorf("save caps: %w", err)
	}
	return nil
}
