package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/clock"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway/gatewayapi"
	"github.com/talkable/talkable/internal/idempotency"
)

const (
	looksKnown = 1000
	lookAge    = 5 * time.Second // how long another replica's change may go unseen
	lookName   = 80              // runes
	lookText   = 300
	leastLight = 3.0 // contrast of a colour against the page behind it, as WCAG 2.2 asks of what is no text (1.4.11)
)

var colorForm = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// look is how a site's pages look, as it is told and kept.
type look struct {
	Name      string                       `json:"name" doc:"Over the pages; the site's when empty" example:"Demo Shop"`
	LogoURL   string                       `json:"logo_url" doc:"https, or the url of an asset here; shown instead of the name" example:"https://shop.example/logo.png"`
	Color     string                       `json:"primary_color" doc:"Of buttons and links" example:"#0b7a4b"`
	ColorDark string                       `json:"primary_color_dark" doc:"The same for dark pages; made of primary_color when empty" example:"#7ce0b0"`
	Language  string                       `json:"default_language" doc:"For browsers that ask for none of ours" enum:"en,de,es,fr"`
	Texts     map[string]map[string]string `json:"texts" doc:"By language, sentences in the site's own words: claim_title, claim_intro, claim_button, continue_button, share_title, share_intro, share_message, gone_title, gone_text. {{advocate}}, {{reward}} and {{site}} are filled in"`
}

// plainly is a site's look as it is set.
func plainly(l gatewayapi.Look) look {
	return look{Name: l.Name, LogoURL: l.LogoURL, Color: l.Color, ColorDark: l.ColorDark, Language: l.Language, Texts: l.Texts}
}

func plainLook() look {
	return look{Color: gatewayapi.DefaultColor, Language: gatewayapi.Languages[0], Texts: map[string]map[string]string{}}
}

// check says all that is wrong with it. assets is how addresses of assets on this server begin.
func (l look) check(assets string) error {
	found := fault.New(fault.Invalid, "invalid_look", "Pages can't look like this.")
	if utf8.RuneCountInString(l.Name) > lookName || !clean(l.Name) {
		found = found.At("/name", fmt.Sprintf("at most %d characters in one line", lookName))
	}
	if u, err := url.Parse(l.LogoURL); l.LogoURL != "" && (err != nil || u.Scheme != "https" && !strings.HasPrefix(l.LogoURL, assets) || !hostForm.MatchString(u.Host) || u.User != nil || len(l.LogoURL) > 1000 ||
		!clean(l.LogoURL) || strings.ContainsAny(l.LogoURL, " \\;,'\"")) {
		found = found.At("/logo_url", "neither an https address nor that of an asset")
	}
	if !colorForm.MatchString(l.Color) {
		found = found.At("/primary_color", "not a colour like #0b7a4b")
	} else if c := contrast(l.Color, "#ffffff"); c < leastLight {
		found = found.At("/primary_color", fmt.Sprintf("too light: its contrast with white is %.1f, and must be %.1f at least", c, leastLight))
	}
	if l.ColorDark != "" && !colorForm.MatchString(l.ColorDark) {
		found = found.At("/primary_color_dark", "not a colour like #7ce0b0")
	} else if l.ColorDark != "" && contrast(l.ColorDark, "#1c1f26") < leastLight {
		found = found.At("/primary_color_dark", fmt.Sprintf("too dark: its contrast with #1c1f26 must be %.1f at least", leastLight))
	}
	if !slices.Contains(gatewayapi.Languages, l.Language) {
		found = found.At("/default_language", "must be one of "+strings.Join(gatewayapi.Languages, ", "))
	}
	for language, texts := range l.Texts {
		if !slices.Contains(gatewayapi.Languages, language) {
			found = found.At("/texts", "has a language that pages aren't written in; there are "+strings.Join(gatewayapi.Languages, ", "))
			continue
		}
		for name, text := range texts {
			if !slices.Contains(gatewayapi.LookTexts, name) {
				found = found.At("/texts/"+language, "has an unknown text; there are "+strings.Join(gatewayapi.LookTexts, ", "))
			} else if utf8.RuneCountInString(text) > lookText || !clean(text) {
				found = found.At("/texts/"+language+"/"+name, fmt.Sprintf("at most %d characters in one line", lookText))
			}
		}
	}
	if len(found.Fields) == 0 {
		return nil
	}
	found.Detail = fmt.Sprintf("Pages can't look like this: %s: %s.", found.Fields[0].Pointer, found.Fields[0].Detail)
	return found
}

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// contrast is that of WCAG 2.2 between two colours, 1 to 21.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(color string) float64 {
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(color[1+2*i:3+2*i], 16, 8) // the form was checked
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// Looks keeps how the sites' pages look.
type Looks struct {
	db     *sqlx.DB
	outbox *bus.Outbox
	now    clock.Clock
	assets string // how addresses of assets begin
	known  *lru.Cache[int64, knownLook]
}

