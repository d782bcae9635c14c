package referral

import (
	"context"
	"time"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/agenda"
)

// duties are what the timers find, wherever they run.
var duties = agenda.Agenda{
	{What: "referrals to approve", Kind: agenda.Timed, SQL: `select approve_at as at from referral.referral where status = 'pending' and approve_at is not null`},
	{What: "flagged to resolve", Kind: agenda.Timed, SQL: `select r.updated_at + make_interval(days => u.days) as at
		from (select distinct on (site_id) site_id, (policy -> 'flagged' ->> 'after_days')::int as days from referral.fraud_policy where campaign_id = 0
			order by site_id, version desc) u
		join referral.referral r on r.site_id = u.site_id and r.status = 'flagged' where u.days is not null`},
	{What: "questions to decision hooks", Kind: agenda.Timed, SQL: `select next_at as at from referral.hook_ask where state = 'waiting'`},
	{What: "questions about clicks", Kind: agenda.Timed, SQL: `select next_at as at from referral.click_ask where state = 'waiting'`},
	{What: "coupon lists that need codes", Kind: agenda.Timed, SQL: `select s.ask_at as at` + needing},
	{What: "requests for codes", Kind: agenda.Timed, SQL: `select next_at as at from referral.coupon_request where state = 'waiting'`},
	{What: "commissions to release", Kind: agenda.Timed, SQL: `select hold_until as at from referral.commission where held and hold_until is not null`},
	{What: "commissions to convert", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from referral.commission c
		join referral.exchange_rate x on x.site_id = c.site_id and x.source = c.order_currency and x.target = c.currency
			and x.day = (c.occurred_at at time zone 'UTC')::date where c.status = 'waiting'`},
	{What: "coupon lists to serve", Kind: agenda.AtOnce, SQL: `select null::timestamptz as at from referral.coupon_list l
		where l.kind = 'single-use' and (l.expires_at is null or l.expires_at > $1)
		and exists (select from referral.coupon_wait w where w.site_id = l.site_id and w.list_id = l.id)
		and exists (select from referral.coupon c where c.site_id = l.site_id and c.list_id = l.id and c.single_use and c.issued_at is null and c.expires_at is null)`},
	{What: "friends to remind", Kind: agenda.Timed, SQL: `select h.shared_at + interval '72 hours' as at from referral.share h cross join referral.reminded m
		where h.reminder and (h.shared_at, h.site_id, h.id) > (m.shared_at, m.site_id, m.share_id)`},
	{What: "test data to drop", Kind: agenda.Timed, SQL: `select next_at as at from referral.test_drop where state = 'running'`},
}

// giftCardDuties are there where somebody orders gift cards; what is being ordered is due when its lease ends.
var giftCardDuties = agenda.Item{What: "gift cards", Kind: agenda.Timed,
	SQL: `select greatest(next_at, lease_until) as at from referral.giftcard where status in ('queued', 'sending', 'cancelling')`}

// payoutDuties are there where somebody pays commissions out.
func payoutDuties(method string) agenda.Item {
	return agenda.Item{What: "payouts", Kind: agenda.Timed,
		SQL: `select next_at as at from referral.payout_batch where status = 'approved' and next_at is not null and method = ` + pq.QuoteLiteral(method)}
}

// Agenda is what the timers find.
func (m *Module) Agenda() agenda.Agenda {
	out := append(agenda.Agenda{}, duties...)
	if m.giftCards != nil {
		out = append(out, giftCardDuties)
	}
	if m.payer != nil {
		out = append(out, payoutDuties(m.payer.Name()))
	}
	return out
}

// Due says what the timers have to do by a moment, and what comes next.
func (m *Module) Due(ctx context.Context, at time.Time) ([]agenda.Line, error) {
	return m.Agenda().Look(ctx, m.db, at)
}

// RunDue does what is due: referrals first, then what they earn.
func (m *Module) RunDue(ctx context.Context) error {
	if day := m.now().Truncate(24 * time.Hour); !day.Equal(m.kept) {
		m.keep(ctx) // so that the days are there to which visits belong
		m.kept = day
	}
	for _, do := range []func(context.Context) (int, error){m.ApproveDue, m.ResolveFlagged, m.AskHooks, m.ReleaseDue, m.ConvertWaiting, m.TendPayouts,
		m.ServeWaiting, m.SupplyCoupons, m.SendGiftCards, m.RemindFriends} {
		if _, err := do(ctx); err != nil {
			return err
		}
	}
	for more := true; more; {
		var err error
		if more, err = m.DropTestData(ctx); err != nil {
			return err
		}
	}
	return nil
}
