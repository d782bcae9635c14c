package referral

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/talkable/talkable/internal/audit"
)

// explanation is why a referral is what it is.
type explanation struct {
	Referral    referralJSON      `json:"referral"`
	Verdict     string            `json:"verdict" enum:"blocked,flagged,passed" doc:"Of the fraud rules, when the referral was made"`
	Rules       []finding         `json:"rules" doc:"What each fraud rule saw then"`
	History     []statusStep      `json:"history" doc:"Every status that the referral had, the oldest first"`
	Audit       []audit.Line      `json:"audit" doc:"What people have decided about it, the newest first"`
	Rewards     []explainedReward `json:"rewards" doc:"What it earned both sides"`
	Refused     []refusedReward   `json:"refused_rewards" doc:"What it didn't, and why"`
	Hook        *hookEvidence     `json:"decision_hook" doc:"What the merchant's decision hook was asked and answered; null: nobody was asked"`
	Attribution *attributionJSON  `json:"attribution" doc:"How the advocate was found, and who was passed over"`
}

// hookEvidence is what came of asking the merchant's decision hook.
type hookEvidence struct {
	State    string          `json:"state" enum:"waiting,answered,failed,moot" doc:"failed: nobody answered, so on_failure counted; moot: it was decided meanwhile"`
	Decision *string         `json:"decision" doc:"approve, hold or void"`
	Reason   *string         `json:"reason"`
	Tries    json.RawMessage `json:"tries" doc:"When each was, how long it took, and what came back"`
	AskedAt  time.Time       `json:"asked_at"`
}

func (m *Module) hookEvidence(ctx context.Context, siteID, id int64) (*hookEvidence, error) {
	a, err := referralAsks.of(ctx, m.db, siteID, id)
	if err != nil || a == nil {
		return nil, err
	}
	return &hookEvidence{State: a.State, Decision: a.Decision, Reason: a.Reason, Tries: json.RawMessage(a.Attempts), AskedAt: a.AskedAt.UTC()}, nil
}

type statusStep struct {
	From   *string   `json:"from" db:"old" doc:"null: it was made so"`
	To     string    `json:"to" db:"new"`
	Cause  string    `json:"cause" db:"cause"`
	KeyID  *int64    `json:"key_id" db:"key_id" doc:"The API key that asked for it"`
	Reason *string   `json:"reason" db:"note" doc:"In the words of who asked for it"`
	At     time.Time `json:"at" db:"at"`
}

// explain puts together what is kept about a referral.
func (m *Module) explain(ctx context.Context, siteID, id int64) (explanation, error) {
	r, err := referralByID(ctx, m.db, siteID, id)
	if err != nil {
		return explanation{}, err
	}
	found := r.findings()
	out := explanation{Referral: showReferral(r.answer(nil, m.now(), nil)), Verdict: worst(found), Rules: explained(found)}
	if out.History, err = historyOf(ctx, m.db, siteID, id); err != nil {
		return explanation{}, err
	}
	if out.Audit, err = m.Audit(ctx, siteID, audit.Filter{Subject: aboutReferral, SubjectID: &id}, audit.Place{}, 100); err != nil {
		return explanation{}, err
	}
	if out.Hook, err = m.hookEvidence(ctx, siteID, id); err != nil {
		return explanation{}, err
	}
	if out.Rewards, out.Refused, err = m.rewarded(ctx, r); err != nil {
		return explanation{}, err
	}
	a, err := attributionOf(ctx, m.db, siteID, r.OriginID)
	if err == nil && a != nil {
		shown := a.json()
		out.Attribution = &shown
	}
	return out, err
}

// explained are all rules; those that found nothing were skipped.
func explained(found []finding) []finding {
	out := make([]finding, 0, len(rules))
	for _, r := range rules {
		one := finding{Rule: r.Name, Label: r.Label, Version: r.Version, Verdict: verdictSkipped, Setting: settingSkip}
		if i := slices.IndexFunc(found, func(f finding) bool { return f.Rule == r.Name }); i >= 0 {
			one = found[i]
		}
		if one.Version == r.Version {
			one.Definition = r.Definition
		}
		one.Policy = cmp.Or(one.Policy, "built-in")
		out = append(out, one)
	}
	return out
}
