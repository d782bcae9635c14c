package loyalty

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

// triedRule is a rule to be tried.
type triedRule struct {
	Rule   string
	Days   *int
	Day    string
	Wallet string `json:",omitempty"` // of whose points; "": the main one
}

// expiryPreview is what members' points would do if they had been earned under another rule.
type expiryPreview struct {
	Members  int64         `json:"members" doc:"Looked at"`
	Complete bool          `json:"complete" doc:"false: of so many, members from all over were looked at"`
	Points   int64         `json:"points" doc:"That they can spend now"`
	AtOnce   previewShare  `json:"at_once" doc:"What would be past its date already"`
	Sooner   previewShare  `json:"sooner" doc:"What would end sooner than it does, at once or not"`
	Later    previewShare  `json:"later"`
	Months   []endingMonth `json:"months" doc:"In which month of the site how much ends; what would end at once stands in this month"`
}

type previewShare struct {
	Members int64 `json:"members"`
	Points  int64 `json:"points"`
}

type endingMonth struct {
	Month *string `json:"month" doc:"null: never" example:"2026-12"`
	Now   int64   `json:"now" doc:"Points, by the dates that they have"`
	Then  int64   `json:"then" doc:"Points, by the other rule"`
}

// memberPreview is what that means to a member.
type memberPreview struct {
	MemberID int64      `json:"member_id"`
	PersonID int64      `json:"person_id"`
	Points   int64      `json:"points"`
	AtOnce   int64      `json:"at_once"`
	Sooner   int64      `json:"sooner"`
	Later    int64      `json:"later"`
	Next     *time.Time `json:"next" doc:"When something ends next; null: nothing does"`
	NextThen *time.Time `json:"next_then"`
}

// openLot is what a member has left of a lot. Members who have nothing have one of no points.
type openLot struct {
	MemberID    int64      `db:"member_id"`
	PersonID    int64      `db:"person_id"`
	Remaining   int64      `db:"remaining"`
	ExpiresAt   *time.Time `db:"expires_at"`
	EffectiveAt *time.Time `db:"effective_at"`
	ActiveAt    *time.Time `db:"active_at"` // when the member did something last; where it is asked for
}

// ends is when a lot would end by settings; nil: never. What would be over ends now.
func (l openLot) ends(s settings, now time.Time) *time.Time {
	var at *time.Time
	if idle := s.idleDays(); idle > 0 {
		last := orNone(l.EffectiveAt)
		if l.ActiveAt != nil {
			last = latest(last, *l.ActiveAt)
		}
		end := last.AddDate(0, 0, idle)
		at = &end
	} else {
		at = s.expiry(orNone(l.EffectiveAt))
	}
	if at != nil && at.Before(now) {
		at = &now
	}
	return at
}

