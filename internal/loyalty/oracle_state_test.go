package loyalty

import (
	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// states are who is in which state, of whom there is one for all wallets.
type states struct {
	of      map[int64]string // of who isn't active
	refused map[string]bool  // what earned nothing because of it, for good
	earns   bool             // who is suspended earns
}

func newStates() *states { return &states{of: map[int64]string{}, refused: map[string]bool{}} }

func (s *states) is(who int64) string {
	if state := s.of[who]; state != "" {
		return state
	}
	return active
}

// bars says whether somebody earns nothing for a thing: of what was refused once nothing comes any more.
func (s *states) bars(who int64, source string) bool {
	if state := s.is(who); state == closed || state == suspended && !s.earns {
		s.refused[source] = true
	}
	return s.refused[source]
}

// turn has somebody suspended, go on, or leave. Who leaves keeps their points until their dates.
func (o *oracle) turn(rt *rapid.T, w *world, site, who int64) {
	turn := rapid.SampledFrom([]string{turnSuspend, turnSuspend, turnReactivate, turnReactivate, turnReactivate, turnClose}).Draw(rt, "turn")
	_, _, err := w.Turn(w.t.Context(), site, who, loyaltyapi.Turn{Turn: turn, Note: "because"}, noKey)
	was := o.states.is(who)
	to := map[string]map[string]string{
		turnSuspend:    {active: suspended, suspended: suspended},
		turnReactivate: {active: active, suspended: active, closed: active},
		turnClose:      {active: closed, suspended: closed, closed: closed},
	}[turn][was]
	ok := o.people[who] != nil && to != ""
	if _, refused := fault.Of(err); ok != (err == nil) || err != nil && !refused {
		rt.Fatalf("%s of who is %s: %v, want success %v", turn, was, err, ok)
	}
	if ok {
		o.states.of[who] = to
	}
}

// worse is the state of two who are one: that of who is suspended, else that of who is still there.
func worse(one, two string) string {
	switch {
	case one == suspended || two == suspended:
		return suspended
	case one == active || two == active:
		return active
	}
	return closed
}

// mergeStates has the survivor be what both are together.
func (o *oracle) mergeStates(u *union, duplicate int64) {
	u.was, u.state = o.states.is(u.survivor), o.states.is(duplicate)
	u.made = worse(u.was, u.state)
	o.states.of[u.survivor] = u.made
}

// partStates has both be what they were, unless the survivor's state has changed since.
func (o *oracle) partStates(u *union, duplicate int64) {
	if u.made != u.was && o.states.is(u.survivor) == u.made {
		o.states.of[u.survivor] = u.was
	}
	o.states.of[duplicate] = u.state
}
