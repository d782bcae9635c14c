package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"sort"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/smssink"
)

// phones is a site beside the twins, whose advocates have telephones and no e-mail addresses: what they earn is told by SMS. The oracle
// doesn't know it.
type phones struct {
	shop
	codes []string // of the advocates' links
}

// textOffice is the SMS provider: it remembers what it took, and misbehaves while asked to.
type textOffice struct {
	sink  *smssink.Sink
	tally *tally
	mu    sync.Mutex
	taken map[string]int // by number and words
	asked int
	rude  bool
}

func openTextOffice(dir string, t *tally) (*textOffice, error) {
	o := &textOffice{tally: t, taken: map[string]int{}}
	var err error
	o.sink, err = smssink.Start(filepath.Join(dir, "sms"), smssink.Options{OnSMS: o.take, Answer: o.answer})
	return o, err
}

func (o *textOffice) take(m smssink.SMS) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.taken[m.To+" "+m.Body]++
	o.tally.reach("SMS that the sink took", 1)
}

// answer refuses one in seven for now, and takes another without saying so.
func (o *textOffice) answer(smssink.SMS) smssink.Reply {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if !o.rude || o.asked%7 != 2 && o.asked%7 != 5 {
		return smssink.Reply{}
	}
	o.tally.reach("fault "+faultSMS, 1)
	if o.asked%7 == 2 {
		return smssink.Reply{Status: 503}
	}
	return smssink.Reply{Drop: true}
}

func (o *textOffice) behave(rude bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rude = rude
}

const phoneAdvocates = 3

// makePhones makes the site and its advocates, who agree to SMS.
func (w *world) makePhones(ctx context.Context) error {
	s, err := w.makeSite(ctx, "phones")
	if err != nil {
		return err
	}
	w.phones.shop = s
	_, err = w.create(ctx, s, "/api/v2/campaigns", "campaign", object{"name": "Phones", "tags": []string{tagAuto}, "status": "Live", "destination_url": "https://shop.example/welcome",
		"joinable_category_names": []string{"affiliate_member"}, "incentives": []object{
			{"identifier": "points", "action_type": "referrer", "kind": "points", "points": pointsAuto}}})
	if err != nil {
		return err
	}
	if _, err := w.create(ctx, s, "/api/v2/loyalty/programs", "program", object{"name": "Points", "points_per_unit": 1}); err != nil {
		return err
	}
	for i := range phoneAdvocates {
		var signed struct {
			Result struct {
				Offer struct {
					ClaimURL string `json:"claim_url"`
				}
			}
		}
		name := fmt.Sprintf("phone-%d", i)
		if err := w.ask(ctx, s, "POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"customer_id": name,
			"phone_number": fmt.Sprintf("+1555200%04d", i), "campaign_tags": []string{tagAuto}}}, "", &signed); err != nil {
			return err
		}
		if signed.Result.Offer.ClaimURL == "" {
			return fmt.Errorf("%s got no link", name)
		}
		var found struct {
			Result struct{ Person struct{ ID int64 } }
		}
		if err := w.ask(ctx, s, "GET", "/api/v2/people/"+name, nil, "", &found); err != nil {
			return err
		}
		if err := w.ask(ctx, s, "PUT", fmt.Sprintf("/api/v2/sms_consents/%d", found.Result.Person.ID), object{"opted_in": true}, "", nil); err != nil {
			return err
		}
		w.phones.codes = append(w.phones.codes, path.Base(signed.Result.Offer.ClaimURL))
	}
	return nil
}

// ask asks both replicas in turns until one says yes. With a key it is done once, however often that takes.
func (w *world) ask(ctx context.Context, s shop, method, target string, body object, key string, into any) error {
	var sent any
	if body != nil {
		sent = body
	}
	for try := 0; ; try++ {
		r := w.replicas[try%len(w.replicas)].send(ctx, s.Key, method, target, sent, key)
		if r.err == nil && r.status < 300 {
			if into == nil {
				return nil
			}
			return json.Unmarshal(r.body, into)
		}
		if ctx.Err() != nil || try == 200 {
			return errors.Join(fmt.Errorf("%s %s: %d %s", method, target, r.status, r.body), r.err, ctx.Err())
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// befriend has friends buy by the links of those with telephones, until end.
func (w *world) befriend(ctx context.Context, end time.Time) {
	for n := 0; time.Now().Before(end) && ctx.Err() == nil; n++ {
		visitor := ""
		for visitor == "" && ctx.Err() == nil {
			r := w.replicas[n%len(w.replicas)].send(ctx, "", "GET", "/x/"+w.phones.codes[n%phoneAdvocates], nil, "")
			if u, err := url.Parse(r.location); r.err == nil && err == nil {
				visitor = u.Query().Get("tkbl_cvuuid")
			}
			wait(ctx, 50*time.Millisecond)
		}
		err := w.ask(ctx, w.phones.shop, "POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": fmt.Sprintf("friend-%d@shop.example", n),
			"uuid": visitor, "order_number": fmt.Sprintf("phone-%d", n), "subtotal": 10}}, "", nil)
		if err == nil {
			w.tally.reach("friends of advocates with telephones", 1)
		}
		wait(ctx, 150*time.Millisecond)
	}
}

// checkTexts compares what the provider took with what the platform says: sent means once, uncertain at most once, and nothing else may be.
func checkTexts(ctx context.Context, db *sqlx.DB, o *textOffice) (*checks, error) {
	c := &checks{}
	var messages []struct {
		ID     int64  `db:"id"`
		SMS    string `db:"sms"`
		Status string `db:"status"`
		Reason string `db:"reason"`
	}
	err := db.SelectContext(ctx, &messages, `
		select id, concat_ws(' ', recipient, text) as sms, status, coalesce(reason, '') as reason from notify.message where channel = 'sms'`)
	if err != nil {
		return c, fmt.Errorf("read SMS: %w", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	least, most := map[string]int{}, map[string]int{}
	var rows []string
	for _, m := range messages {
		switch m.Status {
		case "sent":
			least[m.SMS]++
			most[m.SMS]++
		case "uncertain":
			most[m.SMS]++
		default:
			rows = append(rows, fmt.Sprintf("SMS %d is %s %s", m.ID, m.Status, m.Reason))
		}
	}
	for sms, n := range o.taken {
		if n > most[sms] {
			rows = append(rows, fmt.Sprintf("%q arrived %d times, at most %d may", sms, n, most[sms]))
		}
	}
	for sms, n := range least {
		if o.taken[sms] < n {
			rows = append(rows, fmt.Sprintf("%q arrived %d times, at least %d must", sms, o.taken[sms], n))
		}
	}
	sort.Strings(rows)
	c.add("SMS are sent at most once", fmt.Sprintf("%d messages", len(messages)), rows)
	return c, nil
}
