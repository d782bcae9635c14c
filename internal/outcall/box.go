package outcall

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/jmoiron/sqlx"
)

// Seal hides a secret from whoever reads a module's database: the key to it is in another schema.
func (c *Client) Seal(siteID int64, secret string) ([]byte, error) {
	box, err := c.box()
	if err != nil {
		return nil, err
	}
	return box.Seal(nil, nil, []byte(secret), owner(siteID)), nil
}

// Open reads a sealed secret. That of another site doesn't open. One that was written before its table sealed them is as it was.
func (c *Client) Open(siteID int64, sealed []byte) (string, error) {
	if bytes.HasPrefix(sealed, []byte(secretPrefix)) {
		return string(sealed), nil
	}
	box, err := c.box()
	if err != nil {
		return "", err
	}
	secret, err := box.Open(nil, nil, sealed, owner(siteID))
	if err != nil {
		return "", fmt.Errorf("open a secret of site %d: %w", siteID, err)
	}
	return string(secret), nil
}

func (c *Client) box() (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, c.key)
	mac.Write([]byte("webhook secrets"))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func owner(siteID int64) []byte { return fmt.Appendf(nil, "site %d", siteID) }

// SealOld seals what stands unsealed in a table's column secret, beside its site_id. Any number of processes may do so at once, and while others write.
func (c *Client) SealOld(ctx context.Context, db sqlx.ExtContext, table string) error {
	var plain []struct {
		SiteID int64  `db:"site_id"`
		Secret []byte `db:"secret"`
	}
	err := sqlx.SelectContext(ctx, db, &plain, `select distinct site_id, secret from `+table+` where substring(secret from 1 for `+fmt.Sprint(len(secretPrefix))+`) = $1::bytea`,
		[]byte(secretPrefix))
	if err != nil {
		return fmt.Errorf("find unsealed secrets of %s: %w", table, err)
	}
	for _, p := range plain {
		sealed, err := c.Seal(p.SiteID, string(p.Secret))
		if err != nil {
			return err
		}
		if _, err := db.ExecContext(ctx, `update `+table+` set secret = $3 where site_id = $1 and secret = $2`, p.SiteID, p.Secret, sealed); err != nil {
			return fmt.Errorf("seal a secret of %s: %w", table, err)
		}
	}
	return nil
}
