package referral

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/web"
)

const (
	mostHosts = 50
	mostApps  = 10
)

var (
	hostForm        = regexp.MustCompile(`^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)
	iosAppForm      = regexp.MustCompile(`^[A-Z0-9]{10}\.[A-Za-z0-9.-]{1,150}$`)
	androidAppForm  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)
	fingerprintForm = regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`)
)

// siteLinks are where a site's links may lead, and which apps open them.
type siteLinks struct {
	AllowedHosts []string     `json:"allowed_hosts" doc:"Hosts that destinations may name beside the shop's own; *.shop.example is all below it. None: any host"`
	IOSApps      []string     `json:"ios_apps" doc:"App ids, TEAMID.bundle.id, that open links by themselves"`
	AndroidApps  []androidApp `json:"android_apps" doc:"Apps that open links by themselves"`
}

type androidApp struct {
	Package      string   `json:"package_name" example:"com.shop.app"`
	Fingerprints []string `json:"sha256_cert_fingerprints" nullable:"false" doc:"Of the certificates that the app is signed with"`
}

// hostAllowed says whether a checked destination names one of the hosts.
func hostAllowed(destination string, hosts []string) bool {
	if len(hosts) == 0 {
		return true
	}
	u, err := url.Parse(unmarked(destination))
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return slices.ContainsFunc(hosts, func(h string) bool {
		below, wild := strings.CutPrefix(h, "*")
		return h == host || wild && strings.HasSuffix(host, below)
	})
}

func (m *Module) siteLinksRoutes(api huma.API) {
	huma.Register(api, huma.Operation{OperationID: "getLinkSettings", Method: http.MethodGet, Path: "/api/v2/link_settings",
		Tags: []string{"Sites"}, Summary: "Read where links may lead, and which apps open them"}, m.getSiteLinks)
	huma.Register(api, huma.Operation{OperationID: "replaceLinkSettings", Method: http.MethodPut, Path: "/api/v2/link_settings",
		Tags: []string{"Sites"}, Summary: "Say where links may lead, and which apps open them",
		Description: "Replaces all of it. A campaign whose destination names a host that isn't allowed leads to the shop. Apps are listed in " +
			"`/.well-known/apple-app-site-association` and `/.well-known/assetlinks.json`. Takes an `Idempotency-Key`. 400 with a pointer to each place that is wrong."}, m.putSiteLinks)
}

type siteLinksResult struct {
	Settings siteLinks `json:"link_settings"`
}

func (m *Module) getSiteLinks(ctx context.Context, _ *struct {
	SiteSlug string `query:"site_slug"`
}) (*web.OK[siteLinksResult], error) {
	out, err := siteLinksOf(ctx, m.db, web.From(ctx).Site.ID)
	if err != nil {
		return nil, err
	}
	return web.Answer(siteLinksResult{out}), nil
}

type putSiteLinksInput struct {
	Body struct {
		web.SiteBody
		AllowedHosts []string     `json:"allowed_hosts,omitempty" nullable:"true"`
		IOSApps      []string     `json:"ios_apps,omitempty" nullable:"true"`
		AndroidApps  []androidApp `json:"android_apps,omitempty" nullable:"true"`
	}
}

func (m *Module) putSiteLinks(ctx context.Context, in *putSiteLinksInput) (*web.OK[siteLinksResult], error) {
	req := web.From(ctx)
	set := siteLinks{AllowedHosts: append([]string{}, in.Body.AllowedHosts...), IOSApps: append([]string{}, in.Body.IOSApps...),
		AndroidApps: append([]androidApp{}, in.Body.AndroidApps...)}
	if err := set.check(); err != nil {
		return nil, err
	}
	out, replayed, err := m.replaceSiteLinks(ctx, req.Site.ID, req.KeyID, set, req.Idempotency)
	if err != nil {
		return nil, err
	}
	req.MarkReplayed(replayed)
	return web.Answer(out), nil
}

func (s siteLinks) check() error {
	var f findings
	checkForms(&f, "/allowed_hosts", s.AllowedHosts, mostHosts, hostForm, "must be a host name in lower case, perhaps with *. before it")
	checkForms(&f, "/ios_apps", s.IOSApps, mostApps, iosAppForm, "must be like ABCDE12345.com.shop.app")
	if len(s.AndroidApps) > mostApps {
		f.add("/android_apps", "must be at most %d", mostApps)
	}
	for i, app := range s.AndroidApps[:min(len(s.AndroidApps), mostApps)] {
		at := "/android_apps/" + itoa(int64(i))
		checkForms(&f, at+"/package_name", []string{app.Package}, 1, androidAppForm, "must be a package's name")
		checkForms(&f, at+"/sha256_cert_fingerprints", app.Fingerprints, mostApps, fingerprintForm, "must be 32 pairs of hexadecimal digits with colons between them")
		if len(app.Fingerprints) == 0 {
			f.add(at+"/sha256_cert_fingerprints", "must not be empty")
		}
	}
	if len(f.fields) == 0 {
		return nil
	}
	e := fault.New(fault.Invalid, "invalid_link_settings", "The settings can't be like this: %s %s.", f.fields[0].Pointer, f.fields[0].Detail)
	e.Fields = f.fields
	return e
}

