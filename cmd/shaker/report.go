package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// printer says how it goes: on a terminal by a line that changes, elsewhere by plain lines.
type printer struct {
	o     options
	began time.Time

	mu   sync.Mutex
	last time.Time // of a plain line of progress
	now  string    // the last fault
}

func newPrinter(o options) *printer {
	if o.Out == nil {
		o.Out = io.Discard
	}
	return &printer{o: o, began: time.Now()}
}

func (p *printer) only() string {
	if len(p.o.Only) == 0 {
		return ""
	}
	return " --only " + strings.Join(p.o.Only, ",")
}

func (p *printer) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.o.Terminal {
		fmt.Fprint(p.o.Out, "\r\x1b[K")
	}
	fmt.Fprintf(p.o.Out, "%5.1f s  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}

func (p *printer) fault(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = name
}

// progress shows what is going on; where lines stay, one in five seconds.
func (p *printer) progress(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.o.Terminal:
		fmt.Fprintf(p.o.Out, "\r\x1b[K%5.1f s  %.100s", time.Since(p.began).Seconds(), text)
	case time.Since(p.last) >= 5*time.Second:
		p.last = time.Now()
		fmt.Fprintf(p.o.Out, "%5.1f s  %s\n", time.Since(p.began).Seconds(), text)
	}
}

// follow shows the load's progress until ctx ends.
func (p *printer) follow(ctx context.Context, w *world, began time.Time) {
	for ctx.Err() == nil {
		wait(ctx, 250*time.Millisecond)
		p.mu.Lock()
		now := p.now
		p.mu.Unlock()
		w.tally.mu.Lock()
		r := w.tally.reached
		faults, points := 0, 0
		for name, n := range r {
			if strings.HasPrefix(name, "fault ") {
				faults += n
			} else if strings.HasPrefix(name, "failpoint ") {
				points += n
			}
		}
		text := fmt.Sprintf("%d of %s: %d yes, %d no, %d unknown, %d unsent; %d faults (%s), %d failpoints hit", int(time.Since(began).Seconds()), p.o.Duration,
			r["attempts yes"], r["attempts no"], r["attempts unknown"], r["attempts unsent"], faults, now, points)
		w.tally.mu.Unlock()
		p.progress(text)
	}
}

// checks prints a line for each check that was made, and returns what differed.
func (p *printer) checks(c *checks) []violation {
	bad := map[string]bool{}
	for _, v := range c.wrong {
		bad[v.Invariant] = true
	}
	for _, name := range c.done {
		mark := "ok  "
		if i := strings.LastIndex(name, " ("); i > 0 && bad[name[:i]] {
			mark = "BAD "
		}
		p.say("%s %s", mark, name)
	}
	return c.wrong
}

// invariants prints a line for each of them.
func (p *printer) invariants(broken []violation) []violation {
	bad := map[string]bool{}
	for _, v := range broken {
		bad[v.Invariant] = true
	}
	for _, i := range invariants {
		mark := "ok  "
		if bad[i.ID] {
			mark = "BAD "
		}
		p.say("%s %s %s", mark, i.ID, i.Says)
	}
	return broken
}

const excerpt = 12 // attempts shown of an offender

// verdict prints what was reached, what is wrong with the first offenders and their histories, and the verdict.
func (p *printer) verdict(v verdict, all []attempt, skipped map[string]string) {
	var reached []string
	for _, name := range slices.Sorted(maps.Keys(v.Reached)) {
		reached = append(reached, fmt.Sprintf("%s %d", name, v.Reached[name]))
	}
	p.say("reached: %s", strings.Join(reached, "; "))
	for _, name := range slices.Sorted(maps.Keys(skipped)) {
		p.say("SKIPPED %s: %s", name, skipped[name])
	}
	for _, one := range v.Violations {
		p.say("VIOLATED %s: %s", one.Invariant, one.Detail)
		for _, row := range one.Rows[:min(len(one.Rows), offendersShown)] {
			fmt.Fprintf(p.o.Out, "         %s\n", row)
			for _, a := range mentions(all, row, excerpt) {
				fmt.Fprintf(p.o.Out, "           %s\n", a)
			}
		}
	}
	for _, m := range v.Missing {
		p.say("NOT REACHED %s", m)
	}
	switch v.Code {
	case violated:
		p.say("VIOLATED: %d statements do not hold", len(v.Violations))
	case inconclusive:
		p.say("INCONCLUSIVE: all holds, but %d dangers were not reached", len(v.Missing))
	default:
		p.say("PASSED")
	}
}
