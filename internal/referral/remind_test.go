package referral

import (
	"slices"
	"testing"
	"time"

	"github.com/talkable/talkable/internal/referral/referralapi"
	"github.com/talkable/talkable/internal/site"
)

// mailsTo sends an offer to friends by e-mail.
func (p *place) mailsTo(s site.Site, code string, reminder bool, friends ...int64) {
	p.t.Helper()
	_, _, err := p.ShareByEmail(p.t.Context(), s, referralapi.EmailShare{Code: code, Recipients: people(friends...), Reminder: reminder})
	if err != nil {
		p.t.Fatal(err)
	}
}

// reminded are the friends of a site whom reminders were told for; what was told is forgotten.
func (p *place) reminded(s site.Site) (out []int64) {
	p.t.Helper()
	for {
		n, err := p.RemindFriends(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	err := p.root.Select(&out, `select (payload->>'friend_id')::bigint from referral.waiting where type = 'referral.share_reminder_due.v1' and (payload->>'site_id')::bigint = $1 order by 1`, s.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	p.told()
	return out
}

func TestReminders_are_told_once_after_three_days(t *testing.T) {
	t.Parallel()
	p := setup(t)
	p.campaign(p.one, nil)
	p.campaign(p.two, nil)
	ann, eve, twin := p.join(p.one, 10), p.join(p.one, 11), p.join(p.two, 10)
	p.mailsTo(p.one, ann.ShortURLCode, true, 20, 21, 22)
	p.mailsTo(p.one, ann.ShortURLCode, false, 23)
	p.mailsTo(p.two, twin.ShortURLCode, true, 20)
	p.clock.Move(time.Minute)
	p.mailsTo(p.one, eve.ShortURLCode, true, 21) // what Ann mailed is no longer the last
	p.clock.Move(remindAfter - 2*time.Minute)
	if got := p.reminded(p.one); len(got) != 0 {
		t.Errorf("too early: %v", got)
	}
	p.touchedAt(p.one, uuidOf(1), 10)
	p.bought(p.purchase(p.one, 1, 22, 1_000, uuidOf(1))) // has taken it
	p.clock.Move(3 * time.Minute)
	race(4, func(int) { _, _ = p.RemindFriends(t.Context()) })
	var twins []int64
	if err := p.root.Select(&twins, `select (payload->>'friend_id')::bigint from referral.waiting where type = 'referral.share_reminder_due.v1' and (payload->>'site_id')::bigint = 2`); err != nil {
		t.Fatal(err)
	}
	if got := p.reminded(p.one); !slices.Equal(got, []int64{20, 21}) || !slices.Equal(twins, []int64{20}) {
		t.Errorf("reminded %v, and %v of the twin", got, twins)
	}
	p.clock.Move(time.Hour)
	if got := p.reminded(p.one); len(got) != 0 {
		t.Errorf("again: %v", got)
	}
}

func TestReminders_of_what_is_over_are_not_told(t *testing.T) {
	t.Parallel()
	now := epoch.Add(80 * time.Hour)
	live := &campaign{Status: statusLive}
	late := epoch.Add(79 * time.Hour)
	for name, one := range map[string]struct {
		r    reminder
		c    *campaign
		want bool
	}{
		"it holds":             {reminder{SharedAt: epoch}, live, true},
		"something newer":      {reminder{SharedAt: epoch, Newer: true}, live, false},
		"taken":                {reminder{SharedAt: epoch, Referred: true}, live, false},
		"no such campaign":     {reminder{SharedAt: epoch}, nil, false},
		"disabled":             {reminder{SharedAt: epoch}, &campaign{Status: "Disabled"}, false},
		"the last day is over": {reminder{SharedAt: epoch}, &campaign{Status: statusLive, terms: &linkTerms{ClaimUntil: &late}}, false},
		"the server slept":     {reminder{SharedAt: epoch.Add(-remindUntil)}, live, false},
	} {
		if got := one.r.wanted(one.c, now); got != one.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
