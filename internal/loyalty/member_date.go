package loyalty

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

const maxDates = 50 // of a member

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,99}$`)

// checkDates says what is wrong with a member's dates, in Talkable's manner. A date of "" takes it away; the last word counts.
func checkDates(in []loyaltyapi.MemberDate) ([]loyaltyapi.MemberDate, error) {
	invalid := func(i int, member, message, detail string) error {
		return fault.New(fault.Unprocessable, "validation_failed", "%s", "Validation failed: "+message).At(fmt.Sprintf("/data/member_dates/%d/%s", i, member), detail)
	}
	last := map[string]loyaltyapi.MemberDate{}
	for i, d := range in {
		if !identifier.MatchString(d.Identifier) {
			return nil, invalid(i, "identifier", "Identifier can contain lowercase letters, numbers and '_' only and cannot begin with a number",
				"must be of the form [a-z_][a-z0-9_]*, at most 100 long")
		}
		if d.Date != "" {
			day, err := time.Parse(time.DateOnly, d.Date)
			if err != nil || day.Year() < 1 {
				return nil, invalid(i, "date", "Date is invalid", "must be a date like 1990-05-17")
			}
		}
		last[d.Identifier] = d
	}
	if len(last) > maxDates {
		return nil, fault.New(fault.Unprocessable, "validation_failed", "Validation failed: A member has at most %d dates", maxDates).At("/data/member_dates", "has too many")
	}
	out := make([]loyaltyapi.MemberDate, 0, len(last))
	for _, d := range last {
		out = append(out, d)
	}
	slices.SortFunc(out, func(x, y loyaltyapi.MemberDate) int { return strings.Compare(x.Identifier, y.Identifier) })
	return out, nil
}

// CheckMemberDates is what SetMemberDates begins with, so that the edge can try it before anything is written.
func (m *Module) CheckMemberDates(in []loyaltyapi.MemberDate) error {
	_, err := checkDates(in)
	return err
}

// SetMemberDates adds dates to those of a member, or changes or takes away those that there are, and answers with the member.
func (m *Module) SetMemberDates(ctx context.Context, siteID, personID int64, dates []loyaltyapi.MemberDate, key idempotency.Key) (out loyaltyapi.Member, replayed bool, err error) {
	dates, err = checkDates(dates)
	if err != nil {
		return out, false, err
	}
	err = m.outbox.InTx(ctx, func(u *bus.Unit) error {
		out = loyaltyapi.Member{}
		claimed, err := idempotency.TakeOne(ctx, u.Tx, module, u.Now, siteID, key)
		if err != nil {
			return err
		}
		if replayed = claimed.Replayed; replayed {
			return json.Unmarshal(claimed.Answer, &out)
		}
		id, status, err := lockMember(ctx, u, siteID, personID)
		if err != nil {
			return err
		}
		if status != active {
			return notActive(status)
		}
		if err := saveDates(ctx, u, siteID, id, dates, u.Now); err != nil {
			return err
		}
		if out, err = memberIn(ctx, u, siteID, personID, u.Now); err != nil {
			return err
		}
		if len(out.Dates) > maxDates {
			return fault.New(fault.Unprocessable, "validation_failed", "Validation failed: A member has at most %d dates", maxDates).At("/data/member_dates", "would make too many")
		}
		return idempotency.KeepOne(ctx, u.Tx, module, siteID, key, []byte(text(out)))
	})
	return out, replayed, err
}

// anonymized: what says who members are is forgotten, and they are members no more; the ledger stays as numbers.
func (m *Module) anonymized(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.PersonAnonymized]) error {
	people := make([]person, len(batch))
	for i, e := range batch {
		people[i] = person{e.Site, e.Body.PersonID}
	}
	people = inOrder(people)
	if err := forgetInPools(ctx, u, people); err != nil {
		return err
	}
	if err := m.eraseMembers(ctx, u, people); err != nil {
		return err
	}
	if err := dropNotes(ctx, u, people); err != nil {
		return err
	}
	return dropDates(ctx, u, people)
}
