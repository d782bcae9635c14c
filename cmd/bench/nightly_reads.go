package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// reading is something that is asked of a ledger.
type reading struct {
	line  string
	of    func(p *platform, at time.Time) string // the path; at is when the ledger ends
	body  string                                 // of a POST
	times int                                    // in a round
}

const hotMember = "a10001" // has a five-hundredth of all entries

// readings are asked of the first site: what a member's shop page, a merchant's lists and a controller's reports ask for.
var readings = []reading{
	{line: "member", of: ofMember(""), times: 30},
	{line: "balance", of: ofMember("/balance"), times: 30},
	{line: "entries", of: ofMember("/entries"), times: 30},
	{line: "statement", of: ofMember("/statements"), times: 30},
	{line: "expirations", of: ofMember("/expirations"), times: 30},
	{line: "redemptions of a member", of: ofMember("/redeem_actions"), times: 30},
	{line: "rewards", of: ofMember("/rewards"), times: 30},
	{line: "balance of long ago, hot", times: 20, of: func(_ *platform, at time.Time) string {
		return "/api/v2/loyalty/members/" + hotMember + "/balance?as_of=" + at.AddDate(0, 0, -1-rand.IntN(1000)).Format("2006-01-02T15:04:05Z")
	}},
	{line: "statement of a year, hot", times: 10, of: func(_ *platform, at time.Time) string {
		return "/api/v2/loyalty/members/" + hotMember + "/statements?" + period(at.AddDate(0, 0, -400-rand.IntN(300)), 365)
	}},
	{line: "expirations, hot", times: 20, of: func(*platform, time.Time) string { return "/api/v2/loyalty/members/" + hotMember + "/expirations" }},
	{line: "redemptions", times: 20, of: func(*platform, time.Time) string { return "/api/v2/loyalty/redemptions?status=all" }},
	{line: "redemptions of long ago", times: 20, of: func(_ *platform, at time.Time) string {
		return "/api/v2/loyalty/redemptions?status=all&from=2020-01-01T00:00:00Z&to=" + at.AddDate(0, 0, -500-rand.IntN(500)).Format("2006-01-02T15:04:05Z")
	}},
	{line: "redemptions that wait", times: 20, of: func(*platform, time.Time) string { return "/api/v2/loyalty/redemptions" }},
	{line: "tiers", times: 10, of: func(*platform, time.Time) string { return "/api/v2/loyalty/tiers" }},
	{line: "expiry runs", times: 5, of: func(*platform, time.Time) string { return "/api/v2/loyalty/expiry_runs" }},
	{line: "finance of a month", times: 5, of: func(_ *platform, at time.Time) string {
		return "/api/v2/loyalty/finance/days?" + period(at.AddDate(0, 0, -900+rand.IntN(860)), 30)
	}},
	{line: "expiry preview", times: 1, body: `{"expires_after_days":180}`,
		of: func(p *platform, _ time.Time) string {
			return fmt.Sprintf("/api/v2/loyalty/programs/%d/expiry_preview", p.sites[0].program)
		}},
	{line: "reversal, tried", times: 1, body: `{"grace_days":30,"note":"tried"}`,
		of: func(p *platform, _ time.Time) string {
			return "/api/v2/loyalty/expiry_runs/" + p.worst + "/reverse?dry_run=true"
		}},
}

// readLines are the lines of readings: how many times as long half of them take.
func readLines() (lines []entry) {
	for _, r := range readings {
		lines = append(lines, entry{r.line + ", large / small", nightly, 0, 0, true, "the median time of the answer, from a ledger of as many entries as the scale says, against one of ten thousand"})
	}
	return lines
}

func ofMember(rest string) func(*platform, time.Time) string {
	return func(p *platform, _ time.Time) string {
		return fmt.Sprintf("/api/v2/loyalty/members/a%d%s", 10_002+rand.Int64N(p.sites[0].members-1), rest)
	}
}

// period is some days as they are asked for.
func period(from time.Time, days int) string {
	return "from=" + from.Format(time.DateOnly) + "&to=" + from.AddDate(0, 0, days).Format(time.DateOnly)
}

// reads asks both sides the same in turn.
func (b *bench) reads(ctx context.Context, sides [2]*platform) error {
	var ends [2]time.Time
	for i, p := range sides {
		if err := p.db.QueryRowContext(ctx, `select until, (select (recorded_at at time zone 'UTC')::date::text from loyalty.txn
			where site_id = s.site_id and kind = 'expire' and recorded_at < s.until - interval '2 days' group by 1 order by count(*) desc, 1 limit 1) from bench.site s where n = 1`).Scan(&ends[i], &p.worst); err != nil {
			return err
		}
	}
	times := map[string]*[2][]time.Duration{}
	for n := range b.o.pairs {
		for _, r := range readings {
			all := times[r.line]
			if all == nil {
				all = &[2][]time.Duration{}
				times[r.line] = all
			}
			before, err := sides[0].used(ctx)
			if err != nil {
				return err
			}
			var median [2]time.Duration
			for i, p := range sides {
				took, err := p.read(ctx, r, ends[i])
				if err != nil {
					return err
				}
				median[i], all[i] = quantile(took, 0.5), append(all[i], took...)
			}
			after, err := sides[0].used(ctx)
			if err != nil {
				return err
			}
			b.report.add(r.line+", large / small", pair{ms(median[0]), ms(median[1]), 0, after.minus(before).others(0), 0})
		}
		progress("read %d/%d", n+1, b.o.pairs)
	}
	for _, r := range readings {
		all := times[r.line]
		text := fmt.Sprintf("%s (median), %s (p99) of the large ledger; %s, %s of the small one", milliseconds(quantile(all[0], 0.5)), milliseconds(quantile(all[0], 0.99)),
			milliseconds(quantile(all[1], 0.5)), milliseconds(quantile(all[1], 0.99)))
		b.report.note(r.line, "%s", text)
		progress("%s: %s", r.line, text) // what follows takes long
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// read asks so often, on one connection, and says how long each answer took.
func (p *platform) read(ctx context.Context, r reading, at time.Time) ([]time.Duration, error) {
	left := r.times
	t, err := drive(ctx, p.address, 1, 0, func(int) job {
		return &asking{platform: p, left: &left, path: func() string { return r.of(p, at) }, body: r.body}
	})
	return slices.Clone(t.times), err
}

// asking asks for something.
type asking struct {
	*platform
	left *int
	path func() string
	body string
}

func (a *asking) next(buf []byte) []byte {
	if *a.left--; *a.left < 0 {
		return nil
	}
	if a.body != "" {
		return a.postTo(buf, a.path(), a.sites[0].key, []byte(a.body))
	}
	return fmt.Appendf(buf, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", a.path(), a.address, a.sites[0].key)
}

func (a *asking) done(r *response) error {
	if r.status >= 300 || !bytes.Contains(r.body, []byte(`"ok":true`)) {
		return r.unexpected("a reading of " + a.path())
	}
	return nil
}

// postingSeconds is how long the program has posted, by kind.
func (p *platform) postingSeconds(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.internal+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for line := range strings.Lines(text.String()) {
		var kind string
		var seconds float64
		if rest, ok := strings.CutPrefix(line, `talkable_loyalty_posting_seconds_sum{kind="`); ok {
			if _, err := fmt.Sscanf(strings.Replace(rest, `"}`, " ", 1), "%s %g", &kind, &seconds); err != nil {
				return nil, fmt.Errorf("metric %q: %w", line, err)
			}
			out[kind] = seconds
		}
	}
	return out, nil
}
