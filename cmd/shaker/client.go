package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/money"
)

const (
	currency = "USD"
	browser  = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	tooLong  = 4 * time.Second // a frozen replica answers nothing
)

type object = map[string]any

// shop is one of the twin sites.
type shop struct {
	ID     int64
	Slug   string
	Key    string           // of the shop's server
	Public string           // of its pages
	Shelf  map[string]int64 // redemption batches by name
	Lists  map[string]int64 // coupon lists by name

	Campaigns map[string]int64 // by their tag
}

// client asks one replica.
type client struct {
	http   *http.Client
	alone  *http.Client // a connection a request: on one that was used before, net/http repeats a GET by itself
	server string
}

func newClient(address string) *client {
	with := func(t *http.Transport) *http.Client {
		return &http.Client{Timeout: tooLong, Transport: t,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &client{server: "http://" + address, http: with(&http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second}),
		alone: with(&http.Transport{DisableKeepAlives: true})}
}

// reply is an answer as it came, or why none did.
type reply struct {
	status   int
	body     []byte
	location string
	replayed bool
	kind     string // of the body
	err      error
}

// send makes one request and one only: net/http would by itself repeat those that carry an Idempotency-Key.
func (c *client) send(ctx context.Context, key, method, target string, body any, idem string) reply {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return reply{err: err}
		}
		sent = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server+target, sent)
	if err != nil {
		return reply{err: err}
	}
	req.GetBody = nil
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	req.Header.Set("User-Agent", browser)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256))) // browsers come from everywhere
	if idem != "" {
		req.Header.Set("Idempotency-Key", idem)
	}
	by := c.http
	if key == "" { // a visit, which counts each time
		by = c.alone
	}
	res, err := by.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil { // the status alone is no answer: the rest was lost on its way
		return reply{err: err}
	}
	return reply{status: res.StatusCode, body: text, location: res.Header.Get("Location"), kind: res.Header.Get("Content-Type"),
		replayed: res.Header.Get("Idempotent-Replayed") == "true"}
}

// classify says what a reply means for a write: done, never to be done, or nobody knows.
func classify(kind string, r reply) (o outcome, fault, note string) {
	if r.err != nil {
		if op, ok := errors.AsType[*net.OpError](r.err); ok && op.Op == "dial" {
			return unsent, "", "nobody listens"
		}
		return unknown, "", shorten(r.err.Error())
	}
	if r.status >= 400 {
		var problem struct {
			Code string `json:"code"`
		}
		_ = json.Unmarshal(r.body, &problem) // no problem has no code
		again := r.status == http.StatusTooManyRequests || r.status == http.StatusRequestTimeout || problem.Code == "attribution_pending"
		if r.status >= 500 || again {
			return unknown, problem.Code, fmt.Sprint(r.status)
		}
		return no, problem.Code, fmt.Sprint(r.status)
	}
	if kind == kindVisit {
		u, err := url.Parse(r.location)
		if r.status != http.StatusFound || err != nil || u.Query().Get("talkable_visitor_offer_id") == "" {
			return unknown, "", "the link led on, but the visit may be lost" // what it is built to do when the database is away
		}
		return yes, "", ""
	}
	if r.status >= 300 {
		return unknown, "", fmt.Sprint(r.status)
	}
	return yes, "", ""
}

func shorten(s string) string {
	if i := strings.LastIndex(s, ": "); i >= 0 {
		return s[i+2:]
	}
	return s
}

