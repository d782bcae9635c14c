package referral

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/idempotency"
	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
	"github.com/talkable/talkable/internal/timeline"
)

func (p *place) shareBy(s site.Site, code, channel string) referralapi.Shared {
	p.t.Helper()
	out, _, err := p.ShareSocial(p.t.Context(), s, code, channel, true, idempotency.Key{})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func wantFault(t *testing.T, err error, kind fault.Kind, detail string) {
	t.Helper()
	if f, ok := fault.Of(err); !ok || f.Kind != kind || f.Detail != detail {
		t.Errorf("got %v, want %q", err, detail)
	}
}

func TestShareSocial_61_has_a_link_of_its_own_that_counts_friends_and_clicks(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	o, twin := p.join(p.one, 10), p.join(p.two, 10)
	p.told()
	h := p.shareBy(p.one, o.ShortURLCode, "facebook")
	other := p.shareBy(p.one, fmt.Sprint(o.ID), "facebook")
	p.shareBy(p.two, twin.ShortURLCode, "sms")
	if told := p.told(); fmt.Sprint(told) != fmt.Sprintf("[offer_shared offer:%d offer_shared offer:%d offer_shared offer:%d]", o.ID, o.ID, twin.ID) {
		t.Error(told)
	}
	code := func(url string) string { return strings.TrimPrefix(url, "https://go.example/x/") }
	golden(t, "share", h, o.ShortURLCode, code(o.ClaimURL), code(o.ShowURL), code(h.Share.ShortURL))
	if h.Share.ShortURL == other.Share.ShortURL || h.Share.ShortURL == o.ClaimURL {
		t.Error("two shares have one link")
	}
	for n, visitor := range []int{1, 1, 2} {
		w := p.visitLink(h.Share.ShortURL, uuidOf(visitor))
		if to := w.Header().Get("Location"); w.Code != 302 || !strings.Contains(to, "utm_medium=facebook") || !strings.Contains(to, paramFriendOffer) {
			t.Errorf("visit %d: %d %s", n, w.Code, to)
		}
	}
	p.visitLink(o.ClaimURL, uuidOf(3))
	list, _, err := p.Shares(t.Context(), p.one, 10, 0, 100)
	if err != nil || len(list) != 2 || list[1].FriendsCount != 2 || list[1].FriendClicksCount != 3 || list[0].FriendsCount != 0 {
		t.Errorf("%+v %v", list, err)
	}
	newest, more, err := p.Shares(t.Context(), p.one, 10, 0, 1)
	oldest, none, _ := p.Shares(t.Context(), p.one, 10, list[0].ID, 1)
	if err != nil || !more || none || len(newest) != 1 || newest[0].ID != list[0].ID || len(oldest) != 1 || oldest[0].ID != list[1].ID {
		t.Errorf("page by page: %+v %v, %+v %v, %v", newest, more, oldest, none, err)
	}
	if c, err := p.Counts(t.Context(), 1, 10); err != nil || fmt.Sprint(c.Shares) != "map[facebook:2 total:2]" {
		t.Errorf("%v %v", c.Shares, err)
	}
	entries, err := p.Timeline(t.Context(), 1, 10, timeline.Place{}, 10)
	if err != nil || len(entries) != 3 || entries[0].Type != "shared" || entries[0].Data["channel"] != "facebook" {
		t.Errorf("%+v %v", entries, err)
	}
	if list, _, _ := p.Shares(t.Context(), p.two, 10, 0, 100); len(list) != 1 || list[0].ChannelIdentifier != "sms" {
		t.Errorf("the twin has %+v", list)
	}
	p.tell(p.purchase(p.one, 1, 20, 10_000, uuidOf(2))) // who came by a share is referred as by any link
	if n := p.count(`select count(*) from referral.referral where site_id = 1 and advocate_id = 10 and friend_id = 20`); n != 1 {
		t.Errorf("%d referrals", n)
	}
}

func TestShareSocial_64_takes_usual_channels_and_those_of_the_site(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	o, twin := p.join(p.one, 10), p.join(p.two, 10)
	for _, channel := range []string{"facebook", "facebook_message", "twitter", "linkedin", "whatsapp", "sms", "other", "direct_email_native", "native_share"} {
		p.shareBy(p.one, o.ShortURLCode, channel)
	}
	if code, out, _ := p.call(p.one, "PUT", "/api/v2/sharing_channels", `{"custom":["pinterest","facebook","pinterest"]}`, "k"); code != 200 ||
		fmt.Sprint(out["result"].(map[string]any)["custom"]) != "[pinterest]" {
		t.Errorf("%d %v", code, out)
	}
	p.shareBy(p.one, o.ShortURLCode, "pinterest")
	for _, bad := range []struct {
		s             site.Site
		code, channel string
	}{{p.one, o.ShortURLCode, "nope"}, {p.one, o.ShortURLCode, "email"}, {p.one, o.ShortURLCode, ""}, {p.one, o.ShortURLCode, "' or 1=1"}, {p.two, twin.ShortURLCode, "pinterest"}} {
		_, _, err := p.ShareSocial(t.Context(), bad.s, bad.code, bad.channel, true, idempotency.Key{})
		wantFault(t, err, fault.Invalid, "`channel` is invalid")
	}
	for _, code := range []string{twin.ShortURLCode, "zzzzzzzzzz", "0", "-1", "99999999999999999999", ""} {
		_, _, err := p.ShareSocial(t.Context(), p.one, code, "facebook", true, idempotency.Key{})
		wantFault(t, err, fault.Invalid, "No offer found by id.")
	}
	for _, body := range []string{`{}`, `{"custom":["email"]}`, `{"custom":["A"]}`, `{"custom":[""]}`, `{"custom":null}`, `{"custom":["a"],"x":1}`} {
		if code, out, _ := p.call(p.one, "PUT", "/api/v2/sharing_channels", body, ""); code != 400 {
			t.Errorf("%s: %d %v", body, code, out)
		}
	}
	if code, out, _ := p.call(p.one, "PUT", "/api/v2/sharing_channels", `{"custom":[]}`, ""); code != 200 || p.count(`select count(*) from referral.sharing_channel`) != 0 {
		t.Errorf("%d %v", code, out)
	}
}

func TestSharingChannels_are_those_of_one_request(t *testing.T) {
	t.Parallel()
	p := setup(t)
	want := map[string]bool{}
	var gate, done sync.WaitGroup
	gate.Add(1)
	for n := range 8 {
		own := []string{fmt.Sprintf("a%d", n), fmt.Sprintf("b%d", n), fmt.Sprintf("c%d", n)}
		want[fmt.Sprint(own)] = true
		done.Go(func() {
			gate.Wait()
			if _, _, err := p.replaceChannels(t.Context(), 1, 0, own, idempotency.Key{}); err != nil {
				t.Error(err)
			}
		})
	}
	gate.Done()
	done.Wait()
	if own, err := ownChannels(t.Context(), p.db, 1, ""); err != nil || !want[fmt.Sprint(own)] {
		t.Errorf("%v %v", own, err)
	}
}

func TestShareSocial_is_done_once_for_a_key_and_not_when_the_campaign_is_over(t *testing.T) {
	t.Parallel()
	p := setup(t)
	end := epoch.Add(time.Hour)
	p.campaign(p.one, func(c *campaignInput) { c.LivePeriod = &periodInput{EndsAt: &end} })
	o := p.join(p.one, 10)
	p.told()
	k := idempotency.Key{Value: "k", Fingerprint: "f"}
	var mu sync.Mutex
	answers, replays := map[string]int{}, 0
	var gate, done sync.WaitGroup
	gate.Add(1)
	for range 8 {
		done.Go(func() {
			gate.Wait()
			out, replayed, err := p.ShareSocial(t.Context(), p.one, o.ShortURLCode, "sms", true, k)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			if answers[fmt.Sprintf("%+v %+v", out.Share.ID, *out.Share.Offer)]++; replayed {
				replays++
			}
		})
	}
	gate.Done()
	done.Wait()
	if len(answers) != 1 || replays != 7 || len(p.told()) != 1 || p.count(`select count(*) from referral.share`) != 1 {
		t.Errorf("%v, %d replays", answers, replays)
	}
	if _, _, err := p.ShareSocial(t.Context(), p.one, o.ShortURLCode, "sms", true, idempotency.Key{Value: "k", Fingerprint: "g"}); !fault.Is(err, fault.Unprocessable) {
		t.Error(err)
	}
	p.clock.Move(2 * time.Hour)
	_, _, err := p.ShareSocial(t.Context(), p.one, o.ShortURLCode, "sms", true, idempotency.Key{})
	wantFault(t, err, fault.Invalid, "The offer's campaign isn't live, so it can't be shared.")
	if _, replayed, err := p.ShareSocial(t.Context(), p.one, o.ShortURLCode, "sms", true, k); err != nil || !replayed {
		t.Errorf("%v %v", replayed, err)
	}
}

func TestShareSocial_counts_a_click_on_a_day_that_has_no_partition(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	o := p.join(p.one, 10)
	h := p.shareBy(p.one, o.ShortURLCode, "sms")
	p.clock.Move(60 * 24 * time.Hour)
	if w := p.visitLink(h.Share.ShortURL, uuidOf(1)); w.Code != 302 {
		t.Fatalf("%d", w.Code)
	}
	list, _, err := p.Shares(t.Context(), p.one, 10, 0, 100)
	if err != nil || len(list) != 1 || list[0].FriendsCount != 1 || list[0].FriendClicksCount != 1 || p.count(`select count(*) from referral.visit`) != 1 {
		t.Errorf("%+v %v", list, err)
	}
}

// Each query has its index.
func TestShare_queries_use_their_indexes(t *testing.T) {
	t.Parallel()
	p := setup(t)
	for index, query := range map[string]string{
		"share_friend_once": `select friend_id from referral.share where site_id = 1 and offer_id = 2 and friend_id is not null`,
		"share_by_offer":    `select id from referral.share where site_id = 1 and offer_id = 2 order by id`,
		"share_by_friend":   `select offer_id from referral.share where site_id = 1 and friend_id = 2 order by id desc limit 1`,
		"share_code":        `select id from referral.share where site_id = 1 and code = 'x'`,
		"friend_offer_id":   `update referral.friend_offer set tracked_at = now() where site_id = 1 and id = 2`,
		"reward_click_once": `select id from referral.reward where site_id = 1 and friend_offer_id = 2`,
		"link_once":         `select code from referral.link where site_id = 1 and offer_id = 2 and kind = 'channel' and channel = 'x'`,
	} {
		tx := p.root.MustBegin()
		tx.MustExec(`set local enable_seqscan = off`)
		tx.MustExec(`set local enable_bitmapscan = off`)
		var plan []string
		if err := tx.Select(&plan, `explain `+query); err != nil || !strings.Contains(strings.Join(plan, " "), " "+index+" ") {
			t.Errorf("%s: %v %v", index, plan, err)
		}
		_ = tx.Rollback()
	}
}
