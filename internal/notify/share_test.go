package notify

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"pgregory.net/rapid"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

func mailed(site, id, friend int64) referralevent.OfferShared {
	return referralevent.OfferShared{SiteID: site, ShareID: id, OfferID: 3, AdvocateID: 7, Kind: referralevent.Email, Channel: "email",
		Link: "https://go.example/x/abcdefghjk", FriendID: friend, SharedAt: start}
}

func (b *bench) share(all ...referralevent.OfferShared) {
	b.t.Helper()
	b.do(func(ctx context.Context, u *bus.Unit) error { return b.onShared(ctx, u, events(all...)) })
}

func TestShare_one_mail_for_each_friend_and_share(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "Demo Shop")
	b.site(2, "Twin")
	b.person(1, 7, "ann@shop.example", "Ann")
	b.person(1, 8, "bob@shop.example", "")
	b.person(2, 8, "twin@shop.example", "")
	b.person(1, 9, "", "")
	social := mailed(1, 4, 0)
	social.Kind, social.Channel = referralevent.Social, "facebook"
	b.share(mailed(1, 1, 8), mailed(1, 1, 8), mailed(2, 1, 8), mailed(1, 3, 9), social)
	b.share(mailed(1, 1, 8))
	b.round()
	b.round()
	b.want(1, "sent - 1", "failed no_address 0")
	b.want(2, "sent - 1")
	got := b.arrived()
	if len(got) != 2 {
		t.Fatalf("%d mails", len(got))
	}
	for _, m := range got {
		who := "Ann recommends Demo Shop"
		if strings.Contains(strings.Join(m.To, ""), "twin") {
			who = "A friend recommends Twin"
		}
		if text := string(m.Data); !strings.Contains(text, who) {
			t.Errorf("no %q in %s", who, text)
		}
	}
}

// Whom advocates recommend a shop to has asked for none of it: five a day are enough, of each site.
func TestShare_few_to_one_person_in_a_day(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.site(1, "Demo Shop")
	b.site(2, "Twin")
	b.person(1, 8, "bob@shop.example", "")
	b.person(2, 8, "bob@shop.example", "")
	b.share(mailed(1, 1, 8), mailed(1, 2, 8), mailed(1, 3, 8), mailed(1, 2, 8))
	b.share(mailed(1, 4, 8), mailed(1, 5, 8), mailed(1, 6, 8), mailed(2, 1, 8))
	b.earn(earned(1, 41, 8))
	b.share(mailed(1, 7, 8), mailed(1, 8, 9)) // whom nothing is known of yet
	b.clock.Move(23 * time.Hour)
	b.share(mailed(1, 10, 8))
	b.clock.Move(2 * time.Hour)
	b.share(mailed(1, 11, 8))
	db, err := sqlx.Open("postgres", b.url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows []string
	if err := db.Select(&rows, `select concat_ws(' ', site_id, dedupe_key, reason) from notify.message order by site_id, id`); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(rows, "; "); text != "1 share:1; 1 share:2; 1 share:3; 1 share:4; 1 share:5; 1 share:6 too_many; "+
		"1 points_earned:41; 1 share:7 too_many; 1 share:8; 1 share:10 too_many; 1 share:11; 2 share:1" {
		t.Errorf("got %s", text)
	}
}

func bobs(data string) job {
	j := anna()
	j.Template, j.Data, j.FirstName, j.Advocate = shared, data, "Bob", "Ann"
	return j
}

func TestShareWords(t *testing.T) {
	t.Parallel()
	nasty := bobs(`{"advocate_id":7,"link":"javascript:alert(1)","subject":"Win at evil.example\r\nBcc: x@y.zz","message":"<b>hi</b>\nhttps://evil.example now\u202e www.evil\u0000x"}`)
	nasty.Advocate = "www.evil.example"
	for name, j := range map[string]job{"share": bobs(`{"advocate_id":7,"link":"https://go.example/x/abcdefghjk"}`),
		"share_words": bobs(`{"advocate_id":7,"link":"https://go.example/x/abcdefghjk","subject":"For you","message":"Look at this.\n\nIt's great."}`), "share_nasty": nasty} {
		l, err := j.render("talkable@localhost")
		if err != nil {
			t.Fatal(name, err)
		}
		golden(t, name+".txt", "Subject: "+l.subject+"\n\n"+l.text)
		golden(t, name+".html", l.html)
	}
}

// Whatever advocates write, the mail holds one link: ours.
func TestShareWords_hold_no_links(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ a-z\n]{0,9}(https?://|www\.|)[a-z]{1,9}\.(com|example)[/a-z]{0,9}[ \x{202e}\x{200e}a-z]{0,9}`)).Draw(t, "text")
		for _, got := range []string{wordsOf(text), oneLine(unlinked(text), 150)} {
			if linkish.MatchString(got) {
				t.Fatalf("%q became %q", text, got)
			}
			if len([]rune(got)) > mostWords {
				t.Fatalf("%d runes", len([]rune(got)))
			}
		}
	})
}
