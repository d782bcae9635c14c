package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var madeSite = regexp.MustCompile(`\((\d+)\) is made\n.*: (\S+)\n`)

// What the twin sites promise. The oracle computes with these.
const (
	tagAuto, tagManual         = "invite", "vip"
	pointsAuto, pointsManual   = 500, 300
	percentAuto, percentManual = 10, 5
)

// welcome is the coupon of who opens a link: another one in each site.
func welcome(site int) string { return fmt.Sprint("WELCOME1", site) }

// makeSites makes the twins, each with two campaigns and a programme, on one replica; then starts the other.
func (w *world) makeSites(ctx context.Context) error {
	for i := range w.sites {
		s, err := w.makeSite(ctx, fmt.Sprintf("twin-%d", i))
		if err != nil {
			return err
		}
		w.sites[i] = s
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := w.replicas[0].start(ctx); err != nil {
		return err
	}
	for i := range w.sites {
		s := &w.sites[i]
		list, err := w.list(ctx, *s, tagGift, gifts)
		if err != nil {
			return err
		}
		for _, c := range []object{
			{"name": "Invite", "tags": []string{tagAuto}, "approval": object{"mode": "automatic"}, "incentives": []object{
				{"identifier": "points", "action_type": "referrer", "kind": "points", "points": pointsAuto},
				{"identifier": "commission", "action_type": "referrer", "kind": "commission", "percent": percentAuto},
				{"identifier": "coupon", "action_type": "click", "kind": "coupon", "coupon_code": welcome(i), "coupon_percent": 10}}},
			{"name": "VIP", "tags": []string{tagManual}, "approval": object{"mode": "manual"}, "incentives": []object{
				{"identifier": "points", "action_type": "referrer", "kind": "points", "points": pointsManual},
				{"identifier": "commission", "action_type": "referrer", "kind": "commission", "percent": percentManual}}},
			{"name": "Gift", "tags": []string{tagGift}, "incentives": []object{
				{"identifier": "gift", "action_type": "click", "kind": "coupon", "coupon_list_id": list}}},
		} {
			c["status"], c["destination_url"], c["joinable_category_names"] = "Live", "https://shop.example/welcome", []string{"affiliate_member"}
			if _, err := w.create(ctx, *s, "/api/v2/campaigns", "campaign", c); err != nil {
				return err
			}
		}
		programme, err := w.create(ctx, *s, "/api/v2/loyalty/programs", "program", object{"name": "Points", "points_per_unit": 1,
			"tiers": []object{{"name": "Silver", "threshold": 1000}, {"name": "Gold", "threshold": 5000}}})
		if err != nil {
			return err
		}
		if err := w.fillShelf(ctx, s, programme); err != nil {
			return err
		}
		if err := w.makeCampaigns(ctx, i, s); err != nil {
			return err
		}
		if err := w.makeHooks(ctx, i, *s); err != nil {
			return err
		}
	}
	if err := w.makePhones(ctx); err != nil {
		return err
	}
	if err := w.makeClub(ctx); err != nil {
		return err
	}
	if err := w.makeHome(ctx); err != nil {
		return err
	}
	if err := w.settle(ctx, nil); err != nil { // the other replica finds everything there
		return err
	}
	return w.replicas[1].start(ctx)
}

// makeSite makes a site with its two keys, by the program's commands.
func (w *world) makeSite(ctx context.Context, slug string) (shop, error) {
	s := shop{Slug: slug}
	out, err := w.command(ctx, "site", "create", s.Slug, "--url", "https://shop.example", "--currency", currency)
	if err != nil {
		return s, err
	}
	m := madeSite.FindStringSubmatch(out)
	if m == nil {
		return s, fmt.Errorf("talkable site create answered %q", out)
	}
	if _, err := fmt.Sscan(m[1], &s.ID); err != nil {
		return s, err
	}
	s.Key = m[2]
	if out, err = w.command(ctx, "key", "create", s.Slug, "--public", "--name", "pages"); err != nil {
		return s, err
	}
	words := strings.Fields(out)
	s.Public = words[len(words)-1]
	return s, nil
}
