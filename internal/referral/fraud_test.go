package referral

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/referral/referralevent"
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	want := map[string]map[string]string{ // Talkable's own, where it says something
		"high":       {ruleSelf: "block", ruleSimilar: "block", ruleCross: "block", ruleDevice: "block", ruleAddress: "skip", ruleIP: "skip", rulePhone: "skip"},
		"elevated":   {ruleSelf: "block", ruleSimilar: "flag", ruleCross: "block", ruleDevice: "block"},
		"moderate":   {ruleSelf: "block", ruleSimilar: "flag", ruleCross: "block", ruleDevice: "flag"},
		"low":        {ruleSelf: "block", ruleSimilar: "flag", ruleCross: "flag", ruleDevice: "flag"},
		profileBasic: {ruleSelf: "block", ruleSimilar: "skip", ruleCross: "skip", ruleDevice: "skip", ruleVelocity: "skip"},
		// Whoever lists an address wants it blocked, whatever else is set.
		profileCustom: {ruleSelf: "skip", ruleCycling: "skip", ruleBlockedIP: "block", ruleBlockedEmail: "block"},
	}
	for name, rules := range want {
		p, ok := profileByName(name)
		if !ok {
			t.Fatalf("no profile %s", name)
		}
		for rule, setting := range rules {
			if got := p.Settings.of(rule); got != setting {
				t.Errorf("%s, %s: %s, want %s", name, rule, got, setting)
			}
		}
	}
	for _, p := range profiles {
		for rule := range p.Settings {
			if ruleByName[rule] == nil {
				t.Errorf("%s sets %s, which is no rule", p.Name, rule)
			}
		}
	}
	if basicPolicy.addresses() || basicPolicy.marks() || basicPolicy.measures(ruleCross) || basicPolicy.measures(ruleVelocity) || !basicPolicy.measures(ruleSelf) {
		t.Error("where nothing was set, something is asked for")
	}
	if members := (&ruleSettings{}).members(); len(members) != len(rules) {
		t.Errorf("%d rules, %d can be set", len(rules), len(members))
	}
}

func TestSimilar(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b     string
		distance int64
		similar  bool
	}{
		{"john.smith@gmail.com", "johnsmith+x@googlemail.com", 0, true},
		{"JOHN-SMITH@a.example", "john_smith@a.example", 0, true},
		{"ann@a.example", "anna@a.example", 1, false},
		{"anna@a.example", "hanna@a.example", 1, false},
		{"john.smith88@a.example", "johnsmith89+x@a.example", 1, true},
		{"johnathan.smith@a.example", "johnathansmith@b.example", 2, true},
		{"johnsmith@a.example", "johnsmith@b.example", 2, false},
		{"info@a.example", "info@b.example", 2, false},
		{"support@a.example", "support@b.example", 2, false},
		{"maria.gonzales@a.example", "maria.gonzalse@a.example", 1, true},
		{"maria.gonzales@a.example", "mario.gonzalez@a.example", 2, true},
		{"maria.gonzales@a.example", "mario.gonzalez@b.example", 4, false},
		{"+x@a.example", "+y@a.example", 0, false},
	} {
		distance, length := mailboxOf(c.a).apart(mailboxOf(c.b))
		if got := similar(distance, length, 2); distance != c.distance || got != c.similar {
			t.Errorf("%s, %s: distance %d of %d, similar %v", c.a, c.b, distance, length, got)
		}
	}
}

