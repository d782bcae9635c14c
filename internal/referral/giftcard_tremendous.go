package referral

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/talkable/talkable/internal/money"
)

const tremendousMost = 1 << 20 // bytes of an answer that are read

// Tremendous orders gift cards at tremendous.com, which mails them. Its external_id makes an order idempotent: a repetition is answered
// with 201 and the first order, which can also be read by it.
type Tremendous struct {
	url, key, funding, campaign string
	client                      *http.Client
}

// NewTremendous takes the API's base ("https://testflight.tremendous.com/api/v2" is the sandbox), its key, the funding source ("balance"), and
// the campaign there that says which cards one may choose from.
func NewTremendous(base, key, funding, campaign string) (*Tremendous, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("the address of Tremendous's API is no URL: %q", base)
	case key == "" || campaign == "":
		return nil, errors.New("tremendous needs an API key and a campaign")
	}
	return &Tremendous{url: strings.TrimRight(base, "/"), key: key, funding: funding, campaign: campaign, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the key goes nowhere else
	}}, nil
}

// Name is the provider's.
func (t *Tremendous) Name() string { return "tremendous" }

type tremendousOrder struct {
	ExternalID string `json:"external_id"`
	Payment    struct {
		FundingSourceID string `json:"funding_source_id"`
	} `json:"payment"`
	Reward struct {
		CampaignID string `json:"campaign_id"`
		Value      struct {
			Denomination json.RawMessage `json:"denomination"`
			Currency     string          `json:"currency_code"`
		} `json:"value"`
		Recipient struct {
			Name  string `json:"name,omitempty"`
			Email string `json:"email"`
		} `json:"recipient"`
		Delivery struct {
			Method string `json:"method"`
		} `json:"delivery"`
	} `json:"reward"`
}

type tremendousAnswer struct {
	Order  tremendousOrdered `json:"order"`
	Errors struct {
		Message string `json:"message"`
	} `json:"errors"`
}

// tremendousOrdered is an order as the provider has it.
type tremendousOrdered struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Rewards []struct {
		ID string `json:"id"`
	} `json:"rewards"`
}

// over says that nobody gets anything by the order.
func (o tremendousOrdered) over() bool { return o.Status == "FAILED" || o.Status == "CANCELED" }

// Order orders a card.
func (t *Tremendous) Order(ctx context.Context, o GiftCardOrder) (string, error) {
	var body tremendousOrder
	body.ExternalID, body.Payment.FundingSourceID = o.Key, t.funding
	body.Reward.CampaignID, body.Reward.Delivery.Method = t.campaign, "EMAIL"
	body.Reward.Value.Denomination, body.Reward.Value.Currency = json.RawMessage(money.Format(o.Amount, o.Currency)), o.Currency
	body.Reward.Recipient.Name, body.Reward.Recipient.Email = o.Name, o.Email
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	a, err := t.ask(ctx, http.MethodPost, "/orders", text)
	if err != nil {
		return "", err
	}
	return a.ordered()
}

// Cancel takes back an order that nobody has redeemed. Which rewards an order has is read first, so an order that was cancelled before, or that
// never came to be, is seen there. An order that still waits for the merchant's approval is rejected as a whole.
func (t *Tremendous) Cancel(ctx context.Context, key string) (string, error) {
	a, err := t.ask(ctx, http.MethodGet, "/orders/"+url.PathEscape(key), nil)
	var no *GiftCardError
	switch {
	case errors.As(err, &no) && no.missing:
		return "", nil
	case err != nil:
		return "", asked(err)
	case a.Order.ID == "":
		return "", errors.New("the answer says nothing about the order")
	case a.Order.over():
		return a.Order.ID, nil
	case a.Order.Status == "PENDING APPROVAL":
		_, err = t.ask(ctx, http.MethodPost, "/orders/"+url.PathEscape(a.Order.ID)+"/reject", nil)
		return a.Order.ID, err
	case len(a.Order.Rewards) == 0:
		return a.Order.ID, &GiftCardError{Detail: "the order is " + a.Order.Status + " and has no rewards yet"}
	}
	for _, r := range a.Order.Rewards { // one, as it was ordered
		if _, err := t.ask(ctx, http.MethodPost, "/rewards/"+url.PathEscape(r.ID)+"/cancel", nil); err != nil {
			return a.Order.ID, err
		}
	}
	return a.Order.ID, nil
}

// asked is why an order couldn't be read, which says nothing about whether it can be cancelled.
func asked(err error) error {
	var no *GiftCardError
	if errors.As(err, &no) && no.Final {
		return &GiftCardError{Detail: no.Detail}
	}
	return err
}

// ask calls the provider, and understands the answer as far as it says that something was refused.
func (t *Tremendous) ask(ctx context.Context, method, path string, body []byte) (a tremendousAnswer, err error) {
	req, err := http.NewRequestWithContext(ctx, method, t.url+path, bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+t.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	answer, err := t.client.Do(req)
	if err != nil {
		return a, err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, tremendousMost))
	if err != nil {
		return a, err
	}
	return readTremendous(answer.StatusCode, said)
}

// ordered is the number of the order that was made, or found.
func (a tremendousAnswer) ordered() (string, error) {
	switch {
	case a.Order.ID == "":
		return "", errors.New("the answer says nothing about the order")
	case a.Order.over():
		return "", &GiftCardError{Final: true, Detail: "the order " + a.Order.ID + " is " + a.Order.Status}
	}
	return a.Order.ID, nil
}

// readTremendous understands an answer: 200 did what was asked for, 201 says that the order is there already, 402 that there isn't enough money.
func readTremendous(status int, said []byte) (a tremendousAnswer, err error) {
	understood := json.Unmarshal(said, &a) == nil
	detail := fmt.Sprintf("status %d", status)
	if a.Errors.Message != "" {
		detail += ": " + a.Errors.Message
	}
	switch {
	case status >= 200 && status < 300 && understood:
		return a, nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusPaymentRequired, status == http.StatusNotFound,
		status == http.StatusTooManyRequests:
		return a, &GiftCardError{Detail: detail, missing: status == http.StatusNotFound} // the operator's key, account or address, or too much at once: all may change
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return a, &GiftCardError{Final: true, Detail: detail}
	}
	return a, errors.New(detail + ", which says nothing about the order")
}
