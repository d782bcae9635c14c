package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// programmeFile writes a programme file, and returns its path.
func programmeFile(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("format: talkable-programme-1\nprogramme:\n  name: "+strings.ReplaceAll(body, "\n", "\n  ")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBacktestOfSite plays what a site's people really did: by the programme in force it comes to what they have, and another one is compared with it.
func TestBacktestOfSite(t *testing.T) {
	t.Parallel()
	s := startServer(t, layout{})
	shop := newShop(t, s.demo)
	for _, number := range []string{"b-1", "b-2", "b-3"} {
		shop.buys(number, "back@shop.example", "")
	}
	shop.buys("b-4", "test@shop.example", "")
	eventually(t, "three orders have earned points", func() bool {
		return strings.Contains(ask(t, shop, "GET", "/api/v2/loyalty/members/back@shop.example", "").body, `"points_balance":150`)
	})
	shop.must("POST", "/api/v2/origins/b-1/refund", object{"data": object{"refund_subtotal": 20}}, nil)
	eventually(t, "the refund is heard", func() bool {
		return strings.Contains(ask(t, shop, "GET", "/api/v2/loyalty/members/back@shop.example", "").body, `"points_balance":130`)
	})
	var programs struct {
		Programs []struct{ ID int64 }
	}
	shop.must("GET", "/api/v2/loyalty/programs", nil, &programs)
	shop.say("POST", fmt.Sprintf("/api/v2/loyalty/programs/%d/point_values", programs.Programs[0].ID), `{"from":"2020-01-01","points":100,"amount":300}`, 201)
	double := programmeFile(t, "double.yaml", "Double\npoints_per_unit: 2\ntiers:\n  - {name: Regular, threshold: 100}")
	out, err := talkable(t, s.environ, "backtest", "--site", "demo", "--programme", double, "--out", "-")
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Redeem     string                         `json:"redeem"`
		Worth      struct{ Points, Amount int64 } `json:"point_value"`
		Input      struct{ Orders, Refunds int64 }
		Programmes []struct {
			Label  string
			Totals struct{ Outstanding, Members int64 }
		}
		Change struct {
			Winners struct{ People, Points int64 }
		}
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Redeem != "historic" || r.Worth.Amount != 300 || r.Input.Orders < 4 || r.Input.Refunds != 1 || len(r.Programmes) != 2 || r.Programmes[0].Label != "in force" || r.Programmes[1].Label != "double" {
		t.Errorf("%+v", r)
	}
	one, other := r.Programmes[0].Totals, r.Programmes[1].Totals
	if one.Outstanding < 180 || other.Outstanding != 2*one.Outstanding || one.Members != other.Members || r.Change.Winners.People != one.Members {
		t.Errorf("%+v", r)
	}
	if strings.Contains(out, "@shop.example") {
		t.Error("the report holds addresses")
	}
	tomorrow := time.Now().AddDate(0, 0, 2).Format(time.DateOnly)
	opened, err := talkable(t, s.environ, "backtest", "--site", "demo", "--programme", double, "--opening", "--from", tomorrow, "--to", tomorrow, "--out", "-")
	if err != nil || !strings.Contains(opened, "Members start with the points that they had") || !strings.Contains(opened, `"outstanding": `+fmt.Sprint(one.Outstanding)) {
		t.Errorf("from what members had: %v\n%s", err, opened)
	}
	byAPI(t, shop, other)
	if out, err := talkable(t, s.environ, "backtest", "--site", "demo", "--programme", double, "--from", "1999-01-01", "--to", "1999-02-01", "--out", "-"); err == nil {
		t.Errorf("no orders: %s", out)
	}
	if _, err := talkable(t, s.environ, "backtest", "--site", "none", "--programme", double); err == nil || !strings.Contains(err.Error(), "no such site") {
		t.Errorf("no site: %v", err)
	}
}

// byAPI asks for the same backtest by the API, and reads its report in every form.
func byAPI(t *testing.T, shop shop, want struct{ Outstanding, Members int64 }) {
	t.Helper()
	const path = "/api/v2/loyalty/backtests"
	var made struct{ Backtest struct{ ID int64 } }
	shop.must("POST", path, object{"programmes": []object{{"name": "Double", "points_per_unit": 2, "tiers": []object{{"name": "Regular", "threshold": 100}}}}}, &made)
	at := fmt.Sprintf("%s/%d", path, made.Backtest.ID)
	eventually(t, "the backtest is played", func() bool { return strings.Contains(ask(t, shop, "GET", at, "").body, `"state":"done"`) })
	var got struct {
		Report struct {
			Programmes []struct {
				Label  string
				Totals struct{ Outstanding, Members int64 }
			}
		}
	}
	shop.must("GET", at+"/report", nil, &got)
	if p := got.Report.Programmes; len(p) != 2 || p[0].Label != "in force" || p[1].Label != "new" || p[1].Totals != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
	for query, c := range map[string]struct{ media, begins string }{
		"/report?format=csv": {"text/csv", "programme,month,"}, "/report?format=html": {"text/html", "<!doctype html>"}, "/people": {"text/csv", "person,"},
	} {
		if a := ask(t, shop, "GET", at+query, ""); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), c.media) || !strings.HasPrefix(a.body, c.begins) {
			t.Errorf("%s: %d %s %.60s", query, a.status, a.header.Get("Content-Type"), a.body)
		}
	}
	if a := ask(t, shop, "GET", at+"/report?format=parquet", ""); a.status != 400 || !a.problem() {
		t.Errorf("a form that it hasn't: %d", a.status)
	}
}

