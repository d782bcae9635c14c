package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/rs/zerolog"

	"github.com/talkable/talkable/internal/asset"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/postgres"
	"github.com/talkable/talkable/internal/site"
)

const (
	mostAssets   = 10_000           // of a site
	contentKept  = 15 * time.Minute // that nobody has: longer than it takes to store one
	contentRound = 5 * time.Minute
	contentBatch = 100
)

// AssetsDeps is what the assets stand on.
type AssetsDeps struct {
	DB        *sqlx.DB
	Outbox    *bus.Outbox
	Log       zerolog.Logger
	Reg       prometheus.Registerer
	Now       clock.Clock
	Store     asset.Store
	PublicURL string
	Quota     int64 // bytes of one site
}

// Assets are the files of sites: images for their campaigns. The store holds contents, this their names. A content is noted before it is stored
// and forgotten after it is gone, so that none stays behind unknown; what nobody has is swept.
type Assets struct {
	AssetsDeps
	changes *prometheus.CounterVec
}

// NewAssets makes them; nothing runs yet.
func NewAssets(d AssetsDeps) *Assets {
	return &Assets{AssetsDeps: d, changes: promauto.With(d.Reg).NewCounterVec(prometheus.CounterOpts{Namespace: "talkable", Subsystem: "gateway", Name: "assets_total",
		Help: "Assets that were stored and deleted, and contents that were swept."}, []string{"change"})}
}

// Consumer is none.
func (s *Assets) Consumer() *bus.Consumer { return nil }

// Run sweeps until ctx ends. Replicas may do the same.
func (s *Assets) Run(ctx context.Context) error {
	ticker := time.NewTicker(contentRound)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Warn().Err(err).Msg("unused contents of assets stay")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// add keeps a file under its name.
func (s *Assets) add(ctx context.Context, of site.Site, name string, data []byte, k idempotency.Key) (out assetAnswer, replayed bool, err error) {
	image, err := asset.Look(ctx, data)
	if err != nil {
		return out, false, err
	}
	row := assetRow{Name: name, ContentType: image.ContentType, Size: int64(len(data)), Width: image.Width, Height: image.Height, Fingerprint: asset.Fingerprint(data)}
	if err := s.note(ctx, of.ID, row); err != nil {
		return out, false, err
	}
	if err := s.Store.Put(ctx, asset.Key(of.ID, row.Fingerprint), data); err != nil {
		return out, false, errStore.Because(err)
	}
	if k.Value != "" {
		k.Fingerprint += " " + row.Fingerprint + " " + name // the body's part of the request
	}
	err = s.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		if err := lockAssets(ctx, u.Tx, of.ID); err != nil {
			return err
		}
		replayed, err = idempotency.Once(ctx, u.Tx, "gateway", u.Now, of.ID, k, &out, func() error {
			if err := changeUsage(ctx, u.Tx, of.ID, 1, 0, mostAssets, s.Quota); err != nil {
				return err
			}
			row.CreatedAt, row.UpdatedAt = u.Now, u.Now
			row.ID, err = insertAsset(ctx, u.Tx, of.ID, row)
			out = assetAnswer{s.answer(of, row)}
			return err
		})
		return err
	})
	if err == nil && !replayed && !postgres.Rehearsing(ctx) {
		s.changes.WithLabelValues("stored").Inc()
	}
	return out, replayed, err
}

// note makes the content known before it is stored, and counts its bytes: those that were stored for nothing count, too, until they are swept.
func (s *Assets) note(ctx context.Context, siteID int64, row assetRow) error {
	return s.Outbox.InTx(ctx, func(u *bus.Unit) error {
		if err := lockAssets(ctx, u.Tx, siteID); err != nil {
			return err
		}
		fresh, err := noteContent(ctx, u.Tx, siteID, row.Fingerprint, row.Size, u.Now)
		if err != nil || !fresh {
			return err
		}
		return changeUsage(ctx, u.Tx, siteID, 0, row.Size, mostAssets, s.Quota)
	})
}

type assetGone struct {
	Deleted bool `json:"deleted"`
}

// remove takes a file away; its content follows when nobody has it any more.
func (s *Assets) remove(ctx context.Context, siteID, id int64, k idempotency.Key) (out assetGone, replayed bool, err error) {
	err = s.Outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		if err := lockAssets(ctx, u.Tx, siteID); err != nil {
			return err
		}
		replayed, err = idempotency.Once(ctx, u.Tx, "gateway", u.Now, siteID, k, &out, func() error {
			found, err := deleteAsset(ctx, u.Tx, siteID, id, u.Now)
			if err != nil {
				return err
			}
			if !found {
				return errAssetGone
			}
			out = assetGone{true}
			return changeUsage(ctx, u.Tx, siteID, -1, 0, mostAssets, s.Quota)
		})
		return err
	})
	if err == nil && !replayed && !postgres.Rehearsing(ctx) {
		s.changes.WithLabelValues("deleted").Inc()
	}
	return out, replayed, err
}

// sweep takes contents out of the store that nobody has any more.
func (s *Assets) sweep(ctx context.Context) error {
	before := s.Now().Add(-contentKept)
	unused, err := unusedContents(ctx, s.DB, before, contentBatch)
	for _, c := range unused {
		err = errors.Join(err, s.drop(ctx, c, before))
	}
	return err
}

// drop deletes the bytes before the commit that forgets them: if that fails they are deleted once more. Whoever stores the same content meanwhile
// waits for the lock, and writes them afterwards.
func (s *Assets) drop(ctx context.Context, c content, before time.Time) error {
	gone := false
	err := s.Outbox.InTx(ctx, func(u *bus.Unit) error {
		if err := lockAssets(ctx, u.Tx, c.SiteID); err != nil {
			return err
		}
		size, err := dropContent(ctx, u.Tx, c, before)
		if gone = size >= 0; err != nil || !gone {
			return err
		}
		if err := changeUsage(ctx, u.Tx, c.SiteID, 0, -size, mostAssets, s.Quota); err != nil {
			return err
		}
		return s.Store.Delete(ctx, asset.Key(c.SiteID, c.Fingerprint))
	})
	if err == nil && gone {
		s.changes.WithLabelValues("swept").Inc()
	}
	return err
}
