package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// texter hands an SMS to whoever delivers it.
type texter interface {
	text(ctx context.Context, to, words string) outcome
}

// Twilio is a provider that speaks Twilio's Messages API.
type Twilio struct {
	base           string // https://api.twilio.com
	account, token string
	from           string // a number, or a messaging service's id
	http           *http.Client
}

var (
	e164    = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	service = regexp.MustCompile(`^MG[0-9a-zA-Z]{2,64}$`)
)

const smsDeadline = 15 * time.Second

// ParseSMS reads twilio://ACCOUNT:TOKEN@api.twilio.com?from=+15551234567; from may be a messaging service (MG…). ?tls=none is for a
// provider on this machine. The error never holds the token. "" is none.
func ParseSMS(text string) (*Twilio, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no provider is a setting, too
	}
	u, err := url.Parse(text)
	if err != nil { // its text would repeat the URL
		return nil, errors.New("SMS URL: it can't be read; special characters have to be percent-encoded")
	}
	token, _ := u.User.Password()
	query, scheme := u.Query(), "https"
	from := query.Get("from")
	switch {
	case u.Scheme != "twilio":
		return nil, errors.New("SMS URL: it has to begin with twilio://")
	case u.Hostname() == "" || u.User.Username() == "" || token == "" || u.Path != "" && u.Path != "/" || u.Fragment != "":
		return nil, errors.New("SMS URL: it has to be like twilio://ACCOUNT:TOKEN@api.twilio.com?from=%2B15551234567")
	case !e164.MatchString(from) && !service.MatchString(from):
		return nil, errors.New("SMS URL: from has to be a number like %2B15551234567, or a messaging service MG…")
	case query.Get("tls") == "none":
		if scheme = "http"; !loopback(u.Hostname()) {
			return nil, errors.New("SMS URL: a token isn't sent over an open line")
		}
	case query.Has("tls"):
		return nil, errors.New("SMS URL: tls may only be none")
	}
	return &Twilio{base: scheme + "://" + u.Host, account: u.User.Username(), token: token, from: from,
		http: &http.Client{Timeout: smsDeadline, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// stopped is Twilio's code of a number whose owner has answered STOP.
const stopped = 21610

// text hands over one SMS. Whatever happens once the request is on its way leaves open what became of it, unless the provider says so.
func (p *Twilio) text(ctx context.Context, to, words string) outcome {
	form := url.Values{"To": {to}, "Body": {words}}
	if from := "From"; service.MatchString(p.from) {
		form.Set("MessagingServiceSid", p.from)
	} else {
		form.Set(from, p.from)
	}
	var begun atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { begun.Store(true) }})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+"/2010-04-01/Accounts/"+url.PathEscape(p.account)+"/Messages.json", strings.NewReader(form.Encode()))
	if err != nil {
		return outcome{kind: refusedForGood, detail: "the request can't be made"}
	}
	req.GetBody = nil // never again by itself: it would be another SMS
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(p.account, p.token)
	resp, err := p.http.Do(req)
	if err != nil {
		if begun.Load() {
			return outcome{kind: unknown, detail: "the SMS provider did not answer"}
		}
		return outcome{kind: notNow, detail: "no connection to the SMS provider"}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil && resp.StatusCode < 300 {
		return outcome{kind: accepted}
	}
	return judgeSMS(resp.StatusCode, body)
}

// judgeSMS reads the provider's answer. A server's own trouble leaves it open whether the SMS went out; being too busy doesn't.
func judgeSMS(status int, body []byte) outcome {
	var said struct {
		Code int `json:"code"`
	}
	_ = json.Unmarshal(body, &said) // what isn't JSON says nothing
	detail := "the SMS provider answered " + strconv.Itoa(status)
	if said.Code != 0 {
		detail += fmt.Sprintf(" with code %d", said.Code)
	}
	switch {
	case status >= 200 && status < 300:
		return outcome{kind: accepted}
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return outcome{kind: notNow, detail: detail}
	case status >= 500 || status < 400:
		return outcome{kind: unknown, detail: detail}
	}
	return outcome{kind: refusedForGood, detail: detail, stopped: said.Code == stopped}
}
