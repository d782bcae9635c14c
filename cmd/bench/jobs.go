package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// friend is a visitor who opened a link of a site.
type friend struct {
	site    int // index of platform.sites
	visitor [36]byte
}

// pool holds friends who have not bought yet.
type pool struct {
	mu      sync.Mutex
	friends []friend
}

func (p *pool) add(all []friend) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.friends = append(p.friends, all...)
}

// take returns one of the first to come; false when there is none.
func (p *pool) take() (f friend, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.friends) == 0 {
		return f, false
	}
	f, p.friends = p.friends[0], p.friends[1:]
	return f, true
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.friends)
}

// newVisitor makes a UUID of version 7, as the platform does for visitors that are new to it.
func newVisitor() (text [36]byte) {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(time.Now().UnixMilli())<<16|uint64(rand.Uint32()&0x0fff)|0x7000)
	binary.BigEndian.PutUint64(b[8:], rand.Uint64()>>2|1<<63)
	hex.Encode(text[:], b[:4])
	hex.Encode(text[9:], b[4:6])
	hex.Encode(text[14:], b[6:8])
	hex.Encode(text[19:], b[8:10])
	hex.Encode(text[24:], b[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return text
}

const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

// visiting opens claim links, each as somebody new at an address of their own.
type visiting struct {
	*platform
	site func() int // whose link is opened next
	who  friend
	made []friend
}

// anySite is one of all.
func (p *platform) anySite() int { return rand.IntN(len(p.sites)) }

func (v *visiting) next(buf []byte) []byte {
	v.who = friend{site: v.site(), visitor: newVisitor()}
	links := v.sites[v.who.site].links
	ip := rand.Uint32()
	buf = append(buf, "GET "...)
	buf = append(buf, links[rand.IntN(len(links))]...)
	buf = append(buf, " HTTP/1.1\r\nHost: "...)
	buf = append(buf, v.address...)
	buf = append(buf, "\r\nUser-Agent: "+browser+"\r\nAccept: text/html\r\nCookie: tkbl_session="...)
	buf = append(buf, v.who.visitor[:]...)
	buf = fmt.Appendf(buf, "\r\nX-Forwarded-For: 100.%d.%d.%d\r\n\r\n", 64|ip>>16&63, ip>>8&255, ip&255)
	return buf
}

// done wants the visitor and the friend offer in the address: without the latter nothing was recorded.
func (v *visiting) done(r *response) error {
	if r.status != 302 || !bytes.Contains(r.location, v.who.visitor[:]) || !bytes.Contains(r.location, []byte("talkable_visitor_offer_id=")) {
		return r.unexpected("a visit")
	}
	v.made = append(v.made, v.who)
	return nil
}

// buying tells of purchases: of friends out of the pool and, one in ten, of somebody who opened no link.
type buying struct {
	*platform
	from                      *pool
	n                         int
	matched, revenue, origins int64
	sum                       int64 // of the present order
	known                     bool
	// noted, if set, hears of each order.
	noted func(origin int64, matched bool)
}

func (b *buying) next(buf []byte) []byte {
	b.n++
	f := friend{site: b.anySite()}
	if b.known = b.n%10 != 0; b.known {
		var ok bool
		if f, ok = b.from.take(); !ok {
			return nil
		}
	}
	b.sum = 500 + rand.Int64N(20_000)
	order := rand.Uint64()
	body := fmt.Appendf(make([]byte, 0, 256), `{"type":"Purchase","data":{"email":"f%x@bench.example","order_number":"T%x","subtotal":%d.%02d`,
		rand.Uint64(), order, b.sum/100, b.sum%100)
	if b.known {
		body = fmt.Appendf(body, `,"uuid":"%s"`, f.visitor[:])
	}
	body = append(body, "}}"...)
	return b.post(buf, b.sites[f.site].key, body)
}

func (p *platform) post(buf []byte, key string, body []byte) []byte {
	buf = append(buf, "POST /api/v2/origins HTTP/1.1\r\nHost: "...)
	buf = append(buf, p.address...)
	buf = append(buf, "\r\nAuthorization: Bearer "...)
	buf = append(buf, key...)
	buf = append(buf, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	buf = strconv.AppendInt(buf, int64(len(body)), 10)
	buf = append(buf, "\r\n\r\n"...)
	return append(buf, body...)
}

func (b *buying) done(r *response) error {
	id, ok := originID(r.body)
	if r.status != 201 || !ok {
		return r.unexpected("a purchase")
	}
	b.origins++
	b.revenue += b.sum
	if b.known {
		b.matched++
	}
	if b.noted != nil {
		b.noted(id, b.known)
	}
	return nil
}

// originID finds the number of the origin in the answer; decoding all of it would cost as much as a good part of the platform.
func originID(body []byte) (id int64, ok bool) {
	_, rest, ok := bytes.Cut(body, []byte(`"origin":{"id":`))
	if !ok {
		return 0, false
	}
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		id = id*10 + int64(c-'0')
	}
	return id, id > 0
}

// joining signs up advocates and keeps their links.
type joining struct {
	*platform
	todo  []int // sites
	links map[int][]string
	n     int
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
	j.links[j.todo[j.n]] = append(j.links[j.todo[j.n]], link.Path)
	j.n++
	return nil
}
