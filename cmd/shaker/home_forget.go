package main

import (
	"context"
	"fmt"
	"net/url"
	"sync"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// forgets has somebody be forgotten by two at once, while a part of their order goes back and they give stars away. Some come back later, and are
// somebody new; of the others nothing may be left that tells who they were.
func forgets(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	comesBack := n%2 == 1
	gone, friend := newHomePerson(fmt.Sprintf("forgotten-%d", n)), newHomePerson(fmt.Sprintf("forgetful-%d", n))
	if comesBack {
		gone = newHomePerson(fmt.Sprintf("reborn-%d", n))
	}
	for i, p := range []*homePerson{gone, friend} {
		p.points, p.stars, p.orders = homeDollars, homeDollars, 1
		if _, err := p.buys(ctx, w, fmt.Sprintf("forget-%d-%d", n, i)); err != nil {
			return nil, err
		}
	}
	for _, p := range []*homePerson{gone, friend} { // what they give each other needs them to be members
		if err := p.awaits(ctx, w); err != nil {
			return nil, err
		}
	}
	forget := func(key string) wish {
		return wish{"POST", "/api/v2/people/" + url.PathEscape(gone.email) + "/anonymize", object{}, fmt.Sprintf("forget-%s-%d", key, n)}
	}
	gift := wish{"POST", gone.at("/transfers"), object{"to": friend.email, "points": 10, "wallet": stars}, fmt.Sprintf("farewell-%d", n)}
	refund := wish{"POST", fmt.Sprintf("/api/v2/origins/forget-%d-0/refund", n), object{"data": object{"refund_subtotal": homeDollars / 2}}, fmt.Sprintf("refund-forget-%d", n)}
	answers, err := w.race(ctx, w.home.shop, "somebody forgotten by two, who gives and sends back", 2, 4, refund, gift, forget("1"), forget("2"))
	if err != nil {
		return []*homePerson{friend}, err
	}
	if !answers[0].done || !answers[2].done && !answers[3].done {
		w.tally.violate("who is to be forgotten is", "an answer", fmt.Sprintf("%s: %+v", gone.email, answers))
	}
	if answers[1].done {
		friend.stars += 10
	}
	w.tally.reach("people forgotten", 1)
	if !comesBack {
		w.home.mu.Lock()
		w.home.forgotten = append(w.home.forgotten, gone.email)
		w.home.mu.Unlock()
		return []*homePerson{friend}, nil
	}
	_, err = gone.buys(ctx, w, fmt.Sprintf("reborn-%d", n)) // one order counts: nothing of who they were does
	return []*homePerson{gone, friend}, err
}

// tablesSQL lists those in which nothing may be left of who was forgotten: all but the logs of events, which have their time.
const tablesSQL = `
	select c.oid::regclass::text from pg_class c join pg_namespace s on s.oid = c.relnamespace
	where c.relkind = 'r' and s.nspname = any ($1) and c.relname not like 'log%' and c.relname <> 'outbox' order by 1`

// checkForgotten looks for what is left of those who were forgotten, in every table of every module.
func (h *home) checkForgotten(ctx context.Context, db *sqlx.DB, c *checks) error {
	var tables []string
	if err := db.SelectContext(ctx, &tables, tablesSQL, pq.Array(modules)); err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	var rows []string
	var mu sync.Mutex
	err := atOnce(4, func(lane int) error {
		for i := lane; i < len(tables); i += 4 {
			var found []string
			err := db.SelectContext(ctx, &found, "select left(x::text, 300) from "+tables[i]+" x where x::text like '%forgotten-%@shop.example%' limit 3") //nolint:gosec // a name of the catalogue, quoted by it
			if err != nil {
				return fmt.Errorf("look for who was forgotten in %s: %w", tables[i], err)
			}
			mu.Lock()
			for _, row := range found {
				rows = append(rows, tables[i]+": "+row)
			}
			mu.Unlock()
		}
		return nil
	})
	c.add("home: nothing is left of who was forgotten", fmt.Sprintf("%d people, %d tables", len(h.forgotten), len(tables)), rows)
	return err
}
