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
	"path"
	"strings"
	"sync"
	"time"

	"github.com/talkable/talkable/internal/money"
)

// PayPal pays by PayPal's Payouts API: one call for a batch, whose sender_batch_id is the batch's token, so that a repeated call pays
// nobody twice. PayPal answers a repetition within 30 days with a link to the first.
type PayPal struct {
	base, client, secret string
	http                 *http.Client

	mu    sync.Mutex
	token string // until PayPal refuses it
}

// NewPayPal takes the address of the API (https://api-m.paypal.com, or https://api-m.sandbox.paypal.com) and an app's credentials.
func NewPayPal(base, client, secret string) *PayPal {
	return &PayPal{base: strings.TrimRight(base, "/"), client: client, secret: secret, http: &http.Client{Timeout: 50 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Name implements Payer.
func (*PayPal) Name() string { return "paypal" }

const (
	paypalAnswer = 8 << 20 // most that is read
	paypalPage   = 1000
)

type paypalAmount struct {
	Value    string `json:"value"`
	Currency string `json:"currency"`
}

type paypalItem struct {
	RecipientType string       `json:"recipient_type"`
	Amount        paypalAmount `json:"amount"`
	Receiver      string       `json:"receiver"`
	Note          string       `json:"note,omitempty"`
	SenderItemID  string       `json:"sender_item_id"`
}

type paypalOrder struct {
	Header struct {
		SenderBatchID string `json:"sender_batch_id"`
		EmailSubject  string `json:"email_subject,omitempty"`
	} `json:"sender_batch_header"`
	Items []paypalItem `json:"items"`
}

type paypalLink struct {
	Href string `json:"href"`
	Rel  string `json:"rel"`
}

type paypalError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Details []struct {
		Issue string       `json:"issue"`
		Link  []paypalLink `json:"link"`
	} `json:"details"`
	Links []paypalLink `json:"links"`
}

type paypalBatch struct {
	Header struct {
		ID     string `json:"payout_batch_id"`
		Status string `json:"batch_status"`
	} `json:"batch_header"`
	Items []struct {
		ID     string `json:"payout_item_id"`
		Status string `json:"transaction_status"`
		Item   struct {
			SenderItemID string `json:"sender_item_id"`
		} `json:"payout_item"`
		Errors *paypalError `json:"errors"`
	} `json:"items"`
	TotalPages int `json:"total_pages"`
}

// Send implements Payer.
func (p *PayPal) Send(ctx context.Context, order PayoutOrder) (string, error) {
	body := paypalOrder{}
	body.Header.SenderBatchID = order.Token
	for _, i := range order.Items {
		body.Items = append(body.Items, paypalItem{RecipientType: "EMAIL", Receiver: i.Email, SenderItemID: i.ID, Note: order.Note,
			Amount: paypalAmount{money.Format(i.Amount, order.Currency), order.Currency}})
	}
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	status, answer, err := p.call(ctx, http.MethodPost, "/v1/payments/payouts", text)
	if err != nil {
		return "", err
	}
	if status == http.StatusCreated || status == http.StatusOK {
		var made paypalBatch
		if err := json.Unmarshal(answer, &made); err != nil || made.Header.ID == "" {
			return "", errors.New("PayPal's answer names no batch")
		}
		return made.Header.ID, nil
	}
	return refusedBy(status, answer)
}

// refusedBy reads why PayPal doesn't take an order: because it has it already, for ever, or for now.
func refusedBy(status int, answer []byte) (string, error) {
	var e paypalError
	_ = json.Unmarshal(answer, &e) // what isn't JSON says nothing
	links := e.Links
	for _, d := range e.Details {
		links = append(links, d.Link...)
	}
	for _, l := range links {
		if u, err := url.Parse(l.Href); err == nil && strings.HasSuffix(path.Dir(u.Path), "/v1/payments/payouts") {
			return path.Base(u.Path), nil
		}
	}
	why := fmt.Sprintf("PayPal answered %d %s", status, e.Name)
	if e.Message != "" {
		why += ": " + e.Message
	}
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return "", fmt.Errorf("%w: %s", ErrPayoutRefused, why)
	default: // credentials, limits, PayPal's own trouble: all may pass
		return "", errors.New(why)
	}
}

// Outcomes implements Payer.
func (p *PayPal) Outcomes(ctx context.Context, reference string) (out []PayoutOutcome, complete bool, err error) {
	for page := 1; ; page++ {
		at := fmt.Sprintf("/v1/payments/payouts/%s?page_size=%d&page=%d&total_required=true", url.PathEscape(reference), paypalPage, page)
		status, answer, err := p.call(ctx, http.MethodGet, at, nil)
		if err != nil {
			return nil, false, err
		}
		var b paypalBatch
		if err := json.Unmarshal(answer, &b); status != http.StatusOK || err != nil {
			return nil, false, fmt.Errorf("PayPal answered %d to a look at a batch", status)
		}
		for _, i := range b.Items {
			o := PayoutOutcome{ID: i.Item.SenderItemID, Reference: i.ID}
			switch i.Status {
			case "SUCCESS":
				o.Paid = true
			case "FAILED", "RETURNED", "BLOCKED", "REFUNDED", "REVERSED", "DENIED":
				if o.Reason = i.Status; i.Errors != nil {
					o.Reason += ": " + i.Errors.Message
				}
			default: // PENDING, UNCLAIMED, ONHOLD: somebody may still take it, or PayPal let it go
				o.Open = true
			}
			out = append(out, o)
		}
		if page >= b.TotalPages || len(b.Items) == 0 || page*paypalPage > mostLines*2 {
			return out, b.Header.Status == "SUCCESS" || b.Header.Status == "DENIED" || b.Header.Status == "CANCELED", nil
		}
	}
}

// call asks PayPal. Credentials that it takes no longer are fetched anew, once.
func (p *PayPal) call(ctx context.Context, method, at string, body []byte) (status int, answer []byte, err error) {
	for try := 1; ; try++ {
		token, err := p.bearer(ctx)
		if err != nil {
			return 0, nil, err
		}
		status, answer, err = p.ask(ctx, method, at, "application/json", body, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		if status != http.StatusUnauthorized || try == 2 {
			return status, answer, err
		}
		p.forget(token)
	}
}

// bearer is a token for calls.
func (p *PayPal) bearer(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token != "" {
		return p.token, nil
	}
	status, answer, err := p.ask(ctx, http.MethodPost, "/v1/oauth2/token", "application/x-www-form-urlencoded", []byte("grant_type=client_credentials"),
		func(r *http.Request) { r.SetBasicAuth(p.client, p.secret) })
	if err != nil {
		return "", err
	}
	var t struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(answer, &t); status != http.StatusOK || err != nil || t.Token == "" {
		return "", fmt.Errorf("PayPal answered %d to the credentials", status)
	}
	p.token = t.Token
	return p.token, nil
}

func (p *PayPal) forget(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token == token {
		p.token = ""
	}
}

func (p *PayPal) ask(ctx context.Context, method, at, kind string, body []byte, sign func(*http.Request)) (int, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+at, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("PayPal's address is none")
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Accept", "application/json")
	sign(r)
	res, err := p.http.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("PayPal can't be reached: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, paypalAnswer))
	if err != nil {
		return 0, nil, fmt.Errorf("PayPal's answer broke off: %w", err)
	}
	return res.StatusCode, answer, nil
}
