package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"time"

	"github.com/talkable/talkable/internal/outcall"
)

// talkableSignature is the header of Talkable's newer mechanism; its classic form carries the secret itself.
const talkableSignature = "X-Talkable-Signature"

// call is the request of an errand at this moment.
func (m *Module) call(e errand, now time.Time) (outcall.Call, error) {
	secret, err := m.Calls.Open(e.SiteID, e.Secret)
	if err != nil {
		return outcall.Call{}, err
	}
	body := []byte(e.Body)
	secrets := []string{secret}
	if e.Style == talkable {
		body = []byte(url.Values{"key": {secret}, "site": {e.Slug}, "type": {e.Type}, "extras": {"{}"}, "payload": {e.Body}}.Encode())
		secrets[0] = standardSecret(secret)
	}
	if e.OldUntil != nil && now.Before(*e.OldUntil) {
		old, err := m.Calls.Open(e.SiteID, e.OldSecret)
		if err != nil {
			return outcall.Call{}, err
		}
		if e.Style == talkable {
			old = standardSecret(old)
		}
		secrets = append(secrets, old)
	}
	header, err := outcall.Sign(secrets, e.MessageID, now, body)
	if err != nil {
		return outcall.Call{}, err
	}
	header.Set("Content-Type", "application/json")
	if e.Style == talkable {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
		header.Set(talkableSignature, signTalkable(secret, e.Body))
	}
	return outcall.Call{URL: e.URL, Header: header, Body: body, Timeout: callDeadline}, nil
}

// signTalkable is base64 of the hexadecimal text of the HMAC, as Talkable's is.
func signTalkable(secret, payload string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(payload))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(mac.Sum(nil))))
}

// standardSecret is a secret in the specification's form. A merchant who comes from Talkable brings a key of another; such a key
// signs by its SHA-256.
func standardSecret(key string) string {
	if outcall.ValidSecret(key) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "whsec_" + base64.StdEncoding.EncodeToString(sum[:])
}

// attempt calls an endpoint. ctx ends when the process must.
func (m *Module) attempt(ctx context.Context, e errand) (t tried) {
	c, err := m.call(e, m.Now())
	if err != nil {
		return tried{err: err}
	}
	t.answer, t.err = m.Calls.Post(ctx, c)
	if ctx.Err() != nil {
		t.err = errInterrupted
	}
	return t
}
