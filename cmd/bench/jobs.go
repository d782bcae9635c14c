package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"
)

// friend is a visitor who opened a link of a site.
type friend struct {
	site    int // index of platform.sites
	visitor [36]byte
	mail    uint64 // the number in the e-mail address; 0: told nobody
}

// crowd is friends who have not bought yet.
type crowd struct {
	mu      sync.Mutex
	friends []friend
}

func (c *crowd) add(all []friend) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.friends = append(c.friends, all...)
}

// take returns one of the first to come; false when there is none.
func (c *crowd) take() (f friend, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.friends) == 0 {
		return f, false
	}
	f, c.friends = c.friends[0], c.friends[1:]
	return f, true
}

func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.friends)
}

// pool is whom purchases come from: visitors, and people who signed up in the browser that had opened the link, so that their
// e-mail address alone finds it.
type pool struct{ visitors, people crowd }

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

// anySite is one of all: the first of a hundred has a seventh of everything, the last a thousandth (Zipf). The yardstick's scripts
// draw in the same way.
func (p *platform) anySite() int {
	n := len(p.sites)
	return min(n, int(math.Exp(rand.Float64()*math.Log(float64(n+1))))) - 1
}

func (p *platform) firstSite() int { return 0 }

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

// buying tells of purchases: nine in ten by a visitor who opened a link, one in twenty by the e-mail address of a friend who did, one
// in twenty by somebody who did not. Two in a hundred orders are told a second time.
type buying struct {
	*platform
	site                      func() int
	from                      *pool
	n                         int
	matched, revenue, origins int64
	last                      order
	// noted, if set, hears of each new order.
	noted func(origin int64, matched bool)
}

// order is the last one that a connection told.
type order struct {
	id, sum  int64
	site     int
	number   uint64
	known    bool
	again    bool // it is told the second time
	key      string
	body     []byte
	finished bool
}

func (b *buying) next(buf []byte) []byte {
	b.n++
	if b.n%50 == 49 && b.last.finished {
		b.last.again = true
		return b.post(buf, b.last.key, b.last.body)
	}
	var f friend
	o := order{known: b.n%20 != 0, body: b.last.body[:0], sum: 500 + rand.Int64N(19_501)}
	switch ok := false; {
	case !o.known:
		f.site = b.site()
	case b.n%20 == 10:
		if f, ok = b.from.people.take(); !ok {
			return nil
		}
	default:
		if f, ok = b.from.visitors.take(); !ok {
			return nil
		}
	}
	mail := f.mail
	if mail == 0 {
		mail = rand.Uint64() | 1
	}
	o.site, o.number, o.key = f.site, rand.Uint64(), b.sites[f.site].key
	o.body = fmt.Appendf(o.body, `{"type":"Purchase","data":{"email":"f%x@bench.example","order_number":"T%x","subtotal":%d.%02d`,
		mail, o.number, o.sum/100, o.sum%100)
	if o.known && f.mail == 0 {
		o.body = fmt.Appendf(o.body, `,"uuid":"%s"`, f.visitor[:])
	}
	o.body = append(o.body, "}}"...)
	b.last = o
	return b.post(buf, o.key, o.body)
}

func (p *platform) post(buf []byte, key string, body []byte) []byte {
	return p.postTo(buf, "/api/v2/origins", key, body)
}

func (p *platform) postTo(buf []byte, path, key string, body []byte) []byte {
	buf = append(buf, "POST "...)
	buf = append(buf, path...)
	buf = append(buf, " HTTP/1.1\r\nHost: "...)
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
	o := &b.last
	if o.again {
		if o.again, o.finished = false, false; id != o.id {
			return r.unexpected(fmt.Sprintf("purchase %d, told again,", o.id))
		}
		return nil
	}
	o.id, o.finished = id, true
	b.origins++
	b.revenue += o.sum
	if o.known {
		b.matched++
	}
	if b.noted != nil {
		b.noted(id, o.known)
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
