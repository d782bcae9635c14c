package loyalty

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
	"github.com/talkable/talkable/internal/site"
)

// kindReinstate gives back what had expired, because a run of expiry was wrong. A run is what expired on a day of the site, by the timer or before
// something that the member did.
const kindReinstate = "reinstate"

// expiryRun is a run as it is shown.
type expiryRun struct {
	Day          string           `json:"id" format:"date" doc:"The day, in the site's zone" example:"2026-11-01"`
	BeginsAt     time.Time        `json:"begins_at"`
	EndsAt       time.Time        `json:"ends_at"`
	Transactions int64            `db:"transactions" json:"transactions" doc:"One for each lot that ended"`
	Points       int64            `db:"points" json:"points" doc:"Of all wallets"`
	Members      int64            `db:"members" json:"members"`
	Reversals    []expiryReversal `json:"reversals" doc:"What of it was taken back, the last first"`
}

// expiryReversal takes a run back.
type expiryReversal struct {
	ID        int64     `db:"id" json:"id"`
	SiteID    int64     `db:"site_id" json:"-"`
	Day       string    `db:"day" json:"run_id" example:"2026-11-01"`
	BeginsAt  time.Time `db:"begins_at" json:"-"`
	EndsAt    time.Time `db:"ends_at" json:"-"`
	GraceDays int       `db:"grace_days" json:"grace_days"`
	GoodUntil time.Time `db:"good_until" json:"good_until" doc:"When points end that are given back"`
	Note      string    `db:"note" json:"note"`
	ReversalPart
	AfterAt      time.Time  `db:"after_at" json:"-"`
	AfterID      int64      `db:"after_id" json:"-"`
	Transactions int64      `db:"transactions" json:"transactions" doc:"Done by now: one for each that is taken back"`
	Points       int64      `db:"points" json:"points" doc:"Given back by now"`
	RequestedAt  time.Time  `db:"requested_at" json:"requested_at"`
	DoneAt       *time.Time `db:"done_at" json:"done_at" doc:"null: it is under way"`
	Expected     *expected  `db:"-" json:"expected,omitempty" doc:"When it was asked for: what it will come to, if nothing comes between"`
}

// ReversalPart is which part of a run is taken back; nil members: all of it. It is exported because huma looks into no other embedded struct.
type ReversalPart struct {
	OnlyMember  *int64  `db:"only_member" json:"member_id,omitempty" nullable:"true" minimum:"1" doc:"Only what expired of this member" example:"17"`
	OnlyVersion *int    `db:"only_version" json:"program_version,omitempty" nullable:"true" minimum:"1" maximum:"1000000000" doc:"Only what was earned by this version of the programme; not what came by a transfer since" example:"3"`
	OnlyRule    *string `db:"only_rule" json:"rule,omitempty" nullable:"true" maxLength:"50" doc:"Only earnings that this rule of earning gave something for, by its key; the programme's own rate is default beside rules, and purchase or referral without" example:"spring_shoes"`
}

// expected is what a reversal will come to.
type expected struct {
	Transactions int64 `db:"transactions" json:"transactions"`
	Points       int64 `db:"points" json:"points" doc:"What expired, less what refunds have taken of it since"`
	Members      int64 `db:"members" json:"members"`
}

// reinstateRule is how giving back is kept.
type reinstateRule struct {
	Rule       string    `json:"rule"`
	ReversalID int64     `json:"reversal_id"`
	ExpiryID   int64     `json:"expiry_id"`
	LotID      int64     `json:"lot_id"`
	Expired    int64     `json:"expired"`
	GoodUntil  time.Time `json:"good_until"`
	Repaid     int64     `json:"repaid_debt"`
	Dated      []redated `json:"dated,omitempty"`
}

var (
	errNoRun           = fault.New(fault.NotFound, "expiry_run_not_found", "Nothing expired on such a day.")
	errReversing       = fault.New(fault.Conflict, "reversal_running", "Another reversal is under way.")
	errNothingReversed = fault.New(fault.Conflict, "nothing_to_reverse", "All that expired then was given back, or taken by refunds.")
	errReversal        = fault.New(fault.Invalid, "invalid_reversal", "The reversal is not valid.")
)

// gone is what of a lot has expired and is nobody's: not given back, nor the rest of a claw-back.
func (l *lot) gone() int64 { return l.Expired - l.Reinstated - l.Forgiven }

