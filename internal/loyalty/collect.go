package loyalty

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/site"
)

const (
	maxActionConfigs = 200 // of a programme: all are shown at once
	maxCollections   = 1000
)

// collectable is what the merchant decides about an action that earns points.
type collectable struct {
	Status      string `db:"status"`
	Identifier  string `db:"identifier"`
	Name        string `db:"name"`
	Description string `db:"description"`
	Points      int64  `db:"points"`
	Limit       *int   `db:"member_limit"` // nil: none
	Period      string `db:"period"`       // that the limit is of: ever, day, month, year
}

// actionConfig is such an action as it stands.
type actionConfig struct {
	SiteID    int64 `db:"site_id"`
	ID        int64 `db:"id"`
	ProgramID int64 `db:"program_id"`
	Version   int   `db:"version"`
	collectable
	CreatedAt time.Time `db:"created_at"`
	UpdatedAt time.Time `db:"updated_at"`
}

var actionIdentifier = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,49}$`)

// check says what is wrong with settings, place by place of the request.
func (c collectable) check() error {
	bad := fault.New(fault.Invalid, "invalid_action_config", "The action's settings are not valid.")
	at := func(pointer, format string, args ...any) { bad = bad.At(pointer, fmt.Sprintf(format, args...)) }
	if !actionIdentifier.MatchString(c.Identifier) {
		at("/identifier", "must have 1 to 50 lowercase letters, digits, '_' and '-', and begin with a letter")
	}
	if n := utf8.RuneCountInString(c.Name); n < 1 || n > 100 || !printable(c.Name) {
		at("/name", "must have 1 to 100 printable characters")
	}
	if utf8.RuneCountInString(c.Description) > 1000 || !utf8.ValidString(c.Description) {
		at("/description", "must have at most 1000 characters")
	}
	if c.Points < 1 || c.Points > maxRate {
		at("/points", "must be 1 to %d", maxRate)
	}
	if c.Limit != nil && (*c.Limit < 1 || *c.Limit > maxCollections) {
		at("/member_limit", "must be 1 to %d, or null for none", maxCollections)
	}
	if _, ok := periods[c.Period]; !ok {
		at("/period", "must be ever, day, month or year")
	}
	if c.Status != active && c.Status != archived {
		at("/status", "must be active or archived")
	}
	return bad.Pointed()
}

// periods are the first days of what a limit is of.
var periods = map[string]func(time.Time) time.Time{
	"ever":  func(time.Time) time.Time { return time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC) },
	"day":   func(d time.Time) time.Time { return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, time.UTC) },
	"month": func(d time.Time) time.Time { return time.Date(d.Year(), d.Month(), 1, 0, 0, 0, 0, time.UTC) },
	"year":  func(d time.Time) time.Time { return time.Date(d.Year(), 1, 1, 0, 0, 0, 0, time.UTC) },
}

// collection is an action that a member collected.
type collection struct {
	SiteID   int64
	MemberID int64
	TxnID    int64
	Config   actionConfig
	Period   time.Time
	Place    int
	Traffic  string
	At       time.Time
}

// next is the place of the next one, when so many were collected in the period; false: the limit is reached.
func (c actionConfig) next(collected int) (int, bool) {
	return collected + 1, c.Limit == nil || collected < *c.Limit
}

func (c collection) source() string {
	return sourceOf("action", c.Config.ID) + ":" + strconv.FormatInt(c.MemberID, 10) + ":" + c.Period.Format(time.DateOnly) + ":" + strconv.Itoa(c.Place)
}

// forAction decides what an action earns; its caller has seen that the limit lets it.
func (p program) forAction(c collection, personID int64) earning {
	e := earning{SiteID: c.SiteID, PersonID: personID, Source: c.source(), Reason: loyaltyevent.ForAction, Points: c.Config.Points, EffectiveAt: c.At, feat: p.featOfAction(c)}
	return p.decided(e, rule{Rule: "action", Action: c.Config.Identifier, ActionID: c.Config.ID, ActionVersion: c.Config.Version, Place: c.Place})
}

// Collect posts what an action earns a member, if the action's limit lets it. An identifier that is none is a fault in Talkable's words.
func (m *Module) Collect(ctx context.Context, s site.Site, personID int64, identifier, traffic string, key idempotency.Key) (out loyaltyapi.Collected, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			out, err = m.collect(ctx, u, s, personID, identifier, traffic)
			return err
		})
		return err
	})
	return out, replayed, err
}

func (m *Module) collect(ctx context.Context, u *bus.Unit, s site.Site, personID int64, identifier, traffic string) (out loyaltyapi.Collected, err error) {
	h, p, err := lockActive(ctx, u, person{s.ID, personID})
	if err != nil {
		return out, err
	}
	if p.Status != active {
		return out, errNoClub
	}
	config, found, err := actionByIdentifier(ctx, u, s.ID, p.ID, identifier)
	if err != nil {
		return out, err
	}
	if !found {
		return out, fault.New(fault.Invalid, "action_config_not_found", "%s", "No action configurations found for identifier `"+identifier+"`").
			At("/data/type", "is the identifier of no active action")
	}
	c := collection{SiteID: s.ID, MemberID: h.MemberID, Config: config, Period: periods[config.Period](u.Now.In(s.Zone)), Traffic: traffic, At: u.Now}
	collected, err := countCollections(ctx, u, c, h.tallied())
	if err != nil {
		return out, err
	}
	out = loyaltyapi.Collected{Balance: h.Balance}
	if c.Place, out.Collected = config.next(collected.n); !out.Collected {
		m.m.Of(ctx).refused.WithLabelValues("limit").Inc()
		return out, nil
	}
	c.Place = collected.last + 1 // of this member's own
	programs := map[int64]program{s.ID: p}
	if err := m.equip(ctx, u, programs); err != nil {
		return out, err
	}
	if err := m.postEarnings(ctx, u, programs, []earning{programs[s.ID].forAction(c, personID)}); err != nil {
		return out, err
	}
	out.Balance, err = insertCollection(ctx, u, c)
	return out, err
}

// Collections reads what a member collected by actions, newest first, and says whether older ones follow.
func (m *Module) Collections(ctx context.Context, siteID, personID int64, after loyaltyapi.AfterID, limit int) ([]loyaltyapi.Collection, bool, error) {
	r, err := m.clubMember(ctx, siteID, personID)
	if err != nil {
		return nil, false, err
	}
	all, err := collectionsOf(ctx, m.db, siteID, r.ID, after.ID, limit+1)
	return all[:min(limit, len(all))], len(all) > limit, err
}
