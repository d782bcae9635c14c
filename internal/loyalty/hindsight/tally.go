package hindsight

import (
	"fmt"
	"time"
)

// Moved is points that moved in a span of time, and who joined.
type Moved struct {
	Joined     int64 `json:"joined"`
	Issued     int64 `json:"issued"`
	ClawedBack int64 `json:"clawed_back"`
	Activated  int64 `json:"activated"` // of those that were pending
	Redeemed   int64 `json:"redeemed"`
	Restored   int64 `json:"restored"` // by redemptions that were cancelled
	Expired    int64 `json:"expired"`
}

func (m Moved) plus(o Moved) Moved {
	return Moved{m.Joined + o.Joined, m.Issued + o.Issued, m.ClawedBack + o.ClawedBack, m.Activated + o.Activated, m.Redeemed + o.Redeemed,
		m.Restored + o.Restored, m.Expired + o.Expired}
}

// Held is what members have at a moment.
type Held struct {
	Outstanding int64 `json:"outstanding"` // that could be spent
	Debt        int64 `json:"debt"`        // of members below zero
	Pending     int64 `json:"pending"`
}

func (h Held) plus(o Held) Held {
	return Held{h.Outstanding + o.Outstanding, h.Debt + o.Debt, h.Pending + o.Pending}
}

// Minus is what changed between two moments.
func (h Held) Minus(o Held) Held {
	return Held{h.Outstanding - o.Outstanding, h.Debt - o.Debt, h.Pending - o.Pending}
}

// step is what a month changed.
type step struct {
	moved Moved
	held  Held
	tiers []int64 // members, by place of the tier; 0: below the first
}

// Tally adds up what a programme makes of people's lives. Everything in it is a sum, so that it doesn't matter who is played first, nor by how many
// at once.
type Tally struct {
	zone  *time.Location
	first int // month
	steps []step
	moves [][]int64 // between tiers, from and to
	purse [][]step  // of each wallet beside the main one; without tiers
	feats [][]featStep

	opened  int64 // members there were at the beginning
	opening Held  // what these had
	placed  []int64
	brought []step // what members had in each wallet beside the main one, and how many of them

	Impossible       int64 // real redemptions that members couldn't make
	ImpossiblePoints int64
}

// NewTally is for the months of what happens from one moment until another, in a programme with so many tiers.
func NewTally(from, until time.Time, zone *time.Location, tiers int) *Tally {
	t := &Tally{zone: zone, first: month(from.In(zone)), moves: make([][]int64, tiers+1), placed: make([]int64, tiers+1)}
	t.steps = make([]step, max(month(until.Add(-1).In(zone))-t.first, 0)+1)
	for i := range t.steps {
		t.steps[i].tiers = make([]int64, tiers+1)
	}
	for i := range t.moves {
		t.moves[i] = make([]int64, tiers+1)
	}
	return t
}

func month(t time.Time) int { return t.Year()*12 + int(t.Month()) - 1 }

func (t *Tally) at(now time.Time) *step { return &t.steps[t.place(now)] }

func (t *Tally) place(now time.Time) int {
	return min(max(month(now.In(t.zone))-t.first, 0), len(t.steps)-1)
}

// month is a month in words, by its place.
func (t *Tally) month(i int) string {
	return fmt.Sprintf("%04d-%02d", (t.first+i)/12, (t.first+i)%12+1)
}

// Add adds what one moment brought.
func (t *Tally) Add(now time.Time, m Moved, h Held) {
	s := t.at(now)
	s.moved, s.held = s.moved.plus(m), s.held.plus(h)
}

// Open counts a member who was there at the beginning, in a tier.
func (t *Tally) Open(tier int, h Held) {
	t.opened, t.opening = t.opened+1, t.opening.plus(h)
	t.placed[tier]++
}

// Join counts a new member, below the first tier.
func (t *Tally) Join(now time.Time) { t.at(now).tiers[0]++ }

// Move counts a move between tiers.
func (t *Tally) Move(now time.Time, from, to int) {
	s := t.at(now)
	s.tiers[from]--
	s.tiers[to]++
	t.moves[from][to]++
}

// Wallets makes room for so many beside the main one.
func (t *Tally) Wallets(n int) {
	for range n {
		t.purse = append(t.purse, make([]step, len(t.steps)))
	}
	t.brought = make([]step, n)
}

// OpenIn counts a member who had points in a wallet beside the main one at the beginning.
func (t *Tally) OpenIn(wallet int, h Held) {
	s := &t.brought[wallet]
	s.moved.Joined, s.held = s.moved.Joined+1, s.held.plus(h)
}

// AddTo adds what one moment brought to a wallet beside the main one.
func (t *Tally) AddTo(wallet int, now time.Time, m Moved, h Held) {
	s := &t.purse[wallet][t.place(now)]
	s.moved, s.held = s.moved.plus(m), s.held.plus(h)
}

// Merge adds another tally of the same months and tiers.
func (t *Tally) Merge(o *Tally) {
	for i := range t.steps {
		s, more := &t.steps[i], o.steps[i]
		s.moved, s.held = s.moved.plus(more.moved), s.held.plus(more.held)
		add(s.tiers, more.tiers)
	}
	for w := range t.purse {
		for i := range t.purse[w] {
			s, more := &t.purse[w][i], o.purse[w][i]
			s.moved, s.held = s.moved.plus(more.moved), s.held.plus(more.held)
		}
	}
	for a := range t.feats {
		for i := range t.feats[a] {
			t.feats[a][i].add(o.feats[a][i])
		}
	}
	for i := range t.moves {
		add(t.moves[i], o.moves[i])
	}
	for w := range t.brought {
		s, more := &t.brought[w], o.brought[w]
		s.moved, s.held = s.moved.plus(more.moved), s.held.plus(more.held)
	}
	add(t.placed, o.placed)
	t.opened, t.opening = t.opened+o.opened, t.opening.plus(o.opening)
	t.Impossible, t.ImpossiblePoints = t.Impossible+o.Impossible, t.ImpossiblePoints+o.ImpossiblePoints
}

func add(to, more []int64) {
	for i := range to {
		to[i] += more[i]
	}
}

// Stand is where somebody is at the end.
type Stand struct {
	Member   bool
	Tier     int   // its place; 0: none
	Earned   int64 // less what was taken back
	Redeemed int64 // less what was given back
	Expired  int64
	Balance  int64
	Pending  int64
}

// Kept is what a programme gave somebody that wasn't lost: spent, or still there.
func (s Stand) Kept() int64 { return s.Redeemed + s.Balance + s.Pending }
