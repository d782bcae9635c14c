package customer

import (
	"testing"

	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
)

// Where an origin's visitor came from is told with it, and with what is taken back of it, so that reports can take both apart.
func TestUTM_44_is_told(t *testing.T) {
	t.Parallel()
	b := newBundle(t, 1)
	in := purchase("1", "a@example.com", 100)
	in.UTM = customerapi.UTM{Source: "letter", Medium: "paper", Campaign: "spring", Term: "unsaid"}
	b.must(in)
	if _, err := b.Refund(t.Context(), b.a, "1", Refund{}); err != nil {
		t.Fatal(err)
	}
	made, back := toldOf[customerevent.OriginRecorded](b), toldOf[customerevent.OriginRefunded](b)
	if len(made) != 1 || made[0].UTMSource != "letter" || made[0].UTMMedium != "paper" || made[0].UTMCampaign != "spring" {
		t.Errorf("told %+v", made)
	}
	if len(back) != 1 || back[0].UTMSource != "letter" || back[0].UTMMedium != "paper" || back[0].UTMCampaign != "spring" {
		t.Errorf("taken back %+v", back)
	}
}
