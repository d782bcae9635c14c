package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/talkable/talkable/internal/clock"
)

func demoCommand(c *config) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Play the story against a running demo server",
		Long: `Plays the whole story through the public API of a server that runs with --demo: A signs up and shares, B opens the link and buys,
the referral is approved, A's points and commission arrive, A gets an e-mail and the merchant a webhook. Each step is printed with what came back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := readDemo(c)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), 2*time.Minute)
			defer cancel()
			api := newClient(d.Server, d.APIKey)
			s := &story{api: api, now: serversClock(ctx, api), out: cmd.OutOrStdout(), id: clock.System().Format("20060102-150405.000")}
			return s.play(ctx)
		},
	}
}

// story is the main flow as a merchant, an advocate and a friend live it.
type story struct {
	api *client
	now clock.Clock // the server's
	out io.Writer
	id  string // makes the people and the order of this run new ones
	n   int
}

func (s *story) say(format string, args ...any) {
	s.n++
	fmt.Fprintf(s.out, "\n%d. "+format+"\n", append([]any{s.n}, args...)...)
}

func (s *story) show(format string, args ...any) { fmt.Fprintf(s.out, "   "+format+"\n", args...) }

func (s *story) play(ctx context.Context) (err error) {
	ann, bob := "ann-"+s.id+"@shop.example", "bob-"+s.id+"@shop.example"
	fmt.Fprintf(s.out, "The story on %s, with %s and %s.\n", s.api.server, ann, bob)
	shop, err := s.hook(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx), shop)) }()
	link, err := s.share(ctx, ann)
	if err != nil {
		return err
	}
	visitor, err := s.open(ctx, link)
	if err != nil {
		return err
	}
	if err := s.buy(ctx, bob, visitor); err != nil {
		return err
	}
	if err := s.reward(ctx, ann); err != nil {
		return err
	}
	if err := s.mail(ctx, ann); err != nil {
		return err
	}
	if err := s.told(ctx, shop, bob); err != nil {
		return err
	}
	return s.count(ctx)
}

func (s *story) share(ctx context.Context, ann string) (string, error) {
	s.say("Ann signs up and gets an offer to share.  POST /api/v2/origins (AffiliateMember)")
	var got struct {
		Offer *struct {
			Code       string `json:"short_url_code"`
			ClaimURL   string `json:"claim_url"`
			Incentives map[string]struct {
				Description string `json:"description"`
				ForAdvocate bool   `json:"for_advocate"`
			} `json:"incentives"`
		} `json:"offer"`
	}
	err := s.api.call(ctx, "POST", "/api/v2/origins", object{"type": "AffiliateMember",
		"data": object{"email": ann, "first_name": "Ann", "campaign_tags": []string{"invite"}}}, &got)
	if err != nil {
		return "", err
	}
	if got.Offer == nil {
		return "", fmt.Errorf("no live campaign with the tag \"invite\" accepted the sign-up")
	}
	for name, i := range got.Offer.Incentives {
		who := "friend"
		if i.ForAdvocate {
			who = "advocate"
		}
		s.show("%-20s %s for the %s", name, i.Description, who)
	}
	s.show("her link: %s", got.Offer.ClaimURL)
	return got.Offer.ClaimURL, nil
}

func (s *story) open(ctx context.Context, link string) (string, error) {
	s.say("Bob opens the link.  GET %s", link)
	var u *url.URL
	err := s.await(ctx, func() (bool, error) { // a link leads on also when its visit can't be written down, without an offer then
		location, err := s.api.visit(ctx, link)
		if err == nil {
			u, err = url.Parse(location)
		}
		return err == nil && u.Query().Get("talkable_visitor_offer_id") != "", err
	})
	if err != nil {
		return "", fmt.Errorf("the link did not open: %w", err)
	}
	s.show("redirected to %s", u)
	visitor := u.Query().Get("tkbl_cvuuid")
	var got struct {
		Rewards []struct {
			Description string  `json:"incentive_description"`
			CouponCode  *string `json:"coupon_code"`
		} `json:"rewards"`
	}
	if err := s.api.call(ctx, "GET", "/api/v2/rewards?visitor_uuid="+visitor, nil, &got); err != nil {
		return "", err
	}
	for _, r := range got.Rewards {
		if r.CouponCode != nil {
			s.show("his coupon: %s (%s)", *r.CouponCode, r.Description)
		}
	}
	return visitor, nil
}

func (s *story) buy(ctx context.Context, bob, visitor string) error {
	order := "demo-" + s.id
	s.say("Bob buys for 120.00.  POST /api/v2/origins (Purchase %s)", order)
	var got struct {
		Origin struct {
			ID       int64       `json:"id"`
			Subtotal json.Number `json:"subtotal"`
		} `json:"origin"`
	}
	err := s.api.call(ctx, "POST", "/api/v2/origins", object{"type": "Purchase", "data": object{"email": bob, "first_name": "Bob", "uuid": visitor,
		"order_number": order, "subtotal": 120.00, "coupon_codes": []string{"WELCOME10"},
		"items": []object{{"product_id": "mug-1", "price": 60, "quantity": 2, "title": "Mug"}}}}, &got)
	if err != nil {
		return err
	}
	s.show("recorded as origin %d", got.Origin.ID)
	s.say("Is it a referral?  PUT /api/v2/origins/%s/referral (approved: it is already, so nothing changes)", order)
	var ref struct {
		Referral *struct {
			ID      int64  `json:"id"`
			Status  string `json:"status"`
			Method  string `json:"track_method"`
			Rewards []struct {
				Description string      `json:"incentive_description"`
				Amount      json.Number `json:"amount"`
				Status      string      `json:"status"`
			} `json:"advocate_rewards"`
		} `json:"referral"`
	}
	err = s.api.call(ctx, "PUT", "/api/v2/origins/"+order+"/referral", object{"data": object{"status": "approved"}}, &ref)
	if err != nil {
		return err
	}
	if ref.Referral == nil {
		return fmt.Errorf("order %s made no referral", order)
	}
	s.show("referral %d is %s, tracked by %s", ref.Referral.ID, ref.Referral.Status, ref.Referral.Method)
	for _, r := range ref.Referral.Rewards {
		s.show("Ann earns %s (%s)", r.Description, strings.ToLower(r.Status))
	}
	return nil
}

func (s *story) reward(ctx context.Context, ann string) error {
	s.say("Ann's points.  GET /api/v2/loyalty/members/%s", ann)
	var got struct {
		Member struct {
			Balance int64   `json:"points_balance"`
			Tier    *string `json:"tier"`
		} `json:"loyalty_member"`
	}
	err := s.await(ctx, func() (bool, error) {
		err := s.api.call(ctx, "GET", "/api/v2/loyalty/members/"+ann, nil, &got)
		return err == nil && got.Member.Balance > 0, err
	})
	if err != nil {
		return fmt.Errorf("Ann's points did not arrive: %w", err)
	}
	s.show("balance: %d points", got.Member.Balance)
	var ledger struct {
		Entries []struct {
			Seq     int64  `json:"seq"`
			Points  int64  `json:"points"`
			Balance int64  `json:"balance"`
			Reason  string `json:"reason"`
			Rule    struct {
				Name    string `json:"rule"`
				Version int    `json:"version"`
			} `json:"rule"`
		} `json:"entries"`
	}
	if err := s.api.call(ctx, "GET", "/api/v2/loyalty/members/"+ann+"/entries", nil, &ledger); err != nil {
		return err
	}
	for _, e := range ledger.Entries {
		s.show("entry %d: %+d for a %s, balance %d (rule %q of programme version %d)", e.Seq, e.Points, e.Reason, e.Balance, e.Rule.Name, e.Rule.Version)
	}
	return nil
}

func (s *story) mail(ctx context.Context, ann string) error {
	s.say("Ann's e-mail.  GET /api/v2/messages?email=%s", ann)
	var list struct {
		Messages []struct {
			ID     int64  `json:"id"`
			Status string `json:"status"`
		} `json:"messages"`
	}
	err := s.await(ctx, func() (bool, error) {
		err := s.api.call(ctx, "GET", "/api/v2/messages?email="+url.QueryEscape(ann), nil, &list)
		return err == nil && len(list.Messages) > 0 && list.Messages[0].Status == "sent", err
	})
	if err != nil {
		return fmt.Errorf("the e-mail was not sent: %w", err)
	}
	var one struct {
		Subject string `json:"subject"`
		Text    string `json:"text"`
	}
	if err := s.api.call(ctx, "GET", fmt.Sprintf("/api/v2/messages/%d", list.Messages[0].ID), nil, &one); err != nil {
		return err
	}
	s.show("Subject: %s", one.Subject)
	for line := range strings.SplitSeq(strings.TrimSpace(one.Text), "\n") {
		s.show("| %s", line)
	}
	return nil
}

func (s *story) count(ctx context.Context) error {
	today := s.now()
	s.say("Every step is counted.  GET /api/v2/metrics/{name}")
	for _, name := range []string{"offers", "visits", "total_sales_count", "total_sales_sum", "talkable_sales_count", "commissions_sum", "points_earned", "emails_sent"} {
		var got struct {
			Formatted string `json:"formatted"`
		}
		err := s.await(ctx, func() (bool, error) {
			err := s.api.call(ctx, "GET", fmt.Sprintf("/api/v2/metrics/%s?start_date=%s&end_date=%s", name,
				today.AddDate(0, 0, -1).Format(time.DateOnly), today.AddDate(0, 0, 1).Format(time.DateOnly)), nil, &got)
			return err == nil && strings.Trim(got.Formatted, "$0.") != "", err
		})
		if err != nil {
			return err
		}
		s.show("%-22s %s", name, got.Formatted)
	}
	fmt.Fprintln(s.out)
	return nil
}

// await asks until the answer is there: what follows from a purchase arrives within moments, not within the call.
func (s *story) await(ctx context.Context, arrived func() (bool, error)) error {
	var last error
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		ok, err := arrived()
		if ok {
			return nil
		}
		last = err
		select {
		case <-ctx.Done():
			if last == nil {
				last = ctx.Err()
			}
			return last
		case <-time.After(pause):
		}
	}
}
