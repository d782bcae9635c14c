package customer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/audit"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/site"
)

func (b *bundle) merges(s site.Site, survivor, duplicate string) mergeView {
	b.t.Helper()
	out, _, err := b.merge(b.t.Context(), wanted{site: s.ID, survivor: whom{place: "/survivor", slug: survivor}, duplicate: whom{place: "/duplicate", slug: duplicate},
		reason: "one person", keyID: 3})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func (b *bundle) undoes(s site.Site, id int64) mergeView {
	b.t.Helper()
	out, _, err := b.undo(b.t.Context(), undoing{site: s.ID, id: id, reason: "two after all", keyID: 4})
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// idOf is whom a slug leads to; 0: nobody.
func (b *bundle) idOf(s site.Site, slug string) int64 {
	b.t.Helper()
	p, err := b.Person(b.t.Context(), s.ID, slug)
	if f, ok := fault.Of(err); ok && f.Code == "person_not_found" {
		return 0
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return p.ID
}

// TestMerge: every mark of the duplicate leads to the survivor, what is told by any of them is the survivor's, and undoing gives back. The twin site,
// where the same people have the same ids, sees nothing of it.
func TestMerge(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 2)
	for _, s := range []site.Site{b.a, b.b} {
		ann := b.update(s, "ann@example.com", customerapi.PersonUpdate{FirstName: ptr("Ann"), CustomProperties: map[string]string{"colour": "red"}})
		dup := b.update(s, "ann@work.example", customerapi.PersonUpdate{CustomerID: ptr("c-2"), Phone: ptr("+12025550002"), Username: ptr("Annie"),
			CustomProperties: map[string]string{"colour": "blue", "size": "m"}, Unsubscribed: ptr(true)})
		if ann.ID+2 < dup.ID {
			t.Fatal(ann.ID, dup.ID)
		}
		in := purchase("d-1", "ann@work.example", 500)
		in.Visitors = []string{visitor1}
		if _, err := b.Record(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
	}
	s, d, twin := b.idOf(b.a, "ann@example.com"), b.idOf(b.a, "ann@work.example"), b.idOf(b.b, "ann@work.example")
	made := b.merges(b.a, "ann@example.com", "c-2")
	if fmt.Sprint(made.Lent) != "[phone_number customer_id username custom_properties unsubscribed]" || made.SurvivorID != s || made.DuplicateID != d || made.Purchases != 1 {
		t.Errorf("%+v", made)
	}
	for _, slug := range []string{"ann@example.com", "ANN@work.example", "c-2", "+12025550002", "annie"} {
		if got := b.idOf(b.a, slug); got != s {
			t.Errorf("%s leads to %d, want %d", slug, got, s)
		}
	}
	if got := b.idOf(b.b, "ann@work.example"); got != twin || b.idOf(b.b, "c-2") != twin {
		t.Errorf("the twin leads to %d", got)
	}
	p, _ := b.Person(t.Context(), 1, "c-2")
	if p.UnsubscribedAt == nil || p.PurchasesCount != 1 || fmt.Sprint(p.CustomProperties) != "map[colour:red size:m]" || p.Email != "ann@example.com" || p.Phone != "+12025550002" {
		t.Errorf("%+v", p)
	}

	for i, who := range []customerapi.Identity{{Email: "ann@work.example"}, {CustomerID: "c-2"}, {Email: "ann@work.example", CustomerID: "c-2", Phone: "+12025550002"}, {Email: "ann@example.com"}} {
		in := purchase(fmt.Sprint("s-", i), "", 100)
		in.Person = who
		if got := b.must(in); got.PersonID != s {
			t.Errorf("%+v is %d", who, got.PersonID)
		}
	}
	for _, e := range toldOf[customerevent.OriginRecorded](b)[2:] {
		if e.PersonID != s || e.FirstPurchase {
			t.Errorf("told %+v", e)
		}
	}
	for _, email := range []string{"ann@work.example", "ann@example.com"} { // the order from before, told again by either address
		if got := b.must(purchase("d-1", email, 500)); !got.Existing || got.PersonID != s {
			t.Errorf("%s: %+v", email, got)
		}
	}
	if _, err := b.Refund(t.Context(), b.a, "d-1", Refund{Amount: ptr(int64(100))}); err != nil {
		t.Fatal(err)
	}
	if told := toldOf[customerevent.OriginRefunded](b); told[0].PersonID != s {
		t.Errorf("refunded %+v", told)
	}
	if got, err := b.Addressees(t.Context(), 1, []string{"ann@work.example"}); err != nil || got[0].PersonID != s || !got[0].Unsubscribed {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := b.People(t.Context(), 1, []int64{s, d, 99}); err != nil || len(got) != 2 || got[d].ID != s {
		t.Errorf("%+v, %v", got, err)
	}
	if _, origins, err := b.personalData(t.Context(), 1, "annie"); err != nil || len(origins) != 5 {
		t.Errorf("%d origins, %v", len(origins), err)
	}

	undone := b.undoes(b.a, made.ID)
	if undone.Status != "undone" || undone.Undone.Reason != "two after all" || *undone.Undone.KeyID != 4 {
		t.Errorf("%+v", undone)
	}
	for slug, want := range map[string]int64{"ann@example.com": s, "ann@work.example": d, "c-2": d, "+12025550002": d, "annie": d} {
		if got := b.idOf(b.a, slug); got != want {
			t.Errorf("parted, %s leads to %d, want %d", slug, got, want)
		}
	}
	p, _ = b.Person(t.Context(), 1, "ann@example.com")
	if p.UnsubscribedAt != nil || p.PurchasesCount != 4 || fmt.Sprint(p.CustomProperties) != "map[colour:red]" || p.Phone+p.Username+p.CustomerID != "" {
		t.Errorf("%+v", p)
	}
	p, _ = b.Person(t.Context(), 1, "c-2")
	if p.UnsubscribedAt == nil || p.PurchasesCount != 1 || p.Username != "Annie" || fmt.Sprint(p.CustomProperties) != "map[colour:blue size:m]" {
		t.Errorf("%+v", p)
	}
	if got := b.must(purchase("d-2", "ann@work.example", 100)); got.PersonID != d {
		t.Errorf("told of %d", got.PersonID)
	}
	if m, u := toldOf[customerevent.PersonMerged](b), toldOf[customerevent.PersonUnmerged](b); len(m) != 1 || len(u) != 1 || u[0].MergeID != m[0].MergeID {
		t.Errorf("told %+v, %+v", m, u)
	}
	lines, err := b.Audit(t.Context(), 1, audit.Filter{Subject: "person"}, audit.Place{}, 5)
	if err != nil || len(lines) != 2 || lines[0].Action != "person.unmerged" || *lines[0].KeyID != 4 || *lines[1].Reason != "one person" {
		t.Errorf("%+v, %v", lines, err)
	}
	again := b.merges(b.a, "ann@work.example", "ann@example.com") // the other way round, as if nothing had been
	if again.SurvivorID != d || b.idOf(b.a, "ann@example.com") != d {
		t.Errorf("%+v", again)
	}
}

// TestMergeRefusals: what can't be one, or is already.
func TestMergeRefusals(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	ids := map[string]int64{}
	for _, name := range []string{"a", "b", "c", "d", "gone"} {
		ids[name] = b.update(b.a, name+"@example.com", customerapi.PersonUpdate{}).ID
	}
	b.update(b.b, "other@example.com", customerapi.PersonUpdate{})
	first := b.merges(b.a, "a@example.com", "b@example.com")
	if _, _, err := b.Anonymize(t.Context(), 1, "gone@example.com", idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	by := func(survivor, duplicate string) wanted {
		return wanted{site: 1, survivor: whom{"/survivor", ids[survivor], ""}, duplicate: whom{"/duplicate", ids[duplicate], ""}, reason: "r"}
	}
	for i, c := range []struct {
		in   wanted
		kind fault.Kind
		code string
	}{
		{by("a", "a"), fault.Invalid, "same_person"}, {by("a", "b"), fault.Invalid, "same_person"}, {by("b", "a"), fault.Conflict, "already_merged"},
		{by("c", "b"), fault.Conflict, "already_merged"}, {by("b", "c"), fault.Conflict, "already_merged"}, {by("c", "a"), fault.Conflict, "has_duplicates"},
		{by("c", "gone"), fault.Conflict, "person_anonymized"}, {by("gone", "c"), fault.Conflict, "person_anonymized"},
		{wanted{site: 2, survivor: whom{"/survivor", ids["c"], ""}, duplicate: whom{"/duplicate", ids["d"], ""}, reason: "r"}, fault.NotFound, "person_not_found"},
		{wanted{site: 1, survivor: whom{"/survivor", ids["c"], ""}, duplicate: whom{"/duplicate", 0, "nobody"}, reason: "r"}, fault.NotFound, "person_not_found"},
		{wanted{site: 1, survivor: whom{"/survivor", ids["c"], "c@example.com"}, duplicate: whom{"/duplicate", ids["d"], ""}, reason: "r"}, fault.Invalid, "invalid_merge"},
		{wanted{site: 1, survivor: whom{"/survivor", 0, ""}, duplicate: whom{"/duplicate", ids["d"], ""}, reason: "r"}, fault.Invalid, "invalid_merge"},
		{wanted{site: 1, survivor: whom{"/survivor", ids["c"], ""}, duplicate: whom{"/duplicate", ids["d"], ""}, reason: " "}, fault.Invalid, "invalid_merge"},
		{wanted{site: 1, survivor: whom{"/survivor", ids["c"], ""}, duplicate: whom{"/duplicate", ids["d"], ""}, reason: strings.Repeat("x", 1001)}, fault.Invalid, "invalid_merge"},
	} {
		if _, _, err := b.merge(t.Context(), c.in); err == nil {
			t.Errorf("%d: no %s", i, c.code)
		} else {
			wantFault(t, err, c.kind, c.code)
		}
	}
	_, _, err := b.undo(t.Context(), undoing{site: 2, id: first.ID, reason: "r"})
	wantFault(t, err, fault.NotFound, "merge_not_found")
	b.merges(b.a, "a@example.com", "c@example.com") // a survivor may have several
	b.undoes(b.a, first.ID)
	if again, _, err := b.undo(t.Context(), undoing{site: 1, id: first.ID, reason: "r"}); err != nil || again.Undone.Reason != "two after all" {
		t.Errorf("undone again: %+v, %v", again, err)
	}
	b.merges(b.a, "d@example.com", "b@example.com")
	for what, sql := range map[string]string{
		"a survivor is merged":      `insert into customer.merge_side values (1, $1, 'duplicate')`,
		"a person is its own":       `update customer.person set merged_into = id where site_id = 1 and id = $1`,
		"a merge without its sides": `insert into customer.merge (site_id, survivor_id, duplicate_id, reason, key_id, lent, gained, purchases, events, merged_at) values (1, $1, 99, 'r', 0, '{}', '{}', 0, 0, now())`,
	} {
		if _, err := b.admin().Exec(sql, ids["a"]); err == nil {
			t.Errorf("the database lets it be that %s", what)
		}
	}
}

// TestUniteAndPart: whatever two persons have, to part them gives each back its own; what changed in between stays the survivor's.
func TestUniteAndPart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		some := func(of *person, prefix string) {
			word := func(name string) string { return rapid.SampledFrom([]string{"", prefix + name}).Draw(t, prefix+name) }
			of.EmailNorm, of.Phone, of.CustomerID, of.UsernameNorm, of.FirstName = word("e"), word("p"), word("c"), word("u"), word("f")
			of.Email, of.Username = of.EmailNorm, of.UsernameNorm
			of.Purchases, of.Events = rapid.Int64Range(0, 5).Draw(t, prefix+"n"), rapid.Int64Range(0, 5).Draw(t, prefix+"m")
			of.Existing = rapid.Bool().Draw(t, prefix+"x")
			if rapid.Bool().Draw(t, prefix+"unsubscribed") {
				of.UnsubscribedAt = ptr(noon.Add(-time.Hour))
			}
			of.Properties = properties{}
			for _, name := range []string{"k1", "k2", "k3"} {
				if rapid.Bool().Draw(t, prefix+name) {
					of.Properties[name] = rapid.SampledFrom([]string{"", prefix}).Draw(t, prefix+name+"v")
				}
			}
		}
		s, d := &person{SiteID: 1, ID: 7}, &person{SiteID: 1, ID: 8}
		some(s, "s")
		some(d, "d")
		was := [2]string{fmt.Sprintf("%+v", *s), fmt.Sprintf("%+v", *d)}
		wasUnsubscribed := s.UnsubscribedAt != nil || d.UnsubscribedAt != nil
		wanted := maps.Clone(d.Properties)
		maps.Copy(wanted, s.Properties)
		m, err := unite(s, d)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(s.Properties) != fmt.Sprint(wanted) || (s.UnsubscribedAt != nil) != wasUnsubscribed || d.MergedInto != 7 {
			t.Fatalf("%+v", s)
		}
		for _, mark := range s.marks() {
			if mark.value != "" && slices.Contains(d.marksList(), mark) {
				t.Fatalf("both have %v", mark)
			}
		}
		m.MergedAt = noon
		changed := rapid.Bool().Draw(t, "changed")
		if changed {
			s.Email, s.EmailNorm, s.Purchases = "new", "new", s.Purchases+1
			s.Properties["k9"] = "since"
		}
		owner := func(m mark) *person {
			if slices.Contains(s.marksList(), m) {
				return s
			}
			return nil
		}
		if err := part(m, s, d, owner); err != nil {
			t.Fatal(err)
		}
		if changed {
			if s.EmailNorm != "new" || s.Properties["k9"] != "since" {
				t.Fatalf("%+v", s)
			}
			return
		}
		if got := [2]string{fmt.Sprintf("%+v", *s), fmt.Sprintf("%+v", *d)}; got != was {
			t.Fatalf("\n%v\nwant\n%v", got, was)
		}
	})
}

func (p *person) marksList() []mark { return marksOf(*p) }

// TestUndoGivesBackWhatNobodyTook: a mark that was lent and is somebody else's by now stays there; who unsubscribed since stays so as both.
func TestUndoGivesBackWhatNobodyTook(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	b.update(b.a, "ann@example.com", customerapi.PersonUpdate{})
	b.update(b.a, "two@example.com", customerapi.PersonUpdate{Phone: ptr("+12025550002"), CustomerID: ptr("c-2")})
	made := b.merges(b.a, "ann@example.com", "two@example.com")
	b.clock.Move(time.Hour)
	b.update(b.a, "two@example.com", customerapi.PersonUpdate{Phone: ptr("+12025550009"), CustomerID: ptr("c-9"), Unsubscribed: ptr(true)}) // the survivor's, of course
	b.update(b.a, "bob@example.com", customerapi.PersonUpdate{Phone: ptr("+12025550002")})
	b.undoes(b.a, made.ID)
	ann, _ := b.Person(t.Context(), 1, "ann@example.com")
	two, _ := b.Person(t.Context(), 1, "two@example.com")
	if ann.Phone != "+12025550009" || ann.CustomerID != "c-9" || two.Phone != "" || two.CustomerID != "c-2" || ann.UnsubscribedAt == nil || two.UnsubscribedAt == nil {
		t.Errorf("%+v\n%+v", ann, two)
	}
}

// TestAnonymizeMerged: whoever of both is named, both are forgotten, and what the merge had lent; nobody parts them then.
func TestAnonymizeMerged(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	for _, s := range []site.Site{b.a, b.b} {
		b.update(s, "ann@example.com", customerapi.PersonUpdate{})
		b.update(s, "two@example.com", customerapi.PersonUpdate{Phone: ptr("+12025550002"), FirstName: ptr("Ann")})
		in := purchase("1", "two@example.com", 100)
		in.IP, in.Visitors = "192.0.2.1", []string{visitor1}
		if _, err := b.Record(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
		b.merges(s, "ann@example.com", "two@example.com")
	}
	if _, _, err := b.Anonymize(t.Context(), 1, "two@example.com", idempotency.Key{}); err != nil {
		t.Fatal(err)
	}
	var kept []string
	if err := b.admin().Select(&kept, `
		select x from (select p::text x, site_id from customer.person p union all select o::text, site_id from customer.origin o union all select m::text, site_id from customer.merge m
			union all select v::text, site_id from customer.visitor v where person_id is not null) k
		where site_id = 1 and (x like '%ann@%' or x like '%two@%' or x like '%Ann%' or x like '%55500%' or x like '%192.0.2%' or x like '%`+visitor1+`%')`); err != nil || len(kept) > 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
	if told := toldOf[customerevent.PersonAnonymized](b); len(told) != 2 || told[0].PersonID == told[1].PersonID || told[0].SiteID != 1 || told[1].SiteID != 1 {
		t.Errorf("told %+v", told)
	}
	_, _, err := b.undo(t.Context(), undoing{site: 1, id: 1, reason: "r"})
	wantFault(t, err, fault.Conflict, "person_anonymized")
	if b.idOf(b.b, "two@example.com") == 0 {
		t.Error("the twin is gone")
	}
}
