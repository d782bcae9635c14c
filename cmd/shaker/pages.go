package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/talkable/talkable/internal/referral/referralapi"
)

// browse does an op as a browser does it on a page of the platform's: by a form, or by looking.
func (c *client) browse(ctx context.Context, h *history, replica int, o op) (attempt, reply, error) {
	method, target, form := o.page()
	a := attempt{op: o, Replica: replica, Start: h.now()}
	r := c.visitPage(ctx, method, target, o.Visitor, form)
	a.End, a.HTTP = h.now(), r.status
	a.Outcome, a.Note = classifyPage(o.Kind, r)
	if a.Outcome == yes {
		a.Link = shownCode(r.body)
	}
	return a, r, h.add(a)
}

// page is the op as a browser sends it.
func (o op) page() (method, target string, form url.Values) {
	switch o.Kind {
	case kindVisit, kindView:
		return "GET", "/x/" + o.Code, nil
	case kindClaim:
		return "POST", "/x/" + o.Code + "/claim", url.Values{"email": {o.Email}, "visitor": {o.Visitor}}
	}
	panic("no page for a " + o.Kind)
}

// visitPage sends what a browser with a cookie sends, once.
func (c *client) visitPage(ctx context.Context, method, target, visitor string, form url.Values) reply {
	var sent io.Reader
	if form != nil {
		sent = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, c.server+target, sent)
	if err != nil {
		return reply{err: err}
	}
	req.GetBody = nil
	req.Header.Set("User-Agent", fmt.Sprintf("%s %d", browser, rand.IntN(1000))) // many friends, many browsers
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", rand.IntN(256), rand.IntN(256), rand.IntN(256)))
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if visitor != "" {
		req.AddCookie(&http.Cookie{Name: referralapi.VisitorCookie, Value: visitor})
	}
	res, err := c.alone.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return reply{err: err}
	}
	return reply{status: res.StatusCode, body: text, location: res.Header.Get("Location"), kind: res.Header.Get("Content-Type")}
}

// classifyPage: a page is there, a form was taken, or nobody knows: a page that cannot be shown says 503.
func classifyPage(kind string, r reply) (outcome, string) {
	if r.err != nil {
		o, _, note := classify(kind, r)
		return o, note
	}
	done, html := http.StatusOK, strings.HasPrefix(r.kind, "text/html")
	if kind == kindClaim {
		done, html = http.StatusSeeOther, true
	}
	switch {
	case r.status == done && html:
		return yes, ""
	case r.status >= 500 || r.status == http.StatusTooManyRequests:
		return unknown, fmt.Sprint(r.status)
	}
	return no, fmt.Sprintf("%d %s", r.status, r.kind)
}

var codeShown = regexp.MustCompile(`<p class="code"[^>]*>([^<]+)</p>`)

// shownCode is the coupon that a page shows; "" for none.
func shownCode(body []byte) string {
	if m := codeShown.FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return ""
}

// looksAround opens a share page and a claim page.
func looksAround(ctx context.Context, t *tale) {
	a := t.link(tagClaim)
	share := t.op(kindView, "share page")
	share.Page, share.Code = true, a.share
	t.tellOnce(ctx, share)
	claim := t.op(kindView, "claim page")
	claim.Page, claim.Code, claim.Visitor = true, a.code+"/claim", t.visitor("looks")
	t.tellOnce(ctx, claim)
	t.tally.reach("pages looked at", 2)
}
