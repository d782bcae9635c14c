package loyalty

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// due is something that happened to a member within this module, about which rules are still to be asked: they joined, reached a tier, or
// one of their days came. It is written with what happened, and the timer decides it, right after.
type due struct {
	SiteID   int64     `db:"site_id"`
	ID       int64     `db:"id"`
	MemberID int64     `db:"member_id"`
	PersonID int64     `db:"person_id"`
	Status   string    `db:"status"` // of the member
	On       string    `db:"cause"`
	Name     string    `db:"name"` // of the tier, or of the day
	At       time.Time `db:"at"`
}

// reasons are what the points are told to be for.
var reasons = map[string]string{onJoin: loyaltyevent.ForJoin, onTier: loyaltyevent.ForTier, onDate: loyaltyevent.ForDate, onAchievement: loyaltyevent.ForAchievement}

// source is what earns once: joining, each tier, and each day of a member once a year.
func (d due) source(zone *time.Location) string {
	switch d.On {
	case onAchievement:
		return featSource(d.MemberID, d.Name)
	case onTier:
		return sourceOf("tier", d.MemberID) + ":" + d.Name
	case onDate:
		return sourceOf("date", d.MemberID) + ":" + d.Name + ":" + d.At.In(zone).Format("2006")
	}
	return sourceOf(d.On, d.MemberID)
}

// forDue leaves it to the programme's rules.
func (p program) forDue(d due) earning {
	e := earning{SiteID: d.SiteID, PersonID: d.PersonID, Reason: reasons[d.On], EffectiveAt: d.At}
	if p.earner == nil || p.barred(d.Status) != "" {
		return e
	}
	e.Source = d.source(p.earner.zone)
	category, level := d.Name, 0
	if d.On == onAchievement {
		category, level = featName(d.Name)
	}
	return p.byRules(e, &occasion{on: d.On, category: category, level: level, at: d.At, facts: criteria.Facts{Person: criteria.Person{ID: d.PersonID}}})
}

// ofReferralApproved is an approved referral, to its advocate.
func ofReferralApproved(r referralevent.ReferralApproved) *occasion {
	return &occasion{on: onReferral, at: r.ApprovedAt, facts: criteria.Facts{
		Person:   criteria.Person{ID: r.AdvocateID},
		Advocate: criteria.Person{ID: r.AdvocateID},
		Friend:   criteria.Person{ID: r.FriendID, NewCustomer: r.FirstOrder},
		Campaign: criteria.Campaign{ID: r.CampaignID},
		Origin:   criteria.Origin{ID: r.OriginID, Subtotal: r.Subtotal, Currency: r.Currency, FirstPurchase: r.FirstOrder, OccurredAt: r.OccurredAt}}}
}

// dues are what of a batch rules may be asked about.
func (b *books) dues() []due {
	b.noteDues()
	return b.due
}

// noteDues notes what came since it was last asked, of programmes that have rules, or had: after each decision, so that rules are asked in the order of what
// was heard, whatever was heard together.
func (b *books) noteDues() {
	for ; b.noted.joined < len(b.joined); b.noted.joined++ {
		if h := b.joined[b.noted.joined]; h.Status == active && b.programs[h.SiteID].ruled() {
			b.due = append(b.due, due{SiteID: h.SiteID, MemberID: h.MemberID, On: onJoin, At: h.JoinedAt})
		}
	}
	for ; b.noted.changes < len(b.changes); b.noted.changes++ {
		c := b.changes[b.noted.changes]
		if p := b.programs[c.SiteID]; p.ruled() && p.rank(c.To) > p.rank(c.From) {
			b.due = append(b.due, due{SiteID: c.SiteID, MemberID: c.MemberID, On: onTier, Name: c.To, At: c.At})
		}
	}
	for ; b.feats != nil && b.noted.reached < len(b.feats.reached); b.noted.reached++ {
		if r := b.feats.reached[b.noted.reached]; b.programs[r.SiteID].ruled() {
			b.due = append(b.due, due{SiteID: r.SiteID, MemberID: r.MemberID, On: onAchievement, Name: r.name(), At: r.At})
		}
	}
}

