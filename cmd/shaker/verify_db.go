package main

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/jmoiron/sqlx"
)

// pair is a line of what is, by its name.
type pair struct {
	Name  string `db:"name"`
	Value string `db:"value"`
}

func pairs(ctx context.Context, db *sqlx.DB, query string, args ...any) (map[string]string, error) {
	var rows []pair
	if err := db.SelectContext(ctx, &rows, "select coalesce(name, 'nobody that is known') as name, coalesce(value, '') as value from ("+query+") q", args...); err != nil {
		return nil, err
	}
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		for n := 2; out[r.Name] != ""; n++ {
			r.Name = fmt.Sprintf("%s (again: %d)", strings.Split(r.Name, " (again")[0], n)
		}
		out[r.Name] = r.Value
	}
	return out, nil
}

// checkDatabase compares a site's ledger with the tables, table by table, as sets.
func checkDatabase(ctx context.Context, db *sqlx.DB, siteID int64, l *ledger) (*checks, error) {
	c := &checks{}
	if err := l.choices(ctx, db, siteID); err != nil {
		return c, err
	}
	for _, part := range []struct {
		name  string
		want  func(*ledger, map[string]bool) map[string]string
		query string
	}{
		{"orders", wantOrders, `
			select o.number as name, concat_ws(' ', p.email, o.subtotal, 'refunded', o.refunded_total, 'verified', o.verified) as value
			from customer.origin o left join customer.person p on p.site_id = o.site_id and p.id = o.person_id
			where o.site_id = $1 and o.type = 'Purchase'`},
		{"refunds", wantRefunds, `
			select concat_ws(' ', o.number, r.key) as name, r.amount::text as value
			from customer.refund r join customer.origin o on o.site_id = r.site_id and o.id = r.origin_id where r.site_id = $1`},
		{"people", wantPeople, `
			select p.email as name, concat_ws(' ', p.purchases, 'purchases', (select count(*) from customer.origin o
				where o.site_id = p.site_id and o.person_id = p.id and o.type = 'AffiliateMember'), 'sign-ups') as value
			from customer.person p where p.site_id = $1`},
		{"referrals", wantReferrals, `
			select o.number as name, concat_ws(' ', a.email, f.email, r.status, r.subtotal, 'refunded', r.refunded_total) as value
			from referral.referral r
			join customer.origin o on o.site_id = r.site_id and o.id = r.origin_id
			left join customer.person a on a.site_id = r.site_id and a.id = r.advocate_id
			left join customer.person f on f.site_id = r.site_id and f.id = r.friend_id where r.site_id = $1`},
		{"rewards", wantRewards, `
			select concat_ws(' ', o.number, w.kind, nullif(w.currency, '')) as name, concat_ws(' ', p.email, w.points + w.amount, 'clawed', w.clawed, w.status) as value
			from referral.reward w join customer.origin o on o.site_id = w.site_id and o.id = w.origin_id
			left join customer.person p on p.site_id = w.site_id and p.id = w.person_id
			where w.site_id = $1 and w.referral_id is not null`},
		{"coupons of visitors", wantCoupons, `
			select w.visitor_id::text as name, w.coupon_code as value from referral.reward w where w.site_id = $1 and w.friend_offer_id is not null and w.coupon_list_id is null`},
		{"members", wantMembers, `
			select p.email as name, concat_ws(' ', coalesce(a.balance, 0), 'points, earned', m.earned) as value
			from loyalty.member m left join customer.person p on p.site_id = m.site_id and p.id = m.person_id
			left join loyalty.account a on a.site_id = m.site_id and a.owner_id = m.id and a.asset = 'points' where m.site_id = $1`},
		{"claims", wantClaims, claimsSQL},
		{"coupons of claims", wantClaimCoupons, claimCouponsSQL},
		{"accounts", wantAccounts, accountsSQL},
		{"payouts", wantPayouts, payoutsSQL},
		{"commissions of later orders", wantAgain, againSQL},
		{"adjustments", wantAdjustments, adjustmentsSQL},
		{"redemptions", wantRedemptions, redemptionsSQL},
		{"coupons of redemptions", wantStock, stockSQL},
		{"messages", wantMessages, `
			select p.email as name, count(*)::text as value from notify.message m
			left join customer.person p on p.site_id = m.site_id and p.id = m.person_id where m.site_id = $1 and m.template = 'points_earned' group by p.email`},
	} {
		got, err := pairs(ctx, db, part.query, siteID)
		if err != nil {
			return c, fmt.Errorf("read %s: %w", part.name, err)
		}
		made := map[string]bool{}
		if part.name == "referrals" {
			for number := range got {
				made[number] = true
			}
			l.choose(made)
		}
		c.compare(part.name, l.Site, part.want(l, made), got)
	}
	if err := l.checkCaps(ctx, db, siteID, c); err != nil {
		return c, err
	}
	l.checkMonths(c)
	return c, l.checkVisits(ctx, db, siteID, c)
}

