package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/talkable/talkable/internal/web"
)

// Apps serves what phones ask before they open links in an app: /.well-known/apple-app-site-association and /.well-known/assetlinks.json.
// They know hosts and no sites, so the apps of all sites are listed.
func (m *Module) Apps() (apple, android http.Handler) {
	return m.apps(appleApps), m.apps(androidApps)
}

func (m *Module) apps(write func([]siteLinks) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sites, err := m.sitesWithApps(r.Context())
		if err != nil {
			web.Fail(w, r, away(err))
			return
		}
		text, err := json.Marshal(write(sites))
		if err != nil {
			web.Fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(text) // the client may be gone
	})
}

type object = map[string]any

// opened are the paths that an app may open.
var opened = []object{{"/": "/x/*", "comment": "claim links"}, {"/": "/by/*", "comment": "personal links"}}

func appleApps(sites []siteLinks) any {
	details := []object{}
	for _, s := range sites {
		if len(s.IOSApps) > 0 {
			details = append(details, object{"appIDs": s.IOSApps, "components": opened})
		}
	}
	return object{"applinks": object{"details": details}}
}

func androidApps(sites []siteLinks) any {
	out := []object{}
	for _, s := range sites {
		for _, app := range s.AndroidApps {
			out = append(out, object{"relation": []string{"delegate_permission/common.handle_all_urls"},
				"target": object{"namespace": "android_app", "package_name": app.Package, "sha256_cert_fingerprints": app.Fingerprints}})
		}
	}
	return out
}

const mostSitesWithApps = 1000

func (m *Module) sitesWithApps(ctx context.Context) ([]siteLinks, error) {
	var rows []siteLinksRow
	err := m.db.SelectContext(ctx, &rows, `
		select allowed_hosts, ios_apps, android_apps from referral.site_links
		where cardinality(ios_apps) > 0 or android_apps <> '[]' order by site_id limit $1`, mostSitesWithApps)
	if err != nil {
		return nil, fmt.Errorf("apps of the sites: %w", err)
	}
	out := make([]siteLinks, len(rows))
	for i, r := range rows {
		if out[i], err = r.siteLinks(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