// reinstate gives back to a lot what expired of it by a transaction, less what a refund has taken of that since. The lot is good until a date, if it
// isn't for longer; a debt is repaid first.
func (b *books) reinstate(h *holder, l *lot, by txn, r expiryReversal) error {
	points := min(by.Points, l.gone())
	if points <= 0 {
		return nil
	}
	if err := b.expireDue(h); err != nil { // before it takes its id: those of an account rise with its entries
		return err
	}
	t := b.txn(h, kindReinstate, sourceOf(kindExpire, by.ID), by.Reason, points, b.now, "")
	t.EarnID, t.OriginID, t.ReferralID, t.RewardID = by.ID, by.OriginID, by.ReferralID, by.RewardID
	l.Reinstated += points
	repaid, dated, err := b.giveBackUntil(h, t, []allocation{{SiteID: h.SiteID, LotID: l.ID, Amount: points}}, &r.GoodUntil, causeReversed)
	if err != nil {
		return err
	}
	t.Rule = text(reinstateRule{Rule: "expiry_reversal", ReversalID: r.ID, ExpiryID: by.ID, LotID: l.ID, Expired: by.Points, GoodUntil: r.GoodUntil, Repaid: repaid, Dated: dated})
	if err := b.move(h, expired, t.ID, points); err != nil {
		return err
	}
	b.txns = append(b.txns, t)
	b.tell(h, loyaltyevent.PointsReinstated{SiteID: h.SiteID, TransactionID: t.ID, MemberID: h.MemberID, PersonID: h.PersonID, LotID: l.ID, Points: points,
		Balance: h.Balance, Wallet: h.Wallet, ExpiryID: by.ID, ExpiresAt: orNone(l.ends()), ReinstatedAt: t.EffectiveAt, ExpiredAt: by.EffectiveAt})
	return nil
}

// dayOfRun reads a run's id: the day, and when it begins and ends.
func dayOfRun(id string, zone *time.Location) (begins, ends time.Time, ok bool) {
	day, err := time.Parse(time.DateOnly, id)
	if err != nil || day.Year() < 2000 || day.Year() > 2999 {
		return begins, ends, false
	}
	year, month, n := day.Date()
	return clock.Midnight(year, month, n, zone), clock.Midnight(year, month, n+1, zone), true
}

// reverseRun asks for what expired on a day, or a part of it, to be given back. The timer does it.
func (m *Module) reverseRun(ctx context.Context, s site.Site, day string, graceDays int, why string, part ReversalPart, keyID int64, key idempotency.Key) (out expiryReversal, replayed bool, err error) {
	begins, ends, ok := dayOfRun(day, s.Zone)
	if !ok {
		return out, false, errNoRun
	}
	if n := utf8.RuneCountInString(why); n < 1 || n > 500 || !printable(why) {
		return out, false, errReversal.At("/note", "must have 1 to 500 printable characters")
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, module, u.Now, s.ID, key, &out, func() error {
			now := moment(u.Now, u.Now)
			if soon := now.Add(time.Microsecond); soon.Before(ends) {
				ends = soon // what expires from now on does so in spite of it
			}
			out = expiryReversal{SiteID: s.ID, Day: day, BeginsAt: begins.UTC(), EndsAt: ends.UTC(), GraceDays: graceDays, GoodUntil: now.AddDate(0, 0, graceDays), Note: why, ReversalPart: part,
				AfterAt: begins.UTC(), RequestedAt: now}
			of, err := expiredBetween(ctx, u, s.ID, begins, ends)
			if err != nil || of.Transactions == 0 {
				return orElse(err, errNoRun)
			}
			if out.ID, err = addReversal(ctx, u, out); err != nil || out.ID == 0 {
				return orElse(err, errReversing)
			}
			will, err := reversible(ctx, u, out) // now that no other is under way
			if err != nil || will.Points == 0 {
				return orElse(err, errNothingReversed)
			}
			out.Expected = &will
			return note(ctx, u, s.ID, keyID, "requested", aboutRun, out.ID, nil, out)
		})
		return err
	})
	if err == nil && !replayed {
		m.wake()
	}
	return out, replayed, err
}

// orElse is an error, or another where there is none.
func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// reverseDue gives back what runs took that were reversed, in sets, and returns how many transactions it has looked at.
func (m *Module) reverseDue(ctx context.Context) (n int, err error) {
	for {
		done, more, err := m.reverseSome(ctx)
		n += done
		if err != nil || !more {
			return n, err
		}
	}
}

