package referral

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/customer/customerapi"
	"github.com/talkable/talkable/internal/customer/customerevent"
	"github.com/talkable/talkable/internal/referral/referralevent"
)

// People is who knows the addresses and numbers of persons. It is asked only where a rule compares them, so that none of them is
// kept here.
type People interface {
	People(ctx context.Context, siteID int64, ids []int64) (map[int64]customerapi.Person, error)
}

// suspect is a deed that is about to make a referral, if its friend isn't referred already.
type suspect struct {
	n      int
	d      deed
	c      *candidate
	policy *policy
	asked  bool // a decision hook has its say first
}

func (s suspect) pair() pairKey { return pairKey{s.d.body.SiteID, s.c.advocateID, s.d.body.PersonID} }

// looked are the values that the rules of a batch compare; what no rule asks for isn't there.
type looked struct {
	people  map[key]customerapi.Person
	kin     kin
	marks   map[markKey]sight
	told    map[markKey][]toldMark // by the batch itself
	crossed map[pairKey]int64
	paces   map[int]pace // by the deed's place in the batch
	cycled  map[int]cycle
}

// toldMark is a mark that an event of the batch tells.
type toldMark struct {
	at int // the event's place
	sight
}

// look reads what the policies of the suspects measure: a query for each kind of thing, and none for what is skipped.
func (m *Module) look(ctx context.Context, u *bus.Unit, suspects []suspect, told map[markKey][]toldMark, k kin) (*looked, error) {
	l := &looked{people: map[key]customerapi.Person{}, told: told, paces: map[int]pace{}, kin: k}
	ids := map[int64][]int64{}
	var marks []markKey
	var pairs []pairKey
	var sites, advocates []int64
	var at []time.Time
	var counted []int
	for _, s := range suspects {
		p := s.pair()
		if m.people != nil && s.policy.addresses() {
			ids[p.site] = append(ids[p.site], p.advocate, p.friend)
		}
		for _, advocate := range k.all(p.site, p.advocate) {
			for kind, value := range s.policy.marksOf(s.d.body) {
				marks = append(marks, markKey{p.site, kind, value, advocate})
			}
			if s.policy.measures(ruleVelocity) {
				counted, sites, advocates, at = append(counted, s.n), append(sites, p.site), append(advocates, advocate), append(at, s.d.body.OccurredAt)
			}
			for _, friend := range k.all(p.site, p.friend) {
				if s.policy.measures(ruleCross) {
					pairs = append(pairs, pairKey{p.site, advocate, friend})
				}
			}
		}
	}
	for site, list := range ids {
		slices.Sort(list)
		people, err := m.people.People(ctx, site, slices.Compact(list))
		if err != nil {
			return nil, bus.Later(fmt.Errorf("ask who they are: %w", err))
		}
		for id, p := range people {
			l.people[key{site, id}] = p
		}
	}
	var err error
	if l.cycled, err = findCycles(ctx, u, suspects, k); err != nil {
		return nil, err
	}
	if l.marks, err = findMarks(ctx, u, marks); err != nil {
		return nil, err
	}
	if l.crossed, err = crossed(ctx, u, pairs); err != nil {
		return l, err
	}
	for p, id := range maps.Clone(l.crossed) {
		one := pairKey{p.site, k.one(p.site, p.advocate), k.one(p.site, p.friend)}
		l.crossed[one] = max(l.crossed[one], id)
	}
	if len(counted) == 0 {
		return l, nil
	}
	list, err := paces(ctx, u, sites, advocates, at)
	for i, p := range list {
		sum := l.paces[counted[i]]
		l.paces[counted[i]] = pace{sum.Day + p.Day, sum.Week + p.Week, sum.Month + p.Month}
	}
	return l, err
}

var ruleOfMark = map[string]string{markIP: ruleIP, markDevice: ruleDevice, markAddress: ruleAddress, markPhone: rulePhone, markCard: ruleCard}

// marksOf are those things of an origin that the policy's rules compare.
func (p *policy) marksOf(o customerevent.OriginRecorded) map[string]string {
	if !p.marks() {
		return nil
	}
	out := marksOf(o)
	for kind := range out {
		if !p.measures(ruleOfMark[kind]) {
			delete(out, kind)
		}
	}
	return out
}

