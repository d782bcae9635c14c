package loyalty

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// itself is the member that stands for one by now, as a join to loyalty.member o.
const itself = `join loyalty.member m on m.site_id = o.site_id and m.id = coalesce(o.merged_into, o.id)`

// PastChallenges hands over which challenges a site's members accepted, and when they left them.
func (m *Module) PastChallenges(ctx context.Context, siteID int64, h *hindsight.History) error {
	var rows []struct {
		PersonID int64      `db:"person_id"`
		Key      string     `db:"key"`
		At       time.Time  `db:"accepted_at"`
		LeftAt   *time.Time `db:"left_at"`
	}
	err := m.db.SelectContext(ctx, &rows, `
		select m.person_id, a.key, a.accepted_at, a.left_at
		from loyalty.achievement_accepted a join loyalty.member o on o.site_id = a.site_id and o.id = a.member_id `+itself+`
		where a.site_id = $1 order by m.person_id, a.accepted_at, a.key`, siteID)
	for _, r := range rows {
		p := h.Of(r.PersonID)
		p.Challenges = append(p.Challenges, hindsight.Challenge{Key: r.Key, At: r.At, LeftAt: orNone(r.LeftAt)})
	}
	return wrapped("read who took part in challenges", err)
}

// pastDates hands over members' dates as they are today, where a condition looks at them.
func (m *Module) pastDates(ctx context.Context, siteID int64, drafts []Draft, h *hindsight.History) error {
	asked := false
	for _, d := range drafts {
		e, err := newEdition(d.settings)
		if err != nil {
			return err
		}
		asked = asked || e.earner.wonders().dates
	}
	if !asked {
		return nil
	}
	for some := range slices.Chunk(h.People, pastPage) {
		dates, err := datesByPerson(ctx, m.db, siteID, column(some, func(p *hindsight.Person) int64 { return p.ID }))
		if err != nil {
			return err
		}
		for _, p := range some {
			p.Dates = dates[p.ID]
		}
	}
	return nil
}

// openCounted reads what had counted for achievements. How much of an order was refunded by then the history knows.
func (m *Module) openCounted(ctx context.Context, siteID int64, at time.Time, h *hindsight.History) error {
	var rows []struct {
		PersonID int64     `db:"person_id"`
		Source   string    `db:"source"`
		Key      string    `db:"key"`
		Basis    string    `db:"basis"`
		Name     string    `db:"name"`
		At       time.Time `db:"at"`
		Amount   int64     `db:"amount"`
		Refunded int64     `db:"refunded"`
		Money    bool      `db:"money"`
		Gone     bool      `db:"gone"`
	}
	err := m.db.SelectContext(ctx, &rows, `
		select m.person_id, p.source, p.key, a.basis, p.name, p.at, p.amount, p.refunded, p.money, p.gone
		from loyalty.achievement_part p
		join loyalty.achievement a on a.site_id = p.site_id and a.key = p.key
		join loyalty.member o on o.site_id = p.site_id and o.id = p.member_id `+itself+`
		where p.site_id = $1 and p.at < $2 order by m.person_id, p.at, p.source, p.key, p.name`, siteID, at)
	for _, r := range rows {
		o := h.Of(r.PersonID).Opening
		if o == nil {
			continue
		}
		origin := int64(0)
		if id, is := strings.CutPrefix(r.Source, "origin:"); is {
			id, _, _ = strings.Cut(id, ":")          // and the wallet
			origin, _ = strconv.ParseInt(id, 10, 64) // 0, of none: as it is known today
		}
		o.Counted = append(o.Counted, hindsight.OpeningPart{Key: r.Key, Basis: r.Basis, Name: r.Name, Origin: origin, At: r.At, Amount: r.Amount, Refunded: r.Refunded,
			Money: r.Money, Gone: r.Gone})
	}
	return wrapped("read what had counted for achievements", err)
}

// openReached reads what had been reached and wasn't lost, or was taken back by hand, which is for good.
func (m *Module) openReached(ctx context.Context, siteID int64, at time.Time, h *hindsight.History) error {
	var rows []struct {
		PersonID  int64     `db:"person_id"`
		Key       string    `db:"key"`
		Basis     string    `db:"basis"`
		Level     int       `db:"level"`
		Since     time.Time `db:"since"`
		Nth       int       `db:"nth"`
		Period    time.Time `db:"period"`
		Goal      int64     `db:"goal"`
		Amount    int64     `db:"amount"`
		Source    string    `db:"source"`
		At        time.Time `db:"reached_at"`
		TakenBack bool      `db:"taken_back"`
	}
	err := m.db.SelectContext(ctx, &rows, `
		select m.person_id, r.key, a.basis, r.level, r.since, r.nth, r.period, r.goal, r.amount, r.source, r.reached_at, coalesce(r.lost_at < $2, false) as taken_back
		from loyalty.achievement_reached r
		join loyalty.achievement a on a.site_id = r.site_id and a.key = r.key
		join loyalty.member o on o.site_id = r.site_id and o.id = r.member_id `+itself+`
		where r.site_id = $1 and r.reached_at < $2 and (r.lost_at is null or r.lost_at >= $2 or r.lost_by = 'hand') order by m.person_id, r.id`, siteID, at)
	for _, r := range rows {
		if o := h.Of(r.PersonID).Opening; o != nil {
			o.Reached = append(o.Reached, hindsight.OpeningReach{Key: r.Key, Basis: r.Basis, Level: r.Level, Nth: r.Nth, Since: r.Since, Period: r.Period, Goal: r.Goal,
				Amount: r.Amount, Source: r.Source, At: r.At, TakenBack: r.TakenBack})
		}
	}
	return wrapped("read what had been reached", err)
}