// ruled says that a programme has rules, had them, or is to have them: what they may ask about later is noted.
func (p program) ruled() bool { return p.RulesVersion > 0 || p.NextAt != nil }

// rank is a tier's place among those of the programme; 0: below the first.
func (p program) rank(name string) int {
	return 1 + slices.IndexFunc(p.Tiers, func(t tier) bool { return t.Name == name })
}

// decideDue lets the rules decide what is due, and returns how much there was.
func (m *Module) decideDue(ctx context.Context) (n int, err error) {
	sites, err := sitesAsked(ctx, m.db)
	if err != nil {
		return 0, err
	}
	for _, site := range sites {
		for {
			done, err := m.decideSome(ctx, site)
			n += done
			if err != nil {
				return n, err
			}
			if done < perPass {
				break
			}
		}
	}
	return n, nil
}

func (m *Module) decideSome(ctx context.Context, site int64) (n int, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues("rules"))
	defer timer.ObserveDuration()
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		programs, err := sharePrograms(ctx, u, []int64{site})
		if err == nil {
			err = m.equip(ctx, u, programs)
		}
		if err != nil {
			return err
		}
		list, err := takeDue(ctx, u, site, perPass)
		if n = len(list); err != nil || n == 0 {
			return err
		}
		all := make([]earning, 0, n)
		for _, d := range list {
			p, err := m.inForce(ctx, u, programs[site], d.At)
			if err != nil {
				return err
			}
			if e := p.forDue(d); e.Source != "" {
				all = append(all, e)
			}
		}
		return m.postEarnings(ctx, u, programs, all)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// beginDays notes, for programmes with rules on days, whose day it is today in the site's zone, each day once. A timer that stood still
// makes up for the days that it missed, but for those that are long past.
func (m *Module) beginDays(ctx context.Context) (n int, err error) {
	rows, err := dayPrograms(ctx, m.db)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		ed, err := m.editionOf(ctx, m.db, versionKey{r.SiteID, r.ID, r.Version})
		if err != nil {
			return n, err
		}
		e, today := ed.earner, ""
		if e != nil && e.days() != nil {
			today = m.now().In(e.zone).Format(time.DateOnly)
		}
		for day := r.next(today); day != "" && day <= today; day = following(day) {
			done, err := m.beginDay(ctx, r.SiteID, r.ID, day, e)
			n += done
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

const madeUp = 31 // days

// days are the names of members' days that rules give points on.
func (e *earner) days() (out []string) {
	for _, r := range e.Rules {
		if r.On == onDate && !r.Paused && !slices.Contains(out, r.Date) {
			out = append(out, r.Date)
		}
	}
	for _, wallet := range slices.Sorted(maps.Keys(e.wallets)) {
		for _, date := range e.wallets[wallet].days() {
			if !slices.Contains(out, date) {
				out = append(out, date)
			}
		}
	}
	return out
}

// next is the day to begin with: that after the last one, today where there was none, and "" where there is nothing to do.
func (r dayProgram) next(today string) string {
	switch {
	case today == "" || r.Day != nil && *r.Day >= today:
		return ""
	case r.Day == nil:
		return today
	}
	day := following(*r.Day)
	if t, err := time.Parse(time.DateOnly, today); err == nil {
		day = max(day, t.AddDate(0, 0, -madeUp).Format(time.DateOnly))
	}
	return day
}

func following(day string) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ""
	}
	return t.AddDate(0, 0, 1).Format(time.DateOnly)
}

// beginDay notes whose day it is. Who was born on the 29th of February has the 28th in other years.
func (m *Module) beginDay(ctx context.Context, site, program int64, day string, e *earner) (n int, err error) {
	t, err := time.ParseInLocation(time.DateOnly, day, e.zone)
	if err != nil {
		return 0, err
	}
	marks := []int{int(t.Month())*100 + t.Day()}
	if marks[0] == 228 && t.AddDate(0, 0, 1).Day() == 1 {
		marks = append(marks, 229)
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n, err = beginDay(ctx, u, site, program, day, t.UTC(), e.days(), marks)
		return err
	})
	return n, err
}
