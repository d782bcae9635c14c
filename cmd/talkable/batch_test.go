package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

type jobSeen struct {
	Job struct {
		ID       int64  `json:"id"`
		State    string `json:"state"`
		Total    int    `json:"total"`
		Done     int    `json:"done"`
		Recorded int    `json:"recorded"`
		Failed   int    `json:"failed"`
		Offers   int    `json:"offers"`
	} `json:"job"`
	Errors     []rowFault `json:"errors"`
	NextCursor *string    `json:"next_cursor"`
}

type rowFault struct {
	Row     int    `json:"row"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Pointer string `json:"pointer"`
}

// ended waits for a batch's end and returns it with its first errors.
func ended(s shop, id int64) (out jobSeen) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("job %d has ended", id), func() bool {
		s.must("GET", fmt.Sprintf("/api/v2/jobs/%d?limit=100", id), nil, &out)
		return out.Job.State == "done" || out.Job.State == "failed"
	})
	return out
}

// TestBatch_43: a batch is answered at once, its rows appear later, and each that is wrong is named and stops no other. The same batch again
// changes nothing.
func TestBatch_43(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, s.demo), open(t, l["TALKABLE_DATABASE_URL"])
	p := published{t: t, address: s.address, key: s.demo.APIKey, head: "Content-Type: application/json\r\nAuthorization: Bearer KEY\r\n"}

	t.Run("as the reference has it", func(t *testing.T) {
		p.t = t
		a := p.send("POST /api/v2/origins/batch/purchases", `{"site_slug":"demo","data":[{"email":"one@shop.example","order_number":"b-0","subtotal":1}],"create_offers":false}`).fine(200)
		a.is("job.kind", "purchases", "job.total", 1.0)
		ended(shop, int64(want[float64](a, "job.id")))
		p.send("GET /api/v2/people/one@shop.example?site_slug=demo", "-").fine(200)
	})
	t.Run("purchases, good and bad", func(t *testing.T) {
		var rows []any
		wrong := map[int][2]string{3: {"/data/3/email", "Email isn't valid"}, 250: {"/data/250/subtotal", ""}, 300: {"/data/300/order_number", ""},
			301: {"/data/301/items/0/price", ""}, 302: {"/data/302/currency_iso_code", ""}, 399: {"", "Duplicate entity: Talkable already has existing Purchase with the same order_number but different data"}}
		for i := range 400 {
			row := object{"email": fmt.Sprintf("b%d@shop.example", i%50), "order_number": fmt.Sprintf("b-%d", i+1), "subtotal": "10.00", "created_at": "2026-01-02T10:00:00Z"}
			switch i {
			case 3:
				row["email"] = "abc"
			case 250:
				row["subtotal"] = "ten"
			case 300:
				row["order_number"] = object{"a": 1}
			case 301:
				row["items"] = []object{{"price": "x"}}
			case 302:
				row["currency_iso_code"] = "QQQ"
			case 399:
				row["order_number"], row["subtotal"] = "b-1", "11.00"
			}
			rows = append(rows, row)
		}
		var first jobSeen
		shop.must("POST", "/api/v2/origins/batch/purchases", object{"data": rows, "create_offers": true}, &first)
		got := ended(shop, first.Job.ID)
		if j := got.Job; j.State != "done" || j.Total != 400 || j.Done != 400 || j.Failed != len(wrong) || j.Recorded != 400-len(wrong) || j.Offers != 0 || len(got.Errors) != len(wrong) {
			t.Errorf("%+v", got)
		}
		for _, e := range got.Errors {
			w, known := wrong[e.Row]
			if !known || w[0] != "" && e.Pointer != w[0] || w[1] != "" && e.Detail != w[1] || e.Code == "" || e.Detail == "" || strings.Contains(e.Detail, "\n") {
				t.Errorf("%+v, want %q", e, w)
			}
		}
		if !slices.IsSortedFunc(got.Errors, func(a, b rowFault) int { return a.Row - b.Row }) {
			t.Errorf("%+v", got.Errors)
		}
		pages, cursor := 0, ""
		for more := true; more; pages++ {
			var page jobSeen
			shop.must("GET", fmt.Sprintf("/api/v2/jobs/%d?limit=3%s", first.Job.ID, cursor), nil, &page)
			if more = page.NextCursor != nil; more {
				cursor = "&cursor=" + *page.NextCursor
			}
		}
		if pages != 2 {
			t.Errorf("%d errors stand on %d pages of 3", len(wrong), pages)
		}
		settled(t, s, db)
		before := census(t, db)
		var again jobSeen
		shop.must("POST", "/api/v2/origins/batch/purchases", object{"data": rows, "create_offers": true}, &again)
		if repeat := ended(shop, again.Job.ID); repeat.Job.Recorded != got.Job.Recorded || repeat.Job.Failed != got.Job.Failed || repeat.Job.Offers != got.Job.Offers {
			t.Errorf("the second time %+v, the first %+v", repeat.Job, got.Job)
		}
		settled(t, s, db)
		before.same(t, census(t, db), "gateway.job", "gateway.job_error")
		var kept int
		if err := db.Get(&kept, `select count(*) from gateway.job where body <> '' and state <> 'waiting'`); err != nil || kept != 0 {
			t.Errorf("%d batches are kept after their end (%v)", kept, err)
		}
	})
	t.Run("members and events", func(t *testing.T) {
		for kind, row := range map[string]string{"affiliate_members": `"campaign_tags":"invite"`, "events": `"event_category":"quiz","event_number":%d`} {
			var data []string
			for i := range 30 {
				member := row
				if strings.Contains(row, "%d") {
					member = fmt.Sprintf(row, i)
				}
				data = append(data, fmt.Sprintf(`{"email":"%s%d@shop.example",%s}`, kind, i, member))
			}
			a := published{t: t, address: s.address, key: s.demo.APIKey, head: p.head}.send("POST /api/v2/origins/batch/"+kind, `{"data":[`+strings.Join(data, ",")+`],"create_offers":true}`).fine(200)
			if got := ended(shop, int64(want[float64](a, "job.id"))); got.Job.Recorded != 30 || got.Job.Failed != 0 || kind == "affiliate_members" && got.Job.Offers != 30 {
				t.Errorf("%s: %+v", kind, got)
			}
		}
	})
	t.Run("bounds", func(t *testing.T) {
		for name, body := range map[string]string{"no rows": `{"data":[]}`, "no data": `{}`, "a row that is none": `{"data":[{},5]}`, "data of another kind": `{"data":{"a":1}}`, "1001 rows": `{"data":[` + strings.TrimSuffix(strings.Repeat("{},", 1001), ",") + `]}`} {
			if a := ask(t, shop, "POST", "/api/v2/origins/batch/events", body); a.status != 400 || !a.problem() {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		public := newShop(t, demoFile{Server: s.demo.Server, APIKey: s.demo.PublicKey})
		if a := ask(t, public, "POST", "/api/v2/origins/batch/events", `{"data":[{}]}`); a.status != 403 {
			t.Errorf("a public key: %d %s", a.status, a.body)
		}
	})
}

// TestBatchGoesOn: a batch that a server left in the middle is finished by the next one, and every row is there once.
func TestBatchGoesOn(t *testing.T) {
	t.Parallel()
	l := oneDatabase(t)
	s := startServer(t, l)
	shop, db := newShop(t, s.demo), open(t, l["TALKABLE_DATABASE_URL"])
	var ids []int64
	for n := range 4 {
		var rows []object
		for i := range 900 {
			rows = append(rows, object{"email": fmt.Sprintf("g%d@shop.example", i), "order_number": fmt.Sprintf("g-%d-%d", n, i), "subtotal": 1})
		}
		kind := "purchases"
		if n == 3 {
			kind = "affiliate_members"
		}
		var one jobSeen
		shop.must("POST", "/api/v2/origins/batch/"+kind, object{"data": rows, "create_offers": true}, &one)
		ids = append(ids, one.Job.ID)
	}
	eventually(t, "a piece is done", func() bool {
		var done int
		if err := db.Get(&done, `select coalesce(sum(done), 0) from gateway.job`); err != nil {
			t.Fatal(err)
		}
		return done > 0
	})
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	// As a crash leaves it: a piece is in the books, and the job doesn't know.
	var undone int
	if err := db.Get(&undone, `with back as (update gateway.job set done = done - 200, recorded = recorded - 200, offers = greatest(offers - 200, 0), state = 'waiting', finished_at = null,
			leased_until = $1 where state = 'waiting' and done >= 200 returning 1) select count(*) from back`, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	next := startServer(t, l)
	startServer(t, l) // two replicas share what is left
	shop = newShop(t, next.demo)
	for n, id := range ids {
		if got := ended(shop, id); got.Job.State != "done" || got.Job.Recorded != 900 || got.Job.Failed != 0 || got.Job.Offers != map[int]int{3: 900}[n] {
			t.Errorf("%+v", got)
		}
	}
	var orders, numbers int
	if err := db.QueryRow(`select count(*), count(distinct number) from customer.origin where number like 'g-%'`).Scan(&orders, &numbers); err != nil || orders != 2700 || numbers != 2700 {
		t.Errorf("%d orders of %d numbers (%v)", orders, numbers, err)
	}
	if err := db.Get(&orders, `select count(*) from referral.offer`); err != nil || orders != 900 {
		t.Errorf("%d offers (%v)", orders, err)
	}
	t.Logf("%d jobs were set back", undone)
}
