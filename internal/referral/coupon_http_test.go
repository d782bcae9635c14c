package referral

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

const listBody = `{"name":"Friends","kind":"single-use","amount":500,"expires_after_days":30,"subtotal_min":2000}`

func TestCouponLists_over_HTTP(t *testing.T) {
	t.Parallel()
	p := setup(t)
	code, created, _ := p.call(p.one, "POST", "/api/v2/coupon_lists", listBody, "k1")
	if code != 201 {
		t.Fatalf("%d %v", code, created)
	}
	golden(t, "coupon_list_created", created)
	if code, again, replayed := p.call(p.one, "POST", "/api/v2/coupon_lists", listBody, "k1"); code != 201 || !replayed || fmt.Sprint(again) != fmt.Sprint(created) {
		t.Errorf("replay: %d %v", code, again)
	}
	p.clock.Move(time.Minute)
	code, delivered, _ := p.call(p.one, "POST", "/api/v2/coupon_lists/1/codes", "code\naaa\nAAA\nbad code\n", "")
	if code != 415 {
		t.Errorf("JSON: %d %v", code, delivered)
	}
	d := p.stockUp(p.one, 1, "aaa", "AAA", "bbb", "bad code", "b\u00df", "sample-coupon-code", "ccc")
	golden(t, "coupon_delivery", d)
	if again := p.stockUp(p.one, 1, "aaa", "bbb", "ccc"); again.Added != 0 || again.Known != 3 {
		t.Errorf("again: %+v", again)
	}
	code, made, _ := p.call(p.one, "POST", "/api/v2/coupon_lists/1/generate", `{"template":"save-########","count":7}`, "k2")
	if result, _ := made["result"].(map[string]any); code != 201 || result["added"] != 7.0 {
		t.Errorf("%d %v", code, made)
	}
	if code, _, replayed := p.call(p.one, "POST", "/api/v2/coupon_lists/1/generate", `{"template":"save-########","count":7}`, "k2"); code != 201 || !replayed {
		t.Errorf("replay: %d %v", code, replayed)
	}
	for body, pointer := range map[string]string{`{"template":"X####","count":1}`: "/template", `{"template":"X########","count":0}`: "/count",
		`{"template":"X########","count":100001}`: "/count"} {
		if code, bad, _ := p.call(p.one, "POST", "/api/v2/coupon_lists/1/generate", body, ""); code != 400 || !strings.Contains(fmt.Sprint(bad), pointer) {
			t.Errorf("%s: %d %v", body, code, bad)
		}
	}
	code, changed, _ := p.call(p.one, "PUT", "/api/v2/coupon_lists/1", `{"name":"Friends","kind":"single-use","percent":12.5,"low_stock":5}`, "")
	if code != 200 {
		t.Errorf("%d %v", code, changed)
	}
	golden(t, "coupon_list_changed", changed)
	if code, bad, _ := p.call(p.one, "PUT", "/api/v2/coupon_lists/1", `{"name":"Friends","kind":"multi-use","percent":12.5}`, ""); code != 400 {
		t.Errorf("another kind: %d %v", code, bad)
	}
	if _, list, _ := p.call(p.one, "GET", "/api/v2/coupon_lists", nil, ""); len(list["result"].(map[string]any)["coupon_lists"].([]any)) != 1 {
		t.Errorf("%v", list)
	}
	code, log, _ := p.call(p.one, "GET", "/api/v2/coupon_lists/1/log?limit=3", nil, "")
	golden(t, "coupon_list_log", log, fmt.Sprint(log["result"].(map[string]any)["next_cursor"]))
	if rest := fmt.Sprint(log["result"].(map[string]any)["next_cursor"]); code != 200 {
		t.Errorf("%d", code)
	} else if code, log, _ := p.call(p.one, "GET", "/api/v2/coupon_lists/1/log?cursor="+rest, nil, ""); code != 200 || !strings.Contains(fmt.Sprint(log), "created") {
		t.Errorf("%d %v", code, log)
	}
	for _, r := range [][2]string{{"GET", ""}, {"GET", "/log"}, {"PUT", ""}, {"POST", "/generate"}} {
		body := map[string]any{"PUT": listBody, "POST": `{"template":"X########","count":1}`}[r[0]]
		if code, other, _ := p.call(p.two, r[0], "/api/v2/coupon_lists/1"+r[1], body, ""); code != 404 {
			t.Errorf("another site's: %v %d %v", r, code, other)
		}
	}
}

