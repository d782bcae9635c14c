package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/money"
)

// counts is what a person's page must say of referrals and rewards.
type counts struct {
	referrals, approved, pending, rewards, paid, unpaid int
	by                                                  string
}

func wantAPIPeople(l *ledger) map[string]string {
	all := map[string]*counts{}
	at := func(email string) *counts {
		if all[email] == nil {
			all[email] = &counts{}
		}
		return all[email]
	}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			c, status := at(r.Advocate), r.status(o)
			c.referrals++
			switch status {
			case "approved":
				c.approved++
				at(r.Friend).by = r.Advocate
			case "pending":
				c.pending++
				at(r.Friend).by = r.Advocate
			}
			for _, g := range l.gifts(r, o) {
				c.rewards++
				switch g.Status {
				case "Paid":
					c.paid++
				case "Unpaid":
					c.unpaid++
				}
			}
		}
	}
	for friend, c := range l.Claims {
		switch {
		case c.Advocate == friend:
		case l.Coupons[friend] == "":
			at(friend).rewards++
			at(friend).unpaid++
		default:
			at(friend).rewards++
			at(friend).paid++
		}
	}
	for email, n := range l.welcomed() {
		c := at(email)
		c.rewards, c.paid = c.rewards+n, c.paid+n
	}
	out := map[string]string{}
	for _, p := range l.People {
		c := at(p.Email)
		out[p.Email] = fmt.Sprintf("%d events, referrals %d (%d approved, %d pending), rewards %d (%d paid, %d unpaid), referred by %q", p.bought(),
			c.referrals, c.approved, c.pending, c.rewards, c.paid, c.unpaid, c.by)
	}
	return out
}

// welcomed counts, by e-mail address, the coupons that somebody got for opening a link: those of the browsers that verified orders
// were made with.
func (l *ledger) welcomed() map[string]int {
	got, out := map[[2]string]bool{}, map[string]int{}
	for _, o := range l.Orders {
		v := l.Visits[o.Visitor]
		if k := [2]string{o.Email, o.Visitor}; o.Verified && v != nil && v.Sure > 0 && v.Campaign == tagAuto && !got[k] {
			got[k] = true
			out[o.Email]++
		}
	}
	return out
}

func wantAPIEntries(l *ledger) map[string]string {
	out := map[string]string{}
	for email, a := range l.accounts() {
		out[email] = fmt.Sprintf("%d points in all, %[1]d after the last", a.earned-a.back+a.moved)
	}
	return out
}

func wantAPIOrders(l *ledger) map[string]string {
	out := map[string]string{}
	for _, o := range l.Orders {
		if !o.Verified {
			continue // to ask for it would confirm it
		}
		out[o.Number] = fmt.Sprintf("%s %s refunded %s", o.Email, money.Format(o.Amount, currency), money.Format(o.refunded(), currency))
	}
	return out
}

func wantAPIReferrals(l *ledger) map[string]string {
	out := map[string]string{}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			var gifts []string
			for _, g := range l.gifts(r, o) {
				value := money.Format(g.Value, currency)
				if g.Kind == "points" {
					value = fmt.Sprint(g.Value, " points")
				}
				gifts = append(gifts, value+" "+g.Status)
			}
			slices.Sort(gifts)
			out[o.Number] = fmt.Sprintf("%s %s %s %v", r.Advocate, r.status(o), money.Format(o.Amount, currency), gifts)
		}
	}
	return out
}

// wantAPIMessages: which of them are uncertain follows from no answer.
func wantAPIMessages(l *ledger) map[string]string {
	out := map[string]string{}
	for _, status := range []string{"sent", "uncertain"} {
		if n := l.Outside["emails_"+status]; n != "0" {
			out[status] = n
		}
	}
	return out
}

// Outside are numbers that follow from no answer: how many visits of unknown outcome were recorded, which mails were uncertain.
// They are counted in the tables of those who tell of them.
const outsideSQL = `
	select 'visits' as name, count(*)::text as value from referral.visit where site_id = $1
	union all select 'visits_unique', count(distinct (visitor_id, campaign_id, (visited_at at time zone 'UTC')::date))::text from referral.visit where site_id = $1
	union all select 'gift', count(*)::text from referral.reward where site_id = $1 and friend_offer_id is not null and coupon_list_id is not null and coupon_id is not null
	union all select 'emails_sent', count(*)::text from notify.message where site_id = $1 and status = 'sent'
	union all select 'emails_uncertain', count(*)::text from notify.message where site_id = $1 and status = 'uncertain'`

func (l *ledger) outside(ctx context.Context, db *sqlx.DB, siteID int64) (err error) {
	l.Outside, err = pairs(ctx, db, outsideSQL, siteID)
	return err
}

func wantMetrics(l *ledger) map[string]string {
	n, minor := map[string]int64{}, map[string]int64{}
	for _, name := range []string{"referrals_blocked", "referrals_voided"} {
		n[name] = 0
	}
	for _, p := range l.People {
		n["offers"] += int64(len(p.SignUps))
		n["sign_up"] += int64(min(len(p.SignUps), 1))
		n["total_first_time_sales_count"] += int64(min(p.bought(), 1))
	}
	n["new_customers"] = n["total_first_time_sales_count"]
	for _, o := range l.Orders {
		if !o.Verified {
			continue
		}
		n["total_sales_count"]++
		minor["total_sales_sum"] += o.Amount
		n["refunded_sales_count"] += int64(min(len(o.Refunds), 1))
		minor["refunded_sales_sum"] += o.refunded()
	}
	for _, r := range l.Referrals {
		for _, o := range r.Orders {
			status := r.status(o)
			if status == "blocked" || status == "voided" {
				n["referrals_"+status]++
			}
			if status != "blocked" {
				n["total_referred_sales_count"]++
				minor["total_referred_sales_sum"] += o.Amount
			}
			if status == "approved" {
				n["talkable_sales_count"]++
				minor["talkable_sales_sum"] += o.Amount
			}
			for _, g := range l.gifts(r, o) {
				n["total_rewards_count"]++
				if g.Kind == "commission" {
					n["commissions_count"]++
				}
				if g.Currency != "" && g.Currency != currency {
					continue // sums are of one currency
				}
				if g.Kind == "points" {
					n["advocate_loyalty_referral_rewards_count"]++
					n["advocate_loyalty_referral_rewards_points"] += g.Value
					continue
				}
				minor["commissions_sum"] += g.Value
				minor["commissions_clawed_back_sum"] += g.Clawed
			}
		}
	}
	coupons := int64(len(wantCoupons(l, nil)))
	if given, err := strconv.ParseInt(l.Outside[tagGift], 10, 64); err == nil {
		coupons += given
	}
	n["total_rewards_count"] += coupons
	n["fr_rewards_count"] = coupons
	for _, a := range l.accounts() {
		n["members_joined"]++
		n["points_earned"] += a.earned
		n["points_clawed_back"] += a.back
	}
	out := maps.Clone(l.Outside)
	delete(out, tagGift) // no metric
	for name, v := range n {
		out[name] = fmt.Sprint(v)
	}
	for name, v := range minor {
		out[name] = money.Format(v, currency)
	}
	return out
}

// metrics asks for every metric that is wanted.
func (r *apiReader) metrics(ctx context.Context) map[string]string {
	out := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(wantMetrics(r.ledger))) {
		var got struct {
			Plain json.Number `json:"plain"`
		}
		if r.ask(ctx, i, "GET", "/api/v2/metrics/"+name+"?start_date=2020-01-01&end_date=2100-01-01", nil, &got) {
			out[name] = got.Plain.String()
		}
	}
	return out
}