// TestBacktestOfFile needs neither platform nor database.
func TestBacktestOfFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := []string{"TALKABLE_DATABASE_URL=postgres://nowhere.invalid/none", "TALKABLE_DATA_DIR=" + dir}
	orders, out := filepath.Join(dir, "orders.csv"), filepath.Join(dir, "out")
	if err := os.WriteFile(orders, []byte("order_number,email,customer_id,subtotal,date\n1,A@shop.example,,100,2026-01-05\n2,,7,50,2026-01-06\n3,a@shop.example,,10.50,2026-03-01\n"+
		"3,a@shop.example,,10.50,2026-03-01\n4,b@shop.example,,x,2026-03-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := programmeFile(t, "plain.yaml", "Plain\npoints_per_unit: 1")
	short := programmeFile(t, "short.yaml", "Short\npoints_per_unit: 1\nexpires_after_days: 30")
	said, err := talkable(t, environ, "backtest", "--orders", orders, "--programme", plain, "--programme", short, "--redeem", "when 100", "--out", out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"plain", "short", "change", "Cost", "1.00 USD", "Played 3 orders of 2 people", "report.html", "not a forecast"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s\nlacks %q", said, want)
		}
	}
	people, err := os.ReadFile(filepath.Join(out, "people.csv"))
	if want := "1,,true,110,100,0,10,0,,true,110,100,0,10,0,,0\n2,7,true,50,0,0,50,0,,true,50,0,50,0,0,,-50\n"; err != nil || !strings.HasSuffix(string(people), want) {
		t.Errorf("%v: %s", err, people)
	}
	for _, name := range []string{"report.html", "report.json", "months.csv"} {
		if text, err := os.ReadFile(filepath.Join(out, name)); err != nil || len(text) == 0 || strings.Contains(string(text), "shop.example") {
			t.Errorf("%s: %v", name, err)
		}
	}

	file := func(args ...string) []string { return append([]string{"--orders", orders, "--out", out}, args...) }
	bad := programmeFile(t, "bad.yaml", "Bad\npoints_per_unit: -1\ntiers:\n  - {name: Low}")
	for what, c := range map[string]struct {
		args []string
		says string
	}{
		"no programme":      {file(), "programme"},
		"three programmes":  {file("--programme", plain, "--programme", plain, "--programme", plain), "too many"},
		"no such file":      {file("--programme", filepath.Join(dir, "none.yaml")), "no such file"},
		"a bad programme":   {file("--programme", bad), "line 4, column 3: programme.points_per_unit: must be 0 to 1000000"},
		"no orders at all":  {[]string{"--programme", plain}, "site orders"},
		"both":              {file("--programme", plain, "--site", "demo"), "site orders"},
		"a bad redeem":      {file("--programme", plain, "--redeem", "often"), "never, historic, or when N"},
		"a bad value":       {file("--programme", plain, "--point-value", "1"), "points=amount"},
		"a bad day":         {file("--programme", plain, "--from", "2026-02-30"), "must be a day"},
		"days backwards":    {file("--programme", plain, "--from", "2026-02-02", "--to", "2026-02-01"), "before the first day"},
		"a bad zone":        {file("--programme", plain, "--zone", "Mars"), "--zone Mars"},
		"a bad currency":    {file("--programme", plain, "--currency", "XXY"), "ISO 4217"},
		"days without end":  {file("--programme", plain, "--to", "9999-01-01"), "100 years"},
		"a bad go-ahead":    {file("--programme", plain, "--go-ahead-days", "-1"), "go-ahead"},
		"nothing to be had": {file("--programme", plain, "--from", "2030-01-01", "--to", "2030-02-01"), "no orders"},
	} {
		if said, err := talkable(t, environ, append([]string{"backtest"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %s, %v; want %q", what, said, err, c.says)
		}
	}
}
