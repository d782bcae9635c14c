package referral

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	graphSteps  = 3   // from person to person
	graphPeople = 100 // that are followed
	perPerson   = 25  // things of one person, those seen last
	perThing    = 10  // people of one thing; one that more have is shared by strangers, and leads nowhere
)

// thing is what people may share.
type thing struct{ kind, value string }

// tie is a person who was seen with a thing.
type tie struct {
	person int64
	thing  thing
	last   time.Time
}

// graphJSON are the people and things around a referral.
type graphJSON struct {
	Nodes []graphNode `json:"nodes"`
	Edges []graphEdge `json:"edges"`
	Path  []string    `json:"path" nullable:"true" doc:"The shortest way from the advocate to the friend by things they share, or by people who share with both; null if none was found"`
}

type graphNode struct {
	ID     string `json:"id" example:"person:12"`
	Kind   string `json:"kind" enum:"person,visitor,ip,device,address,phone,card"`
	Common bool   `json:"common" doc:"More than ten people were seen with it, so it links nobody"`
}

type graphEdge struct {
	Person string    `json:"person"`
	Thing  string    `json:"thing"`
	LastAt time.Time `json:"last_at"`
}

func personNode(id int64) string { return "person:" + itoa(id) }

func (t thing) node() string { return t.kind + ":" + t.value }

// ties are who was seen with what, as far as it is known.
type ties struct {
	of     map[int64][]tie
	at     map[thing][]tie
	common map[thing]bool
}

func newTies() *ties {
	return &ties{of: map[int64][]tie{}, at: map[thing][]tie{}, common: map[thing]bool{}}
}

func (g *ties) add(list []tie) {
	for _, t := range list {
		if slices.ContainsFunc(g.at[t.thing], func(o tie) bool { return o.person == t.person }) {
			continue
		}
		g.of[t.person], g.at[t.thing] = append(g.of[t.person], t), append(g.at[t.thing], t)
	}
}

// path is the shortest way between two people; nil if there is none. Things that are common lead nowhere.
func (g *ties) path(from, to int64) []string {
	type step struct {
		person int64
		by     thing
	}
	came := map[int64]step{from: {}}
	for queue := []int64{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			var out []string
			for ; at != from; at = came[at].person {
				out = append(out, personNode(at), came[at].by.node())
			}
			out = append(out, personNode(from))
			slices.Reverse(out)
			return out
		}
		for _, t := range g.of[at] {
			if g.common[t.thing] {
				continue
			}
			for _, other := range g.at[t.thing] {
				if _, been := came[other.person]; !been {
					came[other.person] = step{at, t.thing}
					queue = append(queue, other.person)
				}
			}
		}
	}
	return nil
}

// show is the web as the API shows it, without things that only one person has.
func (g *ties) show(from, to int64) graphJSON {
	out := graphJSON{Nodes: []graphNode{}, Edges: []graphEdge{}, Path: g.path(from, to)}
	people := map[int64]bool{from: true, to: true}
	for t, list := range g.at {
		if len(list) < 2 && !g.common[t] {
			continue
		}
		out.Nodes = append(out.Nodes, graphNode{t.node(), t.kind, g.common[t]})
		for _, one := range list {
			people[one.person] = true
			out.Edges = append(out.Edges, graphEdge{personNode(one.person), t.node(), one.last.UTC()})
		}
	}
	for id := range people {
		out.Nodes = append(out.Nodes, graphNode{ID: personNode(id), Kind: "person"})
	}
	slices.SortFunc(out.Nodes, func(a, b graphNode) int { return byNode(a.ID, b.ID) })
	slices.SortFunc(out.Edges, func(a, b graphEdge) int {
		return cmp.Or(byNode(a.Person, b.Person), byNode(a.Thing, b.Thing))
	})
	return out
}

// byNode puts people first, by their numbers.
func byNode(a, b string) int {
	number := func(s string) int64 {
		id, isPerson := strings.CutPrefix(s, "person:")
		if !isPerson {
			return 1 << 62
		}
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return 1 << 62
		}
		return n
	}
	return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
}

// around reads the web around two people, step by step, until it links them or has gone far enough.
func (m *Module) around(ctx context.Context, siteID, one, other int64) (*ties, error) {
	g := newTies()
	asked, known := map[int64]bool{}, map[thing]bool{}
	next := []int64{one, other}
	for range graphSteps {
		var people []int64
		for _, p := range next {
			if !asked[p] && len(asked) < graphPeople {
				asked[p] = true
				people = append(people, p)
			}
		}
		if len(people) == 0 {
			break
		}
		had, err := thingsOf(ctx, m.db, siteID, people, perPerson)
		if err != nil {
			return nil, err
		}
		g.add(had)
		var things []thing
		for _, t := range had {
			if !known[t.thing] {
				known[t.thing] = true
				things = append(things, t.thing)
			}
		}
		shared, err := peopleOf(ctx, m.db, siteID, things, perThing+1)
		if err != nil {
			return nil, err
		}
		next = g.follow(things, shared)
		if g.path(one, other) != nil {
			break
		}
	}
	return g, nil
}

// follow adds who else was seen with the things, and returns them. What too many were seen with leads nowhere.
func (g *ties) follow(things []thing, shared []tie) []int64 {
	by := map[thing][]tie{}
	for _, t := range shared {
		by[t.thing] = append(by[t.thing], t)
	}
	var next []int64
	for _, t := range things {
		if len(by[t]) > perThing {
			g.common[t] = true
			continue
		}
		g.add(by[t])
		for _, one := range by[t] {
			next = append(next, one.person)
		}
	}
	return next
}

// graph is the web around a referral's advocate and friend.
func (m *Module) graph(ctx context.Context, siteID, id int64) (graphJSON, error) {
	r, err := referralByID(ctx, m.db, siteID, id)
	if err != nil {
		return graphJSON{}, err
	}
	g, err := m.around(ctx, siteID, r.AdvocateID, r.FriendID)
	if err != nil {
		return graphJSON{}, err
	}
	return g.show(r.AdvocateID, r.FriendID), nil
}
