package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// What becomes of who was suspended.
const (
	leavesForGood = iota
	comesBack
	staysAway
	fatesOfSuspended
)

// comeApart suspends the second one, who spends nothing from then on, nor do others of what it has; then that one stays so, comes back or leaves.
func (h *household) comeApart(ctx context.Context, w *world, fate int) error {
	a, b := h.all[0], h.all[1]
	answers, err := w.race(ctx, w.home.shop, "suspended while giving", 1, 2, b.turns("suspend", ""), b.gives(a, 1, "quickly"))
	if err != nil {
		return err
	}
	if answers[1].done {
		a.stars, b.stars = a.stars+1, b.stars-1
	}
	all := h.spendable(a)
	b.status = "suspended"
	if err := w.refused(ctx, w.home.shop, b.redeems(w.home.star, "barred"), "member_not_active"); err != nil {
		return err
	}
	if h.spendable(a) < all {
		x := wish{"POST", a.at("/holds"), object{"points": all, "reference": h.name, "seconds": holdSeconds}, h.key("all")}
		if err := w.refused(ctx, w.home.shop, x, "not_enough_points"); err != nil {
			return err
		}
		w.tally.reach("points of who is suspended, refused to their pool", 1)
	}
	switch (fate + fate/spendings) % fatesOfSuspended { // with each of the others in turn
	case staysAway: // what counts for achievements counts, but earns nothing
		_, err = b.buys(ctx, w, h.order(b, 1))
		b.orders, b.regular = 2, isReached
	case comesBack:
		return h.comeBack(ctx, w, b)
	case leavesForGood:
		if _, err = w.race(ctx, w.home.shop, "closed by two", 2, 2, b.turns("close", "-1"), b.turns("close", "-2")); err != nil {
			return err
		}
		b.status = "closed"
		_, err = b.buys(ctx, w, h.order(b, 1))
	}
	return err
}

func (h *household) comeBack(ctx context.Context, w *world, b *homePerson) error {
	if _, err := w.race(ctx, w.home.shop, "let go on by two", 2, 2, b.turns("reactivate", "-1"), b.turns("reactivate", "-2")); err != nil {
		return err
	}
	b.status = "active"
	if h.spendable(b) < cupCost {
		return w.refused(ctx, w.home.shop, b.redeems(w.home.cup, "too-dear"), "not_enough_points")
	}
	_, err := w.done(ctx, w.home.shop, b.redeems(w.home.cup, "back"))
	h.spend(b, cupCost)
	return err
}

// invites invites somebody twice at once, who earns as a candidate and spends as a member; of every third the invitation is taken back while it is accepted.
func invites(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	p := newHomePerson(fmt.Sprintf("invited-%d", n))
	p.points, p.stars, p.orders, p.status = homeDollars, homeDollars, 1, "candidate"
	out := []*homePerson{p}
	const target = "/api/v2/loyalty/invitations"
	body := object{"emails": []string{p.email}}
	both, err := w.race(ctx, w.home.shop, "two invitations of one", 2, 2, wish{"POST", target, body, "invite-1-" + p.email}, wish{"POST", target, body, "invite-2-" + p.email})
	if err != nil {
		return out, err
	}
	var id [2]int64
	var code [2]string
	for i, a := range both {
		var got struct {
			Result struct {
				Invitations []struct {
					Invitation struct {
						ID   int64  `json:"id"`
						Code string `json:"code"`
					} `json:"invitation"`
				} `json:"invitations"`
			} `json:"result"`
		}
		if err := json.Unmarshal(a.body, &got); err != nil {
			return out, err
		}
		for _, x := range got.Result.Invitations {
			id[i], code[i] = x.Invitation.ID, x.Invitation.Code
		}
	}
	if id[0] == 0 || id[0] != id[1] || code[0] != code[1] {
		w.tally.violate("somebody has one invitation at a time", "two answers name another one each", p.email, fmt.Sprintf("%v %v", id, code))
	}
	if _, err := p.buys(ctx, w, fmt.Sprintf("invited-%d", n)); err != nil {
		return out, err
	}
	if err := p.awaitCandidate(ctx, w); err != nil {
		return out, err
	}
	if err := w.refused(ctx, w.home.shop, p.redeems(w.home.cup, "early"), "member_not_active"); err != nil {
		return out, err
	}
	accept := wish{"POST", target + "/accept", object{"code": code[0]}, "accept-1-" + p.email}
	if n%3 == 2 {
		answers, err := w.race(ctx, w.home.shop, "an invitation accepted against revoked", 1, 1, accept, wish{"POST", fmt.Sprintf("%s/%d/revoke", target, id[0]), object{}, "revoke-" + p.email})
		if winner(answers) == 0 {
			p.status = "active"
		}
		return out, err
	}
	again := accept
	again.key = "accept-2-" + p.email
	if _, err := w.race(ctx, w.home.shop, "an invitation accepted twice", 2, 2, accept, again); err != nil {
		return out, err
	}
	p.status, p.points = "active", p.points-cupCost
	_, err = w.done(ctx, w.home.shop, p.redeems(w.home.cup, "welcome"))
	return out, err
}

// delayInvitations has mails of invitations wait for an hour: none is to leave in a run, and none to wait on whose invitation is over.
func (w *world) delayInvitations(ctx context.Context) error {
	r := w.replicas[0].send(ctx, w.home.Key, "PUT", "/api/v2/mails/member_invited", object{"enabled": true, "delay_minutes": 60}, "")
	if r.err != nil || r.status != 200 {
		return fmt.Errorf("delay the mails of invitations: %d %s: %w", r.status, r.body, r.err)
	}
	return nil
}

// awaitCandidate waits until a candidate has earned.
func (p *homePerson) awaitCandidate(ctx context.Context, w *world) error {
	for ctx.Err() == nil {
		var got struct {
			Result struct {
				Member struct {
					Status  string `json:"status"`
					Balance int64  `json:"points_balance"`
				} `json:"member"`
			} `json:"result"`
		}
		r := w.replicas[len(p.email)%len(w.replicas)].send(ctx, w.home.Key, "GET", p.at("/membership"), nil, "")
		if r.err == nil && r.status == 200 && json.Unmarshal(r.body, &got) == nil && got.Result.Member.Balance == p.points {
			if got.Result.Member.Status != p.status {
				w.tally.violate("who is invited is a candidate", "an answer", p.email+": "+string(r.body))
			}
			return nil
		}
		wait(ctx, 50*time.Millisecond)
	}
	return ctx.Err()
}

// unmasks has somebody buy of whom the shop tells the hash of the address only, and once more with the address, at the same moment: they are one, a
// regular by both orders.
func unmasks(ctx context.Context, w *world, n int) ([]*homePerson, error) {
	p := newHomePerson(fmt.Sprintf("guest-%d", n))
	sum := sha256.Sum256([]byte(p.email))
	masked, open := fmt.Sprintf("masked-%d", n), fmt.Sprintf("open-%d", n)
	err := atOnce(2, func(i int) error {
		if i == 0 {
			_, err := w.buyAtHome(ctx, masked, object{"customer_id": "sha256:" + hex.EncodeToString(sum[:])})
			return err
		}
		_, err := p.buys(ctx, w, open)
		return err
	})
	if err != nil {
		return []*homePerson{p}, err
	}
	p.points, p.stars, p.orders, p.regular = homeDollars*3/2+regularGift, homeDollars*3/2, 2, isReached
	w.tally.reach("guests", 1)
	return []*homePerson{p}, w.refundAtHome(ctx, masked, homeDollars/2)
}
