package notify

import (
	"context"
	"fmt"
	"net"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// line is an open connection to the mail server.
type line struct {
	client *mail.Client
	smtp   *smtp.Client
}

// dial connects, encrypts and authenticates within the deadline.
func (s SMTP) dial(ctx context.Context) (*line, error) {
	var conn net.Conn // go-mail leaves it open when what follows fails
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(deadline)}
	track := mail.WithDialContextFunc(func(ctx context.Context, network, address string) (_ net.Conn, err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return conn, err
	})
	switch s.TLS {
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), track)
	case "tls":
		options = append(options, mail.WithSSL()) // go-mail dials TLS by itself only
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory), track)
	}
	if s.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	open, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		if conn != nil {
			_ = conn.Close() // of no use, whatever it says
		}
		return nil, err
	}
	return &line{client: client, smtp: open}, nil
}

// hand transmits one message.
func (l *line) hand(msg *mail.Msg) outcome {
	return judge(msg, l.client.SendWithSMTPClient(l.smtp, msg))
}

// hangUp says goodbye; the server's answer doesn't matter.
func (l *line) hangUp() { _ = l.client.CloseWithSMTPClient(l.smtp) }

// cut closes the connection without a word: after a broken transmission any command would end the mail, and so send half of it.
func (l *line) cut() { _ = l.smtp.Close() }
