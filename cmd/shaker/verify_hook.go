package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"
)

// hookRow is a delivery of a webhook, as the platform says.
type hookRow struct {
	Site     int64  `db:"site_id"`
	ID       int64  `db:"id"`
	Style    string `db:"style"`
	State    string `db:"state"`
	Message  string `db:"message_id"`
	Body     string `db:"body"`
	Referral int64  `db:"referral_id"`
}

// approvedRow is a referral that merchants must have been told of.
type approvedRow struct {
	Site     int64  `db:"site_id"`
	ID       int64  `db:"id"`
	Subtotal int64  `db:"subtotal"`
	Advocate string `db:"advocate"`
	Friend   string `db:"friend"`
}

// checkHooks compares what came to the merchants with the approved referrals: of each, in each style, one delivery, which came at least
// once, under one id, signed by its own site, with the facts of that referral and of no other.
func checkHooks(ctx context.Context, db *sqlx.DB, sites [2]shop, s *hookSink, t *tally) (*checks, error) {
	c := &checks{}
	var rows []hookRow
	err := db.SelectContext(ctx, &rows, `
		select d.site_id, d.id, e.style, d.state, d.message_id, coalesce(d.body, '') as body, (d.data->>'referral_id')::bigint as referral_id
		from notify.delivery d join notify.endpoint e on e.site_id = d.site_id and e.id = d.endpoint_id`)
	if err != nil {
		return c, fmt.Errorf("read deliveries: %w", err)
	}
	var approved []approvedRow
	err = db.SelectContext(ctx, &approved, `
		select r.site_id, r.id, r.subtotal, a.email as advocate, f.email as friend
		from referral.referral r
		join customer.person a on a.site_id = r.site_id and a.id = r.advocate_id
		join customer.person f on f.site_id = r.site_id and f.id = r.friend_id
		where r.status = 'approved' and r.site_id in ($1, $2)`, sites[0].ID, sites[1].ID)
	if err != nil {
		return c, fmt.Errorf("read approved referrals: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var wrong []string
	byReferral := map[string][]hookRow{}
	for _, r := range rows {
		place := fmt.Sprint(r.Site, " ", r.Style, " ", r.Referral)
		byReferral[place] = append(byReferral[place], r)
	}
	known := map[string]bool{}
	for _, r := range approved {
		site := slices.IndexFunc(sites[:], func(s shop) bool { return s.ID == r.Site })
		for _, style := range []string{"standard", "talkable"} {
			place := fmt.Sprint(r.Site, " ", style, " ", r.ID)
			found := byReferral[place]
			delete(byReferral, place)
			if len(found) != 1 {
				wrong = append(wrong, fmt.Sprintf("referral %d of site %d (%s) has %d deliveries of style %s", r.ID, r.Site, r.Friend, len(found), style))
				continue
			}
			known[found[0].Message] = true
			if what := found[0].judge(r, sites[site].Slug, hookPath(site, style), s.came[found[0].Message]); what != "" {
				wrong = append(wrong, fmt.Sprintf("delivery %d of site %d, style %s, of referral %d (%s): %s", found[0].ID, r.Site, style, r.ID, r.Friend, what))
			}
		}
	}
	for place, found := range byReferral {
		wrong = append(wrong, fmt.Sprintf("%d deliveries of %s, which is not approved", len(found), place))
	}
	again := 0
	for id, all := range s.came {
		again += len(all)
		if !known[id] {
			wrong = append(wrong, fmt.Sprintf("%d messages %s came that no delivery has: %s", len(all), id, all[0].body))
		}
	}
	again -= len(rows)
	t.reach("webhooks that came again", again)
	slices.Sort(wrong)
	c.add("each approved referral is told to its merchant, in each style", fmt.Sprintf("%d deliveries, %d repetitions", len(rows), again), wrong)
	c.add("webhooks are what a receiver takes", fmt.Sprintf("%d messages", len(s.came)), s.wrong)
	return c, nil
}

// judge says what is wrong with a delivery of a referral and with what came of it.
func (d hookRow) judge(r approvedRow, slug, path string, came []coming) string {
	if d.State != "delivered" {
		return "is " + d.State
	}
	taken := 0
	for _, one := range came {
		if one.path != path {
			return "came to " + one.path
		}
		if one.body != d.Body {
			return "came with another body: " + one.body
		}
		if one.taken {
			taken++
		}
	}
	if taken == 0 {
		return "is delivered, and nobody took it"
	}
	return d.facts(r, slug)
}

// facts compares a body with its referral.
func (d hookRow) facts(r approvedRow, slug string) string {
	var has struct {
		Site   string `json:"site"`
		Type   string `json:"type"`
		People []struct{ Email string }
		Data   struct {
			Referral int64 `json:"referral_id"`
			Subtotal int64 `json:"subtotal"`
		}
		Offer  struct{ Email string }
		Origin struct {
			Email    string      `json:"email"`
			Subtotal json.Number `json:"subtotal"`
		} `json:"referred_origin"`
	}
	if err := json.Unmarshal([]byte(d.Body), &has); err != nil {
		return "is no JSON: " + d.Body
	}
	is := fmt.Sprint(has.Offer.Email, " ", has.Origin.Email, " ", has.Origin.Subtotal)
	want := fmt.Sprintf("%s %s %d.%02d", r.Advocate, r.Friend, r.Subtotal/100, r.Subtotal%100)
	if d.Style == "standard" {
		is = fmt.Sprint(has.Site, has.Type, has.People, has.Data)
		want = fmt.Sprint(slug, "referral.approved", []struct{ Email string }{{r.Advocate}, {r.Friend}}, struct{ Referral, Subtotal int64 }{r.ID, r.Subtotal})
	}
	if is != want {
		return "says " + is + "; want " + want
	}
	return ""
}
