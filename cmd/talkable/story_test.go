package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestStory plays the main flow: in one process on one database, with every module on a database of its own, and on the
// embedded database as `make run` does.
func TestStory(t *testing.T) {
	t.Parallel()
	for name, layout := range map[string]func(testing.TB) layout{
		"one database":          func(t testing.TB) layout { l, _, _ := ownServer(t); return l },
		"a database for each":   databaseEach,
		"the embedded database": func(testing.TB) layout { return layout{} },
	} {
		t.Run(name, func(t *testing.T) {
			l := layout(t)
			s := startServer(t, l)
			for round := range 2 { // a second run must not be disturbed by the first
				out, err := talkable(t, s.environ, "demo")
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range []string{"is approved, tracked by cookie", "balance: 500 points", "Subject:", "WELCOME10", "referral.approved of ann-", "her link: http://" + s.address + "/x/"} {
					if !strings.Contains(out, want) {
						t.Errorf("round %d: the demo did not print %q:\n%s", round, want, out)
					}
				}
			}
			mails, err := filepath.Glob(filepath.Join(filepath.Dir(demoPathOf(t, s)), "mail", "*.eml"))
			if err != nil || len(mails) != 2 {
				t.Errorf("%d mails were caught (%v), want 2", len(mails), err)
			}
			if out, err := talkable(t, s.environ, "events", "parked", "list"); err != nil || !strings.Contains(out, "nothing is parked") {
				t.Errorf("parked events: %s %v", out, err)
			}
		})
	}
}

func demoPathOf(t *testing.T, s *served) string {
	t.Helper()
	for _, e := range s.environ {
		if dir, ok := strings.CutPrefix(e, "TALKABLE_DATA_DIR="); ok {
			return filepath.Join(dir, "demo.json")
		}
	}
	t.Fatal("no data directory")
	return ""
}

// tale is the story with fixed names, whose end can be checked to the last point.
type tale struct {
	advocate, friend, order string
}

func (tale tale) tell(s shop) {
	var offer struct {
		Offer struct {
			ClaimURL string `json:"claim_url"`
		} `json:"offer"`
	}
	s.must("POST", "/api/v2/origins", object{"type": "AffiliateMember", "data": object{"email": tale.advocate, "campaign_tags": "invite"}}, &offer)
	visitor := s.opens(offer.Offer.ClaimURL)
	s.must("POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": tale.friend, "uuid": visitor,
		"order_number": tale.order, "subtotal": "80.00"}}, nil)
}

// ends checks that everything happened, once.
func (tale tale) ends(s shop) {
	s.t.Helper()
	var member struct {
		Member struct {
			Balance int64 `json:"points_balance"`
		} `json:"loyalty_member"`
	}
	for who, points := range map[string]int64{tale.advocate: 500, tale.friend: 80} {
		eventually(s.t, fmt.Sprintf("%s has %d points", who, points), func() bool {
			return s.call(s.t.Context(), "GET", "/api/v2/loyalty/members/"+who, nil, &member) == nil && member.Member.Balance == points
		})
	}
	var person struct {
		Person struct {
			Referrals map[string]int64 `json:"referral_counts"`
			Rewards   map[string]int64 `json:"reward_counts"`
		} `json:"person"`
	}
	s.must("GET", "/api/v2/people/"+tale.advocate, nil, &person)
	if person.Person.Referrals["approved"] != 1 || person.Person.Referrals["total"] != 1 || person.Person.Rewards["total"] != 2 {
		s.t.Errorf("%s: referrals %v, rewards %v; want one approved, and two rewards", tale.advocate, person.Person.Referrals, person.Person.Rewards)
	}
	var messages struct {
		Messages []struct {
			Status string `json:"status"`
		} `json:"messages"`
	}
	eventually(s.t, "the e-mail has left, or is marked as uncertain", func() bool {
		err := s.call(s.t.Context(), "GET", "/api/v2/messages?email="+tale.advocate, nil, &messages)
		return err == nil && len(messages.Messages) == 1 && (messages.Messages[0].Status == "sent" || messages.Messages[0].Status == "uncertain")
	})
}

// totals compares the counted steps with the number of tales that were told.
func totals(s shop, tales int) {
	s.t.Helper()
	for metric, each := range map[string]float64{"offers": 1, "total_sales_count": 1, "total_sales_sum": 80, "talkable_sales_count": 1,
		"commissions_sum": 8, "points_earned": 580, "advocate_loyalty_referral_rewards_points": 500} {
		var got struct {
			Plain float64 `json:"plain"`
		}
		want := each * float64(tales)
		if !within(longest, func() bool {
			s.must("GET", "/api/v2/metrics/"+metric+"?start_date=2020-01-01&end_date=2100-01-01", nil, &got)
			return got.Plain >= want // one too many is one too many for ever
		}) || got.Plain != want {
			s.t.Errorf("%s is %v, want %v", metric, got.Plain, want)
		}
	}
}

func tales(prefix string, n int) []tale {
	var out []tale
	for i := range n {
		out = append(out, tale{advocate: fmt.Sprintf("%s-a%d@shop.example", prefix, i), friend: fmt.Sprintf("%s-f%d@shop.example", prefix, i),
			order: fmt.Sprintf("%s-%d", prefix, i)})
	}
	return out
}

// TestDemoFileIsPrivate: it holds a secret key.
func TestDemoFileIsPrivate(t *testing.T) {
	t.Parallel()
	s := startServer(t, oneDatabase(t))
	info, err := os.Stat(demoPathOf(t, s))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.json has mode %v (%v)", info.Mode(), err)
	}
}
