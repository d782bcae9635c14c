package importer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/talkable/talkable/internal/customer"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// House is what takes in what a site had elsewhere: who people are, what they did, and what it came to. Each call is for a set.
type House interface {
	SavePeople(ctx context.Context, s site.Site, in []customerapi.Identity, at *customer.Checkpoint) ([]postgres.Result[customer.SavedPerson], error)
	ImportOrigins(ctx context.Context, s site.Site, in []customerapi.Origin, at *customer.Checkpoint) ([]postgres.Result[customerapi.Recorded], error)
	Orders(ctx context.Context, siteID int64, numbers []string) (map[string]customerapi.Order, error)
	Pasts(ctx context.Context, siteID int64, asked []customerapi.Moment) ([]customerapi.Past, error)
	TakeAdvocates(ctx context.Context, s site.Site, source string, rows []referralapi.MovedAdvocate) ([]postgres.Result[bool], error)
	TakeReferrals(ctx context.Context, s site.Site, source string, rows []referralapi.MovedReferral) ([]postgres.Result[bool], error)
	TakeRewards(ctx context.Context, s site.Site, source string, rows []referralapi.MovedReward) ([]postgres.Result[bool], error)
	TakeBalances(ctx context.Context, s site.Site, source string, rows []referralapi.MovedBalance) ([]postgres.Result[bool], error)
}

// movedIn imports rows that are taken in once each, whoever repeats them, so that no checkpoint is needed. A dry run tries each set upon what is there.
func movedIn[T any](ctx context.Context, file io.ReadSeeker, o Options, kind string, parse func(row) (T, []finding), save func(ctx context.Context, in []T) ([]postgres.Result[bool], error)) (Summary, error) {
	r := &run[T]{Options: o, kind: kind, tries: true, parse: parse, fine: func(*Summary, T) {},
		save: func(ctx context.Context, s *Summary, in []T, _ *customer.Checkpoint) ([]error, error) {
			if len(in) == 0 {
				return nil, nil
			}
			if o.DryRun {
				ctx = postgres.Rehearsal(ctx)
			}
			out, err := save(ctx, in)
			return outcomes(out, err, func(anew bool) {
				if anew {
					s.New++
				} else {
					s.Unchanged++
				}
			})
		}}
	return r.do(ctx, nil, file)
}

func (o Options) source() string {
	switch {
	case o.Source != "":
		return o.Source
	case o.From != "":
		return o.From
	}
	return "moved"
}

// advocate is a row, and whom it names.
type advocate struct {
	who customerapi.Identity
	referralapi.MovedAdvocate
}

// Advocates gives those who shared elsewhere an offer here, and their old addresses, codes and names lead to it.
func Advocates(ctx context.Context, m House, file io.ReadSeeker, o Options) (Summary, error) {
	return movedIn(ctx, file, o, "advocates", func(row row) (advocate, []finding) { return row.advocate(o) },
		func(ctx context.Context, in []advocate) ([]postgres.Result[bool], error) {
			out := make([]postgres.Result[bool], len(in))
			people, err := peopleOf(ctx, m, o.Site, in, out, func(a advocate) customerapi.Identity { return a.who })
			if err != nil {
				return nil, err
			}
			return through(in, out, func(i int) referralapi.MovedAdvocate { in[i].PersonID = people[i]; return in[i].MovedAdvocate },
				func(rows []referralapi.MovedAdvocate) ([]postgres.Result[bool], error) {
					return m.TakeAdvocates(ctx, o.Site, o.source(), rows)
				})
		})
}

// peopleOf makes those known whom rows name, as one set. A row whose person can't be is refused.
func peopleOf[T any](ctx context.Context, m House, s site.Site, in []T, out []postgres.Result[bool], who func(T) customerapi.Identity) ([]int64, error) {
	all := make([]customerapi.Identity, len(in))
	for i := range in {
		all[i] = who(in[i])
	}
	saved, err := m.SavePeople(ctx, s, all, nil)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(in))
	for i, p := range saved {
		if ids[i] = p.Value.ID; out[i].Err == nil {
			out[i].Err = p.Err
		}
	}
	return ids, nil
}

// through hands on the rows that nothing is wrong with so far, and puts what became of them in their places.
func through[T, M any](in []T, out []postgres.Result[bool], row func(int) M, take func([]M) ([]postgres.Result[bool], error)) ([]postgres.Result[bool], error) {
	var rows []M
	var at []int
	for i := range in {
		if out[i].Err == nil {
			rows, at = append(rows, row(i)), append(at, i)
		}
	}
	if len(rows) == 0 {
		return out, nil
	}
	done, err := take(rows)
	if err != nil {
		return nil, err
	}
	for n, i := range at {
		out[i] = done[n]
	}
	return out, nil
}