func TestAlignment_is_a_distance(t *testing.T) {
	t.Parallel()
	word := rapid.StringMatching(`[abc]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := alignment(a, b)
		if d != alignment(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) || d < max(len(a), len(b))-min(len(a), len(b)) {
			t.Fatalf("%q, %q: %d", a, b, d)
		}
		if i := rapid.IntRange(0, len(a)).Draw(t, "at"); alignment(a, a[:i]+"d"+a[i:]) != 1 {
			t.Fatal("one letter more is not one step")
		}
		if len(a) > 1 {
			i := rapid.IntRange(0, len(a)-2).Draw(t, "swap")
			if alignment(a, a[:i]+string(a[i+1])+string(a[i])+a[i+2:]) > 1 {
				t.Fatal("a swap is more than one step")
			}
		}
	})
}

func TestWildcard_is_as_a_regular_expression(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := rapid.StringMatching(`[ab*.]{0,8}`).Draw(t, "pattern"), rapid.StringMatching(`[ab.]{0,10}`).Draw(t, "text")
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
		if got := wildcard(pattern, text); got != want {
			t.Fatalf("%q, %q: %v", pattern, text, got)
		}
	})
	if wildcard(strings.Repeat("*a", 100)+"b", strings.Repeat("a", 254)) {
		t.Error("matched")
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		entry   string
		in, out []string
	}{
		{"203.0.113.7", []string{"203.0.113.7", "::ffff:203.0.113.7"}, []string{"203.0.113.8", "", "x", "::1"}},
		{"203.0.113.0/25", []string{"203.0.113.0", "203.0.113.127"}, []string{"203.0.113.128", "203.0.112.255"}},
		{"203.0.113.99/25", []string{"203.0.113.1"}, []string{"203.0.113.128"}},
		{"203.0.113.9-203.0.114.2", []string{"203.0.113.9", "203.0.113.255", "203.0.114.2"}, []string{"203.0.113.8", "203.0.114.3"}},
		{"2001:db8::/33", []string{"2001:db8:7fff:ffff::1"}, []string{"2001:db8:8000::", "203.0.113.1"}},
		{"0.0.0.0/0", []string{"1.2.3.4", "255.255.255.255"}, []string{"::1"}},
	} {
		l := spansOf([]string{c.entry})
		for _, ip := range c.in {
			if !l.has(ip) {
				t.Errorf("%s hasn't %s", c.entry, ip)
			}
		}
		for _, ip := range c.out {
			if l.has(ip) {
				t.Errorf("%s has %s", c.entry, ip)
			}
		}
	}
	for _, bad := range []string{"", "x", "1.2.3.4/33", "1.2.3.4-1.2.3.3", "1.2.3.4-::1", "1.2.3", "fe80::1%eth0", "-", "1.2.3.4-", "::ffff:1.2.3.4/100"} {
		if _, ok := spanOf(bad); ok {
			t.Errorf("%q is a span", bad)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip")
		ip, _ := netip.AddrFromSlice(b)
		p := netip.PrefixFrom(ip, rapid.IntRange(0, 32).Draw(t, "bits"))
		other, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "other"))
		if l := spansOf([]string{p.String()}); l.has(other.String()) != p.Contains(other) || !l.has(ip.String()) {
			t.Fatalf("%s, %s", p, other)
		}
	})
}

func TestThrowaway(t *testing.T) {
	t.Parallel()
	l := &lists{disposable: lowerSet([]string{"Odd.example"}), ordinary: lowerSet([]string{"yopmail.com"})}
	for email, want := range map[string]string{"a@mailinator.com": "mailinator.com", "a@x.Mailinator.com": "mailinator.com", "a@notmailinator.com": "",
		"a@odd.example": "odd.example", "a@yopmail.com": "", "a@shop.example": ""} {
		if got := throwaway(email, l); got.Match != want || got.Missing != "" {
			t.Errorf("%s: %+v", email, got)
		}
	}
	if len(disposable) < 100 || throwaway("", l).Missing == "" {
		t.Errorf("%d domains", len(disposable))
	}
	for name := range disposable {
		if !domain(name) || strings.ToLower(name) != name {
			t.Errorf("%q is no domain", name)
		}
	}
}

// drawnEvidence is of every rule, some of it a hit.
var drawnEvidence = rapid.Custom(func(t *rapid.T) map[string]evidence {
	out := map[string]evidence{}
	for _, r := range rules {
		if rapid.IntRange(0, 3).Draw(t, r.Name) == 0 {
			continue
		}
		apart, distance := rapid.Int64Range(0, 400*secondsADay).Draw(t, "apart"), rapid.Int64Range(0, 6).Draw(t, "distance")
		e := evidence{Match: rapid.SampledFrom([]string{"", "x"}).Draw(t, "match"), Apart: &apart, Distance: &distance, Length: rapid.Int64Range(0, 30).Draw(t, "length"),
			ReferralID: rapid.Int64Range(0, 1).Draw(t, "referral"), Day: rapid.Int64Range(1, 5).Draw(t, "day")}
		e.Week = e.Day + rapid.Int64Range(0, 9).Draw(t, "week")
		e.Month = e.Week + rapid.Int64Range(0, 30).Draw(t, "month")
		if rapid.IntRange(0, 9).Draw(t, "missing") == 0 {
			e = evidence{Missing: "something"}
		}
		out[r.Name] = e
	}
	return out
})

var drawnPolicy = rapid.Custom(func(t *rapid.T) *policy {
	p := basicPolicy
	p.Settings = actions{}
	for _, r := range rules {
		p.Settings[r.Name] = rapid.SampledFrom([]string{settingSkip, settingFlag, settingBlock}).Draw(t, r.Name)
	}
	p.Thresholds = thresholds{rapid.Int64Range(0, 4).Draw(t, "distance"), rapid.Int64Range(1, 365).Draw(t, "address"), rapid.Int64Range(1, 365).Draw(t, "ip"),
		rapid.Int64Range(1, 30).Draw(t, "referrals"), rapid.SampledFrom([]int64{1, 7, 30}).Draw(t, "days")}
	return &p
})

func TestJudge(t *testing.T) {
	t.Parallel()
	rank := map[string]int{verdictPassed: 0, verdictFlagged: 1, verdictBlocked: 2}
	rapid.Check(t, func(t *rapid.T) {
		p, seen := drawnPolicy.Draw(t, "policy"), drawnEvidence.Draw(t, "evidence")
		found := p.judge(seen)
		v := verdicts(found)
		if n := len(v.Blocked) + len(v.Flagged) + len(v.Skipped) + len(v.Passed); n != len(rules) {
			t.Fatalf("%d of %d rules have a verdict", n, len(rules))
		}
		if (details(found) == nil) != (worst(found) == verdictPassed) || len(found) != len(seen) {
			t.Fatalf("%+v", found)
		}
		for _, f := range found {
			want := map[string]string{settingSkip: verdictSkipped, settingFlag: verdictFlagged, settingBlock: verdictBlocked}[p.Settings[f.Rule]]
			switch {
			case f.Evidence.Missing != "":
				want = verdictSkipped
			case want != verdictSkipped && !f.Hit:
				want = verdictPassed
			}
			if f.Verdict != want || f.Hit && f.Evidence.Missing != "" {
				t.Fatalf("%+v, want %s", f, want)
			}
		}
		stricter := *p // no referral fares better when a rule is set harder, nor when a threshold catches more
		stricter.Settings = maps.Clone(p.Settings)
		name := rules[rapid.IntRange(0, len(rules)-1).Draw(t, "rule")].Name
		if p.Settings[name] == settingFlag || rapid.Bool().Draw(t, "block") {
			stricter.Settings[name] = settingBlock
		} else if p.Settings[name] == settingSkip {
			stricter.Settings[name] = settingFlag
		}
		stricter.Thresholds.SimilarEmailDistance++
		stricter.Thresholds.IPDays++
		stricter.Thresholds.AddressDays++
		stricter.Thresholds.VelocityReferrals--
		if rank[worst(stricter.judge(seen))] < rank[worst(found)] {
			t.Fatal("a stricter policy lets more pass")
		}
	})
}

func TestSpeed(t *testing.T) {
	t.Parallel()
	p := pairKey{1, 10, 20}
	made := func(site, advocate int64, ago time.Duration) referral {
		return referral{SiteID: site, AdvocateID: advocate, OccurredAt: epoch.Add(-ago), Status: referralevent.Blocked}
	}
	got := speed(p, epoch, pace{1, 2, 3}, []referral{made(1, 10, 0), made(1, 10, 24*time.Hour), made(1, 10, 7*24*time.Hour), made(1, 10, 30*24*time.Hour),
		made(1, 10, -time.Second), made(2, 10, 0), made(1, 11, 0)})
	if got.Day != 3 || got.Week != 5 || got.Month != 7 {
		t.Errorf("%+v", got)
	}
	if got := speed(p, epoch, pace{1000, 1000, 1000}, nil); got.Month != 1000 {
		t.Errorf("%+v", got)
	}
}

func TestPublic(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]bool{"203.0.113.9": true, "2001:db8::1": true, "10.1.2.3": false, "192.168.0.1": false, "127.0.0.1": false, "fe80::1": false,
		"fd00::1": false, "": false, "0.0.0.0": false} {
		if public(ip) != want {
			t.Errorf("%q: %v", ip, !want)
		}
	}
}

func TestPolicyInput(t *testing.T) {
	t.Parallel()
	number := func(n int64) *int64 { return &n }
	for name, in := range map[string]policyInput{
		"/profile":                           {RulesBody: RulesBody{Profile: "strict"}},
		"/rules/cross_referral":              {RulesBody: RulesBody{Profile: "low", Rules: &ruleSettings{Cross: "void"}}},
		"/thresholds/similar_email_distance": {RulesBody: RulesBody{Profile: "low", Thresholds: &thresholdsInput{SimilarEmailDistance: number(5)}}},
		"/thresholds/velocity_days":          {RulesBody: RulesBody{Profile: "low", Thresholds: &thresholdsInput{VelocityDays: number(2)}}},
		"/blocked_emails/1":                  {RulesBody: RulesBody{Profile: "low"}, ListsBody: ListsBody{BlockedEmails: []string{"*@x.example", "*"}}},
		"/blocked_ips/0":                     {RulesBody: RulesBody{Profile: "low"}, ListsBody: ListsBody{BlockedIPs: []string{"1.2.3.4/99"}}},
		"/ordinary_domains/0":                {RulesBody: RulesBody{Profile: "low"}, ListsBody: ListsBody{OrdinaryDomains: []string{"com"}}},
		"/qa_emails":                         {RulesBody: RulesBody{Profile: "low"}, ListsBody: ListsBody{QAEmails: slices.Repeat([]string{"a@b.example"}, 1001)}},
	} {
		var f findings
		in.RulesBody.check(&f, false)
		in.ListsBody.check(&f)
		if len(f.fields) != 1 || f.fields[0].Pointer != name {
			t.Errorf("%s: %+v", name, f.fields)
		}
	}
	in := policyInput{RulesBody: RulesBody{Profile: "moderate", Rules: &ruleSettings{IP: "flag", Cross: "skip"}, Thresholds: &thresholdsInput{IPDays: number(3)}}}
	p := in.policy(0, 1, nil)
	if p.Settings.of(ruleIP) != "flag" || p.Settings.of(ruleCross) != "skip" || p.Settings.of(ruleSimilar) != "flag" || p.Thresholds.IPDays != 3 || p.Thresholds.AddressDays != 365 {
		t.Errorf("%+v", p)
	}
	if base, _ := profileByName("moderate"); base.Settings.of(ruleIP) != "skip" {
		t.Error("a site's setting changed the profile")
	}
}