// marksOf are the things that an origin shows its person with.
func marksOf(o customerevent.OriginRecorded) map[string]string {
	out := map[string]string{}
	if o.Address != "" {
		out[markAddress] = o.Address
	}
	if o.Phone != "" {
		out[markPhone] = o.Phone
	}
	if o.Card != "" {
		out[markCard] = o.Card
	}
	if public(o.IP) {
		out[markIP] = customerapi.Fingerprint(markIP, o.IP)
		if o.Device != "" {
			out[markDevice] = customerapi.Fingerprint(markDevice, o.IP+" "+o.Device)
		}
	}
	for kind, v := range out {
		id, ok := visitorOf(uuidForm(v))
		if !ok {
			delete(out, kind)
			continue
		}
		out[kind] = id
	}
	return out
}

// uuidForm writes 32 hexadecimal digits as a UUID.
func uuidForm(s string) string {
	if len(s) != 32 {
		return ""
	}
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// public says that an address tells something of who has it: those of private networks are a shop's own proxy.
func public(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && a.IsGlobalUnicast() && !a.IsPrivate()
}

// gatherMarks notes what the verified origins of a batch show their people with, on sites whose rules compare it.
func (m *Module) gatherMarks(ctx context.Context, u *bus.Unit, batch []bus.Event[customerevent.OriginRecorded]) (map[markKey][]toldMark, error) {
	out := map[markKey][]toldMark{}
	for n, e := range batch {
		o := e.Body
		if !o.Verified || o.PersonID == 0 || o.IP+o.Address+o.Phone+o.Card == "" {
			continue
		}
		b, err := m.books.of(ctx, u, o.SiteID)
		if err != nil {
			return nil, err
		}
		if !b.marks {
			continue
		}
		for kind, value := range marksOf(o) {
			if b.measures(ruleOfMark[kind]) {
				k := markKey{o.SiteID, kind, value, o.PersonID}
				out[k] = append(out[k], toldMark{n, sight{o.OriginID, o.OccurredAt, o.OccurredAt}})
			}
		}
	}
	return out, nil
}

// foldMarks makes one sight of all that a batch tells of a mark; the keys come in one order.
func foldMarks(told map[markKey][]toldMark) ([]markKey, map[markKey]sight) {
	keys, out := make([]markKey, 0, len(told)), make(map[markKey]sight, len(told))
	for k, list := range told {
		keys = append(keys, k)
		s := list[0].sight
		for _, t := range list[1:] {
			if s.first.After(t.first) {
				s.first = t.first
			}
			if !t.last.Before(s.last) {
				s.last, s.origin = t.last, t.origin
			}
		}
		out[k] = s
	}
	slices.SortFunc(keys, func(a, b markKey) int {
		return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.kind, b.kind), cmp.Compare(a.value, b.value), cmp.Compare(a.person, b.person))
	})
	return keys, out
}

// nearest is how far a purchase is from the closest time that the advocate was seen with a mark: as it was known when the
// purchase was told, so that later events of its batch don't count.
func (l *looked) nearest(d deed, k markKey) (origin int64, apart *int64) {
	take := func(s sight) {
		away := min(abs(d.body.OccurredAt.Sub(s.last)), abs(d.body.OccurredAt.Sub(s.first)))
		if seconds := int64(away / time.Second); apart == nil || seconds < *apart {
			origin, apart = s.origin, &seconds
		}
	}
	for _, k.person = range l.kin.all(k.site, k.person) {
		if s, ok := l.marks[k]; ok {
			take(s)
		}
		for _, t := range l.told[k] {
			if t.at < d.at {
				take(t.sight)
			}
		}
	}
	return origin, apart
}

func abs(d time.Duration) time.Duration { return max(d, -d) }