func checkForms(f *findings, at string, list []string, most int, form *regexp.Regexp, what string) {
	if len(list) > most {
		f.add(at, "must be at most %d", most)
		return
	}
	for i, one := range list {
		if len(one) > 253 || !form.MatchString(one) {
			f.add(at+"/"+itoa(int64(i)), "%s", what)
		}
	}
}

func (m *Module) replaceSiteLinks(ctx context.Context, siteID, keyID int64, set siteLinks, k idempotency.Key) (out siteLinksResult, replayed bool, err error) {
	err = m.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, schema, u.Now, siteID, k, &out, func() error {
			out = siteLinksResult{set}
			before, err := siteLinksOf(ctx, u, siteID)
			if err != nil {
				return err
			}
			if err := writeAudit(ctx, u.Tx, u.Now, siteID, audit.Change{KeyID: keyID, Action: "site_links.set", Subject: aboutSiteLinks, Before: before, After: set}); err != nil {
				return err
			}
			if err := saveSiteLinks(ctx, u.Tx, u.Now, siteID, set); err != nil {
				return err
			}
			return noteChanges(ctx, u.Tx, siteID)
		})
		return err
	})
	m.catalog.changed(siteID)
	return out, replayed, err
}

type siteLinksRow struct {
	AllowedHosts pq.StringArray `db:"allowed_hosts"`
	IOSApps      pq.StringArray `db:"ios_apps"`
	AndroidApps  string         `db:"android_apps"`
}

func (r siteLinksRow) siteLinks() (siteLinks, error) {
	out := siteLinks{AllowedHosts: append([]string{}, r.AllowedHosts...), IOSApps: append([]string{}, r.IOSApps...), AndroidApps: []androidApp{}}
	if err := json.Unmarshal([]byte(r.AndroidApps), &out.AndroidApps); err != nil {
		return out, fmt.Errorf("android apps: %w", err)
	}
	return out, nil
}

// siteLinksOf reads a site's settings, which are empty where it has none.
func siteLinksOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) (siteLinks, error) {
	rows := []siteLinksRow{}
	err := sqlx.SelectContext(ctx, q, &rows, `select allowed_hosts, ios_apps, android_apps from referral.site_links where site_id = $1`, siteID)
	if err != nil {
		return siteLinks{}, fmt.Errorf("link settings: %w", err)
	}
	if len(rows) == 0 {
		rows = append(rows, siteLinksRow{AndroidApps: "[]"})
	}
	return rows[0].siteLinks()
}

// hostsOf are the hosts that a site's links may lead to, the shop's among them; none: any.
func hostsOf(ctx context.Context, q sqlx.QueryerContext, siteID int64, shop string) ([]string, error) {
	set, err := siteLinksOf(ctx, q, siteID)
	return set.hosts(shop), err
}

func (s siteLinks) hosts(shop string) []string {
	if len(s.AllowedHosts) == 0 {
		return nil
	}
	if u, err := url.Parse(shop); err == nil {
		return append(s.AllowedHosts, strings.ToLower(u.Hostname()))
	}
	return s.AllowedHosts
}

func saveSiteLinks(ctx context.Context, tx *sqlx.Tx, now time.Time, siteID int64, set siteLinks) error {
	apps, err := json.Marshal(set.AndroidApps)
	if err == nil {
		_, err = tx.ExecContext(ctx, `
			insert into referral.site_links (site_id, allowed_hosts, ios_apps, android_apps, updated_at) values ($1, $2, $3, $4, $5)
			on conflict on constraint site_links_pkey do update set allowed_hosts = excluded.allowed_hosts, ios_apps = excluded.ios_apps,
				android_apps = excluded.android_apps, updated_at = excluded.updated_at`,
			siteID, pq.Array(set.AllowedHosts), pq.Array(set.IOSApps), string(apps), now)
	}
	if err != nil {
		return fmt.Errorf("save link settings: %w", err)
	}
	return nil
}
