package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/gateway"
)

// demoFile is what scripts and `talkable demo` need to speak to a demo server; it stands in the data directory.
type demoFile struct {
	Server     string `json:"server"`
	SiteSlug   string `json:"site_slug"`
	APIKey     string `json:"api_key"`
	PublicKey  string `json:"public_key"`
	WebhookKey string `json:"webhook_key"`
}

func demoPath(c *config) string { return filepath.Join(c.DataDir, "demo.json") }

func readDemo(c *config) (demoFile, error) {
	var d demoFile
	text, err := os.ReadFile(demoPath(c))
	if errors.Is(err, os.ErrNotExist) {
		return d, fmt.Errorf("%s isn't there: start a server with `talkable serve --demo` (or `make run`) on this data directory first", demoPath(c))
	}
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w", demoPath(c), err)
	}
	return d, nil
}

// seedDemo makes the site with its campaign and programme unless they are there, through the public API, and says what to try.
func seedDemo(ctx context.Context, c *config, p *platform, server string, out io.Writer) error {
	d, err := demoKeys(ctx, c, p, server)
	if err != nil {
		return fmt.Errorf("demo site: %w", err)
	}
	api := newClient(server, d.APIKey)
	if err := seedCampaign(ctx, api); err != nil {
		return fmt.Errorf("demo campaign: %w", err)
	}
	if err := seedProgramme(ctx, api); err != nil {
		return fmt.Errorf("demo programme: %w", err)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	half := demoPath(c) + ".half" // whoever waits for the file reads all of it
	if err := os.WriteFile(half, append(text, '\n'), 0o600); err != nil {
		return err
	}
	if err := os.Rename(half, demoPath(c)); err != nil {
		return err
	}
	fmt.Fprint(out, welcome(c, d))
	return nil
}

// demoKeys takes the keys of the last run as long as they work for the site, and makes new ones otherwise.
func demoKeys(ctx context.Context, c *config, p *platform, server string) (demoFile, error) {
	s, err := p.gateway.SiteBySlug(ctx, "demo")
	if fault.Is(err, fault.NotFound) {
		s, err = p.gateway.CreateSite(ctx, gateway.NewSite{Slug: "demo", Name: "Demo Shop", Currency: "USD", TimeZone: "UTC", URL: "https://shop.example"})
	}
	if err != nil {
		return demoFile{}, err
	}
	if d, err := readDemo(c); err == nil {
		d.Server = server
		if newClient(server, d.APIKey).call(ctx, "GET", "/api/v2/site", nil, nil) == nil {
			return d, nil
		}
	}
	d := demoFile{Server: server, SiteSlug: s.Slug, WebhookKey: s.WebhookKey}
	if d.APIKey, _, err = p.gateway.CreateKey(ctx, s.ID, gateway.Secret, "demo"); err != nil {
		return d, err
	}
	d.PublicKey, _, err = p.gateway.CreateKey(ctx, s.ID, gateway.Public, "demo")
	return d, err
}

type object = map[string]any

func seedCampaign(ctx context.Context, api *client) error {
	var there struct {
		Campaigns []struct {
			Tags []string `json:"tag_names"`
		} `json:"campaigns"`
	}
	if err := api.call(ctx, "GET", "/api/v2/campaigns", nil, &there); err != nil || len(there.Campaigns) > 0 {
		return err
	}
	return api.call(ctx, "POST", "/api/v2/campaigns", object{
		"name": "Invite a friend", "status": "Live", "tags": []string{"invite"}, "destination_url": "https://shop.example/welcome",
		"approval": object{"mode": "automatic", "delay_seconds": 0},
		"incentives": []object{
			{"identifier": "advocate_points", "action_type": "referrer", "kind": "points", "points": 500},
			{"identifier": "advocate_commission", "action_type": "referrer", "kind": "commission", "percent": 10},
			{"identifier": "friend_coupon", "action_type": "click", "kind": "coupon", "coupon_code": "WELCOME10", "coupon_percent": 10},
		},
	}, nil, "Idempotency-Key", "demo-campaign")
}

func seedProgramme(ctx context.Context, api *client) error {
	var there struct {
		Programs []struct{} `json:"programs"`
	}
	if err := api.call(ctx, "GET", "/api/v2/loyalty/programs", nil, &there); err != nil || len(there.Programs) > 0 {
		return err
	}
	return api.call(ctx, "POST", "/api/v2/loyalty/programs", object{
		"name": "Demo Points", "points_per_unit": 1,
		"tiers": []object{{"name": "Silver", "threshold": 1000}, {"name": "Gold", "threshold": 5000}},
	}, nil, "Idempotency-Key", "demo-programme")
}

func welcome(c *config, d demoFile) string {
	mail := "mail leaves through TALKABLE_SMTP_URL"
	if c.SMTPURL == "" {
		mail = "mail is caught in " + filepath.Join(c.DataDir, "mail")
	}
	return fmt.Sprintf(`
talkable is up with the site "demo": a live campaign (tag "invite": the advocate earns 500 points and 10 %% commission, the friend gets
a coupon) and a loyalty programme (1 point per currency unit, tiers at 1,000 and 5,000).

  API           %[1]s/api/v2          described at %[1]s/docs
  internal      http://%[2]s/readyz and /metrics
  keys          %[3]s
  mail          %[4]s

Try, in another terminal:

  bin/talkable demo                                  plays the whole story and prints each step
  export KEY=%[5]s
  curl -s -H "Authorization: Bearer $KEY" %[1]s/api/v2/campaigns
  bin/talkable import purchases FILE --site demo     takes in a purchase history (CSV, NDJSON)

Ctrl-C stops it; what it holds stays in %[6]s.

`, d.Server, c.InternalListen, demoPath(c), mail, d.APIKey, c.DataDir)
}
