package referral

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/customer/customerevent"
)

// Whoever is linked gets a way that is one, and no shorter one exists.
func TestPath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, shares := newTies(), map[string]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "ties") {
			one := tie{person: rapid.Int64Range(1, 6).Draw(t, "person"), thing: thing{"ip", fmt.Sprint(rapid.IntRange(1, 6).Draw(t, "thing"))}}
			g.add([]tie{one})
			shares[personNode(one.person)+one.thing.node()] = true
		}
		common := thing{"ip", "1"}
		g.common[common] = rapid.Bool().Draw(t, "common")
		far := map[int64]int{1: 0} // by the plainest means
		for range 6 {
			for a, steps := range far {
				for _, x := range g.of[a] {
					for _, y := range g.at[x.thing] {
						if d, ok := far[y.person]; !g.common[x.thing] && (!ok || d > steps+1) {
							far[y.person] = steps + 1
						}
					}
				}
			}
		}
		steps, linked := far[2]
		path := g.path(1, 2)
		if linked != (path != nil) || linked && len(path) != 2*steps+1 {
			t.Fatalf("%v, want %d steps", path, steps)
		}
		for i := 1; i < len(path); i += 2 {
			if !shares[path[i-1]+path[i]] || !shares[path[i+1]+path[i]] || g.common[common] && path[i] == common.node() {
				t.Fatalf("%v is no way", path)
			}
		}
	})
}

func TestGraph_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	for _, s := range []int64{1, 2} {
		at := p.one
		if s == 2 {
			at = p.two
		}
		p.watch(at, 0, func(in *policyInput) { in.Profile, in.Observe = profileBasic, true })
	}
	ip := func(n int) func(*customerevent.OriginRecorded) {
		return func(e *customerevent.OriginRecorded) { e.IP = fmt.Sprintf("203.0.113.%d", n) }
	}
	// 10 and 20 share nothing, but both share something with 30: 10 an IP address, 20 a browser.
	p.tell(p.seenWith(p.one, 1, 10, ip(1)), p.seenWith(p.one, 2, 30, ip(1)))
	p.tell(p.seenWith(p.one, 3, 30, func(e *customerevent.OriginRecorded) { e.VisitorIDs = []string{uuidOf(5)} }))
	p.tell(p.friend(p.one, 4, 10, 20, func(e *customerevent.OriginRecorded) { e.VisitorIDs = append(e.VisitorIDs, uuidOf(5)) }))
	p.tell(p.seenWith(p.two, 1, 10, ip(1)), p.friend(p.two, 4, 10, 20, ip(2)))
	_, out, _ := p.call(p.one, "GET", "/api/v2/referrals/1/graph", nil, "")
	got := into[graphJSON](t, out)
	if len(got.Path) != 5 || got.Path[0] != "person:10" || !strings.HasPrefix(got.Path[1], "ip:") || got.Path[2] != "person:30" || got.Path[3] != "visitor:"+uuidOf(5) || got.Path[4] != "person:20" {
		t.Errorf("%+v", got)
	}
	if len(got.Nodes) != 5 || len(got.Edges) != 4 || got.Nodes[0].ID != "person:10" {
		t.Errorf("%+v", got)
	}
	_, out, _ = p.call(p.two, "GET", "/api/v2/referrals/2/graph", nil, "")
	if got := into[graphJSON](t, out); got.Path != nil || len(got.Nodes) != 2 {
		t.Errorf("the twin: %+v", got)
	}
	for _, path := range []string{"1", "99", "0", "-5"} {
		if code, out, _ := p.call(p.two, "GET", "/api/v2/referrals/"+path+"/graph", nil, ""); code != 404 || out["code"] != "referral_not_found" {
			t.Errorf("%s: %d %v", path, code, out)
		}
	}
	for kind, shared := range map[string]func(e *customerevent.OriginRecorded){ // what two share links them, whatever it is
		"ip": ip(9), "address": func(e *customerevent.OriginRecorded) { e.Address = print32("home") }, "phone": func(e *customerevent.OriginRecorded) { e.Phone = print32("call") },
		"card": func(e *customerevent.OriginRecorded) { e.Card = print32("card") }, "visitor": func(e *customerevent.OriginRecorded) { e.VisitorIDs = append(e.VisitorIDs, uuidOf(77)) }} {
		origin := 1000 * int64(len(kind)+int(kind[0]))
		p.tell(p.seenWith(p.one, origin, origin, shared))
		p.tell(p.friend(p.one, origin+1, origin, origin+1, shared))
		id := p.count(fmt.Sprintf(`select id from referral.referral where site_id = 1 and origin_id = %d`, origin+1))
		_, out, _ = p.call(p.one, "GET", "/api/v2/referrals/"+itoa(id)+"/graph", nil, "")
		if got = into[graphJSON](t, out); len(got.Path) != 3 || !strings.HasPrefix(got.Path[1], kind+":") {
			t.Errorf("%s: %+v", kind, got)
		}
	}
	for i := range int64(15) { // half the town has that address
		p.tell(p.seenWith(p.one, 100+i, 100+i, ip(1)))
	}
	_, out, _ = p.call(p.one, "GET", "/api/v2/referrals/1/graph", nil, "")
	got = into[graphJSON](t, out)
	if got.Path != nil || !slices.ContainsFunc(got.Nodes, func(n graphNode) bool { return n.Kind == "ip" && n.Common }) {
		t.Errorf("%+v", got)
	}
}
