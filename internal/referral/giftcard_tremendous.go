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
// with 201 and the first order.
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
	Order struct {
		ID     string `json:"id"`
		Status string `json:"status"`
	} `json:"order"`
	Errors struct {
		Message string `json:"message"`
	} `json:"errors"`
}

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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+"/orders", bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+t.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	answer, err := t.client.Do(req)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(io.LimitReader(answer.Body, tremendousMost))
	if err != nil {
		return "", err
	}
	return readTremendous(answer.StatusCode, said)
}

// readTremendous understands an answer: 200 made the order, 201 says that it is there already, 402 that there isn't enough money.
func readTremendous(status int, said []byte) (string, error) {
	var a tremendousAnswer
	understood := json.Unmarshal(said, &a) == nil
	detail := fmt.Sprintf("status %d", status)
	if a.Errors.Message != "" {
		detail += ": " + a.Errors.Message
	}
	switch {
	case status >= 200 && status < 300 && understood && a.Order.ID != "":
		if a.Order.Status == "FAILED" || a.Order.Status == "CANCELED" {
			return "", &GiftCardError{Final: true, Detail: "the order " + a.Order.ID + " is " + a.Order.Status}
		}
		return a.Order.ID, nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusPaymentRequired, status == http.StatusNotFound,
		status == http.StatusTooManyRequests:
		return "", &GiftCardError{Detail: detail} // the operator's key, account or address, or too much at once: all may change
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return "", &GiftCardError{Final: true, Detail: detail}
	}
	return "", errors.New(detail + ", which says nothing about the order")
}
