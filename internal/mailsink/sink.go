// Package mailsink is a mail server that delivers nowhere: it listens on loopback and keeps every mail as a file, so that a
// platform without an SMTP server still shows what it would have sent. Tests script how it behaves.
package mailsink

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"time"

	"github.com/emersion/go-smtp"
)

// Mail is one mail as it came in.
type Mail struct {
	File string // path of the .eml
	From string // of the envelope
	To   []string
	Data []byte
}

// Reply is how the server answers a command. The zero Reply accepts.
type Reply struct {
	Code int    // of SMTP, 4xx or 5xx
	Text string // beside the code
	Drop bool   // close the connection instead of answering
}

// Options are what a sink may be told; all are optional.
type Options struct {
	Keep   int              // newest mails that are kept; 0 means 1000
	OnMail func(Mail)       // called for each mail once its file is there
	OnRcpt func(Mail) Reply // answers RCPT TO; the mail has its envelope only
	OnData func(Mail) Reply // answers the end of DATA; a refused mail isn't kept, a dropped connection's mail is
}

// Sink is a running server.
type Sink struct {
	options  Options
	box      *box
	server   *smtp.Server
	listener net.Listener
	done     chan error
}

// Start listens on a free port of loopback and keeps mails in dir, which is made when it isn't there.
func Start(dir string, options Options) (*Sink, error) {
	if options.Keep <= 0 {
		options.Keep = 1000
	}
	box, err := openBox(dir, options.Keep)
	if err != nil {
		return nil, fmt.Errorf("mail sink: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("mail sink: %w", err)
	}
	s := &Sink{options: options, box: box, listener: listener, done: make(chan error, 1)}
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{sink: s, conn: c}, nil
	}))
	s.server.Domain = "localhost"
	s.server.EnableSMTPUTF8 = true
	s.server.MaxMessageBytes = 10 << 20
	s.server.MaxRecipients = 100
	s.server.ReadTimeout = time.Minute
	s.server.WriteTimeout = time.Minute
	s.server.ErrorLog = log.New(io.Discard, "", 0) // dropped connections are its everyday business
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// URL is what an SMTP setting takes.
func (s *Sink) URL() string { return "smtp://" + s.listener.Addr().String() + "?tls=none" }

// Dir is where the mails are.
func (s *Sink) Dir() string { return s.box.dir }

// Close ends the server and its connections; the mails stay.
func (s *Sink) Close() error {
	err := s.server.Close()
	_ = s.listener.Close() // of which the server may not have heard yet: it would wait on it for ever
	if err = errors.Join(err, <-s.done); err != nil && !errors.Is(err, smtp.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close the mail sink: %w", err)
	}
	return nil
}

type session struct {
	sink *Sink
	conn *smtp.Conn
	mail Mail
}

func (s *session) Reset()        { s.mail = Mail{} }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail = Mail{From: from}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.To = append(s.mail.To, to)
	return s.answer(s.sink.options.OnRcpt)
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.mail.Data = data
	var reply Reply
	if s.sink.options.OnData != nil {
		reply = s.sink.options.OnData(s.mail)
	}
	if reply.Code < 400 {
		if s.mail.File, err = s.sink.box.put(data); err != nil {
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "cannot keep the mail"}
		}
		if s.sink.options.OnMail != nil {
			s.sink.options.OnMail(s.mail)
		}
	}
	return s.answer(func(Mail) Reply { return reply })
}

func (s *session) answer(how func(Mail) Reply) error {
	if how == nil {
		return nil
	}
	reply := how(s.mail)
	if reply.Drop {
		return errors.Join(io.EOF, s.conn.Conn().Close())
	}
	if reply.Code >= 400 {
		return &smtp.SMTPError{Code: reply.Code, EnhancedCode: smtp.NoEnhancedCode, Message: reply.Text}
	}
	return nil
}
