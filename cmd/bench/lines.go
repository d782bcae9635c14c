package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// entry is a line of the report: what is compared, what it must reach and what it should.
type entry struct {
	name        string
	part        string  // that measures it
	floor, goal float64 // 0: none
	less        bool    // the smaller, the better
	how         string
}

// entries are all lines. The floors are what the trial of the design reached, less what a platform does beside it; those of shares,
// claims, coupons, budgets and approvals, which no trial had, are half of what was first measured, and keep them from getting worse. A line
// without one informs.
var entries = append([]entry{
	{"visits / K1", "visits", 1.0, 1.6, false, "GET /x/{code} on 64 connections, each by a new visitor with a browser's name, recorded before the answer. K1: pgbench inserting the visit's row, a transaction each, the best of 8, 32 and 64 clients"},
	{"visits / static", "visits", 0.2, 0.4, false, "the same against a handler that answers 302 and knows nothing"},
	{"purchases / L1", "purchases", 1.0, 1.8, false, "POST /api/v2/origins on 64 connections, answered after the commit. L1: pgbench with the same writes in one call of a function per transaction (schema.sql), the best of 8, 32 and 64 clients"},
	{"purchases of 8 / L1", "purchases", 0, 0, false, "the same on 8 connections"},
	{"purchases of 256 / L1", "purchases", 1.2, 2.2, false, "the same on 256 connections"},
	{"purchases of 256 / L2", "purchases", 0.3, 0.6, false, "the same against pgbench with 500 purchases in one set-wise call, two clients"},
	{"settled / L1", "purchases", 0.4, 1.0, false, "purchases on 64 connections, from the first request until all that follows is there: referral, reward, points in the ledger, message, rollups; every cursor at its log's head"},
	{"recorded / L1", "purchases", 0, 0, false, "purchases while the consumers' cursors are locked, so that nothing follows from them yet"},
	{"backlog / L1", "purchases", 0, 0, false, "purchases recorded meanwhile that all consumers together catch up with, a second, once they may go on"},
	{"grouped / single", "single", 1.4, 2.0, false, "purchases on 64 connections against the same program built with -tags ungrouped: a transaction for each request, 8 at a time, on a database of its own"},
	{"p99 grouped / single", "single", 0.6, 0.25, true, "the times of their answers that one in a hundred exceeds"},
	{"lone grouped / single", "single", 1.5, 1.0, true, "the median time of an answer with one connection alone"},
	{"one site / all sites", "hot", 0.7, 1.0, false, "purchases on 64 connections that are all of one site, against those of all sites"},
	{"events posted / P1", "points", 0, 0, false, "postings of points a second by loyalty's consumer, out of a backlog of rewards. P1: pgbench posting to an account, a transaction each, the best of 8, 32 and 64 clients"},
	{"adjusted / P1", "points", 0, 0, false, "POST /api/v2/loyalty/members/{email}/manual_adjustment_actions on 64 connections, spread over ten thousand members (fewer where fewer have bought)"},
	{"redeemed / P1", "points", 0, 0, false, "POST …/redeem_actions on 64 connections, spread over the same members"},
	{"redeemed by one / P1", "points", 0, 0, false, "the same by one member, against pgbench posting to one account"},
	{"shares / S1", "shares", 0.3, 0, false, "POST /api/v2/offers/{code}/shares/social on 64 connections, of offers of ten sites, each share with a link of its own. S1: pgbench with the same writes in one call of a function per transaction (writes.sql), the best of 8, 32 and 64 clients"},
	{"shares of 8 / S1", "shares", 0.1, 0, false, "the same on 8 connections"},
	{"claims / C1", "claims", 0.08, 0, false, "POST /api/v2/offer_claims on 64 connections, each of a friend who is new, of offers of ten sites. C1: pgbench with the same writes in one call of a function per transaction (writes.sql), the best of 8, 32 and 64 clients"},
	{"claims of 8 / C1", "claims", 0.07, 0, false, "the same on 8 connections"},
	{"claims by page / C1", "claims", 0.12, 0, false, "the form of the claim page, sent by browsers on 64 connections, each a friend who is new"},
	{"coupons / C2", "coupons", 0.05, 0, false, "claims on 64 connections, each of which brings the friend a coupon of a list of single-use ones, a list a site. C2: pgbench with the same writes, likewise"},
	{"coupons of 8 / C2", "coupons", 0.05, 0, false, "the same on 8 connections"},
	{"coupons of one list / C3", "coupons", 0.1, 0, false, "the same on 64 connections, all of one list. C3: pgbench likewise"},
	{"coupons of one list of 8 / C3", "coupons", 0.1, 0, false, "the same on 8 connections"},
	{"budget / no budget", "budgets", 0.45, 0, false, "purchases of one site on 64 connections whose rewards are paid out of a budget with a hard stop, against those of another site that has none"},
	{"budget / no budget settled", "budgets", 0.4, 0, false, "the same, from the first request until all that follows is there"},
	{"approvals / A1", "approvals", 0.08, 0, false, "PUT /api/v2/origins/{order}/referral on 64 connections, of referrals that wait: points and a commission for each, and each tenth is voided. A1: pgbench with the same writes in one call of a function per transaction (writes.sql), the best of 8, 32 and 64 clients"},
	{"approvals settled / A1", "approvals", 0.08, 0, false, "the same, from the first request until all that follows is there: points in the ledger, messages, rollups"},
	{"filled / empty", "filled", 0.45, 0.8, false, "purchases on 64 connections on a database that holds what -scale says, against an empty one"},
	{"filled / empty settled", "filled", 0, 0, false, "the same, all that follows included"},
	{"filled / empty visits", "filled", 0, 0, false, "visits likewise"},
	{"filled / empty adjusted", "filled", 0, 0, false, "points adjusted likewise, of ten thousand members"},
	{"filled / empty redeemed", "filled", 0, 0, false, "points redeemed likewise, by them"},
	{"rollup / raw", "filled", 0.01, 0.005, true, "the time of visits by day of all sites out of the rollups, against counting the visits; both must say the same. The bounds are those of 20 million visits, and wider in proportion with fewer"},
	{"filled p99 answer / 25 ms", "filled", 0, 0, true, "at 100 purchases a second on the filled database: until the answer"},
	{"filled p99 points / 60 ms", "filled", 0, 0, true, "the same: until the points are in the advocate's account"},
	{"expired / bare", nightly, 0.4, 0.8, false, "lots whose day has come, a 365th of all, of members from all over: how many a second the timer ends, by its own count of the time, against one statement that writes the same rows (lots, accounts, transactions, entries, allocations)"},
	{"activated / bare", nightly, 0, 0, false, "points that were pending likewise, of one member in a thousand"},
	{"tiers / bare", nightly, 0.4, 0.8, false, "members whose tier time changes, two in a hundred: reading what counts of the last year and writing when to look again, likewise"},
	{"reversed / bare", nightly, 0.25, 0.5, false, "a day's expiry taken back: lots a second, against the statement that expires as many"},
	{"one new account / 200 a second", nightly, 1, 0, false, "purchases of one member on 64 connections: postings a second, from the first request until the last is in the ledger"},
	{"one old account / 200 a second", nightly, 1, 0, false, "the same of the member who has a five-hundredth of all entries, and half as many open lots as rounds"},
	{"one reward / 200 a second", nightly, 0.5, 0, false, "redemptions of one reward with a stock by ten thousand members, on 64 connections"},
	{"p99 answer / 25 ms", "latency", 0, 1.0, true, "at 100 purchases a second: until the answer"},
	{"p99 points / 60 ms", "latency", 0, 1.0, true, "at 100 purchases a second: until the points are in the advocate's account"},
}, readLines()...)

