package customer

import (
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
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
	in.Person.Phone, in.ShippingAddress, in.ShippingZip = "+1 202 555 1111", "1 Main St.", "20001"
	b.must(in)
	b.must(purchase("2", "a@example.com", 100))
	events := toldOf[customerevent.OriginRecorded](b)
	if len(events) != 3 {
		t.Fatalf("told %+v", events)
	}
	got := events[1] // the browser's address and device stay, as its visitors do
	if got.IP != "203.0.113.9" || got.Device != customerapi.Fingerprint(customerapi.DeviceMark, "Browser/1") ||
		got.Phone != customerapi.Fingerprint(customerapi.PhoneMark, "+12025551111") || got.Address != addressMark("1 MAIN ST", "20001") {
		t.Errorf("told %+v", got)
	}
	if bare := events[2]; bare.IP+bare.Device+bare.Phone+bare.Address != "" {
		t.Errorf("told %+v", bare)
	}
}