// soonest is the earlier of two times, of which nil is never.
func soonest(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// previewOf says what a rule means to the member of some lots, and adds it up by months, if those are wanted.
func previewOf(lots []openLot, s settings, zone *time.Location, now time.Time, months map[string]*endingMonth) memberPreview {
	p := memberPreview{MemberID: lots[0].MemberID, PersonID: lots[0].PersonID}
	month := func(at *time.Time) *endingMonth {
		name := ""
		if at != nil {
			name = at.Add(-time.Microsecond).In(zone).Format("2006-01") // what ends at midnight is good until the day before
		}
		if months[name] == nil {
			months[name] = &endingMonth{Month: named(name)}
		}
		return months[name]
	}
	for _, l := range lots {
		if l.Remaining == 0 {
			continue
		}
		was, then := l.ExpiresAt, l.ends(s, now)
		p.Points += l.Remaining
		p.Next, p.NextThen = soonest(p.Next, was), soonest(p.NextThen, then)
		switch {
		case then != nil && (was == nil || then.Before(*was)):
			p.Sooner += l.Remaining
			if !then.After(now) {
				p.AtOnce += l.Remaining
			}
		case was != nil && (then == nil || was.Before(*then)):
			p.Later += l.Remaining
		}
		if months != nil {
			month(was).Now += l.Remaining
			month(then).Then += l.Remaining
		}
	}
	return p
}

// add counts a member's part.
func (s *previewShare) add(points int64) {
	if points > 0 {
		s.Members, s.Points = s.Members+1, s.Points+points
	}
}

const (
	openChunk  = 2500 // members at once
	openChunks = 40   // as many samples are looked at of a site with more members than that
	openSample = 500  // members of each: their points are all over the ledger
	pageChunk  = 500  // members at once for a page of those that it touches
	pageChunks = 20
)

// perMember splits lots, which are in the order of their members.
func perMember(lots []openLot) (all [][]openLot) {
	for from, i := 0, 1; i <= len(lots); i++ {
		if i == len(lots) || lots[i].MemberID != lots[from].MemberID {
			all, from = append(all, lots[from:i]), i
		}
	}
	return all
}

// previewExpiry adds up what a rule means to all members.
func previewExpiry(ctx context.Context, tx sqlx.QueryerContext, s site.Site, wallet string, in settings, now time.Time) (out expiryPreview, err error) {
	months := map[string]*endingMonth{}
	out.Complete, err = eachSample(ctx, tx, s.ID, openChunk, openChunks, func(after int64, complete bool) (int64, error) {
		limit := openChunk
		if !complete {
			limit = openSample
		}
		lots, err := openLotsAfter(ctx, tx, s.ID, wallet, after, limit, in.idleDays() > 0)
		if err != nil || len(lots) == 0 {
			return 0, err
		}
		for _, of := range perMember(lots) {
			p := previewOf(of, in, s.Zone, now, months)
			out.Members, out.Points = out.Members+1, out.Points+p.Points
			out.AtOnce.add(p.AtOnce)
			out.Sooner.add(p.Sooner)
			out.Later.add(p.Later)
		}
		return lots[len(lots)-1].MemberID, nil
	})
	out.Months = []endingMonth{}
	for _, name := range slices.Sorted(maps.Keys(months)) {
		if name != "" {
			out.Months = append(out.Months, *months[name])
		}
	}
	if never := months[""]; never != nil {
		out.Months = append(out.Months, *never)
	}
	return out, err
}

// touched reads members behind one to whom a rule makes a difference; more: there may be others behind the last that was looked at.
func touched(ctx context.Context, tx sqlx.QueryerContext, s site.Site, wallet string, in settings, after int64, limit int, now time.Time) (out []memberPreview, last int64, more bool, err error) {
	out, last = []memberPreview{}, after
	for range pageChunks {
		lots, err := openLotsAfter(ctx, tx, s.ID, wallet, last, pageChunk, in.idleDays() > 0)
		if err != nil || len(lots) == 0 {
			return out, last, false, err
		}
		for _, of := range perMember(lots) {
			if len(out) == limit {
				return out, last, true, nil
			}
			if p := previewOf(of, in, s.Zone, now, nil); p.Sooner+p.Later > 0 {
				out = append(out, p)
			}
			last = of[0].MemberID
		}
	}
	return out, last, true, nil
}

// expiryAnswer is a preview, and the first members that it touches. Pages behind the first have no preview.
type expiryAnswer struct {
	Preview    *expiryPreview  `json:"preview" doc:"null on pages behind the first"`
	Members    []memberPreview `json:"members" doc:"Whose points would end otherwise, by id; a page may have fewer than wanted though others follow"`
	NextCursor *string         `json:"next_cursor" doc:"null on the last page"`
}

// previewRule says who would lose what, and when, if the programme's points had been earned under another rule. It keeps nothing but its answer for an
// Idempotency-Key.
func (m *Module) previewRule(ctx context.Context, s site.Site, id int64, rule triedRule, cursor string, limit int, key idempotency.Key) (out expiryAnswer, replayed bool, err error) {
	var after struct {
		ID int64 `json:"id"`
	}
	list := "expiry preview " + text(rule)
	paged, err := m.cursors.Decode(s.ID, list, cursor, &after)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			p, err := findProgram(ctx, u, s.ID, id)
			if err != nil {
				return err
			}
			if _, ok := p.wallet(rule.Wallet); !ok {
				return errNoWallet
			}
			in, err := p.forWallet(rule.Wallet).tried(rule, s)
			if err != nil {
				return err
			}
			out = expiryAnswer{}
			if !paged {
				preview, err := previewExpiry(ctx, u, s, rule.Wallet, in, u.Now)
				if err != nil {
					return err
				}
				out.Preview = &preview
			}
			found, last, more, err := touched(ctx, u, s, rule.Wallet, in, after.ID, limit, u.Now)
			if out.Members = found; more {
				next := m.cursors.Encode(s.ID, list, map[string]int64{"id": last})
				out.NextCursor = &next
			}
			return err
		})
		return err
	})
	return out, replayed, err
}

