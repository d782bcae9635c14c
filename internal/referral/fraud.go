package referral

import (
	"strings"

	"github.com/talkable/talkable/internal/referral/referralapi"
)

// The fraud rules of this version, with Talkable's labels.
const (
	ruleSelf  = "self_referral_by_email_or_visitor"
	labelSelf = "Matching Email or Cookie on Friend Purchase"
)

const (
	verdictBlocked = "blocked"
	verdictPassed  = "passed"
)

// finding is what one fraud rule found, with the values that it saw. It holds ids, no personal data.
type finding struct {
	Rule     string            `json:"rule"`
	Label    string            `json:"label"`
	Version  int               `json:"version"`
	Verdict  string            `json:"verdict"`
	Evidence map[string]string `json:"evidence,omitempty"`
}

// selfReferral blocks a friend who is the advocate: the same person (which is what equal e-mails make), or a browser that the
// advocate was seen with. advocateSeen are those of the friend's visitors that are known as the advocate's.
func selfReferral(advocate, friend int64, friendVisitors, advocateSeen []string, offerVisitor string) finding {
	f := finding{Rule: ruleSelf, Label: labelSelf, Version: 1, Verdict: verdictPassed}
	switch {
	case advocate == friend:
		f.Verdict, f.Evidence = verdictBlocked, map[string]string{"match": "person", "person_id": itoa(friend)}
	case len(advocateSeen) > 0:
		f.Verdict, f.Evidence = verdictBlocked, map[string]string{"match": "visitor_of_advocate", "visitor_id": advocateSeen[0]}
	default:
		for _, v := range friendVisitors {
			if v == offerVisitor {
				f.Verdict, f.Evidence = verdictBlocked, map[string]string{"match": "visitor_of_offer", "visitor_id": v}
				break
			}
		}
	}
	return f
}

// blocks says whether any rule blocks.
func blocks(list []finding) bool {
	for _, f := range list {
		if f.Verdict == verdictBlocked {
			return true
		}
	}
	return false
}

// verdicts lists the rules' labels by what they found.
func verdicts(list []finding) referralapi.Verdicts {
	v := referralapi.Verdicts{Blocked: []string{}, Flagged: []string{}, Skipped: []string{}, Passed: []string{}}
	for _, f := range list {
		if f.Verdict == verdictBlocked {
			v.Blocked = append(v.Blocked, f.Label)
		} else {
			v.Passed = append(v.Passed, f.Label)
		}
	}
	return v
}

// details is the fraud in words, nil when there is none.
func details(list []finding) *string {
	var labels []string
	for _, f := range list {
		if f.Verdict == verdictBlocked {
			labels = append(labels, f.Label)
		}
	}
	if labels == nil {
		return nil
	}
	s := strings.Join(labels, ", ")
	return &s
}
