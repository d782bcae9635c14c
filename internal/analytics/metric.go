package analytics

import "github.com/talkable/talkable/internal/fault"

// kind is how a metric's number comes about.
type kind int

const (
	countOf   kind = iota // how many of
	moneyOf               // how much of, in one currency
	tallyOf               // how much of, where that isn't money: points
	percentOf             // how many of, in percent of how many over
	averageOf             // how much of ÷ how many of, in one currency
	shareOf               // how much of, in percent of how much over, in one currency
	liftOf                // how much of, in percent of how much over without it, in one currency
	noNumber              // nothing like it is kept: 0
	noMoney
	noPercent
)

// metric is a number that can be asked for.
type metric struct {
	name     string
	kind     kind
	of, over string // keys
	formula  string
}

var byName = func() map[string]metric {
	all := make(map[string]metric, len(metrics))
	for _, m := range metrics {
		all[m.name] = m
	}
	return all
}()

func metricByName(name string) (metric, error) {
	m, ok := byName[name]
	if !ok {
		return metric{}, fault.New(fault.Invalid, "metric_not_found", "No metric found.").At("path.metric", "not a metric that is kept")
	}
	return m, nil
}

// keys are what the metric is made of.
func (m metric) keys() []string {
	switch {
	case m.kept() && m.over != "":
		return []string{m.of, m.over}
	case m.kept():
		return []string{m.of}
	}
	return nil
}

// keeping is what at least one number of its formula is kept by.
func (m metric) keeping() (all keeping) {
	for _, key := range m.keys() {
		all |= keptBy[key]
	}
	return all
}

// keysBy are those of its keys that are kept by it.
func (m metric) keysBy(it keeping) []string {
	out := []string{} // not nil, which would be null
	for _, key := range m.keys() {
		if keptBy[key].has(it) {
			out = append(out, key)
		}
	}
	return out
}

// kept says that there is something to count.
func (m metric) kept() bool { return m.kind < noNumber }

// inMoney says that the metric has sense within one currency only.
func (m metric) inMoney() bool {
	switch m.kind {
	case moneyOf, averageOf, shareOf, liftOf, noMoney:
		return true
	}
	return false
}

// resultType is Talkable's name of the unit.
func (m metric) resultType() string {
	switch m.kind {
	case moneyOf, averageOf, noMoney:
		return "money"
	case percentOf, shareOf, liftOf, noPercent:
		return "percent"
	}
	return "number"
}
