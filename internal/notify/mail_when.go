package notify

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/fault"
)

// People knows what conditions may ask of people.
type People interface {
	People(ctx context.Context, siteID int64, ids []int64) (map[int64]customerapi.Person, error)
}

const (
	unmet        = "condition" // reason of a suppressed one: the site's condition for it isn't met
	whenPatience = 3 * time.Second
	freshOptIn   = 24 * time.Hour
)

// about is what a mail's condition may ask of its occasion, beside what the mail says.
type about struct {
	CampaignID int64  `json:"campaign_id,omitempty"`
	Reward     string `json:"reward,omitempty"`
	Points     int64  `json:"points,omitempty"`
	Amount     int64  `json:"amount,omitempty"`
	Subtotal   int64  `json:"subtotal,omitempty"`
	Currency   string `json:"currency,omitempty"`
	QA         bool   `json:"qa_generated,omitempty"`
}

// wrongCondition says why a text is no condition; "" if it is one, or none.
func wrongCondition(text string) string {
	_, err := criteria.Compile(text)
	var f *fault.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f):
		return f.Detail
	}
	return err.Error()
}

// mailFacts are what a condition may ask of the job's mail.
func (j job) mailFacts() (criteria.Mail, int64, error) {
	var told struct {
		AdvocateID int64  `json:"advocate_id"`
		Points     int64  `json:"points"` // of points_earned
		Tier       string `json:"tier"`
		About      about  `json:"about"`
	}
	if err := json.Unmarshal([]byte(j.Data), &told); err != nil {
		return criteria.Mail{}, 0, err
	}
	a := told.About
	out := criteria.Mail{Template: j.Template, CampaignID: a.CampaignID, Reward: a.Reward, Points: a.Points + told.Points, Amount: a.Amount, Subtotal: a.Subtotal,
		Currency: a.Currency, Tier: told.Tier, QA: a.QA}
	if j.Template == pointsEarned {
		out.Reward = "points"
	}
	return out, told.AdvocateID, nil
}

// personFacts are what a condition may ask of somebody.
func personFacts(p customerapi.Person, id int64, at time.Time) criteria.Person {
	out := criteria.Person{ID: id, CustomerID: p.CustomerID, CustomProperties: p.CustomProperties, Events: p.EventsCount, CreatedAt: p.CreatedAt,
		NewCustomer: p.EventsCount == 0 && !p.ExistingCustomer, Subscribed: p.SubscribedAt != nil && p.UnsubscribedAt == nil}
	if _, domain, ok := strings.Cut(p.Email, "@"); ok {
		out.EmailDomain = strings.ToLower(domain)
	}
	if p.SubscribedAt != nil {
		out.NewSubscriber = out.Subscribed && at.Sub(*p.SubscribedAt).Abs() < freshOptIn
	}
	return out
}

// met asks a job's condition. The error is no answer: it is asked again later.
func (m *Module) met(ctx context.Context, j job) (criteria.Verdict, error) {
	when, err := criteria.Compile(j.Setting.When)
	if err != nil { // it was one when it was saved
		return criteria.Verdict{Reason: err.Error()}, nil //nolint:nilerr // and never will be again
	}
	f := criteria.Facts{Now: m.Now()}
	var advocate int64
	if f.Mail, advocate, err = j.mailFacts(); err != nil {
		return criteria.Verdict{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, whenPatience)
	defer cancel()
	if m.People != nil && (when.Uses("person") || when.Uses("advocate")) {
		known, err := m.People.People(ctx, j.SiteID, []int64{j.PersonID, advocate})
		if err != nil {
			return criteria.Verdict{}, err
		}
		f.Person, f.Advocate = personFacts(known[j.PersonID], j.PersonID, f.Now), personFacts(known[advocate], advocate, f.Now)
	}
	return when.Ask(ctx, f)
}

// vet ends the claimed messages whose condition isn't met, puts off those about which somebody has to be asked, and returns the others. What can't be
// decided now is tried again, as a message is that the server doesn't take.
func (w *worker) vet(ctx context.Context, jobs []job) ([]job, error) {
	var out []job
	var first error
	for _, j := range jobs {
		if err := w.vetOne(ctx, j, &out); err != nil && first == nil {
			first = err
		}
	}
	return out, first
}

func (w *worker) vetOne(ctx context.Context, j job, pass *[]job) error {
	if j.Setting.When != "" && !j.Cleared {
		v, err := w.met(ctx, j)
		switch {
		case err != nil:
			return w.postpone(ctx, []job{j}, "its condition can't be asked now: "+err.Error())
		case !v.Met:
			return w.finish(ctx, j, fate{status: suppressed, reason: unmet}, readable(v.Reason))
		}
	}
	if j.Ask {
		return w.ask(ctx, j)
	}
	*pass = append(*pass, j)
	return nil
}
