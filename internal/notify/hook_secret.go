package notify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
)

// seal hides an endpoint's secret from whoever reads the database: the key to it is in another schema.
func (m *Module) seal(siteID int64, secret string) ([]byte, error) {
	box, err := m.box()
	if err != nil {
		return nil, err
	}
	return box.Seal(nil, nil, []byte(secret), owner(siteID)), nil
}

// open reads a sealed secret. That of another site doesn't open.
func (m *Module) open(siteID int64, sealed []byte) (string, error) {
	box, err := m.box()
	if err != nil {
		return "", err
	}
	secret, err := box.Open(nil, nil, sealed, owner(siteID))
	if err != nil {
		return "", fmt.Errorf("open a secret of site %d: %w", siteID, err)
	}
	return string(secret), nil
}

// OpenSecret reads a sealed secret, and SealSecret seals one, for a site that moves to another installation: there the key is another.
func (m *Module) OpenSecret(siteID int64, sealed []byte) (string, error) {
	return m.open(siteID, sealed)
}

// SealSecret is the other half of OpenSecret.
func (m *Module) SealSecret(siteID int64, secret string) ([]byte, error) {
	return m.seal(siteID, secret)
}

func (m *Module) box() (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, m.Secret)
	mac.Write([]byte("webhook secrets"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func owner(siteID int64) []byte { return fmt.Appendf(nil, "site %d", siteID) }