func TestCampaigns_name_coupon_lists(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, "AAA")
	theirs := p.list(p.two, "BBB")
	multi, _, err := p.createCouponList(t.Context(), p.one, 7, couponListInput{Name: "M", Kind: multiUse, Percent: "10"}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	if d := p.stockUp(p.one, multi.ID, "SUMMER", "AAA"); d.Added != 1 || d.Refused != 1 || d.Refusals[0].Reason != fmt.Sprintf("stands in coupon list %d", list) {
		t.Errorf("%+v", d)
	}
	try := func(i incentiveInput) error {
		i.Identifier, i.ActionType, i.Kind = "coupon", "click", "coupon"
		_, _, err := p.createCampaign(t.Context(), p.one, campaignInput{Name: "C", Incentives: []incentiveInput{i}}, publication{}, idempotency.Key{})
		return err
	}
	for what, i := range map[string]incentiveInput{
		"another site's list":    {CouponListID: &theirs},
		"a multi-use list":       {CouponListID: &multi.ID},
		"both":                   {CouponListID: &list, CouponCode: "WELCOME"},
		"a worth of its own":     {CouponListID: &list, CouponPercent: "5"},
		"a single-use code":      {CouponCode: "aaa"},
		"neither":                {},
		"a code that can't be":   {CouponCode: "../A"},
		"the sample of Talkable": {CouponCode: "sample-coupon-code"},
	} {
		if err := try(i); err == nil || !strings.Contains(err.Error(), "/incentives/0/coupon_") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, i := range map[string]incentiveInput{"a list": {CouponListID: &list}, "a multi-use code": {CouponCode: "summer"}, "its own": {CouponCode: "welcome", CouponPercent: "5"}} {
		if err := try(i); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if d := p.stockUp(p.one, list, "WELCOME"); d.Refused != 1 || d.Refusals[0].Reason != "is a code that a campaign names itself" {
		t.Errorf("%+v", d)
	}
	if d := p.stockUp(p.two, theirs, "WELCOME", "AAA", "SUMMER"); d.Added != 3 {
		t.Errorf("the other site: %+v", d)
	}
}

func TestCoupon_is_found_by_its_code(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one, "GIVEN-1")
	p.list(p.two, "GIVEN-1")
	p.campaign(p.one, func(c *campaignInput) { c.Incentives = usual[3:] })
	p.giving(p.one, list, "referrer") // the newest campaign is joined
	p.touched(uuidOf(1), 10)
	p.tell(p.purchase(p.one, 1, 20, 1000, uuidOf(1)))
	p.stockUp(p.one, list, "FREE-1")
	look := func(s site.Site, code string) string {
		t.Helper()
		f, err := p.Coupon(t.Context(), s, code)
		if err != nil {
			t.Fatal(err)
		}
		if f == nil {
			return "none"
		}
		return fmt.Sprintf("%s %s active %v unissued %v expired %v used %v %d owners %v reward %v", f.Coupon.Code, f.Coupon.Description, f.Coupon.Active, f.Unissued,
			f.Expired, f.Used, f.Coupon.Usages, f.Owners, f.Reward != nil)
	}
	for code, want := range map[string]string{
		"given-1 ":  "GIVEN-1 10% active true unissued false expired false used false 0 owners [10] reward true",
		"FREE-1":    "FREE-1 10% active true unissued true expired false used false 0 owners [] reward false",
		"welcome10": "WELCOME10 10% active true unissued false expired false used false 0 owners [] reward false",
		"UNKNOWN":   "none", "": "none", "a\x00b": "none", "ß": "none",
	} {
		if got := look(p.one, code); got != want {
			t.Errorf("%q: %s, want %s", code, got, want)
		}
	}
	if got, want := look(p.two, "given-1"), "GIVEN-1 10% active true unissued true expired false used false 0 owners [] reward false"; got != want {
		t.Errorf("the other site: %s", got)
	}
	used := p.purchase(p.one, 2, 10, 500)
	used.CouponCodes = []string{"given-1", "WELCOME10", "no such", "ß"}
	p.tell(used)
	p.tell(used)
	if got, want := look(p.one, "GIVEN-1"), "GIVEN-1 10% active false unissued false expired false used true 1 owners [10] reward true"; got != want {
		t.Errorf("used: %s", got)
	}
	if got, want := look(p.one, "WELCOME10"), "WELCOME10 10% active true unissued false expired false used false 1 owners [] reward false"; got != want {
		t.Errorf("used: %s", got)
	}
	if n := p.count(`select count(*) from referral.coupon where site_id = 2 and usages > 0`); n != 0 {
		t.Errorf("%d of the other site are used", n)
	}
}

func TestCoupons_expire(t *testing.T) {
	t.Parallel()
	p := setup(t)
	days, soon := 30, epoch.Add(time.Hour)
	make := func(in couponListInput, code string) (int64, *campaign) {
		in.Name, in.Kind, in.Percent = code, singleUse, "10"
		l, _, err := p.createCouponList(t.Context(), p.one, 7, in, idempotency.Key{})
		if err != nil {
			t.Fatal(err)
		}
		p.stockUp(p.one, l.ID, code+"-1", code+"-2")
		return l.ID, p.loaded(p.giving(p.one, l.ID, "click").ID)
	}
	_, byDays := make(couponListInput{ExpiresAfterDays: &days}, "DAYS")
	list, byDate := make(couponListInput{ExpiresAt: &soon}, "DATE")
	if err := p.issueAll(append(clicks(byDays, 1, 1), clicks(byDate, 2, 1)...)); err != nil {
		t.Fatal(err)
	}
	expired := func(code string) bool {
		t.Helper()
		f, err := p.Coupon(t.Context(), p.one, code)
		if err != nil || f == nil {
			t.Fatal(code, err)
		}
		return f.Expired
	}
	if expired("DAYS-1") || expired("DATE-1") {
		t.Error("expired already")
	}
	p.clock.Move(2 * time.Hour)
	if expired("DAYS-1") || !expired("DATE-1") {
		t.Error("a date")
	}
	if err := p.issueAll(clicks(byDate, 3, 1)); err != nil { // nobody is given a coupon that has expired
		t.Fatal(err)
	}
	if n := p.count(`select count(*) from referral.coupon_wait`); n != 1 {
		t.Errorf("%d wait", n)
	}
	later := epoch.AddDate(0, 2, 0)
	if _, _, err := p.replaceCouponList(t.Context(), p.one, 7, list, couponListInput{Name: "DATE", Kind: singleUse, Percent: "10", ExpiresAt: &later}, idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	if n := p.count(`select count(*) from referral.coupon_wait`); n != 0 || expired("DATE-1") || expired("DATE-2") {
		t.Errorf("%d wait", n)
	}
	p.clock.Move(30 * 24 * time.Hour)
	if !expired("DAYS-1") || expired("DAYS-2") {
		t.Error("days are counted from the hand-out")
	}
}

func TestVisitors_see_their_single_use_coupon(t *testing.T) {
	t.Parallel()
	p := setup(t)
	l, _, err := p.createCouponList(t.Context(), p.one, 7, couponListInput{Name: "Ten", Kind: singleUse, Percent: "10", ExpiresAt: new(epoch.AddDate(0, 1, 0))}, idempotency.Key{})
	if err != nil {
		t.Fatal(err)
	}
	p.giving(p.one, l.ID, "click")
	p.catalog.changed(1)
	o := p.join(p.one, 10)
	p.visitLink(o.ClaimURL, uuidOf(1))
	path := "/api/v2/rewards?visitor_uuid=" + uuidOf(1)
	if _, none, _ := p.call(p.one, "GET", path, nil, ""); len(none["result"].(map[string]any)["rewards"].([]any)) != 0 {
		t.Errorf("Paid while it waits: %v", none)
	}
	_, waiting, _ := p.call(p.one, "GET", path+"&status=Unpaid", nil, "")
	golden(t, "reward_waiting", waiting)
	p.stockUp(p.one, l.ID, "only-one")
	_, paid, _ := p.call(p.one, "GET", path, nil, "")
	golden(t, "reward_single_use", paid)
}

// codes are n lines that are made as they are read.
type endless struct {
	n, left int
	buf     []byte
}

func (e *endless) Read(b []byte) (int, error) {
	for len(e.buf) < 1024 {
		if e.left == 0 {
			break
		}
		e.buf = fmt.Appendf(e.buf, "BULK-%07d;whatever\r\n", e.n-e.left)
		e.left--
	}
	if len(e.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(b, e.buf)
	e.buf = e.buf[n:]
	return n, nil
}

// Not parallel: it watches the memory of the process.
func TestDeliver_takes_200000_codes_in_little_memory(t *testing.T) {
	p := setup(t)
	list := p.list(p.one)
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	var before, most runtime.MemStats
	runtime.ReadMemStats(&before)
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				var now runtime.MemStats
				if runtime.ReadMemStats(&now); now.HeapAlloc > most.HeapAlloc {
					most = now
				}
			}
		}
	}()
	const n = 200_000
	d, err := p.deliver(t.Context(), 1, 7, list, csvText, io.MultiReader(strings.NewReader("code;note\n"), &endless{n: n, left: n}))
	close(done)
	<-watched
	if err != nil || d.Added != n || d.Lines != n {
		t.Fatalf("%+v %v", d, err)
	}
	if used := (most.HeapAlloc - before.HeapAlloc) >> 20; most.HeapAlloc > before.HeapAlloc && used > 24 {
		t.Errorf("%d MiB on the way", used)
	}
	l, err := readCouponList(t.Context(), p.db, 1, list)
	if err != nil || l.Available != n {
		t.Errorf("%+v %v", l, err)
	}
}

// A delivery that breaks off keeps the lines that came whole; half a line is no code. Sent again, it is complete.
func TestDelivery_that_breaks_off(t *testing.T) {
	t.Parallel()
	p := setup(t)
	list := p.list(p.one)
	broken := io.MultiReader(strings.NewReader("AAA\nBBB\nCCC-HA"), iotest.ErrReader(io.ErrUnexpectedEOF))
	d, err := p.deliver(t.Context(), 1, 7, list, plainText, broken)
	if f, ok := fault.Of(err); !ok || f.Code != "incomplete_body" || !strings.Contains(f.Detail, "2 codes") || d.Added != 2 {
		t.Errorf("%+v %v", d, err)
	}
	if d := p.stockUp(p.one, list, "AAA", "BBB", "CCC-HALF"); d.Added != 1 || d.Known != 2 || d.Refused != 0 {
		t.Errorf("again: %+v", d)
	}
}