func (r *row) advocate(o Options) (a advocate, wrong []finding) {
	c := r.cells
	a.who = r.identity()
	if p := presets[o.From]; p != nil {
		a.AnyCase = p.anyCase
	}
	a.Link, a.Code, a.Name = c[linkURL], c[shareCode], c[linkName]
	a.CampaignID, wrong = r.campaign(o, r.nobody(wrong, "email", email, customerID, phoneNumber, username))
	if c[date] != "" {
		var ok bool
		if a.Since, ok = moment(c[date], o.Site.Zone); !ok {
			wrong = append(wrong, noDate("date", c[date]))
		}
	}
	return a, wrong
}

// nobody notes that none of the columns names anybody.
func (r *row) nobody(wrong []finding, name string, any ...column) []finding {
	if slices.ContainsFunc(any, func(c column) bool { return r.cells[c] != "" }) {
		return wrong
	}
	return append(wrong, finding{column: name, what: "is empty, and nothing else names somebody"})
}

// campaign is the campaign that the row names, or else all of the file.
func (r *row) campaign(o Options, wrong []finding) (int64, []finding) {
	said := r.cells[campaignID]
	if said == "" && o.Campaign > 0 {
		return o.Campaign, wrong
	}
	id, err := strconv.ParseInt(said, 10, 64)
	if err != nil || id <= 0 {
		wrong = append(wrong, finding{column: "campaign_id", value: said, what: "is no campaign's id, and --campaign says none for all"})
	}
	return id, wrong
}

func noDate(column, value string) finding {
	return finding{column: column, value: value, what: "is no date like 2026-03-01, nor a time like 2026-03-01T12:00:00Z"}
}

// pair is a row of two people.
type pair struct {
	advocate, friend customerapi.Identity
	order            string // "": there was none
	referralapi.MovedReferral
}

// movedEvents is the category of what a friend did elsewhere that made a referral and was no order, or none that is known.
const movedEvents = "moved_referral"

// Referrals takes in who brought whom. What the friend did is an order: the one that is here already under its number, else one that is recorded as
// import purchases would; where there was none, an event.
func Referrals(ctx context.Context, m House, file io.ReadSeeker, o Options) (Summary, error) {
	return movedIn(ctx, file, o, "referrals", func(row row) (pair, []finding) { return row.pair(o) },
		func(ctx context.Context, in []pair) ([]postgres.Result[bool], error) {
			out := make([]postgres.Result[bool], len(in))
			advocates, err := peopleOf(ctx, m, o.Site, in, out, func(p pair) customerapi.Identity { return p.advocate })
			if err != nil {
				return nil, err
			}
			if err := deedsOf(ctx, m, o, in, out); err != nil {
				return nil, err
			}
			return through(in, out, func(i int) referralapi.MovedReferral { in[i].AdvocateID = advocates[i]; return in[i].MovedReferral },
				func(rows []referralapi.MovedReferral) ([]postgres.Result[bool], error) {
					return m.TakeReferrals(ctx, o.Site, o.source(), rows)
				})
		})
}

func (r *row) pair(o Options) (p pair, wrong []finding) {
	c, from := r.cells, presets[o.From]
	p.advocate = customerapi.Identity{Email: c[advocateEmail], CustomerID: c[advocateID]}
	p.friend = customerapi.Identity{Email: c[email], CustomerID: c[customerID], FirstName: c[firstName], LastName: c[lastName]}
	wrong = r.nobody(r.nobody(nil, "advocate_email", advocateEmail, advocateID), "email", email, customerID)
	p.order, p.Number = c[orderNumber], c[externalID]
	if p.Number == "" {
		p.Number = p.order
	}
	p.CampaignID, wrong = r.campaign(o, wrong)
	if p.Status = from.status(c[status]); p.Status == "" {
		if p.Status = "approved"; c[status] != "" {
			wrong = append(wrong, finding{column: "status", value: c[status], what: "is a status that has no meaning here"})
		}
	}
	p.Currency = strings.ToUpper(c[currency])
	if p.Currency == "" {
		p.Currency = o.Site.Currency
	}
	if c[subtotal] != "" || p.order != "" {
		var err error
		if p.Subtotal, err = from.money(c[subtotal], p.Currency); err != nil || p.Subtotal < 0 {
			wrong = append(wrong, finding{column: "subtotal", value: c[subtotal], what: "is no plain decimal number, or too large"})
		}
	}
	var ok bool
	if p.OccurredAt, ok = moment(c[date], o.Site.Zone); !ok || p.OccurredAt.IsZero() {
		wrong = append(wrong, noDate("date", c[date]))
	}
	return p, wrong
}