// request is the op on the wire.
func (o op) request() (method, target string, body object) {
	switch o.Kind {
	case kindSignUp:
		return "POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": o.Email, "campaign_tags": []string{o.Campaign}}}
	case kindVisit:
		return "GET", "/x/" + o.Code + "?tkbl_cvuuid=" + o.Visitor, nil
	case kindPurchase, kindHostile:
		data := object{"email": o.Email, "order_number": o.Order, "subtotal": json.RawMessage(money.Format(o.Amount, currency))}
		if o.Visitor != "" {
			data["uuid"] = o.Visitor
		}
		if o.Code != "" {
			data["coupon_codes"] = []string{o.Code}
		}
		return "POST", "/api/v2/origins", object{"type": "Purchase", "data": data}
	case kindRefund:
		data := object{}
		if o.Amount > 0 {
			data["refund_subtotal"] = json.RawMessage(money.Format(o.Amount, currency))
		}
		return "POST", "/api/v2/origins/" + o.Order + "/refund", object{"data": data}
	case kindStatus:
		return "PUT", "/api/v2/origins/" + o.Order + "/referral", object{"data": object{"status": o.Status}}
	case kindAdjust:
		return "POST", "/api/v2/loyalty/members/" + url.PathEscape(o.Email) + "/manual_adjustment_actions", object{"data": object{"points": o.Amount}}
	case kindRedeem:
		return "POST", "/api/v2/loyalty/members/" + url.PathEscape(o.Email) + "/redeem_actions", object{"data": object{"redemption_batch_id": o.Target}}
	case kindCancel:
		return "POST", fmt.Sprintf("/api/v2/loyalty/redemptions/%d/cancel", o.Target), object{"reason": "Thought again"}
	case kindGive:
		return "POST", "/api/v2/loyalty/members/" + url.PathEscape(o.Email) + "/transfers", object{"to": o.To, "points": o.Amount}
	case kindHold:
		return "POST", "/api/v2/loyalty/members/" + url.PathEscape(o.Email) + "/holds", object{"points": o.Amount, "reference": o.ID, "seconds": holdSeconds}
	case kindEnd:
		return "POST", fmt.Sprintf("/api/v2/loyalty/holds/%d/%s", o.Target, o.Status), object{}
	case kindStock:
		return "POST", fmt.Sprintf("/api/v2/coupon_lists/%d/generate", o.Target), object{"template": "OFF-########", "count": o.Amount}
	case kindClaim:
		return "POST", "/api/v2/offer_claims", object{"advocate_email": o.Advocate, "friend_email": o.Email, "campaign_tag": o.Campaign}
	case kindOwnCode:
		return "POST", "/api/v2/offers/" + o.Offer + "/personal_coupons", object{"code": o.Code}
	case kindBatch:
		return "POST", "/api/v2/payout_batches", object{"currency": o.Batch}
	case kindPayout:
		return o.payout()
	case kindRead:
		return "GET", "/api/v2/people/" + url.PathEscape(o.Email), nil
	}
	panic("no request for a " + o.Kind)
}

// once tells the op to a replica and writes down what came of it.
func (c *client) once(ctx context.Context, h *history, s shop, replica int, o op) (attempt, reply, error) {
	if o.Page {
		return c.browse(ctx, h, replica, o)
	}
	method, target, body := o.request()
	key := s.Key
	switch {
	case o.Kind == kindVisit:
		key = ""
	case o.Public:
		key = s.Public
	}
	var sent any
	if body != nil {
		sent = body
	}
	a := attempt{op: o, Replica: replica, Start: h.now()}
	r := c.send(ctx, key, method, target, sent, o.Key)
	a.End, a.HTTP, a.Replayed = h.now(), r.status, r.replayed
	a.Outcome, a.Fault, a.Note = classify(o.Kind, r)
	if r.status >= 400 && !strings.HasPrefix(r.kind, "application/problem+json") {
		a.Note += " and no problem+json"
	}
	if a.Outcome == yes || a.Outcome == no {
		sum := sha256.Sum256(fmt.Appendf(r.body, " %d", r.status))
		a.Hash = hex.EncodeToString(sum[:8])
	}
	if (o.Kind == kindAdjust || o.Kind == kindRedeem) && a.Outcome == yes {
		a.acted(r.body)
	}
	if a.Outcome == yes {
		a.learn(r.body)
	}
	return a, r, h.add(a)
}

// learn keeps of an answer what later ops name.
func (a *attempt) learn(body []byte) {
	var got struct {
		Result struct {
			Offer struct {
				Code     string `json:"short_url_code"`
				ClaimURL string `json:"claim_url"`
				ShowURL  string `json:"show_url"`
			} `json:"offer"`
			Batch struct {
				ID int64 `json:"id"`
			} `json:"payout_batch"`
			Reward struct {
				Code string `json:"coupon_code"`
			} `json:"friend_reward"`
			Hold struct {
				ID int64 `json:"id"`
			} `json:"hold"`
		} `json:"result"`
	}
	if json.Unmarshal(body, &got) != nil { // of other kinds of op other things are there
		return
	}
	switch a.Kind {
	case kindSignUp:
		a.Link, a.Share, a.Short = path.Base(got.Result.Offer.ClaimURL), path.Base(got.Result.Offer.ShowURL), got.Result.Offer.Code
	case kindBatch:
		a.Made = got.Result.Batch.ID
	case kindHold:
		a.Made = got.Result.Hold.ID
	case kindClaim:
		a.Link = got.Result.Reward.Code
	}
}

// acted reads what was done with points. Coupon and balance are shown as they are when the answer is made, so they are no part of
// what must be the same in each.
func (a *attempt) acted(body []byte) {
	var got struct {
		Result struct {
			Action struct {
				ID         int64  `json:"id"`
				Type       string `json:"type"`
				Points     int64  `json:"points"`
				Redemption int64  `json:"redemption_id"`
			} `json:"action"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		a.Outcome, a.Note = unknown, "an answer that cannot be read"
		return
	}
	done := got.Result.Action
	a.Made, a.Hash = done.Redemption, fmt.Sprintf("%s %d of %d", done.Type, done.ID, done.Points)
}
