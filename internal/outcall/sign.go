package outcall

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of the Standard Webhooks specification.
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

const (
	secretPrefix = "whsec_"
	secretBytes  = 32
	leastSecret  = 24
	mostSecret   = 64
)

var errSecret = errors.New("a secret is " + secretPrefix + " and 24 to 64 bytes in base64")

// NewSecret makes a secret as the specification writes it.
func NewSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

func secretOf(s string) ([]byte, error) {
	text, ok := strings.CutPrefix(s, secretPrefix)
	if !ok {
		return nil, errSecret
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) < leastSecret || len(b) > mostSecret {
		return nil, errSecret
	}
	return b, nil
}

// Sign gives the headers by which a receiver knows that id, moment and body are ours: a signature for each secret, so that one can
// be replaced by another without a gap.
func Sign(secrets []string, id string, at time.Time, body []byte) (http.Header, error) {
	seconds := strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, s := range secrets {
		key, err := secretOf(s)
		if err != nil {
			return nil, err
		}
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(signed(key, id, seconds, body)))
	}
	return http.Header{HeaderID: {id}, HeaderTimestamp: {seconds}, HeaderSignature: {strings.Join(signatures, " ")}}, nil
}

// Question is a call that asks a merchant's program something: JSON, signed by the site's sealed secret, under an id which is the same at each try.
func (c *Client) Question(siteID int64, sealed []byte, id string, at time.Time, question any) (Call, error) {
	secret, err := c.Open(siteID, sealed)
	if err != nil {
		return Call{}, err
	}
	body, err := json.Marshal(question)
	if err != nil {
		return Call{}, err
	}
	header, err := Sign([]string{secret}, id, at, body)
	if err != nil {
		return Call{}, err
	}
	header["Content-Type"] = []string{"application/json"}
	return Call{Header: header, Body: body}, nil
}

func signed(key []byte, id, seconds string, body []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + seconds + "."))
	mac.Write(body)
	return mac.Sum(nil)
}

// Verify is what a receiver does: one of the signatures must be made with the secret, no longer than slack ago or ahead.
func Verify(secret string, h http.Header, body []byte, now time.Time, slack time.Duration) bool {
	key, err := secretOf(secret)
	if err != nil {
		return false
	}
	seconds, err := strconv.ParseInt(h.Get(HeaderTimestamp), 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > slack {
		return false
	}
	want := signed(key, h.Get(HeaderID), h.Get(HeaderTimestamp), body)
	for one := range strings.FieldsSeq(h.Get(HeaderSignature)) {
		text, ok := strings.CutPrefix(one, "v1,")
		got, err := base64.StdEncoding.DecodeString(text)
		if ok && err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

// ValidSecret says whether Sign takes it.
func ValidSecret(s string) bool {
	_, err := secretOf(s)
	return err == nil
}
