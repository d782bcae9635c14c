package loyalty

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jmoiron/sqlx"
	"golang.org/x/sync/errgroup"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
	"github.com/talkable/talkable/internal/site"
)

// Draft is a programme that nobody has started.
type Draft struct {
	Label string // what it is called in the report, beside its name
	settings
}

// ReadDraft reads a programme as PUT /loyalty/programs/{id} takes it. What makes no sense is a fault with all findings.
func ReadDraft(label string, text []byte, shop site.Site) (Draft, error) {
	body := programBody{Status: active, AdjustmentLimit: maxPoints}
	if err := json.Unmarshal(text, &body, json.RejectUnknownMembers(true)); err != nil {
		return Draft{}, fmt.Errorf("read the programme: %w", err)
	}
	s, err := body.settings().of(shop)
	if err == nil {
		err = s.check()
	}
	return Draft{label, s}, err
}

// DraftInForce is the site's programme as it stands.
func (m *Module) DraftInForce(ctx context.Context, shop site.Site) (Draft, error) {
	return draftInForce(ctx, m.db, shop.ID)
}

func draftInForce(ctx context.Context, db sqlx.QueryerContext, siteID int64) (Draft, error) {
	programs, err := programsOf(ctx, db, siteID)
	if err != nil {
		return Draft{}, err
	}
	for _, p := range programs {
		p, err = complete(ctx, db, p)
		return Draft{"in force", p.settings}, err
	}
	return Draft{}, errNoProgram
}

// BacktestInput is what a backtest is made of.
type BacktestInput struct {
	Shop        site.Site
	Drafts      []Draft // one, or two that are compared
	History     *hindsight.History
	From, Until time.Time // the beginning of the first day, and the end of the last one
	Terms       hindsight.Terms
	People      People // who knows those that conditions ask about; nil: nobody
	Workers     int
	Progress    func(done, all int64) // may be nil; is called by one at a time
}

// Backtest plays what people of a shop did by one programme or two, in memory, and says what came of it. The same input gives the same report, by
// any number of workers.
func Backtest(ctx context.Context, in BacktestInput) (*hindsight.Report, error) {
	s := &simulation{BacktestInput: in, people: in.History.People}
	for i, d := range in.Drafts {
		e, err := newEdition(d.settings)
		if err != nil {
			return nil, err
		}
		p := program{SiteID: in.Shop.ID, ID: int64(i) + 1, Version: 1, TiersVersion: 1, RulesVersion: d.rulesFrom(1), FeatsVersion: d.featsFrom(1), CreatedAt: in.From,
			UpdatedAt: in.From, earner: e.earner, feats: e.feats, unkept: true, settings: d.settings}
		s.programs = append(s.programs, p)
		s.tallies = append(s.tallies, newReplay(p, in.From, in.Until, in.Terms, in.Shop.Zone).tally)
		s.stands = append(s.stands, make([]hindsight.Stand, len(s.people)))
		s.chained = s.chained || e.earner.budgeted()
		s.curious = s.curious.and(e.earner.wonders())
	}
	var err error
	if s.chained {
		err = s.together(ctx)
	} else {
		err = s.apart(ctx)
	}
	if err != nil {
		return nil, err
	}
	return s.report()
}

// simulation is a backtest under way.
type simulation struct {
	BacktestInput
	programs []program
	people   []*hindsight.Person
	tallies  []*hindsight.Tally
	stands   [][]hindsight.Stand // of each programme, by person
	chained  bool                // what one member gets is another's loss
	curious  looks               // what conditions ask about people
	done     atomic.Int64
	lock     sync.Mutex // of tallies, and of telling how far it is
}

const atATime = 256 // people

// apart plays each life from its beginning to its end, many at once: nobody's depends on anybody else's.
func (s *simulation) apart(ctx context.Context) error {
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range max(s.Workers, 1) {
		group.Go(func() error {
			replays := s.replays()
			for {
				from := int(next.Add(atATime)) - atATime
				if from >= len(s.people) {
					break
				}
				if err := s.some(ctx, replays, from, min(from+atATime, len(s.people))); err != nil {
					return err
				}
			}
			s.lock.Lock()
			defer s.lock.Unlock()
			for i, r := range replays {
				s.tallies[i].Merge(r.tally)
			}
			return nil
		})
	}
	return group.Wait()
}

// some plays the lives of some people by all programmes.
func (s *simulation) some(ctx context.Context, replays []*replay, from, to int) error {
	known, err := s.introduce(ctx, from, to)
	if err != nil {
		return err
	}
	for i := from; i < to; i++ {
		p := s.people[i]
		deeds := deedsOf(p, s.Terms.Redeem.Kind == hindsight.Historic, s.Until)
		for k, r := range replays {
			l := r.born(p, known)
			for more := true; more; {
				if more, err = r.step(ctx, l, deeds); err != nil {
					return fmt.Errorf("person %d: %w", p.ID, err)
				}
			}
			s.stands[k][i] = l.stand
		}
	}
	s.tell(ctx, int64(to-from)*int64(len(replays)))
	return ctx.Err()
}