// choices reads what the platform was free to choose.
func (l *ledger) choices(ctx context.Context, db *sqlx.DB, siteID int64) error {
	for _, part := range []struct {
		into  *map[string]string
		query string
	}{{&l.Coupons, heldCouponsSQL}, {&l.Refused, refusedSQL}, {&l.PaidOut, paidSQL}, {&l.Granted, grantedSQL}} {
		got, err := pairs(ctx, db, part.query, siteID)
		if err != nil {
			return fmt.Errorf("read what was chosen: %w", err)
		}
		*part.into = got
	}
	return nil
}

// choose leaves each referral with the order that the platform took among those of one friend that came at once.
func (l *ledger) choose(made map[string]bool) {
	for _, r := range l.Referrals {
		if r.Advocate != r.Friend {
			r.Orders = []*order{r.chosen(made)}
		}
	}
}

func wantOrders(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, o := range l.Orders {
		out[o.Number] = fmt.Sprintf("%s %d refunded %d verified %.1s", o.Email, o.Amount, o.refunded(), fmt.Sprint(o.Verified))
	}
	return out
}

func wantRefunds(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, o := range l.Orders {
		var parts int64
		for _, amount := range o.Refunds {
			parts += amount
		}
		for key, amount := range o.Refunds {
			if amount == 0 { // all that the others left
				amount = o.Amount - parts
			}
			out[o.Number+" key:"+key] = fmt.Sprint(amount)
		}
	}
	return out
}

func wantPeople(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, p := range l.People {
		out[p.Email] = fmt.Sprintf("%d purchases %d sign-ups", p.bought(), min(len(p.SignUps), 1))
	}
	return out
}

func wantReferrals(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			out[o.Number] = fmt.Sprintf("%s %s %s %d refunded %d", r.Advocate, r.Friend, r.status(o), o.Amount, o.refunded())
		}
	}
	return out
}

func wantRewards(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			for _, g := range l.gifts(r, o) {
				out[strings.TrimSpace(o.Number+" "+g.Kind+" "+g.Currency)] = fmt.Sprintf("%s %d clawed %d %s", r.Advocate, g.Value, g.Clawed, g.Status)
			}
		}
	}
	return out
}

func wantCoupons(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, v := range l.Visits {
		if v.Sure > 0 && v.Campaign == tagAuto {
			out[v.Visitor] = welcome(l.Site)
		}
	}
	return out
}

// account is what a member has: points that came in, those that went back, and those that were given, taken or spent.
type account struct{ earned, back, moved int64 }

func (l *ledger) accounts() map[string]account {
	out := map[string]account{}
	for _, p := range l.People {
		for _, o := range p.Orders {
			if !o.Verified {
				continue
			}
			in, back := o.points()
			a := out[p.Email]
			out[p.Email] = account{a.earned + in, a.back + back, p.moved()}
		}
	}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			for _, g := range l.gifts(r, o) {
				if g.Kind == "points" {
					a := out[r.Advocate]
					out[r.Advocate] = account{a.earned + g.Value, a.back + g.Clawed, a.moved}
				}
			}
		}
	}
	return out
}

func wantMembers(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for email, a := range l.accounts() {
		out[email] = fmt.Sprintf("%d points, earned %d", a.earned-a.back+a.moved, a.earned-a.back)
	}
	return out
}

// wantMessages: an advocate is written to for each reward in points.
func wantMessages(l *ledger, _ map[string]bool) map[string]string {
	count := map[string]int{}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			if gifts := l.gifts(r, o); len(gifts) > 0 && gifts[0].Kind == "points" {
				count[r.Advocate]++
			}
		}
	}
	out := map[string]string{}
	for email, n := range count {
		out[email] = fmt.Sprint(n)
	}
	return out
}

// checkVisits: a visit that was acknowledged is there; one of which nobody knows may be; there are no others.
func (l *ledger) checkVisits(ctx context.Context, db *sqlx.DB, siteID int64, c *checks) error {
	got, err := pairs(ctx, db, `select visitor_id::text as name, count(*)::text as value from referral.visit where site_id = $1 group by 1`, siteID)
	if err != nil {
		return fmt.Errorf("read visits: %w", err)
	}
	var rows []string
	for _, v := range l.Visits {
		var n int
		if text := got[v.Visitor]; text != "" {
			if _, err := fmt.Sscan(text, &n); err != nil {
				return err
			}
		}
		if n < v.Sure || n > v.Sure+v.Unsure {
			rows = append(rows, fmt.Sprintf("%s: %d; want %d to %d", v.Visitor, n, v.Sure, v.Sure+v.Unsure))
		}
		delete(got, v.Visitor)
	}
	for visitor, n := range got {
		rows = append(rows, fmt.Sprintf("%s: %s; want none", visitor, n))
	}
	sort.Strings(rows)
	c.add(fmt.Sprintf("visits, site %d", l.Site), fmt.Sprintf("%d expected", len(l.Visits)), rows)
	return nil
}
