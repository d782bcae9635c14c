package hindsight

import (
	"cmp"
	"slices"
)

const shown = 20 // winners and losers by name

// Change is what the second programme gives people that the first doesn't, counted by what they spent or still have at the end.
type Change struct {
	Tiers   []Cell   `json:"tiers"` // people by their tier at the end in the first programme, and in the second
	Winners Group    `json:"winners"`
	Losers  Group    `json:"losers"`
	Same    int64    `json:"same"`
	Spread  []Bucket `json:"spread"`
	Most    []Case   `json:"most"` // who gain most
	Least   []Case   `json:"least"`
}

// Group is people with what they gain or lose together.
type Group struct {
	People int64 `json:"people"`
	Points int64 `json:"points"`
	Amount int64 `json:"amount"`
}

// Bucket is how many people gain or lose so much.
type Bucket struct {
	From   *int64 `json:"from"` // points; null: no bound
	To     *int64 `json:"to"`
	People int64  `json:"people"`
}

// Case is somebody in both programmes.
type Case struct {
	Person int64     `json:"person"`
	Name   string    `json:"name,omitempty"`
	Kept   [2]int64  `json:"kept"` // points
	Tiers  [2]string `json:"tiers"`
	Change int64     `json:"change"`
}

// bounds are where buckets begin, above zero; below they are mirrored.
var bounds = []int64{1, 100, 1_000, 10_000}

func change(p Played) *Change {
	c := &Change{Tiers: []Cell{}, Most: []Case{}, Least: []Case{}, Spread: buckets()}
	one, other := p.Programmes[0], p.Programmes[1]
	tiers := map[[2]int]int64{}
	var cases []Case
	for i, who := range p.History.People {
		a, b := one.Stands[i], other.Stands[i]
		tiers[[2]int{a.Tier, b.Tier}]++
		x := Case{Person: who.ID, Name: who.Name, Kept: [2]int64{a.Kept(), b.Kept()}, Tiers: [2]string{one.tier(a.Tier), other.tier(b.Tier)}, Change: b.Kept() - a.Kept()}
		c.spread(x.Change)
		switch {
		case x.Change == 0:
			c.Same++
			continue
		case x.Change > 0:
			c.Winners.People, c.Winners.Points = c.Winners.People+1, c.Winners.Points+x.Change
		default:
			c.Losers.People, c.Losers.Points = c.Losers.People+1, c.Losers.Points+x.Change
		}
		cases = append(cases, x)
	}
	c.Winners.Amount, c.Losers.Amount = p.Terms.Worth.Of(c.Winners.Points), p.Terms.Worth.Of(c.Losers.Points)
	slices.SortFunc(cases, func(a, b Case) int { return cmp.Or(cmp.Compare(b.Change, a.Change), cmp.Compare(a.Person, b.Person)) })
	for i := 0; i < min(shown, len(cases)) && cases[i].Change > 0; i++ {
		c.Most = append(c.Most, cases[i])
	}
	slices.SortFunc(cases, func(a, b Case) int { return cmp.Or(cmp.Compare(a.Change, b.Change), cmp.Compare(a.Person, b.Person)) })
	for i := 0; i < min(shown, len(cases)) && cases[i].Change < 0; i++ {
		c.Least = append(c.Least, cases[i])
	}
	for from := range len(one.Tiers) + 1 {
		for to := range len(other.Tiers) + 1 {
			if n := tiers[[2]int{from, to}]; n > 0 {
				c.Tiers = append(c.Tiers, Cell{one.tier(from), other.tier(to), n})
			}
		}
	}
	return c
}

// tier is the name of the tier at a place; 0: none.
func (p PlayedProgramme) tier(place int) string {
	if place == 0 {
		return ""
	}
	return p.Tiers[place-1]
}

// buckets are those of the spread, from the largest loss to the largest gain.
func buckets() (out []Bucket) {
	last := len(bounds) - 1
	for i := last; i >= 0; i-- {
		b := Bucket{To: ref(-bounds[i])}
		if i < last {
			b.From = ref(1 - bounds[i+1])
		}
		out = append(out, b)
	}
	out = append(out, Bucket{From: ref(0), To: ref(0)})
	for i, from := range bounds {
		b := Bucket{From: ref(from)}
		if i < last {
			b.To = ref(bounds[i+1] - 1)
		}
		out = append(out, b)
	}
	return out
}

func ref(n int64) *int64 { return &n }

// spread counts somebody in their bucket.
func (c *Change) spread(points int64) {
	for i, b := range c.Spread {
		if (b.From == nil || points >= *b.From) && (b.To == nil || points <= *b.To) {
			c.Spread[i].People++
			return
		}
	}
}
