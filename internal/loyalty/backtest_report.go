package loyalty

import (
	"fmt"
	"slices"

	"github.com/talkable/talkable/internal/loyalty/feat"
	"github.com/talkable/talkable/internal/loyalty/hindsight"
)

// report adds up what was played.
func (s *simulation) report() (*hindsight.Report, error) {
	zone := s.Shop.Zone
	played := hindsight.Played{Site: s.Shop.Slug, Zone: zone.String(), Currency: s.Shop.Currency, From: s.From.In(zone), Until: s.Until.In(zone), Terms: s.Terms,
		History: s.History, Assumptions: s.assumptions()}
	for i, p := range s.programs {
		played.Programmes = append(played.Programmes, hindsight.PlayedProgramme{Label: s.Drafts[i].Label, Name: p.Name,
			Tiers: column(p.Tiers, func(t tier) string { return t.Name }), Tally: s.tallies[i], Stands: s.stands[i],
			Wallets: column(p.Wallets, func(w Wallet) hindsight.PlayedWallet {
				return hindsight.PlayedWallet{Key: w.Key, Name: w.Name, Spendable: w.spendable()}
			}),
			Feats: column(p.Feats.view(), func(a feat.Achievement) hindsight.PlayedFeat { return hindsight.PlayedFeat{Key: a.Key, Name: a.Name} })})
	}
	return hindsight.NewReport(played), nil
}

// assumptions are what the report has to say of itself: what is taken for granted, and what can't be known.
func (s *simulation) assumptions() []string {
	some := func(of func(p program) bool) bool {
		for _, p := range s.programs {
			if of(p) {
				return true
			}
		}
		return false
	}
	begins := "Everybody starts without points, and below the first tier. What was bought before the first day earns nothing and counts for no tier."
	if s.History.Opened {
		begins = "Members start with the points that they had, which keep their dates, and in the tiers that each programme puts them into for what they had earned and bought before. " +
			"Limits and budgets of rules begin anew, and cancellations of earlier redemptions give nothing back."
	}
	out := []string{begins,
		"Each order and each refund is taken to be told at the moment at which it happened, and what is due by then has happened. Refunds of earlier orders take nothing back.",
		"One programme holds all the time: its version doesn't change.",
		redeemWords(s.Terms.Redeem, some(func(p program) bool { return p.Status != active })),
		fmt.Sprintf("%d points cost %d minor units of %s when they are spent; what is left at the end is valued the same.", s.Terms.Worth.Points, s.Terms.Worth.Amount, s.Shop.Currency),
		"Not played: rewards of campaigns, adjustments by hand, transfers and merges of members; of holds only those that were committed, as redemptions.",
	}
	if some(func(p program) bool { return p.PointsPerReferral > 0 || p.earner.speaks(onReferral) }) {
		out = append(out, "Referrals aren't played: what the programme gives for them is missing.")
	}
	if some(func(p program) bool { return countsAny(p, countReferrals, countCustom) }) {
		out = append(out, "Referrals and what the shop counts itself aren't played: tiers that ask for them are reached by fewer.")
	}
	if some(func(p program) bool { return len(p.Wallets) > 0 }) {
		out = append(out, "Points of wallets beside the main one are valued like those of it where they can be spent, and cost nothing where they can't. "+
			"Who gains and who loses goes by the main wallet.")
	}
	if some(func(p program) bool { return p.earner.speaks(onDate) }) {
		out = append(out, "Members' own days aren't played: what the programme gives on them is missing.")
	}
	if some(func(p program) bool { return p.earner.speaks(onShare) }) {
		out = append(out, "Shares aren't played: what the programme gives for them is missing.")
	}
	out = append(out, s.featWords(some)...)
	if some(func(p program) bool { return p.waitsForEvent() }) {
		out = append(out, fmt.Sprintf("Points that wait for an event are taken to get it %d days after the order.", s.Terms.GoAhead))
	}
	switch {
	case !s.curious.person:
	case s.People == nil:
		out = append(out, "Conditions ask who somebody is; of the people of a file nothing is known but what they bought.")
	default:
		out = append(out, "Conditions see people as they are known today, not as they were known then; purchases and events before the one at hand are counted.")
	}
	if s.curious.past {
		out = append(out, "Conditions see what people bought before each order, also before the first day, and the segments that were told with it.")
	}
	if s.curious.dates {
		out = append(out, "Conditions see members' dates as they are known today; of the people of a file none are known.")
	}
	if s.chained {
		out = append(out, "Budgets begin with the first day, and serve whoever comes first.")
	}
	return out
}

// featWords are what is taken for granted of achievements.
func (s *simulation) featWords(some func(func(program) bool) bool) (out []string) {
	any := func(of func(feat.Achievement) bool) bool {
		return some(func(p program) bool { return slices.ContainsFunc(p.Feats.view(), of) })
	}
	if !any(func(feat.Achievement) bool { return true }) {
		return nil
	}
	if s.History.Opened {
		out = append(out, "Achievements go on by their keys with what had counted and what had been reached before the first day.")
	} else {
		out = append(out, "Achievements count from the first day on: nothing was reached before.")
	}
	if any(func(a feat.Achievement) bool { return a.Counts == feat.Referrals || a.Counts == feat.Actions }) {
		out = append(out, "Referrals and actions aren't played: achievements that count them are reached by nobody.")
	}
	if any(func(a feat.Achievement) bool { return a.Enrolment == feat.OptIn }) {
		out = append(out, "Challenges are those that members really accepted, under the same key; in a new one nobody takes part.")
	}
	return append(out, "What was given or taken back of achievements by hand isn't played.")
}

// countsAny says that a tier asks for one of these.
func countsAny(p program, which ...int) bool {
	for _, t := range p.Tiers {
		for _, i := range which {
			if t.needs()[i] > 0 {
				return true
			}
		}
	}
	return false
}

func redeemWords(r hindsight.Redeem, paused bool) (words string) {
	switch r.Kind {
	case hindsight.Never:
		words = "Nobody spends points: cost is nothing, and liability is the most that it can be."
	case hindsight.When:
		words = fmt.Sprintf("Members spend all whole multiples of %d points as soon as they have them.", r.Points)
	default:
		words = "Members spend points when they really did, as many as they really did, where they have that much then; what they haven't is counted as impossible. A real redemption " +
			"that was cancelled is cancelled when it was."
	}
	if paused {
		words += " In a paused programme nobody can."
	}
	return words
}