type knownLook struct {
	look gatewayapi.Look
	at   time.Time
}

// NewLooks makes it. publicURL is where browsers find assets, as in AssetsDeps.
func NewLooks(db *sqlx.DB, outbox *bus.Outbox, now clock.Clock, publicURL string) *Looks {
	known, _ := lru.New[int64, knownLook](looksKnown) // fails for sizes below one only
	return &Looks{db: db, outbox: outbox, now: now, assets: strings.TrimSuffix(publicURL, "/") + "/assets/", known: known}
}

// Look is how a site's pages look now; while the database is away, how they looked last. siteID 0 is the installation's only site; a fault
// NotFound if there are more, or none.
func (l *Looks) Look(ctx context.Context, siteID int64) (gatewayapi.Look, error) {
	k, ok := l.known.Get(siteID)
	if age := l.now().Sub(k.at); ok && age >= 0 && age < lookAge {
		return k.look, nil
	}
	got, err := lookOf(ctx, l.db, siteID)
	if err != nil && ok {
		if _, known := fault.Of(err); !known {
			return k.look, nil
		}
	}
	if err == nil {
		l.known.Add(siteID, knownLook{got, l.now()})
	}
	return got, err
}

func (l *Looks) replace(ctx context.Context, siteID, keyID int64, to look, k idempotency.Key) (out lookAnswer, replayed bool, err error) {
	err = l.outbox.InTx(ctx, func(u *bus.Unit) (err error) {
		replayed, err = idempotency.Once(ctx, u.Tx, "gateway", u.Now, siteID, k, &out, func() error {
			out = lookAnswer{to}
			before, err := lookOf(ctx, u, siteID)
			if err != nil {
				return err
			}
			if err := saveLook(ctx, u.Tx, siteID, to, u.Now); err != nil {
				return err
			}
			return changeSetting(ctx, u, siteID, keyID, "look", plainly(before), to)
		})
		return err
	})
	l.known.Purge()
	return out, replayed, err
}

type lookRow struct {
	Site
	LookName  string `db:"look_name"`
	LogoURL   string `db:"logo_url"`
	Color     string `db:"color"`
	ColorDark string `db:"color_dark"`
	Language  string `db:"language"`
	Texts     string `db:"texts"`
}

// lookOf reads a site's look; of site 0, that of the only one.
func lookOf(ctx context.Context, q sqlx.QueryerContext, siteID int64) (gatewayapi.Look, error) {
	var rows []lookRow
	err := sqlx.SelectContext(ctx, q, &rows, `
		select s.site_id, s.slug, s.name, s.currency, s.time_zone, s.url, coalesce(l.name, '') as look_name, coalesce(l.logo_url, '') as logo_url,
			coalesce(l.color, $2) as color, coalesce(l.color_dark, '') as color_dark, coalesce(l.language, $3) as language, coalesce(l.texts, '{}') as texts
		from (
			select site_id, slug, name, currency, time_zone, url from gateway.site where site_id = $1
			union all
			(select site_id, slug, name, currency, time_zone, url from gateway.site where $1 = 0 limit 2)) s
		left join gateway.look l on l.site_id = s.site_id`, siteID, gatewayapi.DefaultColor, gatewayapi.Languages[0])
	switch {
	case err != nil:
		return gatewayapi.Look{}, fmt.Errorf("read a look: %w", err)
	case len(rows) != 1:
		return gatewayapi.Look{}, errNoSite
	}
	r := rows[0]
	tenant, err := r.Tenant()
	out := gatewayapi.Look{Site: tenant, Name: r.LookName, LogoURL: r.LogoURL, Color: r.Color, ColorDark: r.ColorDark, Language: r.Language}
	either(&out.Name, r.Name)
	return out, errors.Join(err, json.Unmarshal([]byte(r.Texts), &out.Texts))
}

func saveLook(ctx context.Context, tx *sqlx.Tx, siteID int64, l look, now time.Time) error {
	texts, err := json.Marshal(l.Texts)
	if err == nil {
		_, err = tx.ExecContext(ctx, `
			insert into gateway.look (site_id, name, logo_url, color, color_dark, language, texts, changed_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
			on conflict on constraint look_pkey do update set name = excluded.name, logo_url = excluded.logo_url, color = excluded.color,
				color_dark = excluded.color_dark, language = excluded.language, texts = excluded.texts, changed_at = excluded.changed_at`,
			siteID, l.Name, l.LogoURL, l.Color, l.ColorDark, l.Language, string(texts), now)
	}
	if err != nil {
		return fmt.Errorf("save a look: %w", err)
	}
	return nil
}
