package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/pflag"

	"github.com/talkable/talkable/internal/asset"
	"github.com/talkable/talkable/internal/gateway"
	"github.com/talkable/talkable/internal/loyalty/seal"
	"github.com/talkable/talkable/internal/notify"
	"github.com/talkable/talkable/internal/referral"
	"github.com/talkable/talkable/migrations"
)

// config is every setting, from the environment (TALKABLE_…); a flag of the same name wins. Secrets may come from a file: a
// variable NAME_FILE holds its path.
type config struct {
	Listen         string `env:"LISTEN" envDefault:"127.0.0.1:8080" help:"address of the API and of short links"`
	InternalListen string `env:"INTERNAL_LISTEN" envDefault:"127.0.0.1:8081" help:"address of /healthz, /readyz and /metrics"`
	Server         string `env:"SERVER" help:"a running platform that commands speak to; default: PUBLIC_URL"`
	APIKey         string `env:"API_KEY" secret:"true" help:"a secret key of the site that such commands work on"`
	PublicURL      string `env:"PUBLIC_URL" help:"where short links lead to this server; default http://LISTEN"`
	DataDir        string `env:"DATA_DIR" envDefault:"./data" help:"what the platform keeps on disk: the embedded database, caught mail"`
	DatabaseURL    string `env:"DATABASE_URL" secret:"true" help:"PostgreSQL 15 or newer; empty runs an embedded one"`
	PostgresBin    string `env:"POSTGRES_BIN" help:"folder of PostgreSQL's programs for the embedded database; default: searched"`
	SMTPURL        string `env:"SMTP_URL" secret:"true" help:"smtp://user:password@host:587?tls=starttls; empty catches mail in DATA_DIR/mail"`
	SMSURL         string `env:"SMS_URL" secret:"true" help:"twilio://ACCOUNT:TOKEN@api.twilio.com?from=%2B15551234567; empty catches SMS in DATA_DIR/sms"`
	SMSDaily       int    `env:"SMS_DAILY" envDefault:"1000" help:"most SMS of a site in a day (UTC); each costs money"`
	EmailFrom      string `env:"EMAIL_FROM" envDefault:"talkable@localhost" help:"sender of mail for sites that name none"`
	TremendousKey  string `env:"TREMENDOUS_API_KEY" secret:"true" help:"orders gift cards at tremendous.com; empty lets them wait"`
	TremendousURL  string `env:"TREMENDOUS_URL" envDefault:"https://www.tremendous.com/api/v2" help:"address of its API; the sandbox is https://testflight.tremendous.com/api/v2"`
	TremendousFund string `env:"TREMENDOUS_FUNDING_SOURCE" envDefault:"balance" help:"what gift cards are paid from there"`
	TremendousPick string `env:"TREMENDOUS_CAMPAIGN" help:"the campaign there whose cards people may choose from"`
	PayPalURL      string `env:"PAYPAL_URL" envDefault:"https://api-m.paypal.com" help:"PayPal's API, for payouts; https://api-m.sandbox.paypal.com to try it"`
	PayPalClient   string `env:"PAYPAL_CLIENT" help:"client id of the PayPal app that pays commissions out; empty: no payouts by PayPal"`
	PayPalSecret   string `env:"PAYPAL_SECRET" secret:"true" help:"the app's secret"`
	TrustedProxies string `env:"TRUSTED_PROXIES" help:"addresses (CIDR, comma separated) whose X-Forwarded-For is believed"`
	PrivateTargets bool   `env:"PRIVATE_TARGETS" envDefault:"false" help:"merchants' own addresses (webhooks, decision hooks) may be private ones, and http: for development"`
	RateLimit      int    `env:"RATE_LIMIT" envDefault:"600000" help:"requests a minute for each secret key"`
	Pool           int    `env:"DATABASE_POOL" envDefault:"8" help:"most database connections of each module"`
	AssetsURL      string `env:"ASSETS_URL" secret:"true" help:"where uploaded images are kept: file:///a/folder or s3://ID:SECRET@host/bucket?region=…; empty: DATA_DIR/assets"`
	AssetsQuota    int64  `env:"ASSETS_QUOTA" envDefault:"1073741824" help:"bytes of uploaded images that one site may have"`
	LedgerKey      string `env:"LEDGER_KEY" secret:"true" help:"signs the ledger's daily checkpoints: 32 random bytes in base64; empty: the embedded database makes DATA_DIR/ledger.key, others sign nothing"`
	EventRetention string `env:"EVENT_RETENTION" envDefault:"2160h" help:"events older than this are dropped, a million at a time, once everyone heard them"`
	TestClock      bool   `env:"TEST_CLOCK" envDefault:"false" help:"a test platform, whose clock can be moved forward; on a data directory or database of its own"`
	GCPercent      int    `env:"GC_PERCENT" envDefault:"400" help:"how much the heap may grow between collections: memory for speed; 100 is Go's own"`
	Profile        bool   `env:"PROFILE" envDefault:"false" help:"serve Go's profiles at /debug/pprof on the internal address"`
	LogLevel       string `env:"LOG_LEVEL" envDefault:"info" help:"debug, info, warn or error"`
	LogFormat      string `env:"LOG_FORMAT" envDefault:"auto" help:"json, text, or auto: text on a terminal"`

	CustomerDatabaseURL  string `env:"CUSTOMER_DATABASE_URL" secret:"true" help:"moves module customer to a database of its own"`
	ReferralDatabaseURL  string `env:"REFERRAL_DATABASE_URL" secret:"true" help:"moves module referral to a database of its own"`
	LoyaltyDatabaseURL   string `env:"LOYALTY_DATABASE_URL" secret:"true" help:"moves module loyalty to a database of its own"`
	AnalyticsDatabaseURL string `env:"ANALYTICS_DATABASE_URL" secret:"true" help:"moves module analytics to a database of its own"`
	NotifyDatabaseURL    string `env:"NOTIFY_DATABASE_URL" secret:"true" help:"moves module notify to a database of its own"`
	GatewayDatabaseURL   string `env:"GATEWAY_DATABASE_URL" secret:"true" help:"moves the gateway's tables to a database of their own"`

	retention time.Duration
	proxies   []netip.Prefix
	giftCards referral.GiftCards // nil: none
	ledgerKey ed25519.PrivateKey // nil: none
	testTime  *gateway.TestTime  // nil: a live platform
}

