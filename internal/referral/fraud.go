package referral

import (
	"slices"
	"strings"

	"github.com/talkable/talkable/internal/referral/referralapi"
)

// selfReferral is the evidence that a friend is the advocate: the same person (which is what equal e-mails make), or a browser that
// the advocate was seen with. advocateSeen are those of the friend's visitors that are known as the advocate's.
func selfReferral(advocate, friend int64, friendVisitors, advocateSeen []string, offerVisitor string) evidence {
	switch {
	case advocate == friend:
		return evidence{Match: "person", PersonID: itoa(friend)}
	case len(advocateSeen) > 0:
		return evidence{Match: "visitor_of_advocate", VisitorID: advocateSeen[0]}
	case offerVisitor != "" && slices.Contains(friendVisitors, offerVisitor):
		return evidence{Match: "visitor_of_offer", VisitorID: offerVisitor}
	}
	return evidence{}
}

// verdicts lists the rules' labels by what they found; those that found nothing were skipped.
func verdicts(list []finding) referralapi.Verdicts {
	v := referralapi.Verdicts{Blocked: []string{}, Flagged: []string{}, Skipped: []string{}, Passed: []string{}}
	for i := range rules {
		to := &v.Skipped
		if n := slices.IndexFunc(list, func(f finding) bool { return f.Rule == rules[i].Name }); n >= 0 {
			switch list[n].Verdict {
			case verdictBlocked:
				to = &v.Blocked
			case verdictFlagged:
				to = &v.Flagged
			case verdictPassed:
				to = &v.Passed
			}
		}
		*to = append(*to, rules[i].Label)
	}
	return v
}

// details is the fraud in words, nil when there is none.
func details(list []finding) *string {
	var labels []string
	for _, verdict := range []string{verdictBlocked, verdictFlagged} {
		for _, f := range list {
			if f.Verdict == verdict {
				labels = append(labels, f.Label)
			}
		}
	}
	if labels == nil {
		return nil
	}
	s := strings.Join(labels, ", ")
	return &s
}
