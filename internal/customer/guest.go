package customer

import (
	"context"
	"regexp"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/agenda"
	"github.com/talkable/talkable/internal/fault"
)

// A guest is a person of whom the shop tells only the hash of an e-mail address or a phone number: `sha256:` and the SHA-256, in hexadecimal digits, of the
// address in lower case or of the number in the form +12025551111, as the customer id. So everything knows a guest as it knows others. Once the
// address itself is somebody's, the timer merges the two: that is no guess, for it is the same address.
var guestMark = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

const (
	guestReason = "It was known by the hash of the other's address only."
	guestsAPass = 500
)

// guest says that of a person nothing is known but a hash.
func (p *person) guest() bool {
	return p.EmailNorm == "" && p.Phone == "" && p.AnonymizedAt == nil && guestMark.MatchString(p.CustomerID)
}

// knownGuests selects guests whose address is somebody's by now. Whom the merchant parted stays parted, and who is others' survivor is merged by nobody else.
const knownGuests = `
	select g.site_id, g.id as guest_id, p.id as person_id
	from customer.person g
	cross join lateral (select case when g.customer_id ~ '^sha256:[0-9a-f]{64}$' then decode(substr(g.customer_id, 8), 'hex') end as hash) h
	cross join lateral (
		select coalesce(p.merged_into, p.id) as id from customer.person p
		where p.site_id = g.site_id and p.email_norm is not null and sha256(decode(p.email_norm, 'escape')) = h.hash and p.anonymized_at is null
		union all
		select coalesce(p.merged_into, p.id) from customer.person p
		where p.site_id = g.site_id and p.phone is not null and sha256(decode(p.phone, 'escape')) = h.hash and p.anonymized_at is null
		limit 1) p
	where g.customer_id like 'sha256:%' and g.merged_into is null and g.anonymized_at is null and g.email_norm is null and g.phone is null and p.id <> g.id
		and not exists (select from customer.merge x where x.site_id = g.site_id and x.duplicate_id = g.id)
		and not exists (select from customer.person d where d.site_id = g.site_id and d.merged_into = g.id)`

type knownGuest struct {
	SiteID   int64 `db:"site_id"`
	GuestID  int64 `db:"guest_id"`
	PersonID int64 `db:"person_id"`
}

func guestsAfter(ctx context.Context, db sqlx.QueryerContext, after knownGuest) ([]knownGuest, error) {
	var rows []knownGuest
	err := sqlx.SelectContext(ctx, db, &rows, knownGuests+` and (g.site_id, g.id) > ($1, $2) order by g.site_id, g.id limit $3`, after.SiteID, after.GuestID, guestsAPass)
	return rows, wrap("find guests who are known", err)
}

// mergeGuests merges guests with those whose addresses turned out to be theirs, and returns how many. Whom somebody else merges at the same moment is left.
func (m *Module) mergeGuests(ctx context.Context) (n int, err error) {
	for after := (knownGuest{}); ; {
		rows, err := guestsAfter(ctx, m.db, after)
		if err != nil {
			return n, err
		}
		for _, g := range rows {
			_, _, err := m.merge(ctx, wanted{site: g.SiteID, survivor: whom{place: "/survivor", id: g.PersonID}, duplicate: whom{place: "/duplicate", id: g.GuestID}, reason: guestReason})
			if _, refused := fault.Of(err); err != nil && !refused {
				return n, err
			}
			if err == nil {
				n++
			}
		}
		if len(rows) < guestsAPass {
			return n, nil
		}
		after = rows[len(rows)-1]
	}
}

// duties are what the timer finds.
var duties = agenda.Agenda{{What: "guests who are known", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from (` + knownGuests + `) g where cast($1 as timestamptz) is not null`}}

// Agenda is what the timer finds.
func (m *Module) Agenda() agenda.Agenda { return duties }

// Due says what the timer has to do by a moment.
func (m *Module) Due(ctx context.Context, at time.Time) ([]agenda.Line, error) {
	return duties.Look(ctx, m.db, at)
}

// RunDue does what is due.
func (m *Module) RunDue(ctx context.Context) error {
	_, err := m.mergeGuests(ctx)
	return err
}
