package referral

import (
	"context"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/web"
)

const (
	mostTried = 5000 // referrals of one what-if
	mostShown = 100  // of those that change
	tryDays   = 30   // where no since is given
	mostID    = 1<<53 - 1
)

// whatIfInput asks what another policy would have said.
type whatIfInput struct {
	web.SiteBody
	RulesBody
	CampaignID *int64     `json:"campaign_id,omitempty" nullable:"true" doc:"Only of this campaign"`
	Since      *time.Time `json:"since,omitempty" nullable:"true" doc:"Referrals that were made since then; 30 days when left out, at most 365"`
	BeforeID   *int64     `json:"before_id,omitempty" nullable:"true" doc:"next_before_id of the answer before"`
	Limit      *int64     `json:"limit,omitempty" nullable:"true" doc:"How many referrals to look at: 1 to 5000, 1000 when left out"`
}

// whatIf is what another policy would have said of past referrals.
type whatIf struct {
	Examined     int64           `json:"examined"`
	Unchanged    int64           `json:"unchanged"`
	Changes      []whatIfCount   `json:"changes" doc:"How many would get another verdict"`
	Rules        []whatIfRule    `json:"rules"`
	Referrals    []whatIfChanged `json:"referrals" doc:"The newest 100 of those that would get another verdict"`
	NextBeforeID *int64          `json:"next_before_id" doc:"null: that was all since then"`
}

type whatIfCount struct {
	From  string `json:"from" enum:"passed,flagged,blocked"`
	To    string `json:"to" enum:"passed,flagged,blocked"`
	Count int64  `json:"count"`
}

type whatIfRule struct {
	Rule       string `json:"rule"`
	Setting    string `json:"setting" enum:"skip,flag,block"`
	Hits       int64  `json:"hits"`
	Unmeasured int64  `json:"unmeasured" doc:"Referrals on which the rule can't be tried, because it was skipped and not observed, or had nothing to compare"`
}

type whatIfChanged struct {
	ReferralID int64    `json:"referral_id"`
	Status     string   `json:"status" doc:"Now"`
	AdvocateID int64    `json:"advocate_id"`
	FriendID   int64    `json:"friend_id"`
	Subtotal   int64    `json:"subtotal" doc:"Minor units"`
	Currency   string   `json:"currency"`
	From       string   `json:"from"`
	To         string   `json:"to"`
	Rules      []string `json:"rules" doc:"Those that give the verdict; of one that passes now, those that gave it before"`
}

// verdictsByRank are in the order of their weight.
var verdictsByRank = []string{verdictPassed, verdictFlagged, verdictBlocked}

// try judges past referrals by a policy, from the evidence that was kept with them.
func (p *policy) try(list []referral) whatIf {
	out := whatIf{Changes: []whatIfCount{}, Referrals: []whatIfChanged{}}
	counts := map[[2]string]int64{}
	hits, unmeasured := map[string]int64{}, map[string]int64{}
	for i := range list {
		r := &list[i]
		was := r.findings()
		seen := map[string]evidence{}
		for _, f := range was {
			if known := ruleByName[f.Rule]; known != nil && known.Version == f.Version && f.Evidence.Missing == "" {
				seen[f.Rule] = f.Evidence
			}
		}
		is := p.judge(seen)
		for _, f := range is {
			if f.Hit && f.Setting != settingSkip {
				hits[f.Rule]++
			}
		}
		for name, setting := range p.Settings {
			if _, ok := seen[name]; !ok && setting != settingSkip && name != ruleBlockedEmail && name != ruleBlockedIP && name != ruleCycling { // their lists were empty, and there was no code
				unmeasured[name]++
			}
		}
		out.Examined++
		from, to := worst(was), worst(is)
		if from == to {
			out.Unchanged++
			continue
		}
		counts[[2]string{from, to}]++
		if len(out.Referrals) < mostShown {
			by := because(is, to)
			if to == verdictPassed {
				by = because(was, from)
			}
			out.Referrals = append(out.Referrals, whatIfChanged{ReferralID: r.ID, Status: r.Status, AdvocateID: r.AdvocateID, FriendID: r.FriendID,
				Subtotal: r.Subtotal, Currency: r.Currency, From: from, To: to, Rules: by})
		}
	}
	for _, from := range verdictsByRank {
		for _, to := range verdictsByRank {
			if n := counts[[2]string{from, to}]; n > 0 {
				out.Changes = append(out.Changes, whatIfCount{from, to, n})
			}
		}
	}
	for _, r := range rules {
		out.Rules = append(out.Rules, whatIfRule{r.Name, p.Settings.of(r.Name), hits[r.Name], unmeasured[r.Name]})
	}
	return out
}

// check fills in what was left out.
func (in whatIfInput) check(now time.Time) (since time.Time, before int64, limit int, err error) {
	var f findings
	in.RulesBody.check(&f, false)
	since, limit = now.AddDate(0, 0, -tryDays), 1000
	if in.Since != nil {
		if since = *in.Since; since.Before(now.AddDate(-1, 0, 0)) {
			f.add("/since", "must be in the last 365 days")
		}
	}
	checkNumber(&f, "/limit", in.Limit, 1, mostTried)
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	checkNumber(&f, "/before_id", in.BeforeID, 1, mostID)
	checkNumber(&f, "/campaign_id", in.CampaignID, 1, mostID)
	if len(f.fields) > 0 {
		e := fault.New(fault.Invalid, "invalid_what_if", "The question can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
		e.Fields = f.fields
		return since, 0, 0, e
	}
	return since, deref(in.BeforeID), limit, nil
}

// tryPolicy tells what would have become of the newest referrals under another policy. It changes nothing, but keeps its answer for
// an Idempotency-Key.
func (m *Module) tryPolicy(ctx context.Context, s site.Site, in whatIfInput, k idempotency.Key) (out whatIf, replayed bool, err error) {
	since, before, limit, err := in.check(m.now())
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, s.ID, k, &out, func() error {
			rows, err := referralsBefore(ctx, u, s.ID, before, limit)
			if err != nil {
				return err
			}
			var next *int64
			if len(rows) == limit {
				last := rows[limit-1].ID
				next = &last
			}
			list := rows[:0]
			for _, r := range rows {
				if r.CreatedAt.Before(since) {
					next = nil
					break // ids grow with the time
				}
				if in.CampaignID == nil || r.CampaignID == *in.CampaignID {
					list = append(list, r)
				}
			}
			out = in.RulesBody.policy().try(list)
			out.NextBeforeID = next
			return nil
		})
		return err
	})
	return out, replayed, err
}
