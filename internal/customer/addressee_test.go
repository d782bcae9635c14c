package customer

import (
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

func TestAddressees(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 2)
	ann := b.must(customerapi.Origin{Type: customerevent.AffiliateMember, Person: customerapi.Identity{Email: "Ann@Shop.example"}, Verified: true})
	if _, err := b.admin().Exec(`update customer.person set unsubscribed_at = now() where id = $1`, ann.PersonID); err != nil {
		t.Fatal(err)
	}
	before := b.state()
	asked := []string{"ann@shop.example", "bob@shop.example", "no address", "", "ANN@SHOP.EXAMPLE"}
	got, err := b.Addressees(t.Context(), b.a.ID, asked)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []customerapi.Addressee{
		{Email: asked[0], Mark: "ann@shop.example", Valid: true, PersonID: ann.PersonID, Unsubscribed: true},
		{Email: asked[1], Mark: "bob@shop.example", Valid: true},
		{Email: asked[2]}, {},
		{Email: asked[4], Mark: "ann@shop.example", Valid: true, PersonID: ann.PersonID, Unsubscribed: true},
	} {
		if got[i] != want {
			t.Errorf("%q: %+v, want %+v", asked[i], got[i], want)
		}
	}
	if got, err := b.Addressees(t.Context(), b.b.ID, asked[:1]); err != nil || got[0].PersonID != 0 {
		t.Errorf("the twin knows %+v %v", got, err)
	}
	if b.state() != before {
		t.Error("to look changes something")
	}
	first, err := b.Introduce(t.Context(), b.a, []string{"bob@shop.example", "ann@shop.example"})
	if err != nil || first[0] == 0 || first[1] != ann.PersonID {
		t.Errorf("%v %v", first, err)
	}
	if again, err := b.Introduce(t.Context(), b.a, []string{"BOB@shop.example"}); err != nil || again[0] != first[0] {
		t.Errorf("%v %v", again, err)
	}
	if _, err := b.Introduce(t.Context(), b.a, []string{"no address"}); err == nil {
		t.Error("no address was introduced")
	}
	if none, err := b.Introduce(t.Context(), b.a, nil); err != nil || len(none) != 0 {
		t.Errorf("%v %v", none, err)
	}
}
