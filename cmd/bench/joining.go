package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
)

// joining signs up advocates and keeps their links and offers.
type joining struct {
	*platform
	todo   []int // sites
	links  map[int][]string
	offers map[int][]string // their codes
	n      int
}

func (j *joining) next(buf []byte) []byte {
	if j.n == len(j.todo) {
		return nil
	}
	// They are known by the shop's number and have no e-mail address, so that the message is kept, and no mail leaves.
	body := fmt.Appendf(nil, `{"type":"AffiliateMember","data":{"customer_id":"a%x"}}`, rand.Uint64())
	return j.post(buf, j.sites[j.todo[j.n]].key, body)
}

func (j *joining) done(r *response) error {
	var got struct {
		Result struct {
			Offer *struct {
				Code     string `json:"short_url_code"`
				ClaimURL string `json:"claim_url"`
			} `json:"offer"`
		} `json:"result"`
	}
	if r.status != 201 {
		return r.unexpected("a sign-up")
	}
	if err := json.Unmarshal(r.body, &got); err != nil || got.Result.Offer == nil {
		return r.unexpected("a sign-up")
	}
	link, err := url.Parse(got.Result.Offer.ClaimURL)
	if err != nil {
		return err
	}
	site := j.todo[j.n]
	j.links[site], j.offers[site] = append(j.links[site], link.Path), append(j.offers[site], got.Result.Offer.Code)
	j.n++
	return nil
}

// introducing signs up friends in the browsers that opened a link. No campaign bears the tag, so no offer is made for them.
type introducing struct {
	*platform
	from *crowd
	left int
	who  friend
	made []friend
}

func (i *introducing) next(buf []byte) []byte {
	if i.left == 0 {
		return nil
	}
	var ok bool
	if i.who, ok = i.from.take(); !ok {
		return nil
	}
	i.left--
	i.who.mail = rand.Uint64() | 1
	body := fmt.Appendf(nil, `{"type":"AffiliateMember","data":{"email":"f%x@bench.example","uuid":"%s","campaign_tags":["none"]}}`, i.who.mail, i.who.visitor[:])
	return i.post(buf, i.sites[i.who.site].key, body)
}

func (i *introducing) done(r *response) error {
	if r.status != 201 {
		return r.unexpected("a friend's sign-up")
	}
	i.made = append(i.made, i.who)
	return nil
}