// tried are a programme's settings with another rule.
func (p program) tried(r triedRule, s site.Site) (settings, error) {
	in := p.settings
	body := PolicyBody{ExpiryRule: r.Rule}.policy()
	in.ExpiryRule, in.ExpiryDay, in.ExpiresAfterDays, in.RemindDays = body.ExpiryRule, r.Day, r.Days, 0
	in, err := in.of(s)
	if err == nil {
		err = in.check()
	}
	return in, err
}

// eachSample has all members of a site looked at in chunks by id, or, where they are more than so many chunks hold, samples from all over. look
// says up to which it went; 0: there are no more.
func eachSample(ctx context.Context, tx sqlx.QueryerContext, site, chunk, chunks int64, look func(after int64, complete bool) (last int64, err error)) (complete bool, err error) {
	all, err := spanOf(ctx, tx, site, chunk*chunks)
	if err != nil {
		return false, err
	}
	complete = !all.More
	after := all.First - 1
	for i := range chunks {
		if !complete {
			after = max(after, all.First-1+(all.Last-all.First)/chunks*i)
		}
		if after, err = look(after, complete); err != nil || after == 0 {
			return complete, err
		}
	}
	return complete, nil
}

// openLotsAfter reads what members behind one can spend in a wallet, by member and lot.
func openLotsAfter(ctx context.Context, tx sqlx.QueryerContext, site int64, wallet string, after int64, limit int, activity bool) (rows []openLot, err error) {
	err = sqlx.SelectContext(ctx, tx, &rows, `
		select m.id as member_id, m.person_id, coalesce(l.remaining, 0) as remaining, case when l.by_activity then `+lapsing+` else l.expires_at end as expires_at, t.effective_at,
			coalesce(`+lapsing+` - make_interval(days => case when a.asset <> 'points' then a.idle_days else m.idle_days end), d.effective_at) as active_at
		from (select * from loyalty.member m where m.site_id = $1 and m.id > $2 and m.merged_into is null order by m.id limit $3) m
		left join lateral (select * from loyalty.account a where a.site_id = $1 and a.owner_id = m.id and a.asset = $5 offset 0) a on true
		left join lateral (select d.effective_at from loyalty.txn d where $4 and `+lapsing+` is null and d.site_id = $1 and d.member_id = m.id and d.points > 0
			and d.kind in ('earn', 'adjust', 'redeem', 'commit') and coalesce(d.wallet, 'points') = $5 order by d.effective_at desc, d.id desc limit 1) d on true
		left join lateral (select * from loyalty.lot l where l.site_id = $1 and l.account_id = a.id and l.remaining > 0 offset 0) l on true
		left join lateral (select * from loyalty.txn t where t.site_id = $1 and t.id = l.id offset 0) t on true
		order by m.id, l.id`, site, after, limit, activity, asset(wallet))
	return rows, wrapped("read what members have left", err)
}
