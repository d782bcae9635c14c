package gateway

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/talkable/talkable/internal/blueprint"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/postgres"
)

// What an operation finds fault with in its body is told by the place of the request that says it.
func TestProgramme_pointers(t *testing.T) {
	campaigns := blueprint.SectionOf("campaigns")
	of := func(part string) *blueprint.Part {
		for i := range campaigns.Parts {
			if campaigns.Parts[i].Name == part {
				return &campaigns.Parts[i]
			}
		}
		return nil
	}
	for name, c := range map[string]struct {
		step     fileStep
		of, want string
	}{
		"a member":               {fileStep{at: "/programme"}, "/points_per_unit", "/file/programme/points_per_unit"},
		"a reference":            {fileStep{at: "/rewards/2"}, "/coupon_list_id", "/file/rewards/2/coupon_list"},
		"no place":               {fileStep{at: "/rewards/2"}, "", "/file/rewards/2"},
		"a place of the request": {fileStep{at: "/rewards/2"}, "query.limit", "/file/rewards/2"},
		"when it takes effect":   {fileStep{at: "/programme"}, "/effective_at", "/effective_at"},
		"a part":                 {fileStep{at: "/campaigns/1", part: of("links")}, "/gate", "/file/campaigns/1/links/gate"},
		"a part within a member": {fileStep{at: "/campaigns/1", part: of("limits")}, "/limits/budget/amount", "/file/campaigns/1/limits/budget/amount"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.step.pointer(c.of); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Whom a change of tiers moves is said in words, and that only some were looked at.
func TestProgramme_moves(t *testing.T) {
	for name, c := range map[string]struct{ found, want string }{
		"none":    {`{"members":7,"complete":true,"moving":0,"moves":[]}`, "of 7 members none moves between tiers"},
		"some":    {`{"members":7,"complete":true,"moving":3,"moves":[{"from":null,"to":"Silver","members":2},{"from":"Gold","to":null,"members":1}]}`, "of 7 members 3 move between tiers: 2 from no tier to Silver, 1 from Gold to no tier"},
		"samples": {`{"members":200000,"complete":false,"moving":0,"moves":[]}`, "of 200000 members from all over that were looked at none moves between tiers"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := blueprint.ParseJSON([]byte(c.found))
			if err != nil {
				t.Fatal(err)
			}
			var m fileStep
			m.moving(found.(*blueprint.Object))
			if got := strings.Join(m.Effects, "; "); got != c.want || m.Members == nil {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// What another rule of expiry would do is said in words, and only where the rule changes.
func TestProgramme_ending(t *testing.T) {
	found, err := blueprint.ParseJSON([]byte(`{"members":7,"complete":true,"points":900,"at_once":{"members":1,"points":20},"sooner":{"members":2,"points":30},"later":{"members":0,"points":0},"months":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	var m fileStep
	m.ending(found.(*blueprint.Object))
	want := "points that are there keep their dates; had 900 points of 7 members been earned by the new rule, 20 of 1 members would be past their date, 30 of 2 would end sooner, 0 of 0 later"
	if len(m.Effects) != 1 || m.Effects[0] != want {
		t.Errorf("got %q", m.Effects)
	}
	for place, touched := range map[string][2]bool{"expiry_rule": {true, false}, "expires_after_days": {true, false}, "tiers[Gold].threshold": {false, true}, "earning.rules[a].points": {false, true}, "tiers_of": {false, false},
		"name": {false, false}} {
		m.Changes = []changeJSON{{Place: place}}
		if got := [2]bool{m.touches(endingMembers), m.touches(earningMembers)}; got != touched {
			t.Errorf("%s touches %v", place, got)
		}
	}
}

// A file that is none is refused with its place, however it is none.
func TestProgramme_files(t *testing.T) {
	for _, raw := range []string{``, `null`, `[]`, `5`, `{}`, `{"format":5}`, `{"format":"talkable-programme-0"}`, `{"format":"talkable-programme-1"`, strings.Repeat(`{"a":`, 30) + `1` + strings.Repeat(`}`, 30)} {
		_, err := fileOf([]byte(raw))
		f, ok := fault.Of(err)
		if !ok || f.Code != "invalid_programme" || len(f.Fields) == 0 || !strings.HasPrefix(f.Fields[0].Pointer, "/file") {
			t.Errorf("%.30s: %v", raw, err)
		}
	}
	if _, err := fileOf([]byte(`{"format":"talkable-programme-1"}`)); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestProgramme_alone: while one applies a file to a site nobody else does, and who loses the connection that says so knows it before the next step.
func TestProgramme_alone(t *testing.T) {
	t.Parallel()
	url, db := open(t)
	admin, err := postgres.Open(t.Context(), postgres.Pool{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	p := NewProgrammes(ProgrammesDeps{DB: db, Reg: prometheus.NewRegistry()})
	none := func(func() error) error { return nil }
	err = p.alone(t.Context(), 1, func(still func() error) error {
		if err := still(); err != nil {
			return err
		}
		if err := p.alone(t.Context(), 1, none); !errors.Is(err, errUnderWay) {
			t.Errorf("a second one: %v", err)
		}
		if err := p.alone(t.Context(), 2, none); err != nil {
			t.Errorf("another site's: %v", err)
		}
		var ended int
		if err := admin.Get(&ended, `select count(pg_terminate_backend(pid)) from pg_locks where locktype = 'advisory' and granted
			and database = (select oid from pg_database where datname = current_database())`); err != nil || ended != 1 {
			t.Errorf("ended %d: %v", ended, err)
		}
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if still() != nil {
				return nil //nolint:nilerr // it is to fail
			}
		}
		t.Error("who has lost the lock goes on")
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := p.alone(t.Context(), 1, none); err != nil {
		t.Errorf("the next one: %v", err)
	}
}
