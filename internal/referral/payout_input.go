package referral

import (
	"context"
	"slices"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/web"
)

const mostOutcomes = 1000 // told at once

// payoutBatchInput is a batch as the API takes it.
type payoutBatchInput struct {
	web.SiteBody
	Currency string `json:"currency" doc:"Whose accounts are paid, ISO 4217" example:"USD"`
	Minimum  int64  `json:"minimum,omitempty" doc:"Who has earned less waits for a later batch: minor units, 1 when left out"`
	Method   string `json:"method,omitempty" doc:"manual (the default: download the list, tell what became of it) or paypal, where that is set up"`
	Note     string `json:"note,omitempty" doc:"At most 200 characters; payees see it where the provider shows one"`
}

func (in *payoutBatchInput) check(m *Module) error {
	var f findings
	if in.Minimum == 0 {
		in.Minimum = 1
	}
	if in.Method == "" {
		in.Method = paidByHand
	}
	if _, ok := money.Digits(in.Currency); !ok {
		f.add("/currency", "must be an ISO 4217 code")
	}
	f.amount("/minimum", in.Minimum)
	checkText(&f, "/note", in.Note, 0, 200)
	if in.Method != paidByHand && (m.payer == nil || m.payer.Name() != in.Method) {
		f.add("/method", "must be manual, or a provider that this server is set up for")
	}
	return f.refusal("invalid_payout_batch", "payout batch")
}

// settleInput is what became of a batch that was paid by hand.
type settleInput struct {
	web.SiteBody
	Rest  string        `json:"rest,omitempty" doc:"paid: so were all lines that aren't named"`
	Lines []lineOutcome `json:"lines,omitempty" nullable:"true" doc:"At most 1000"`
}

type lineOutcome struct {
	ID        int64  `json:"id"`
	Status    string `json:"status" doc:"paid or failed. One that was paid may fail later: the money came back"`
	Reference string `json:"reference,omitempty" doc:"Of the transfer; at most 200 characters"`
	Reason    string `json:"reason,omitempty" doc:"Why it failed; at most 200 characters"`
}

func (in settleInput) check() error {
	var f findings
	if in.Rest != "" && in.Rest != linePaid {
		f.add("/rest", "must be paid, or left out")
	}
	if len(in.Lines) > mostOutcomes || len(in.Lines) == 0 && in.Rest == "" {
		f.add("/lines", "must be 1 to %d, or rest be there", mostOutcomes)
		return f.refusal("invalid_settlement", "settlement")
	}
	seen := map[int64]bool{}
	for n, l := range in.Lines {
		at := "/lines/" + itoa(int64(n))
		if l.Status != linePaid && l.Status != lineFailed {
			f.add(at+"/status", "must be paid or failed")
		}
		if seen[l.ID] {
			f.add(at+"/id", "is there twice")
		}
		seen[l.ID] = true
		checkText(&f, at+"/reference", l.Reference, 0, 200)
		checkText(&f, at+"/reason", l.Reason, 0, 200)
	}
	return f.refusal("invalid_settlement", "settlement")
}

// outcomes locks the lines that are told of.
func (in settleInput) outcomes(ctx context.Context, u *bus.Unit, b *payoutBatch) (lines []payoutLine, told []outcome, err error) {
	ids := make([]int64, len(in.Lines))
	for i, l := range in.Lines {
		ids[i] = l.ID
		told = append(told, outcome{Line: l.ID, Status: l.Status, Reference: l.Reference, Reason: l.Reason})
	}
	if lines, err = lockLines(ctx, u.Tx, b, ids); err != nil || len(lines) != len(ids) {
		return nil, nil, errNoLine.Because(err)
	}
	if in.Rest == "" {
		return lines, told, nil
	}
	open, err := lockOpenLines(ctx, u.Tx, b, mostLines)
	for _, l := range open {
		if !slices.Contains(ids, l.ID) {
			lines, told = append(lines, l), append(told, outcome{Line: l.ID, Status: linePaid})
		}
	}
	return lines, told, err
}

// adjustmentInput is money that the merchant gives or takes.
type adjustmentInput struct {
	web.SiteBody
	Amount   int64  `json:"amount" doc:"Minor units; less than 0 takes" example:"500"`
	Currency string `json:"currency" example:"USD"`
	Note     string `json:"note" doc:"Why: 1 to 1000 characters, kept in the account"`
}

func (in adjustmentInput) check() error {
	var f findings
	if in.Amount == 0 || in.Amount < -money.Max || in.Amount > money.Max {
		f.add("/amount", "must be from -%d to %d and not 0", money.Max, money.Max)
	}
	if _, ok := money.Digits(in.Currency); !ok {
		f.add("/currency", "must be an ISO 4217 code")
	}
	checkText(&f, "/note", in.Note, 1, 1000)
	return f.refusal("invalid_adjustment", "adjustment")
}

// reasonInput is why somebody does something.
type reasonInput struct {
	web.SiteBody
	Reason string `json:"reason" doc:"Kept in the account; 1 to 1000 characters"`
}

func (in reasonInput) check() error {
	var f findings
	checkText(&f, "/reason", in.Reason, 1, 1000)
	return f.refusal("invalid_reason", "reason")
}

var errNoAccount = fault.New(fault.NotFound, "account_not_found", "No such person has earned commissions.")
