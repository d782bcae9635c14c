package notify

import (
	"errors"
	"fmt"
	"net"
	stdmail "net/mail"
	"net/url"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
)

// SMTP says which server takes our mail.
type SMTP struct {
	Host           string
	Port           int
	User, Password string
	TLS            string // none, starttls (insisted on), tls
	From           string // default sender, "" if the URL names none
}

// ParseSMTP reads smtp://user:password@host:port?tls=none|starttls|tls&from=address. Without tls it is tls for port 465 and for
// the scheme smtps, starttls otherwise. The error never holds the password.
func ParseSMTP(text string) (SMTP, error) {
	bad := func(format string, args ...any) (SMTP, error) {
		return SMTP{}, fmt.Errorf("SMTP URL: "+format, args...)
	}
	u, err := url.Parse(text)
	if err != nil { // its text would repeat the URL
		return bad("it can't be read; special characters of user and password have to be percent-encoded")
	}
	if u.Scheme != "smtp" && u.Scheme != "smtps" {
		return bad("it has to begin with smtp:// or smtps://")
	}
	if u.Hostname() == "" {
		return bad("it names no host")
	}
	if u.Path != "" && u.Path != "/" || u.Fragment != "" {
		return bad("nothing but ?tls= and ?from= may follow the host")
	}
	s := SMTP{Host: u.Hostname(), User: u.User.Username(), TLS: "starttls", Port: 587}
	s.Password, _ = u.User.Password()
	if u.Scheme == "smtps" {
		s.Port = 465
	}
	if port := u.Port(); port != "" {
		if s.Port, err = strconv.Atoi(port); err != nil || s.Port < 1 || s.Port > 65535 {
			return bad("the port has to be between 1 and 65535")
		}
	}
	if u.Scheme == "smtps" || s.Port == 465 {
		s.TLS = "tls"
	}
	options, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return bad("what follows ? can't be read")
	}
	for name, values := range options {
		switch value := values[0]; name {
		case "tls":
			if s.TLS = value; value != "none" && value != "starttls" && value != "tls" {
				return bad("tls has to be none, starttls or tls, not %q", value)
			}
		case "from":
			if _, err := stdmail.ParseAddress(value); err != nil {
				return bad("from has to be an e-mail address, not %q", value)
			}
			s.From = value
		default:
			return bad("%q is unknown; there are tls and from", name)
		}
	}
	if s.User != "" && s.TLS == "none" && !loopback(s.Host) {
		return bad("a password isn't sent over an open line: use tls=starttls or tls=tls")
	}
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// outcome is what became of one attempt.
type outcome struct {
	kind   kind
	detail string // for a person who looks into it
	broken bool   // the connection can't be used any more

	stopped bool // of an SMS: the person has answered STOP
}

type kind int

const (
	accepted kind = iota
	notNow
	refusedForGood
	unknown
)

// judge reads the outcome of handing over msg. Only a failure after the last byte, without an answer, leaves it open: until
// then the server cannot have taken the mail, because its end was never sent.
func judge(msg *mail.Msg, err error) outcome {
	if msg.IsDelivered() {
		return outcome{kind: accepted, broken: err != nil} // the failure is that of the reset behind it
	}
	if err == nil {
		return outcome{kind: unknown, detail: "the mail library reported neither success nor failure", broken: true}
	}
	o := outcome{kind: notNow, detail: readable(err.Error()), broken: true}
	se, ok := errors.AsType[*mail.SendError](err)
	if !ok {
		return o
	}
	switch code := se.ErrorCode(); {
	case code == 421: // "closing transmission channel"
	case code >= 500:
		o.kind, o.broken = refusedForGood, false
	case code >= 400:
		o.broken = false
	case se.Reason == mail.ErrSMTPDataClose:
		o.kind = unknown
	case se.Reason == mail.ErrGetSender || se.Reason == mail.ErrGetRcpts || se.Reason == mail.ErrNoUnencoded:
		o.kind, o.broken = refusedForGood, false
	}
	return o
}

// readable cuts a server's words to what a table and a screen bear.
func readable(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), control), " ")
	if r := []rune(text); len(r) > 500 {
		return string(r[:500]) + "…"
	}
	return text
}
