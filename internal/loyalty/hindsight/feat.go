package hindsight

import "time"

// PlayedFeat is an achievement of a programme.
type PlayedFeat struct{ Key, Name string }

// Feat is what an achievement brought in a span of time: how often it was reached and lost, by how many for the first time, and the points that were given for it.
type Feat struct {
	Members int64 `json:"members"`
	Reached int64 `json:"reached"`
	Lost    int64 `json:"lost"`
	Prize
}

// Prize is points of a wallet that were given for an achievement, and taken back because it was lost.
type Prize struct {
	Issued     int64 `json:"issued"`
	ClawedBack int64 `json:"clawed_back"`
}

func (p Prize) plus(o Prize) Prize { return Prize{p.Issued + o.Issued, p.ClawedBack + o.ClawedBack} }

// value is what points that were given and not taken back cost if all of them are spent.
func (p Prize) value(worth Worth) int64 { return worth.Of(p.Issued - p.ClawedBack) }

// FeatOutcome is what came of an achievement. Its points are of the main wallet, and those of others apart.
type FeatOutcome struct {
	Key  string `json:"key"`
	Name string `json:"name"`
	Feat
	Value   int64         `json:"value"` // of what was given and not taken back, in all wallets, if all of it is spent
	Wallets []FeatWallet  `json:"wallets,omitempty"`
	Months  []MonthOfFeat `json:"months"`
}

// FeatWallet is what an achievement gave in a wallet beside the main one.
type FeatWallet struct {
	Key string `json:"key"`
	Prize
	Value int64 `json:"value"`
}

// MonthOfFeat is what an achievement brought in a month.
type MonthOfFeat struct {
	Month string `json:"month"`
	Feat
	Value int64 `json:"value"` // in all wallets
}

// featStep is what a month changed of an achievement: its points by wallet, of which the first is the main one.
type featStep struct {
	members, reached, lost int64
	prizes                 []Prize
}

func (s *featStep) add(o featStep) {
	s.members, s.reached, s.lost = s.members+o.members, s.reached+o.reached, s.lost+o.lost
	for i := range s.prizes {
		s.prizes[i] = s.prizes[i].plus(o.prizes[i])
	}
}

// Achievements makes room for so many, behind Wallets.
func (t *Tally) Achievements(n int) {
	for range n {
		steps := make([]featStep, len(t.steps))
		for i := range steps {
			steps[i].prizes = make([]Prize, 1+len(t.purse))
		}
		t.feats = append(t.feats, steps)
	}
}

// Reach counts that somebody reached an achievement.
func (t *Tally) Reach(feat int, now time.Time, first bool) {
	s := &t.feats[feat][t.place(now)]
	if s.reached++; first {
		s.members++
	}
}

// Lose counts that somebody lost an achievement.
func (t *Tally) Lose(feat int, now time.Time) { t.feats[feat][t.place(now)].lost++ }

// Prize adds points for an achievement, in a wallet by its place; 0: the main one.
func (t *Tally) Prize(feat, wallet int, now time.Time, issued, clawed int64) {
	p := &t.feats[feat][t.place(now)].prizes[wallet]
	*p = p.plus(Prize{issued, clawed})
}

// feats add up what came of achievements, with the value of what all of them gave, by wallet and month. What can't be spent is worth nothing.
func (p PlayedProgramme) feats(worth Worth) (out []FeatOutcome, given [][]int64) {
	worths := []Worth{worth}
	for _, w := range p.Wallets {
		of := worth
		if !w.Spendable {
			of.Amount = 0
		}
		worths = append(worths, of)
	}
	for range worths {
		given = append(given, make([]int64, len(p.Tally.steps)))
	}
	for k, a := range p.Feats {
		all := featStep{prizes: make([]Prize, len(worths))}
		one := FeatOutcome{Key: a.Key, Name: a.Name}
		for i, s := range p.Tally.feats[k] {
			all.add(s)
			month := MonthOfFeat{Month: p.Tally.month(i), Feat: Feat{s.members, s.reached, s.lost, s.prizes[0]}}
			for w, prize := range s.prizes {
				value := prize.value(worths[w])
				month.Value, given[w][i] = month.Value+value, given[w][i]+value
			}
			one.Months = append(one.Months, month)
		}
		one.Feat = Feat{all.members, all.reached, all.lost, all.prizes[0]}
		for w, prize := range all.prizes {
			value := prize.value(worths[w])
			if one.Value += value; w > 0 && prize != (Prize{}) {
				one.Wallets = append(one.Wallets, FeatWallet{p.Wallets[w-1].Key, prize, value})
			}
		}
		out = append(out, one)
	}
	return out, given
}

// achieved says that a programme has achievements.
func (r *Report) achieved() bool {
	for _, p := range r.Programmes {
		if len(p.Feats) > 0 {
			return true
		}
	}
	return false
}

// forFeats is the value of all that achievements gave.
func (p Outcome) forFeats() (sum int64) {
	for _, a := range p.Feats {
		sum += a.Value
	}
	return sum
}
