package referral

import (
	"context"
	"time"

	"github.com/jmoiron/sqlx"
)

// versionJSON is a version of a campaign, and what it changed.
type versionJSON struct {
	Version     int           `json:"version"`
	State       string        `json:"state" enum:"running,scheduled,past,superseded" doc:"superseded: another was published before its time came"`
	EffectiveAt time.Time     `json:"effective_at"`
	PublishedAt time.Time     `json:"published_at"`
	KeyID       *int64        `json:"key_id" doc:"The API key that published it"`
	Reason      string        `json:"reason"`
	Changes     []changeJSON  `json:"changes" doc:"Against the version before it"`
	Campaign    *campaignJSON `json:"campaign,omitempty" doc:"What the version says; not in lists"`
}

// readVersion is one version with all that it says; not found is a fault.
func (m *Module) readVersion(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64, version int, now time.Time) (versionJSON, error) {
	list, err := readVersions(ctx, q, siteID, campaignID, version+1, 1, now)
	if err != nil {
		return versionJSON{}, err
	}
	if len(list) == 0 || list[0].Version != version {
		return versionJSON{}, errNoVersion
	}
	return list[0], nil
}

// versionPlace is where a page of versions ends.
type versionPlace struct {
	Version int `json:"version"`
}

// listVersions are the versions of a campaign, newest first, and the cursor of the next page; nil at the end.
func (m *Module) listVersions(ctx context.Context, siteID, campaignID int64, limit int, cursor string) ([]versionJSON, *string, error) {
	name, place := "versions of "+itoa(campaignID), versionPlace{}
	if _, err := m.cursors.Decode(siteID, name, cursor, &place); err != nil {
		return nil, nil, err
	}
	if err := campaignExists(ctx, m.db, siteID, campaignID); err != nil {
		return nil, nil, err
	}
	list, err := readVersions(ctx, m.db, siteID, campaignID, place.Version, limit, m.now())
	if err != nil {
		return nil, nil, err
	}
	for i := range list {
		list[i].Campaign = nil
	}
	if len(list) < limit || list[len(list)-1].Version == 1 {
		return list, nil, nil
	}
	next := m.cursors.Encode(siteID, name, versionPlace{list[len(list)-1].Version})
	return list, &next, nil
}

// readVersions reads one more than is shown: each is compared with the one before it.
func readVersions(ctx context.Context, q sqlx.QueryerContext, siteID, campaignID int64, before, limit int, now time.Time) ([]versionJSON, error) {
	rows, err := versionsOf(ctx, q, siteID, campaignID, before, limit+1)
	if err != nil {
		return nil, err
	}
	terms, err := decodeTerms(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	out := []versionJSON{}
	for n, r := range rows[:min(limit, len(rows))] {
		c := terms[n].json()
		one := versionJSON{Version: r.Version, State: r.state(now), EffectiveAt: r.EffectiveAt.UTC(), PublishedAt: r.PublishedAt.UTC(),
			KeyID: orNull(r.KeyID), Reason: r.Reason, Changes: []changeJSON{}, Campaign: &c}
		if n+1 < len(rows) {
			if one.Changes, err = changes(terms[n+1].json(), c); err != nil {
				return nil, err
			}
		}
		out = append(out, one)
	}
	return out, nil
}
