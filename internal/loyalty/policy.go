package loyalty

import "time"

// When points expire. Without days, rolling is never, and the others count from what the points were earned for.
const (
	rolling    = ""             // a number of days after what they were earned for
	endOfMonth = "end_of_month" // with the month in which those days end
	endOfYear  = "end_of_year"
	fixedDate  = "fixed_date" // with the first such day of a year after those days
	inactivity = "inactivity" // those days after the member last earned or spent
)

// policy is what a programme says of points beyond its rates. Its zero is a programme that says nothing.
type policy struct {
	ExpiryRule       string `json:"expiry_rule,omitempty"`
	ExpiryDay        string `json:"expiry_day,omitempty"` // MM-DD, of a fixed date
	Zone             string `json:"zone,omitempty"`       // of the site, where days of the calendar matter
	RemindDays       int    `json:"remind_days,omitempty"`
	RestoreGraceDays int    `json:"restore_grace_days,omitempty"` // that points which come back after their date are still good for
	pendingPolicy
	DebtPolicy string `json:"debt_policy,omitempty"`
	transferPolicy
	PoolSize int `json:"pool_size,omitempty"` // members of a pool at most; 0: there are none
	memberPolicy

	TierPlan tierPlan `json:"tier_plan,omitzero"`
	Wallets  []Wallet `json:"wallets,omitempty"` // beside the main one
}

const maxGrace = 3650

const ruleRolling = "rolling" // as it is sent and shown

// check says what is wrong with a policy, place by place.
func (p policy) check(days *int, at func(pointer, format string, args ...any)) {
	switch p.ExpiryRule {
	case rolling, endOfMonth, endOfYear:
	case inactivity:
		if days == nil {
			at("/expires_after_days", "must be set for inactivity")
		}
	case fixedDate:
		if _, err := time.Parse("2006-01-02", "2001-"+p.ExpiryDay); err != nil || len(p.ExpiryDay) != 5 {
			at("/expiry_day", "must be a day of every year, as MM-DD")
		}
	default:
		at("/expiry_rule", "must be rolling, end_of_month, end_of_year, fixed_date or inactivity")
	}
	if p.ExpiryRule != fixedDate && p.ExpiryDay != "" {
		at("/expiry_day", "is for fixed_date only")
	}
	if p.RestoreGraceDays < 0 || p.RestoreGraceDays > maxGrace {
		at("/restore_grace_days", "must be 0 to %d", maxGrace)
	}
	p.checkPending(days, at)
	p.checkDebt(at)
	p.checkTransfers(at)
	p.checkPools(at)
	p.checkMembers(at)
	switch soon := p.ExpiryRule == rolling || p.ExpiryRule == inactivity; {
	case p.RemindDays < 0 || p.RemindDays > maxGrace:
		at("/remind_days", "must be 0 to %d", maxGrace)
	case soon && days != nil && p.RemindDays > 0 && p.RemindDays >= *days:
		at("/remind_days", "must be less than expires_after_days")
	}
}

// in keeps the site's zone where it matters.
func (p policy) in(zone *time.Location) policy {
	if p.Zone = ""; zone != nil && (p.ExpiryRule != rolling && p.ExpiryRule != inactivity || calendar(p.Wallets)) {
		p.Zone = zone.String()
	}
	return p
}

// location is the zone of a site's calendar.
func (p policy) location() *time.Location { return zoneNamed(p.Zone) }

// expiry is when points earned at at are no longer worth anything; nil: never, or by activity.
func (s settings) expiry(at time.Time) *time.Time {
	if s.ExpiresAfterDays == nil && s.ExpiryRule == rolling || s.ExpiryRule == inactivity {
		return nil
	}
	days := 0
	if s.ExpiresAfterDays != nil {
		days = *s.ExpiresAfterDays
	}
	end := at.UTC().Truncate(time.Microsecond).AddDate(0, 0, days)
	if s.ExpiryRule != rolling {
		end = s.endOf(end.In(s.location())).UTC()
	}
	return &end
}

// endOf is the midnight that ends the month or the year of a local time, or the first fixed day that does not end before it.
func (p policy) endOf(t time.Time) time.Time {
	midnight := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, t.Location())
	}
	switch p.ExpiryRule {
	case endOfMonth:
		return midnight(t.Year(), t.Month()+1, 1)
	case endOfYear:
		return midnight(t.Year()+1, 1, 1)
	}
	day, err := time.Parse("01-02", p.ExpiryDay)
	if err != nil {
		return midnight(t.Year()+1, 1, 1) // check lets no such day in
	}
	end := midnight(t.Year(), day.Month(), day.Day()+1)
	if !end.After(t) {
		end = midnight(t.Year()+1, day.Month(), day.Day()+1)
	}
	return end
}

// idleDays is how long points live that live by activity; 0: none do.
func (s settings) idleDays() int {
	if s.ExpiryRule != inactivity || s.ExpiresAfterDays == nil {
		return 0
	}
	return *s.ExpiresAfterDays
}

// wakes is when the timer is to remind of an end; nil: not at all. What is told so late that the reminder is due already is reminded
// of at once, unless it is over.
func (p policy) wakes(ends *time.Time, now time.Time) *time.Time {
	if p.RemindDays == 0 || ends == nil || !ends.After(now) {
		return nil
	}
	at := ends.AddDate(0, 0, -p.RemindDays)
	return &at
}
