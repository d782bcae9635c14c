package main

import "fmt"

// redemption is points that somebody spent.
type redemption struct {
	batch  string
	points int64
}

// spend takes in what was done with somebody's points by hand.
func (l *ledger) spend(one *life) {
	p := l.person(one.Email)
	switch one.Kind {
	case kindAdjust:
		p.Adjusted[one.Key] = one.Amount
	case kindRedeem:
		p.Redeemed[one.Key] = redemption{one.Batch, one.Amount}
	case kindCancel: // however often
		p.Cancelled[one.Target] = one.Amount
	case kindGive:
		p.Passed[one.Key], l.person(one.To).Passed[one.Key] = -one.Amount, one.Amount
	case kindHold:
		p.Passed[one.Key] = -one.Amount
	case kindEnd:
		if one.Status == "release" {
			p.Released[one.Target] = one.Amount
		}
	}
}

// moved is how many points came and went by hand, by redemptions, holds, gifts of others, and by their cancellations.
func (p *person) moved() (n int64) {
	for _, points := range p.Adjusted {
		n += points
	}
	for _, r := range p.Redeemed {
		n -= r.points
	}
	for _, back := range []map[int64]int64{p.Cancelled, p.Released} {
		for _, points := range back {
			n += points
		}
	}
	for _, points := range p.Passed {
		n += points
	}
	return n
}

func wantAdjustments(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, p := range l.People {
		var sum int64
		for _, points := range p.Adjusted {
			sum += points
		}
		if n := len(p.Adjusted); n > 0 {
			out[p.Email] = fmt.Sprintf("%d of %d points", n, sum)
		}
	}
	return out
}

func wantRedemptions(l *ledger, _ map[string]bool) map[string]string {
	out := map[string]string{}
	for _, p := range l.People {
		var spent int64
		for _, r := range p.Redeemed {
			spent += r.points
		}
		if n := len(p.Redeemed); n > 0 {
			out[p.Email] = fmt.Sprintf("%d of %d points, %d cancelled", n, spent, len(p.Cancelled))
		}
	}
	return out
}

// stocked is what is said of a coupon list: its codes, and whether some are idle while somebody waits. A redemption that is cancelled
// leaves the queue or keeps its coupon, whichever comes first, so how many were handed out is not said.
func stocked(codes int64, idle bool) string {
	if idle {
		return fmt.Sprintf("%d codes, some idle while somebody waits", codes)
	}
	return fmt.Sprintf("%d codes", codes)
}

// wantStock: a list has the codes that it was given, and was asked as often as somebody redeemed.
func wantStock(l *ledger, _ map[string]bool) map[string]string {
	asked, out := map[string]int{}, wantAPIStock(l)
	for _, p := range l.People {
		for _, r := range p.Redeemed {
			asked[r.batch]++
		}
	}
	delete(out, claims) // see wantClaimCoupons
	for name := range out {
		out[name] += fmt.Sprintf(", asked %d times", asked[name])
	}
	return out
}

func wantAPIStock(l *ledger) map[string]string {
	out := map[string]string{}
	for n := range vouchers {
		out[voucher(n)] = stocked(int64(scarce+l.Stock[voucher(n)]), false)
	}
	out[claims] = stocked(int64(firstClaims+l.Stock[claims]), false)
	return out
}

const (
	adjustmentsSQL = `
		select p.email as name, count(*) || ' of ' || sum(t.points) || ' points' as value from loyalty.txn t
		join loyalty.member m on m.site_id = t.site_id and m.id = t.member_id
		left join customer.person p on p.site_id = m.site_id and p.id = m.person_id
		where t.site_id = $1 and t.kind = 'adjust' group by p.email`
	redemptionsSQL = `
		select p.email as name, count(*) || ' of ' || sum(r.points) || ' points, ' || count(*) filter (where r.status = 'cancelled') || ' cancelled' as value
		from loyalty.redemption r
		join loyalty.member m on m.site_id = r.site_id and m.id = r.member_id
		left join customer.person p on p.site_id = m.site_id and p.id = m.person_id
		where r.site_id = $1 group by p.email`
	stockSQL = `
		select l.name, c.codes || ' codes' || case when c.free > 0 and exists (
				select from referral.coupon_wait w where w.site_id = l.site_id and w.list_id = l.id) then ', some idle while somebody waits' else '' end
			|| ', asked ' || (select count(*) from loyalty.redemption r where r.site_id = l.site_id and r.coupon_list_id = l.id) || ' times' as value
		from referral.coupon_list l
		cross join lateral (
			select count(*) as codes, count(*) filter (where c.issued_at is null) as free
			from referral.coupon c where c.site_id = l.site_id and c.list_id = l.id) c
		where l.site_id = $1 and l.name like 'Voucher %'`
)
