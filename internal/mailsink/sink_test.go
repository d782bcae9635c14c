package mailsink

import (
	"bytes"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/talkable/talkable/internal/leaktest"
)

func send(t *testing.T, s *Sink, body string) error {
	t.Helper()
	return smtp.SendMail(s.listener.Addr().String(), nil, "shop@example.com", []string{"anna@example.com"}, []byte("Subject: Hi\r\n\r\n"+body+"\r\n"))
}

func TestSinkKeepsTheNewest(t *testing.T) {
	defer leaktest.None(t)
	dir := filepath.Join(t.TempDir(), "mail")
	var heard []Mail
	s, err := Start(dir, Options{Keep: 3, OnMail: func(m Mail) { heard = append(heard, m) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"one", "two", "three", "four"} {
		if err := send(t, s, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Start(dir, Options{Keep: 3}); err != nil { // knows what is there already
		t.Fatal(err)
	}
	if err := send(t, s, "five"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 3 {
		t.Fatalf("%q %v", names, err)
	}
	for i, want := range []string{"three", "four", "five"} {
		data, err := os.ReadFile(names[i])
		if err != nil || !bytes.Contains(data, []byte(want)) {
			t.Errorf("%s: %q %v", names[i], data, err)
		}
	}
	if len(heard) != 4 || heard[0].From != "shop@example.com" || heard[0].To[0] != "anna@example.com" || heard[0].File == "" {
		t.Errorf("heard: %+v", heard)
	}
	if _, err := net.Dial("tcp", s.listener.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

func TestSinkDoesAsScripted(t *testing.T) {
	defer leaktest.None(t)
	var rcpt, data atomic.Value
	rcpt.Store(Reply{})
	data.Store(Reply{})
	s, err := Start(t.TempDir(), Options{OnRcpt: func(Mail) Reply { return rcpt.Load().(Reply) }, OnData: func(Mail) Reply { return data.Load().(Reply) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rcpt, data Reply
		want       string
		kept       int
	}{
		{want: "", kept: 1},
		{rcpt: Reply{Code: 550, Text: "no such user"}, want: "no such user", kept: 1},
		{data: Reply{Code: 421, Text: "too busy"}, want: "too busy", kept: 1},
		{rcpt: Reply{Drop: true}, want: "EOF", kept: 1},
		{data: Reply{Drop: true}, want: "EOF", kept: 2},
	} {
		rcpt.Store(c.rcpt)
		data.Store(c.data)
		err := send(t, s, "hello")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
		if names, _ := filepath.Glob(filepath.Join(s.Dir(), "*.eml")); len(names) != c.kept {
			t.Errorf("%+v: %d kept", c, len(names))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCloseAtOnce: a sink may be closed before it has begun to serve.
func TestCloseAtOnce(t *testing.T) {
	for range 200 {
		s, err := Start(t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