func (m *Module) reverseSome(ctx context.Context) (n int, more bool, err error) {
	timer := prometheus.NewTimer(m.m.Real.seconds.WithLabelValues(kindReinstate))
	defer timer.ObserveDuration()
	var over *expiryReversal
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		n, more, over = 0, false, nil
		r, err := lockReversal(ctx, u)
		if err != nil || r == nil {
			return err
		}
		all, err := expiriesAfter(ctx, u, *r, perPass)
		if err != nil {
			return err
		}
		n, more = len(all), true
		if n == 0 {
			now := moment(u.Now, u.Now)
			r.DoneAt, over = &now, r
			return saveReversal(ctx, u, *r)
		}
		b, holders, lots, err := openReversal(ctx, u, *r, all)
		if err != nil {
			return err
		}
		byID := hand(lots, each(holders))
		if b.made, err = madeBy(ctx, u, dueOf(lots, u.Now)); err != nil {
			return err
		}
		o, err := open(ctx, u, 2*len(all)+len(b.made), []int64{r.SiteID}, inWallets([]string{expired}, each(holders)), nil)
		if err != nil {
			return err
		}
		b.ids, b.own = o.ids, o.own
		for _, x := range all {
			l := byID[siteID{r.SiteID, x.EarnID}]
			if l == nil || l.member == nil {
				return fmt.Errorf("lot %d of site %d went to another member meanwhile", x.EarnID, r.SiteID) // the next try finds it there
			}
			if x.Reversed || l.member.forfeited(u.Now) {
				continue
			}
			if err := b.reinstate(l.member, l, x.txn(), *r); err != nil {
				return err
			}
		}
		for _, t := range b.txns {
			if t.Kind == kindReinstate {
				r.Transactions, r.Points = r.Transactions+1, r.Points+t.Points
			}
		}
		r.AfterAt, r.AfterID = all[len(all)-1].RecordedAt, all[len(all)-1].ID
		if err := saveReversal(ctx, u, *r); err != nil {
			return err
		}
		return m.save(ctx, u, b, each(holders), lots, 0)
	})
	if err == nil && over != nil {
		m.log.Info().Int64("site", over.SiteID).Str("day", over.Day).Int64("transactions", over.Transactions).Int64("points", over.Points).Msg("a run of expiry is reversed")
	}
	return n, more, err
}

// openReversal locks whose points expired, and reads their lots.
func openReversal(ctx context.Context, u *bus.Unit, r expiryReversal, all []expiry) (*books, map[person]*holder, []*lot, error) {
	programs, err := sharePrograms(ctx, u, []int64{r.SiteID})
	if err != nil {
		return nil, nil, nil, err
	}
	people, made := make([]person, len(all)), map[siteSource]earned{}
	for i, x := range all {
		people[i] = person{r.SiteID, x.PersonID}
		made[siteSource{r.SiteID, sourceOf("lot", x.EarnID)}] = earned{SiteID: r.SiteID, ID: x.EarnID}
	}
	holders, err := lockHolders(ctx, u, inOrder(people))
	if err != nil {
		return nil, nil, nil, err
	}
	wanted := make([]memberWallet, 0, len(all))
	for _, x := range all {
		if h := holders[person{r.SiteID, x.PersonID}]; h != nil {
			wanted = append(wanted, memberWallet{h, x.Wallet})
		}
	}
	if err := loadWallets(ctx, u, wanted); err != nil {
		return nil, nil, nil, err
	}
	lots, err := lotsOf(ctx, u, holders, made)
	return &books{now: u.Now, programs: programs}, holders, lots, err
}

// expiryRuns reads the days on which something expired, before one, newest first.
func (m *Module) expiryRuns(ctx context.Context, s site.Site, before time.Time, limit int) (out []expiryRun, err error) {
	out = []expiryRun{}
	err = m.glance(ctx, func(tx *sqlx.Tx) error {
		for at := before; len(out) < limit; {
			last, err := lastExpiry(ctx, tx, s.ID, at)
			if err != nil || last == nil {
				return err
			}
			run, err := expiryRunOf(ctx, tx, s, last.In(s.Zone).Format(time.DateOnly))
			if err != nil {
				return err
			}
			out, at = append(out, run), run.BeginsAt
		}
		return nil
	})
	return out, err
}

// expiryRunOf reads what expired on a day.
func expiryRunOf(ctx context.Context, db sqlx.QueryerContext, s site.Site, day string) (expiryRun, error) {
	begins, ends, ok := dayOfRun(day, s.Zone)
	if !ok {
		return expiryRun{}, errNoRun
	}
	run, err := expiredBetween(ctx, db, s.ID, begins, ends)
	if err != nil || run.Transactions == 0 {
		return run, orElse(err, errNoRun)
	}
	run.Day, run.BeginsAt, run.EndsAt = day, begins.UTC(), ends.UTC()
	run.Reversals, err = reversalsOf(ctx, db, s.ID, day)
	return run, err
}