// measure is what the rules of a policy see of a suspect. made are the referrals that the batch has made before.
func (l *looked) measure(s suspect, self func() evidence, made []referral) map[string]evidence {
	out := map[string]evidence{}
	add := func(rule string, see func() evidence) {
		if s.policy.measures(rule) {
			out[rule] = see()
		}
	}
	p, o := s.pair(), s.d.body
	advocate, friend := l.people[key{p.site, p.advocate}], l.people[key{p.site, p.friend}]
	marks := s.policy.marksOf(o)
	mark := func(kind, missing string) func() evidence {
		return func() evidence {
			if marks[kind] == "" {
				return evidence{Missing: missing}
			}
			if origin, apart := l.nearest(s.d, markKey{p.site, kind, marks[kind], p.advocate}); apart != nil {
				return evidence{Match: kind, OriginID: origin, Apart: apart}
			}
			return evidence{}
		}
	}
	add(ruleSelf, self)
	add(ruleSimilar, func() evidence { return similarity(advocate.Email, friend.Email) })
	add(ruleAddress, mark(markAddress, "shipping address of the purchase"))
	add(rulePhone, func() evidence {
		if o.Phone != "" && o.Phone == customerapi.Fingerprint(customerapi.PhoneMark, advocate.Phone) {
			return evidence{Match: "phone_of_advocate", PersonID: itoa(p.advocate)}
		}
		return mark(markPhone, "phone number of the purchase")()
	})
	add(ruleCard, mark(markCard, "card of the purchase"))
	add(ruleDevice, mark(markDevice, "public IP address and user agent of the purchase"))
	add(ruleIP, mark(markIP, "public IP address of the purchase"))
	add(ruleCross, func() evidence { return crossing(p, l.crossed[p], made) })
	add(ruleVelocity, func() evidence { return speed(p, o.OccurredAt, l.paces[s.n], made) })
	add(ruleDisposable, func() evidence { return throwaway(friend.Email, s.policy.lists) })
	add(ruleBlockedEmail, func() evidence { return blockedEmail(advocate.Email, friend.Email, s.policy.lists) })
	add(ruleBlockedIP, func() evidence {
		switch {
		case o.IP == "":
			return evidence{Missing: "IP address of the purchase"}
		case s.policy.lists.blockedIPs.has(o.IP):
			return evidence{Match: "blocked_ips", Side: sideFriend}
		}
		return evidence{}
	})
	if len(o.CouponCodes) > 0 {
		add(ruleCycling, func() evidence { return l.cycled[s.n].evidence() })
	}
	return out
}

// qa says that somebody tries things out.
func (l *looked) qa(s suspect) bool {
	p, lists := s.pair(), s.policy.lists
	return lists.qaIPs.has(s.d.body.IP) || lists.qaEmails.has(l.people[key{p.site, p.advocate}].Email) || lists.qaEmails.has(l.people[key{p.site, p.friend}].Email)
}

func similarity(advocate, friend string) evidence {
	switch {
	case advocate == "":
		return evidence{Missing: "e-mail address of the advocate"}
	case friend == "":
		return evidence{Missing: "e-mail address of the friend"}
	}
	distance, length := mailboxOf(advocate).apart(mailboxOf(friend))
	return evidence{Distance: &distance, Length: length}
}

// crossing finds a referral of the advocate by the friend, stored, or made by the same batch before. The latter has no number yet; it
// is named by its origin.
func crossing(p pairKey, stored int64, made []referral) evidence {
	if stored != 0 {
		return evidence{ReferralID: stored}
	}
	for _, r := range made {
		if r.SiteID == p.site && r.AdvocateID == p.friend && r.FriendID == p.advocate && r.Status != referralevent.Blocked {
			return evidence{Match: "same_moment", OriginID: r.OriginID}
		}
	}
	return evidence{}
}

// speed counts the referrals of the advocate, this one and those of the same batch among them.
func speed(p pairKey, at time.Time, stored pace, made []referral) evidence {
	e := evidence{Day: stored.Day + 1, Week: stored.Week + 1, Month: stored.Month + 1}
	for _, r := range made {
		if ago := at.Sub(r.OccurredAt); r.SiteID == p.site && r.AdvocateID == p.advocate && ago >= 0 && ago < 30*24*time.Hour {
			if e.Month++; ago < 7*24*time.Hour {
				e.Week++
			}
			if ago < 24*time.Hour {
				e.Day++
			}
		}
	}
	e.Day, e.Week, e.Month = min(e.Day, mostCounted), min(e.Week, mostCounted), min(e.Month, mostCounted)
	return e
}

func throwaway(email string, l *lists) evidence {
	_, domain, ok := strings.Cut(email, "@")
	if !ok {
		return evidence{Missing: "e-mail address of the friend"}
	}
	if listed(domain, l.ordinary) != "" {
		return evidence{}
	}
	return evidence{Match: cmp.Or(listed(domain, l.disposable), listed(domain, disposable))}
}

func blockedEmail(advocate, friend string, l *lists) evidence {
	switch {
	case l.blockedEmails.has(friend):
		return evidence{Match: "blocked_emails", Side: sideFriend}
	case l.blockedEmails.has(advocate):
		return evidence{Match: "blocked_emails", Side: sideAdvocate}
	case friend == "" && advocate == "":
		return evidence{Missing: "e-mail addresses"}
	}
	return evidence{}
}
