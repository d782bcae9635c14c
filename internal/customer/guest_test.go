package customer

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/site"
)

// hashed is the customer id of who is known by an address's hash only.
func hashed(address string) string {
	sum := sha256.Sum256([]byte(address))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// TestGuests: they are merged once their address is somebody's, before or after, of e-mail and of phone; the hash still finds them, the customer id stays free;
// whom the merchant parted stays parted. The twin site, with the same people, sees nothing of it.
func TestGuests(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 2)
	for i, id := range []string{hashed("ann@example.com"), hashed("+12025550007"), hashed("nobody@example.com"), "sha256:zz"} {
		for _, s := range []site.Site{b.a, b.b} {
			in := purchase("g-"+string(rune('1'+i)), "", 500)
			in.Person = customerapi.Identity{CustomerID: id}
			if _, err := b.Record(t.Context(), s, in); err != nil {
				t.Fatal(err)
			}
			if told, err := b.ToldOrigin(t.Context(), s.ID, in.Number); err != nil || told.Guest != (i < 3) {
				t.Errorf("%s: guest %v, %v", id, told.Guest, err)
			}
		}
	}
	merges := func(want int) {
		t.Helper()
		if n, err := b.mergeGuests(t.Context()); err != nil || n != want {
			t.Errorf("%d guests were merged, want %d; %v", n, want, err)
		}
		if lines, err := b.Due(t.Context(), b.now()); err != nil || len(lines) != 1 || lines[0].Due != 0 {
			t.Errorf("%+v, %v", lines, err)
		}
	}
	merges(0)
	ann := b.update(b.a, "Ann@Example.com", customerapi.PersonUpdate{})
	bob := b.update(b.a, "+12025550007", customerapi.PersonUpdate{})
	if lines, err := b.Due(t.Context(), b.now()); err != nil || lines[0].Due != 2 {
		t.Errorf("%+v, %v", lines, err)
	}
	merges(2)
	if a, p := b.idOf(b.a, hashed("ann@example.com")), b.idOf(b.a, hashed("+12025550007")); a != ann.ID || p != bob.ID {
		t.Errorf("the hashes lead to %d and %d, not to %d and %d", a, p, ann.ID, bob.ID)
	}
	if p, err := b.Person(t.Context(), b.a.ID, "ann@example.com"); err != nil || p.CustomerID != "" || p.PurchasesCount != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	in := purchase("g-9", "", 500) // of one who is known by now
	in.Person = customerapi.Identity{CustomerID: hashed("ann@example.com")}
	if got, err := b.Record(t.Context(), b.a, in); err != nil || got.PersonID != ann.ID {
		t.Errorf("%+v, %v", got, err)
	}
	var id int64
	if err := b.db.Get(&id, `select id from customer.merge where site_id = $1 and survivor_id = $2`, b.a.ID, ann.ID); err != nil {
		t.Fatal(err)
	}
	b.undoes(b.a, id)
	merges(0)
	b.update(b.b, "nobody@example.com", customerapi.PersonUpdate{})
	merges(1)
}

// TestGuestsAreFoundByIndexes: looking for them costs what there are guests, however many people there are.
func TestGuestsAreFoundByIndexes(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 2)
	tx := b.admin().MustBegin()
	defer tx.Rollback() //nolint:errcheck // nothing was written
	tx.MustExec(`insert into customer.person (site_id, email, email_norm, phone, customer_id, created_at)
		select 1, case when n > 5 then n || '@shop.example' end, case when n > 5 then n || '@shop.example' end, case when n > 5 then '+1202' || 5550000 + n end,
			case when n <= 5 then 'sha256:' || repeat(n::text, 64) end, now() from generate_series(1, 3000) n`)
	tx.MustExec(`analyze customer.person`)
	var plan []string
	if err := tx.Select(&plan, `explain `+knownGuests); err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"person_guest", "person_email_sha256", "person_phone_sha256", "merge_of_duplicate", "person_merged_into"} {
		if !strings.Contains(strings.Join(plan, " "), index) {
			t.Errorf("%s isn't used:\n%s", index, strings.Join(plan, "\n"))
		}
	}
}