const prefix = "TALKABLE_"

// setting is one field of config, as flags, --help and doctor see it.
type setting struct {
	env, flag, help, byDefault string
	secret                     bool
	value                      reflect.Value
}

func (c *config) settings() []setting {
	var out []setting
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("env")
		if name == "" {
			continue
		}
		out = append(out, setting{env: prefix + name, flag: strings.ToLower(strings.ReplaceAll(name, "_", "-")), help: f.Tag.Get("help"),
			byDefault: f.Tag.Get("envDefault"), secret: f.Tag.Get("secret") == "true", value: v.Field(i)})
	}
	return out
}

// load reads the environment, where NAME_FILE stands for a file that holds NAME.
func (c *config) load(environ []string) error {
	values := env.ToMap(environ)
	var wrong []error
	for _, s := range c.settings() {
		path, ok := values[s.env+"_FILE"]
		if !ok || values[s.env] != "" {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s_FILE: %w", s.env, err))
			continue
		}
		values[s.env] = strings.TrimSpace(string(text))
	}
	if err := env.ParseWithOptions(c, env.Options{Environment: values, Prefix: prefix}); err != nil {
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// flags adds a flag for each setting; its default is what the environment says.
func (c *config) flags(fs *pflag.FlagSet) {
	for _, s := range c.settings() {
		usage := s.help + " (" + s.env + ")"
		switch p := s.value.Addr().Interface().(type) {
		case *string:
			shown := *p
			fs.StringVar(p, s.flag, *p, usage)
			if s.secret && shown != "" {
				fs.Lookup(s.flag).DefValue = "set, not shown"
			}
		case *int:
			fs.IntVar(p, s.flag, *p, usage)
		case *bool:
			fs.BoolVar(p, s.flag, *p, usage)
		}
	}
}

// check completes what follows from other settings and reports all mistakes at once.
func (c *config) check() error {
	var wrong []error
	say := func(name, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf(prefix+name+": "+format, args...))
	}
	for name, address := range map[string]string{"LISTEN": c.Listen, "INTERNAL_LISTEN": c.InternalListen} {
		if _, _, err := net.SplitHostPort(address); err != nil {
			say(name, "%q is no address like 127.0.0.1:8080", address)
		}
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
		if host, port, err := net.SplitHostPort(c.Listen); err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
			c.PublicURL = "http://localhost:" + port
		}
	}
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		say("PUBLIC_URL", "%q is no http(s) address", c.PublicURL)
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.TremendousKey != "" {
		provider, err := referral.NewTremendous(c.TremendousURL, c.TremendousKey, c.TremendousFund, c.TremendousPick)
		if err != nil {
			say("TREMENDOUS_URL", "%v", err)
		} else {
			c.giftCards = provider
		}
	}
	for _, s := range c.settings() {
		if strings.HasSuffix(s.env, "DATABASE_URL") && s.value.String() != "" {
			if u, err := url.Parse(s.value.String()); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
				wrong = append(wrong, fmt.Errorf("%s: not a postgres:// address", s.env)) // never echo it: it holds a password
			}
		}
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		say("DATA_DIR", "%v", err)
	}
	c.DataDir = dir
	if c.retention, err = time.ParseDuration(c.EventRetention); err != nil || c.retention < time.Hour {
		say("EVENT_RETENTION", "%q is no duration of an hour or more, like 2160h", c.EventRetention)
	}
	if _, err := notify.ParseSMS(c.SMSURL); err != nil {
		say("SMS_URL", "%v", err)
	}
	if c.SMSDaily < 0 {
		say("SMS_DAILY", "must be 0 or more")
	}
	if u, err := url.Parse(c.PayPalURL); c.PayPalClient != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		say("PAYPAL_URL", "%q is no http(s) address", c.PayPalURL)
	}
	if (c.PayPalClient == "") != (c.PayPalSecret == "") {
		say("PAYPAL_SECRET", "and TALKABLE_PAYPAL_CLIENT belong together")
	}
	if c.GCPercent < 10 || c.GCPercent > 10_000 {
		say("GC_PERCENT", "must be between 10 and 10000")
	}
	if c.RateLimit < 1 {
		say("RATE_LIMIT", "must be at least 1")
	}
	if c.Pool < 2 || c.Pool > 200 {
		say("DATABASE_POOL", "must be between 2 and 200")
	}
	if c.LedgerKey != "" {
		if c.ledgerKey, err = seal.ParseKey(c.LedgerKey); err != nil {
			say("LEDGER_KEY", "%v", err)
		}
	}
	for cidr := range strings.SplitSeq(c.TrustedProxies, ",") {
		if cidr = strings.TrimSpace(cidr); cidr == "" {
			continue
		}
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			say("TRUSTED_PROXIES", "%q is no network like 10.0.0.0/8", cidr)
		}
		c.proxies = append(c.proxies, p)
	}
	return errors.Join(wrong...)
}

// urls says where each module's schema lives; shared is the address for those that have none of their own.
func (c *config) urls(shared string) map[string]string {
	own := map[string]string{"gateway": c.GatewayDatabaseURL, "customer": c.CustomerDatabaseURL, "referral": c.ReferralDatabaseURL,
		"loyalty": c.LoyaltyDatabaseURL, "analytics": c.AnalyticsDatabaseURL, "notify": c.NotifyDatabaseURL}
	out := map[string]string{}
	for _, m := range migrations.Modules {
		out[m] = shared
		if own[m] != "" {
			out[m] = own[m]
		}
	}
	return out
}

// embedded says whether any module lives in the embedded database.
func (c *config) embedded() bool {
	if c.DatabaseURL != "" {
		return false
	}
	for _, u := range c.urls("") {
		if u == "" {
			return true
		}
	}
	return false
}

// assets is the store of uploaded images.
func (c *config) assets() (asset.Store, error) {
	if c.AssetsURL == "" {
		return asset.Folder(filepath.Join(c.DataDir, "assets")), nil
	}
	return asset.Open(c.AssetsURL)
}