// deedsOf finds what the friends of a set did, and records what isn't here.
func deedsOf(ctx context.Context, m House, o Options, in []pair, out []postgres.Result[bool]) error {
	var numbers []string
	for _, p := range in {
		if p.order != "" {
			numbers = append(numbers, p.order)
		}
	}
	known, err := m.Orders(ctx, o.Site.ID, numbers)
	if err != nil {
		return err
	}
	var origins []customerapi.Origin
	var at []int
	for i := range in {
		p := &in[i]
		if out[i].Err != nil {
			continue
		}
		if k, ok := known[p.order]; ok && p.order != "" {
			p.OriginID, p.FriendID, p.Category = k.OriginID, k.PersonID, "purchase"
			p.Subtotal, p.Currency, p.OccurredAt = k.Subtotal, k.Currency, k.OccurredAt
			continue
		}
		one := customerapi.Origin{Type: customerevent.Purchase, Person: p.friend, Number: p.order, Subtotal: p.Subtotal, Currency: p.Currency, OccurredAt: p.OccurredAt, Verified: true}
		if p.Category = "purchase"; p.order == "" {
			p.Category = movedEvents
			one.Type, one.Category, one.Number = customerevent.Event, movedEvents, o.source()+":"+p.Number
		}
		origins, at = append(origins, one), append(at, i)
	}
	recorded, err := m.ImportOrigins(ctx, o.Site, origins, nil)
	if err != nil {
		return err
	}
	for n, i := range at {
		r := recorded[n]
		out[i].Err = r.Err
		in[i].OriginID, in[i].FriendID = r.Value.ID, r.Value.PersonID
	}
	return firstOrders(ctx, m, o, in)
}

// firstOrders says of which orders it is known that their friends had bought nothing before.
func firstOrders(ctx context.Context, m House, o Options, in []pair) error {
	asked := make([]customerapi.Moment, len(in))
	for i, p := range in {
		asked[i] = customerapi.Moment{PersonID: p.FriendID, OriginID: p.OriginID, At: p.OccurredAt, Currency: p.Currency}
	}
	pasts, err := m.Pasts(ctx, o.Site.ID, asked)
	if err != nil {
		return err
	}
	for i := range in {
		in[i].FirstOrder = in[i].order != "" && pasts[i].Orders == 0
	}
	return nil
}

// owed is a row of a balance.
type owed struct {
	who customerapi.Identity
	referralapi.MovedBalance
}

// Balances opens accounts of commissions with what was owed elsewhere.
func Balances(ctx context.Context, m House, file io.ReadSeeker, o Options) (Summary, error) {
	return movedIn(ctx, file, o, "balances", func(row row) (owed, []finding) { return row.owed(o) },
		func(ctx context.Context, in []owed) ([]postgres.Result[bool], error) {
			out := make([]postgres.Result[bool], len(in))
			people, err := peopleOf(ctx, m, o.Site, in, out, func(b owed) customerapi.Identity { return b.who })
			if err != nil {
				return nil, err
			}
			return through(in, out, func(i int) referralapi.MovedBalance { in[i].PersonID = people[i]; return in[i].MovedBalance },
				func(rows []referralapi.MovedBalance) ([]postgres.Result[bool], error) {
					return m.TakeBalances(ctx, o.Site, o.source(), rows)
				})
		})
}

func (r *row) owed(o Options) (b owed, wrong []finding) {
	c, from := r.cells, presets[o.From]
	b.who = customerapi.Identity{Email: c[email], CustomerID: c[customerID], Phone: c[phoneNumber], Username: c[username]}
	wrong = r.nobody(nil, "email", email, customerID, phoneNumber, username)
	if b.Currency = strings.ToUpper(c[currency]); b.Currency == "" {
		b.Currency = o.Site.Currency
	}
	if b.Note, b.Number = c[note], c[externalID]; b.Number == "" { // one a person and currency
		who := sha256.Sum256([]byte(strings.ToLower(c[email] + "\x00" + c[customerID] + "\x00" + c[phoneNumber] + "\x00" + c[username])))
		b.Number = fmt.Sprintf("person-%x-%s", who[:8], b.Currency) // which nobody has to be forgotten in
	}
	if _, ok := money.Digits(b.Currency); !ok {
		return b, append(wrong, finding{column: "currency", value: c[currency], what: "is no ISO 4217 currency"})
	}
	var err error
	if b.Amount, err = from.money(c[amount], b.Currency); err != nil {
		wrong = append(wrong, finding{column: "amount", value: c[amount], what: "is no plain decimal number, or too large"})
	}
	if from != nil && slices.Contains(from.closed, strings.ToLower(c[status])) {
		wrong = append(wrong, finding{column: "status", value: c[status], what: "says that nothing is owed any more"})
	}
	return b, wrong
}
