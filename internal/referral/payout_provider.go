package referral

import (
	"context"
	"errors"

	"github.com/talkable/talkable/internal/customer/customerapi"
)

// Payer is a provider that pays people. Both calls may be repeated at any time: an order's Token names it for ever, and the same token is
// paid once.
type Payer interface {
	Name() string // "paypal": the method of batches

	// Send hands over an order and returns the provider's name of it. ErrPayoutRefused says that nothing of it will be paid by this
	// call; any other error says nothing: it is sent again.
	Send(ctx context.Context, order PayoutOrder) (reference string, err error)

	// Outcomes says what has become of an order's items so far; complete, that all of them are named.
	Outcomes(ctx context.Context, reference string) (list []PayoutOutcome, complete bool, err error)
}

// ErrPayoutRefused is a provider's answer to an order that it will never take. Its text is shown to the merchant.
var ErrPayoutRefused = errors.New("the provider refused the payout")

// PayoutOrder is a batch as a provider gets it.
type PayoutOrder struct {
	Token    string
	Currency string
	Note     string
	Items    []PayoutItem
}

// PayoutItem pays one person.
type PayoutItem struct {
	ID     string // names the item in outcomes
	Email  string
	Amount int64 // minor units
}

// PayoutOutcome is what became of an item.
type PayoutOutcome struct {
	ID        string
	Paid      bool
	Open      bool // neither paid nor failed yet
	Reference string
	Reason    string // why it wasn't paid
}

// payeesOf asks who gets the lines.
func (m *Module) payeesOf(ctx context.Context, siteID int64, lines []payoutLine) (map[int64]customerapi.Person, error) {
	if m.people == nil || len(lines) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(lines))
	for i, l := range lines {
		ids[i] = l.PersonID
	}
	return m.people.People(ctx, siteID, ids)
}
