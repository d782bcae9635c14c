package customer

import (
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/fault"
)

func TestAddressMark(t *testing.T) {
	same := addressMark("12, Rue de l'Église", "75 001")
	for _, one := range [][2]string{{"12 rue de l eglise", "75001"}, {"12 RUE DE L'ÉGLISE", "75-001"}, {"12 Rue de l'\u0045\u0301glise.", "75001"}} {
		if got := addressMark(one[0], one[1]); got != same || len(got) != 32 {
			t.Errorf("%q: %s, want %s", one, got, same)
		}
	}
	if addressMark("12 rue de l eglise", "75002") == same || addressMark("13 rue de l eglise", "75001") == same {
		t.Error("other places are the same")
	}
	if addressMark("", "75001") != "" || addressMark(" - ", "75001") != "" {
		t.Error("a zip is a place")
	}
}

func TestRecorded_tells_marks(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	in := purchase("1", "a@example.com", 100)
	in.Verified, in.Visitors, in.IP, in.UserAgent = false, []string{visitor1}, "203.0.113.9", "Browser/1"
	b.must(in)
	in.Verified, in.Visitors, in.IP, in.UserAgent = true, nil, "", ""
	in.Person.Phone, in.ShippingAddress, in.ShippingZip, in.CardHash = "+1 202 555 1111", "1 Main St.", "20001", "fp_Xt5EWLLDS7FJjR1c"
	b.must(in)
	b.must(purchase("2", "a@example.com", 100))
	events := toldOf[customerevent.OriginRecorded](b)
	if len(events) != 3 {
		t.Fatalf("told %+v", events)
	}
	got := events[1] // the browser's address and device stay, as its visitors do
	if got.IP != "203.0.113.9" || got.Device != customerapi.Fingerprint(customerapi.DeviceMark, "Browser/1") ||
		got.Phone != customerapi.Fingerprint(customerapi.PhoneMark, "+12025551111") || got.Address != addressMark("1 MAIN ST", "20001") ||
		got.Card != customerapi.Fingerprint(customerapi.CardMark, "fp_Xt5EWLLDS7FJjR1c") {
		t.Errorf("told %+v", got)
	}
	if bare := events[2]; bare.IP+bare.Device+bare.Phone+bare.Address+bare.Card != "" {
		t.Errorf("told %+v", bare)
	}
}

// The number of a card is refused, however it is written, and kept nowhere; what only looks a little like one is taken.
func TestCard_numbers_are_refused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	for hash, taken := range map[string]bool{"4242424242424242": false, "4242 4242 4242 4242": false, "3782-822463-10005": false, "4111.1111.1111.1111": false,
		"4242424242424241": true, "fp_4242424242424242": true, "00000000001": true, "9f86d081884c7d65": true, "": true} {
		in := purchase("card "+hash, "a@example.com", 100)
		in.CardHash = hash
		if _, err := b.Record(t.Context(), b.a, in); (err == nil) != taken {
			t.Errorf("%q: %v", hash, err)
		} else if err != nil {
			wantFault(t, err, fault.Invalid, "invalid_request")
		}
	}
}
