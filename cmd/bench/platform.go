package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/talkable/talkable/internal/freeport"
	"github.com/talkable/talkable/internal/postgres"
)

// platform is the program under test, running.
type platform struct {
	pg                *database
	name              string // of its database
	db                *sqlx.DB
	binary            string
	env               []string
	address, internal string
	serve             *exec.Cmd
	log               string        // path
	ended             chan struct{} // closed when serve has ended
	walQuery          string

	terms object // what the campaigns of its sites say beside the usual; nil: nothing
	sites []shop
	pool  pool // friends who came to links of all sites
	took  recorded
	rate  float64 // of purchases, when last measured
	mark  mark    // what the database held before
	worst string  // the day of a ledger on which most expired
}

// recorded is what the platform acknowledged, to be compared with what its database holds.
type recorded struct {
	signUps, visits, purchases, matched, revenue int64
	adjusted, redeemed, given, spent             int64 // how often, and how many points
}

// build makes the program of this source.
func build(ctx context.Context, binary, tags string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", binary, "github.com/talkable/talkable/cmd/talkable")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build talkable: %w\n%s", err, out)
	}
	return nil
}

// startPlatform builds the program, unless it is given, migrates the database and serves.
func startPlatform(ctx context.Context, pg *database, name, binary, tags string) (*platform, error) {
	p := &platform{pg: pg, name: name, binary: binary, log: filepath.Join(pg.dir, name+".log"), ended: make(chan struct{}), rate: 1000}
	if p.binary == "" {
		p.binary = filepath.Join(pg.dir, "talkable-"+tags)
		if _, err := os.Stat(p.binary); err != nil {
			if err := build(ctx, p.binary, tags); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if kept(name) {
		p.db, err = pg.use(ctx, name)
	} else {
		p.db, err = pg.fresh(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	if p.address, _, err = freeport.Take(); err == nil {
		p.internal, _, err = freeport.Take()
	}
	if err != nil {
		return nil, err
	}
	// Visitors come from addresses of their own, through a proxy; the limits on keys and addresses stay on, and aren't met.
	p.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TALKABLE_LISTEN=" + p.address, "TALKABLE_INTERNAL_LISTEN=" + p.internal,
		"TALKABLE_DATA_DIR=" + filepath.Join(pg.dir, "data-"+name), "TALKABLE_DATABASE_URL=" + pg.server.URL(name),
		"TALKABLE_RATE_LIMIT=1000000000", "TALKABLE_TRUSTED_PROXIES=127.0.0.0/8", "TALKABLE_LOG_FORMAT=json", "TALKABLE_PROFILE=true"}
	if _, err := p.command(ctx, "migrate"); err != nil {
		return nil, err
	}
	version, err := postgres.CheckServer(ctx, p.db)
	if err != nil {
		return nil, err
	}
	p.walQuery = walQueries[0]
	var major int
	if _, err := fmt.Sscan(version, &major); err == nil && major >= 18 {
		p.walQuery = walQueries[1]
	}
	return p, p.start(ctx)
}

// command runs the program beside serve.
func (p *platform) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.binary, args...)
	cmd.Env = p.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("talkable %s: %w: %s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out), nil
}

// start serves.
func (p *platform) start(ctx context.Context) error {
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	defer log.Close()
	p.serve = exec.Command(p.binary, "serve")
	p.serve.Env, p.serve.Stdout, p.serve.Stderr = p.env, log, log
	p.serve.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us: we stop it
	if err := p.serve.Start(); err != nil {
		return err
	}
	go func() {
		_ = p.serve.Wait() // failure tells
		close(p.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		res, err := http.Get("http://" + p.internal + "/readyz")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := p.pause(ctx, 20*time.Millisecond); err != nil {
			return errors.Join(fmt.Errorf("serve does not get ready: %w", err), p.stop())
		}
	}
}

// failure says how serve ended.
func (p *platform) failure() error {
	text, _ := os.ReadFile(p.log)
	return fmt.Errorf("talkable serve ended (%s):\n%s", p.serve.ProcessState, text[max(0, len(text)-4000):])
}

func (p *platform) stop() error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	_ = p.serve.Process.Signal(syscall.SIGTERM) // fails when it has just ended
	select {
	case <-p.ended:
		if !p.serve.ProcessState.Success() {
			return p.failure()
		}
		return nil
	case <-time.After(30 * time.Second):
		_ = p.serve.Process.Kill()
		<-p.ended
		return errors.New("talkable serve did not stop after SIGTERM")
	}
}

// shop is a site with the key of its server.
type shop struct {
	slug, key string
	id        int64
	campaign  int64
	links     []string // paths of its advocates' claim links
	offers    []string // codes of their offers
	program   int64
	batch     int64 // what members can spend points on; 0: nothing yet
	coupons   int64 // a list of single-use ones; 0: none
	members   int64 // of a ledger
}

type object = map[string]any

// call asks the API as a site's server does, with a body unless it is nil; result takes the result member of the answer.
func (p *platform) call(ctx context.Context, key, method, path string, body, result any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.address+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	return json.Unmarshal(answer, &struct {
		Result any `json:"result"`
	}{result})
}

var madeSite = regexp.MustCompile(`\((\d+)\) is made\n.*: (\S+)\n`)

// makeSites gives each site a campaign that rewards an advocate with points, and a programme in which they are kept. A purchase
// itself earns nothing, and brings the buyer no offer: it leaves behind what the yardstick's purchase does.
func (p *platform) makeSites(ctx context.Context, n int) error {
	for i := range n {
		s := shop{slug: fmt.Sprintf("shop-%d", i+1)}
		out, err := p.command(ctx, "site", "create", s.slug, "--url", "https://shop.example")
		if err != nil {
			return err
		}
		m := madeSite.FindStringSubmatch(out)
		if m == nil {
			return fmt.Errorf("talkable site create answered %q", out)
		}
		if _, err := fmt.Sscan(m[1], &s.id); err != nil {
			return err
		}
		s.key = m[2]
		var made struct {
			Campaign, Program struct {
				ID int64 `json:"id"`
			}
		}
		campaign := object{"name": "Invite", "status": "Live", "destination_url": "https://shop.example/welcome",
			"joinable_category_names": []string{"affiliate_member"}, "approval": object{"mode": "automatic"},
			"incentives": []object{{"identifier": "points", "action_type": "referrer", "kind": "points", "points": rewardPoints}}}
		maps.Copy(campaign, p.terms)
		err = p.call(ctx, s.key, "POST", "/api/v2/campaigns", campaign, &made)
		if err == nil {
			err = p.call(ctx, s.key, "POST", "/api/v2/loyalty/programs", object{"name": "Points", "points_per_unit": 0}, &made)
		}
		s.campaign, s.program = made.Campaign.ID, made.Program.ID
		if err != nil {
			return err
		}
		p.sites = append(p.sites, s)
	}
	return nil
}

const rewardPoints = 500
