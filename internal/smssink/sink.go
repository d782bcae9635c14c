// Package smssink is a provider of SMS that delivers nowhere: it listens on loopback, speaks Twilio's Messages API, and keeps every
// message as a file. Tests script how it behaves.
package smssink

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// SMS is one message as it came in.
type SMS struct {
	File           string // path of the .txt
	From, To, Body string
}

// Reply is how the provider answers. The zero Reply takes the message.
type Reply struct {
	Status int  // of HTTP
	Code   int  // of Twilio, in the body of a refusal
	Drop   bool // takes the message, and closes the connection instead of answering
}

// Options are what a sink may be told; all are optional.
type Options struct {
	OnSMS  func(SMS)       // called for each message that was taken, before it is answered
	Answer func(SMS) Reply // says how a message is met
}

// User and Password are what the sink wants to be told.
const (
	User     = "ACsink"
	Password = "sink"
)

// Sink is a running provider.
type Sink struct {
	options Options
	dir     string
	server  *http.Server
	address string
	taken   atomic.Int64
	done    chan error
}

// Start listens on a free port of loopback and keeps messages in dir, which is made when it isn't there.
func Start(dir string, options Options) (*Sink, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("SMS sink: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("SMS sink: %w", err)
	}
	s := &Sink{options: options, dir: dir, address: listener.Addr().String(), done: make(chan error, 1)}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// URL is what an SMS setting takes.
func (s *Sink) URL() string {
	return "twilio://" + User + ":" + Password + "@" + s.address + "?from=%2B15550000000&tls=none"
}

// Close ends the server; the messages stay.
func (s *Sink) Close() error {
	err := s.server.Close()
	if end := <-s.done; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// ServeHTTP takes a message.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/2010-04-01/Accounts/"+User+"/Messages.json":
		refuse(w, http.StatusNotFound, 20404)
		return
	case user != User || password != Password:
		refuse(w, http.StatusUnauthorized, 20003)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	m := SMS{From: r.PostFormValue("From"), To: r.PostFormValue("To"), Body: r.PostFormValue("Body")}
	if !strings.HasPrefix(m.To, "+") || m.Body == "" {
		refuse(w, http.StatusBadRequest, 21211)
		return
	}
	var reply Reply
	if s.options.Answer != nil {
		reply = s.options.Answer(m)
	}
	if reply.Status >= http.StatusBadRequest {
		refuse(w, reply.Status, reply.Code)
		return
	}
	if err := s.keep(&m); err != nil {
		refuse(w, http.StatusInternalServerError, 20500)
		return
	}
	if reply.Drop {
		panic(http.ErrAbortHandler)
	}
	answer(w, http.StatusCreated, map[string]any{"sid": fmt.Sprintf("SM%032d", s.taken.Load()), "status": "queued", "to": m.To})
}

func (s *Sink) keep(m *SMS) error {
	m.File = filepath.Join(s.dir, fmt.Sprintf("%s-%d.txt", strings.TrimPrefix(s.address, "127.0.0.1:"), s.taken.Add(1)))
	if err := os.WriteFile(m.File, []byte("From: "+m.From+"\nTo: "+m.To+"\n\n"+m.Body+"\n"), 0o600); err != nil {
		return err
	}
	if s.options.OnSMS != nil {
		s.options.OnSMS(*m)
	}
	return nil
}

func refuse(w http.ResponseWriter, status, code int) {
	answer(w, status, map[string]any{"code": code, "status": status, "message": "refused"})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked may be gone
}
