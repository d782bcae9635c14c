package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
)

// CreateSite adds a site and tells of it. A slug that is taken is a Conflict.
func (g *Gateway) CreateSite(ctx context.Context, n NewSite) (Site, error) {
	var s Site
	err := g.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		if s, err = n.site(u.Now); err != nil {
			return err
		}
		if s.ID, err = insertSite(ctx, u.Tx, s); err != nil {
			return err
		}
		u.Tell(s.ID, s.key(), s.event())
		return nil
	})
	if err != nil {
		return Site{}, err
	}
	return s, nil
}

// UpdateSite changes settings of a site and tells of it, unless nothing is different.
func (g *Gateway) UpdateSite(ctx context.Context, siteID int64, c SiteChange) (Site, error) {
	var s Site
	err := g.outbox.InTx(ctx, func(u *bus.Unit) error {
		before, err := lockSite(ctx, u.Tx, siteID)
		if err != nil {
			return err
		}
		after, changed, err := before.with(c, u.Now)
		if err != nil {
			return err
		}
		s = after
		if !changed {
			return nil
		}
		u.Tell(s.ID, s.key(), s.event())
		if err := changeSetting(ctx, u, s.ID, 0, "site", before.event(), s.event()); err != nil { // only people at the server do it
			return err
		}
		return updateSite(ctx, u.Tx, s)
	})
	if err != nil {
		return Site{}, err
	}
	g.keys.forget()
	return s, nil
}

// Sites lists the sites by slug.
func (g *Gateway) Sites(ctx context.Context) ([]Site, error) { return allSites(ctx, g.db) }

// SiteBySlug finds a site.
func (g *Gateway) SiteBySlug(ctx context.Context, slug string) (Site, error) {
	return siteBySlug(ctx, g.db, slug)
}

// CreateKey adds a key of kind Secret or Public to a site and returns it; it can never be shown again.
func (g *Gateway) CreateKey(ctx context.Context, siteID int64, kind, name string) (plain string, k Key, err error) {
	if _, ok := prefixes[kind]; !ok {
		return "", Key{}, fault.New(fault.Invalid, "invalid_key", "A key is secret or public.").At("/kind", "must be secret or public")
	}
	if utf8.RuneCountInString(name) > 100 || !clean(name) {
		return "", Key{}, fault.New(fault.Invalid, "invalid_key", "The key's name is too long.").At("/name", "at most 100 characters")
	}
	plain = mint(kind)
	err = g.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		k = Key{SiteID: siteID, Kind: kind, Prefix: shown(plain), Name: name, CreatedAt: u.Now}
		k.ID, err = insertKey(ctx, u.Tx, k, hashOf(plain))
		return err
	})
	if err != nil {
		return "", Key{}, err
	}
	return plain, k, nil
}

// RevokeKey ends a key: every replica refuses it within a second. Revoking twice is no fault.
func (g *Gateway) RevokeKey(ctx context.Context, siteID, keyID int64) error {
	err := g.outbox.InTx(ctx, func(u *bus.Unit) error { return revokeKey(ctx, u.Tx, siteID, keyID, u.Now) })
	g.keys.forget()
	return err
}

// Keys lists a site's keys, oldest first.
func (g *Gateway) Keys(ctx context.Context, siteID int64) ([]Key, error) {
	return keysOf(ctx, g.db, siteID)
}

// CursorSecret is the secret that signs the cursors of lists; it is made up on first use and the same for all replicas.
func (g *Gateway) CursorSecret(ctx context.Context) ([]byte, error) {
	var random [32]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	return settleSetting(ctx, g.db, "cursor_secret", random[:])
}

// MemberToken makes a token that lets a page speak for a member, signed with a key of the site's.
func (g *Gateway) MemberToken(ctx context.Context, siteID, keyID, personID int64, may string, lasts time.Duration) (token string, until time.Time, err error) {
	key, err := g.keys.find(ctx, named{siteID: siteID, keyID: keyID})
	if err != nil {
		return "", until, err
	}
	until = g.keys.real().Add(lasts).Truncate(time.Second)
	return memberClaims{SiteID: siteID, KeyID: keyID, PersonID: personID, Until: until.Unix(), May: may}.sign(key.hash), until, nil
}

// KeyNames are what keys of a site are called; those without a name are left out, and those that the site doesn't have.
func (g *Gateway) KeyNames(ctx context.Context, siteID int64, ids []int64) (map[int64]string, error) {
	return keyNames(ctx, g.db, siteID, ids)
}

// Audit reads the edge's part of the audit log.
func (g *Gateway) Audit(ctx context.Context, siteID int64, f audit.Filter, before audit.Place, limit int) ([]audit.Line, error) {
	return audit.Read(ctx, g.db, "gateway", siteID, f, before, limit)
}

// changeSetting keeps what was changed of a site in the audit log.
func changeSetting(ctx context.Context, u *bus.Unit, siteID, keyID int64, setting string, before, after any) error {
	return audit.Write(ctx, u.Tx, "gateway", u.Now, siteID, audit.Change{KeyID: keyID, Action: setting + ".set", Subject: "site", Before: before, After: after})
}
