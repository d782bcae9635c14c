package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// wish is what somebody wants done, once: its key says that it is the same.
type wish struct {
	method, target string
	body           object
	key            string
}

// answer is the definite one.
type answer struct {
	done  bool
	fault string // of a refusal
	body  []byte
}

// decide asks both replicas in turns until the answer is definite.
func (w *world) decide(ctx context.Context, s shop, replica int, x wish) (answer, error) {
	var sent any
	if x.body != nil {
		sent = x.body
	}
	for try := 0; ctx.Err() == nil; try++ {
		r := w.replicas[(replica+try)%len(w.replicas)].send(ctx, s.Key, x.method, x.target, sent, x.key)
		switch how, fault, _ := classify(kindRedeem, r); {
		case how == yes:
			return answer{done: true, body: r.body}, nil
		case how == no:
			w.tally.reach("refused "+fault, 1)
			return answer{fault: fault, body: r.body}, nil
		case r.status == 500:
			w.tally.violate("no answer is 500", "an answer that says nothing", fmt.Sprintf("%s %s: %s", x.method, x.target, r.body))
		}
		wait(ctx, 50*time.Millisecond)
	}
	return answer{}, ctx.Err()
}

// done has something done that nothing speaks against.
func (w *world) done(ctx context.Context, s shop, x wish) (answer, error) {
	a, err := w.decide(ctx, s, len(x.key), x)
	if err == nil && !a.done {
		w.tally.violate("what nothing speaks against is done", "it was refused", fmt.Sprintf("%s %s %s: %s", x.method, x.target, x.key, a.body))
		err = fmt.Errorf("%s %s was refused", x.method, x.target)
	}
	return a, err
}

// refused has something refused, for the reason that there is.
func (w *world) refused(ctx context.Context, s shop, x wish, why string) error {
	a, err := w.decide(ctx, s, len(x.target), x)
	if err == nil && a.fault != why {
		w.tally.violate("what isn't allowed is refused", "want "+why, fmt.Sprintf("%s %s %s: done %v, %s", x.method, x.target, x.key, a.done, a.body))
		err = fmt.Errorf("%s %s was not refused by %s", x.method, x.target, why)
	}
	return err
}

// race has wishes told at once, to the replicas in turns: at least and at most so many of them are done.
func (w *world) race(ctx context.Context, s shop, name string, least, most int, wishes ...wish) ([]answer, error) {
	answers, failed := make([]answer, len(wishes)), make([]error, len(wishes))
	var all sync.WaitGroup
	for i, x := range wishes {
		all.Go(func() { answers[i], failed[i] = w.decide(ctx, s, i, x) })
	}
	all.Wait()
	won, said := 0, ""
	for i, a := range answers {
		if failed[i] != nil {
			return answers, failed[i]
		}
		if a.done {
			won++
		}
		said += fmt.Sprintf("%s: done %v %s; ", wishes[i].key, a.done, a.fault)
	}
	w.tally.reach("duel "+name, 1)
	if won < least || won > most {
		w.tally.violate("duel: "+name, "races decide otherwise than rules", fmt.Sprintf("%d were answered yes, want %d to %d: %s", won, least, most, said))
		return answers, fmt.Errorf("%s: %d were done", name, won)
	}
	return answers, nil
}

// winner is the one that was done.
func winner(answers []answer) int {
	for i, a := range answers {
		if a.done {
			return i
		}
	}
	return -1
}