// lineOf finds an entry; naming one that isn't there is a mistake of this program.
func lineOf(name string) entry {
	i := slices.IndexFunc(entries, func(e entry) bool { return e.name == name })
	if i < 0 {
		panic("no line " + name)
	}
	return entries[i]
}

// wanted is what -only selects: parts, or lines by the beginning of their names. Nothing selects everything but the part nightly.
type wanted []string

func (w wanted) line(name string) bool {
	return len(w) == 0 && lineOf(name).part != nightly || slices.ContainsFunc(w, func(s string) bool { return s == lineOf(name).part || strings.HasPrefix(name, s) })
}

// part says whether any line of a part is wanted.
func (w wanted) part(name string) bool {
	return slices.ContainsFunc(entries, func(e entry) bool { return e.part == name && w.line(e.name) })
}

// parseWanted reads -only.
func parseWanted(text string) (w wanted, err error) {
	for s := range strings.SplitSeq(text, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		w = append(w, s)
		if !slices.ContainsFunc(entries, func(e entry) bool { return wanted{s}.line(e.name) }) {
			return nil, fmt.Errorf("-only %s is no part and no line; --help lists them", s)
		}
	}
	return w, nil
}

// bound writes a floor or a goal.
func (e entry) bound(v float64) string {
	if v == 0 {
		return "–"
	}
	return map[bool]string{true: "≤ ", false: "≥ "}[e.less] + fmt.Sprintf("%.3g", v)
}

// reached says whether a ratio is as good as a bound asks; no bound asks nothing.
func (e entry) reached(ratio, bound float64) bool {
	if e.less {
		return bound == 0 || ratio <= bound
	}
	return ratio >= bound
}

// explain prints what each line means.
func explain(w io.Writer) {
	const row = "  %-10s  %-24s  %-7s  %s\n"
	fmt.Fprintf(w, row, "PART", "LINE", "FLOOR", "GOAL")
	for _, e := range entries {
		fmt.Fprintf(w, row, e.part, e.name, e.bound(e.floor), e.bound(e.goal))
		for _, l := range wrap(e.how, 110) {
			fmt.Fprintf(w, "  %-10s    %s\n", "", l)
		}
	}
}

// wrap breaks a text into lines.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}
