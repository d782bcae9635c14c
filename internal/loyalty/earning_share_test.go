package loyalty

import (
	"strings"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// TestSharing: an advocate earns once for each channel and day of the site, whatever they press, and as often as it is told.
func TestSharing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	anywhere, mail := on(onShare, 5), on(onShare, 20)
	mail.Key, mail.When, mail.Limits = "mail", `share.channel == "email" && share.emails == 1 && person.id == 7`, []earnLimit{{Per: "ever", Times: 1}}
	for _, id := range []int64{1, 2} {
		s := onlyRules(anywhere, mail)
		s.Tiers = nil
		there := shop(id)
		there.Zone = time.FixedZone("", 0)
		if id == 1 {
			there.Zone, _ = time.LoadLocation("America/New_York")
		}
		if _, _, err := w.create(t.Context(), there, s, 0, idempotency.Key{}); err != nil {
			t.Fatal(err)
		}
	}
	w.start(3, club()) // has no rules
	var all []referralevent.OfferShared
	share := func(site, person int64, channel string, at time.Time) {
		s := referralevent.OfferShared{SiteID: site, ShareID: int64(len(all) + 1), OfferID: person, AdvocateID: person, Kind: referralevent.Social, Channel: channel, SharedAt: at}
		if channel == "email" {
			s.Kind = referralevent.Email
		}
		all = append(all, s)
		hear(w, w.offersShared, site, s)
	}
	early, late := time.Date(2026, 2, 20, 1, 0, 0, 0, time.UTC), time.Date(2026, 2, 20, 23, 0, 0, 0, time.UTC) // two days in New York, one in London
	for _, site := range []int64{1, 2, 3} {
		for _, at := range []time.Time{early, early.Add(time.Minute), late} {
			share(site, 7, "facebook", at)
		}
		share(site, 7, "twitter", late)
		share(site, 7, "email", early)
		share(site, 7, "email", late)
		share(site, 8, "email", late)
	}
	check := func() {
		t.Helper()
		for who, want := range map[person]int64{{1, 7}: 5 + 5 + 5 + 25 + 5, {1, 8}: 5, {2, 7}: 5 + 5 + 25, {2, 8}: 5} {
			if got := w.balance(who.site, who.id); got != want {
				t.Errorf("%v: %d, want %d", who, got, want)
			}
		}
	}
	check()
	test, nobody := all[0], all[0]
	test.QA, test.Channel, nobody.AdvocateID, nobody.Channel = true, "qa", 0, "visitor"
	before := w.dump()
	for site := range int64(3) {
		var again []referralevent.OfferShared
		for _, s := range append(all, test, nobody) {
			if s.SiteID == site+1 {
				again = append(again, s)
			}
		}
		hear(w, w.offersShared, site+1, again...)
	}
	if check(); w.dump() != before {
		t.Error("the same again is not nothing")
	}
	d, err := decisionOf(t.Context(), w.db, 1, "share:7:email:2026-02-19")
	if err != nil || d.Points != 25 || d.Reason != "share" || !strings.Contains(string(d.Rule), `"share.channel":"email"`) {
		t.Errorf("%s, %+v, %v", d.Rule, d, err)
	}
	programs, err := programsOf(t.Context(), w.db, 1)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := w.try(t.Context(), shop(1), programs[0].ID, trialBody{On: onShare, Channel: "facebook"}, idempotency.Key{})
	if err != nil || got.Points != 5 {
		t.Errorf("tried: %+v, %v", got, err)
	}
}