// together plays all lives side by side, in the order in which things happen, because budgets serve whoever comes first. Programmes go on at
// once.
func (s *simulation) together(ctx context.Context) error {
	known, err := s.introduce(ctx, 0, len(s.people))
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(s.Workers, 1))
	for k, r := range s.replays() {
		group.Go(func() error {
			q := &queue{replay: r}
			for i, p := range s.people {
				t := turn{place: i, player: r.born(p, known), deeds: deedsOf(p, s.Terms.Redeem.Kind == hindsight.Historic, s.Until)}
				q.push(t)
			}
			for len(q.turns) > 0 && ctx.Err() == nil {
				t := &q.turns[0]
				if _, err := r.step(ctx, t.player, t.deeds); err != nil {
					return fmt.Errorf("person %d: %w", t.player.ID, err)
				}
				if q.when(t) {
					heap.Fix(q, 0)
					continue
				}
				s.stands[k][t.place] = t.player.stand
				heap.Pop(q)
				s.tell(ctx, 1)
			}
			s.lock.Lock()
			defer s.lock.Unlock()
			s.tallies[k].Merge(r.tally)
			return ctx.Err()
		})
	}
	return group.Wait()
}

func (s *simulation) replays() (out []*replay) {
	for _, p := range s.programs {
		out = append(out, newReplay(p, s.From, s.Until, s.Terms, s.Shop.Zone))
	}
	return out
}

// tell says how far it is.
func (s *simulation) tell(ctx context.Context, more int64) {
	done := s.done.Add(more)
	if s.Progress == nil || ctx.Err() != nil {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.Progress(done, int64(len(s.people)*len(s.programs)))
}

// introduce asks who some people are, where a condition looks at them.
func (s *simulation) introduce(ctx context.Context, from, to int) (map[int64]customerapi.Person, error) {
	known := map[int64]customerapi.Person{}
	if !s.curious.person || s.People == nil {
		return known, nil
	}
	for some := range slices.Chunk(s.people[from:to], 1000) {
		ids := make([]int64, len(some))
		for i, p := range some {
			ids[i] = p.ID
		}
		people, err := s.People.People(ctx, s.Shop.ID, ids)
		if err != nil {
			return nil, fmt.Errorf("ask who they are: %w", err)
		}
		for id, p := range people {
			known[id] = p
		}
	}
	return known, nil
}

// born is somebody before anything.
func (r *replay) born(p *hindsight.Person, known map[int64]customerapi.Person) *player {
	l := &player{Person: p, bought: map[int64]*bought{}, spent: map[int64]*spending{}}
	if who, ok := known[p.ID]; ok {
		l.known = &who
	}
	if r.p.TierPlan.Counted {
		l.merits = map[siteSource]*merit{}
	}
	if r.p.earner != nil {
		l.tallies, l.asked = map[tallyKey]*tally{}, map[string]bool{}
		if r.asks.past {
			l.memory = newMemory(p)
		}
	}
	if r.p.feats != nil {
		l.feats = r.newRecord(p)
	}
	if p.Opening != nil {
		r.begin(l, p.Opening)
	}
	return l
}

// turn is whose turn it is when.
type turn struct {
	at     time.Time
	kind   int // of deed; below zero: time does something
	id     int64
	place  int
	player *player
	deeds  []deed
}

// queue is turns by time; at one moment time itself comes first, then deeds by their kinds and numbers.
type queue struct {
	*replay
	turns []turn
}

// when finds the next turn of somebody; false: there is none.
func (q *queue) when(t *turn) (some bool) {
	t.at, some = q.coming(t.player, t.deeds)
	t.kind, t.id = -1, 0
	if due, timed := t.player.due(); some && (!timed || due.After(t.at)) {
		t.kind, t.id = t.deeds[t.player.played].kind, t.deeds[t.player.played].id
	}
	return some
}

func (q *queue) push(t turn) {
	if q.when(&t) {
		heap.Push(q, t)
	}
}

func (q *queue) Len() int { return len(q.turns) }

func (q *queue) Less(i, j int) bool {
	a, b := &q.turns[i], &q.turns[j]
	return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id), cmp.Compare(a.place, b.place)) < 0
}

func (q *queue) Swap(i, j int) { q.turns[i], q.turns[j] = q.turns[j], q.turns[i] }
func (q *queue) Push(t any)    { q.turns = append(q.turns, t.(turn)) }

func (q *queue) Pop() any {
	last := q.turns[len(q.turns)-1]
	q.turns = q.turns[:len(q.turns)-1]
	return last
}
