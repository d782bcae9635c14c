package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/outcall"
)

// shopServer is the merchant's own server: it listens on this machine while the story is played, and hands over what it is told.
type shopServer struct {
	server *http.Server
	url    string
	came   chan hookMessage
	id     int64
}

type hookMessage struct {
	header http.Header
	body   []byte
}

// hook opens the merchant's server and has it told of approved referrals.
func (s *story) hook(ctx context.Context) (*shopServer, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &shopServer{url: "http://" + l.Addr().String() + "/hook", came: make(chan hookMessage, 100)}
	h.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			return
		}
		select {
		case h.came <- hookMessage{r.Header, body}:
		default: // a story has one message; who sends a hundred isn't talkable
		}
	})}
	go func() { _ = h.server.Serve(l) }() // until it is closed
	s.say("The merchant wants to be told of approved referrals.  POST /api/v2/webhooks")
	var got struct {
		Webhook struct {
			ID int64 `json:"id"`
		} `json:"webhook"`
	}
	if err := s.api.call(ctx, "POST", "/api/v2/webhooks", object{"url": h.url, "types": []string{"referral.approved"}, "description": "the demo's shop"}, &got); err != nil {
		return nil, errors.Join(err, h.server.Close())
	}
	h.id = got.Webhook.ID
	s.show("webhook %d calls %s", h.id, h.url)
	return h, nil
}

// close ends the merchant's server and the webhook.
func (s *story) close(ctx context.Context, h *shopServer) error {
	return errors.Join(s.api.call(ctx, "POST", fmt.Sprintf("/api/v2/webhooks/%d/delete", h.id), object{}, nil), h.server.Close())
}

// told waits for the message about a referral of a friend, and checks its signature as a shop should.
func (s *story) told(ctx context.Context, h *shopServer, friend string) error {
	s.say("The merchant is told.  POST %s", h.url)
	var secrets struct {
		Secrets []string `json:"secrets"`
	}
	if err := s.api.call(ctx, "GET", fmt.Sprintf("/api/v2/webhooks/%d/secret", h.id), nil, &secrets); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the webhook did not come: %w", ctx.Err())
		case m := <-h.came:
			if !outcall.Verify(secrets.Secrets[0], m.header, m.body, s.now(), time.Minute) {
				return errors.New("the webhook's signature is wrong")
			}
			var got struct {
				Type   string `json:"type"`
				People []struct {
					Email string `json:"email"`
				} `json:"people"`
			}
			if err := json.Unmarshal(m.body, &got); err != nil {
				return fmt.Errorf("the webhook's body: %w", err)
			}
			var who []string
			for _, p := range got.People {
				who = append(who, p.Email)
			}
			if !strings.Contains(strings.Join(who, " "), friend) { // somebody else plays a story, too
				continue
			}
			s.show("%s of %s, signed, webhook-id %s", got.Type, strings.Join(who, " and "), m.header.Get(outcall.HeaderID))
			return nil
		}
	}
}
