package page

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/money"
	"github.com/talkable/talkable/internal/referral/referralapi"
)

const (
	channelCopy = "copy_link"
	channelQR   = "qr_code"
	mostMessage = 5000 // runes

	mostRecipients = 2 * referralapi.MostEmails // of one form: some may be wrong
)

// intents are the channels that take a link by an address of their own, in the order of the page.
var intents = []struct {
	channel, label string
	address        func(link, text string) string
}{
	{"whatsapp", "WhatsApp", func(link, text string) string { return "https://wa.me/?text=" + escaped(text+" "+link) }},
	{"sms", "SMS", func(link, text string) string { return "sms:?&body=" + escaped(text+" "+link) }}, // one of & and ? is for each kind of phone
	{"facebook", "Facebook", func(link, _ string) string { return "https://www.facebook.com/sharer/sharer.php?u=" + escaped(link) }},
	{"twitter", "X", func(link, text string) string {
		return "https://twitter.com/intent/tweet?url=" + escaped(link) + "&text=" + escaped(text)
	}},
	{"telegram", "Telegram", func(link, text string) string {
		return "https://t.me/share/url?url=" + escaped(link) + "&text=" + escaped(text)
	}},
	{"linkedin", "LinkedIn", func(link, _ string) string {
		return "https://www.linkedin.com/sharing/share-offsite/?url=" + escaped(link)
	}},
}

// escaped is a text as a value of a query; apps of phones take a plus sign as one.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// shareView is an advocate's share page.
type shareView struct {
	frame
	Intro    string
	Link     string
	QR       string
	Channels []channelView
	Action   string
	Said     string // of a form that was sent
	Fault    bool
	Stats    []stat
	Next     string
}

type channelView struct {
	Name, Label string
	Link        template.URL // of ours, with all that is foreign escaped: html/template lets no sms: pass
}

type stat struct{ Value, Label string }

// Share shows the page of a share link.
func (p *Pages) Share(w http.ResponseWriter, r *http.Request, l referralapi.Landing) {
	f := p.frame(r, l.SiteID).inShop()
	if !l.Live {
		n := notice(f, "share_over")
		n.Next = l.Continue
		p.show(w, r, http.StatusOK, n)
		return
	}
	channels := []string{channelCopy, channelQR}
	for _, i := range intents {
		channels = append(channels, i.channel)
	}
	offer, err := p.Referrals.Offer(r.Context(), f.look.Site, strconv.FormatInt(l.OfferID, 10), channels)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	stats, err := p.stats(r, f, l)
	if err != nil {
		p.fail(w, r, err)
		return
	}
	v := sharePage(f, l, offer, stats)
	v.Said, v.Fault = f.mailed(r.URL.Query())
	p.show(w, r, http.StatusOK, v)
}

// sharePage puts the page together.
func sharePage(f frame, l referralapi.Landing, offer *referralapi.Offer, stats []stat) shareView {
	f.kind, f.Wide = "share", true
	friend, you := f.promises(offer.Incentives, true), f.promises(offer.Incentives, false)
	fill := []string{"friend", friend, "you", you, "reward", friend}
	f.Title = f.say("share_title", fill...)
	v := shareView{Link: offer.ClaimLinks[channelCopy], QR: pathOf(offer.ClaimLinks[channelQR]) + "/qr.svg", Action: "/x/" + l.Code + "/mail", Stats: stats, Next: l.Continue}
	switch {
	case f.look.Texts[f.Lang]["share_intro"] != "":
		v.Intro = f.say("share_intro", fill...)
	case friend != "" && you != "":
		v.Intro = f.say("share_both", fill...)
	case friend != "":
		v.Intro = f.say("share_friend", fill...)
	case you != "":
		v.Intro = f.say("share_you", fill...)
	default:
		v.Intro = f.say("share_none")
	}
	text := f.say("share_message", fill...)
	for _, i := range intents {
		v.Channels = append(v.Channels, channelView{Name: i.channel, Label: i.label, Link: template.URL(i.address(offer.ClaimLinks[i.channel], text))})
	}
	f.About = v.Intro
	v.frame = f
	return v
}

// mailed is what to say of a form that has just been sent: to how many, of how many. "" if none was.
func (f frame) mailed(q url.Values) (said string, fault bool) {
	n, err := strconv.Atoi(q.Get("sent"))
	of, _ := strconv.Atoi(q.Get("of"))
	switch {
	case !q.Has("sent"):
		return "", false
	case err != nil || n < 1 || n > referralapi.MostEmails:
		return f.say("mail_none"), true
	case of > n && of <= mostRecipients:
		return f.say("mail_some", "count", strconv.Itoa(n), "of", strconv.Itoa(of)), false
	}
	return f.say("mail_sent", "count", strconv.Itoa(n)), false
}

// pathOf is the path of one of our own links: the page asks the server that it came from.
func pathOf(link string) string {
	if u, err := url.Parse(link); err == nil {
		return u.Path
	}
	return ""
}

// stats are an advocate's numbers, those that say something.
func (p *Pages) stats(r *http.Request, f frame, l referralapi.Landing) ([]stat, error) {
	n, err := p.Referrals.OfferStats(r.Context(), l)
	if err != nil {
		return nil, err
	}
	points, member, err := p.balance(r.Context(), l.SiteID, l.AdvocateID)
	if err != nil {
		return nil, err
	}
	friends := "stat_referrals"
	if n.Referrals == 1 {
		friends = "stat_referral"
	}
	out := []stat{{strconv.FormatInt(n.Referrals, 10), f.say(friends)}}
	add := func(n int64, name string) {
		if n > 0 {
			out = append(out, stat{strconv.FormatInt(n, 10), f.say(name)})
		}
	}
	add(n.Points, "stat_points")
	if member {
		add(points, "stat_balance")
	}
	for _, sum := range n.Earned {
		out = append(out, stat{money.Price(sum.Amount, sum.Currency), f.say("stat_earned")})
	}
	add(n.Coupons, "stat_coupons")
	return out, nil
}

// mail sends the offer to friends.
func (p *Pages) mail(w http.ResponseWriter, r *http.Request) {
	l, share, err := p.Referrals.Landing(r.Context(), chi.URLParam(r, "code"), "")
	if err != nil {
		p.fail(w, r, err)
		return
	}
	if l == nil || !share {
		p.Gone(w, r)
		return
	}
	sent, to := 0, recipients(r.PostForm.Get("recipients"))
	message := strings.ReplaceAll(r.PostForm.Get("message"), "\r\n", "\n")
	if len(to) > 0 && l.Live && utf8.RuneCountInString(message) <= mostMessage && utf8.ValidString(message) && !strings.ContainsRune(message, 0) {
		if sent, err = p.send(r, *l, to, message); err != nil {
			p.fail(w, r, err)
			return
		}
	}
	http.Redirect(w, r, fmt.Sprintf("/x/%s?sent=%d&of=%d#mail", l.Code, sent, len(to)), http.StatusSeeOther)
}

func (p *Pages) send(r *http.Request, l referralapi.Landing, to []string, message string) (int, error) {
	look, err := p.Looks.Look(r.Context(), l.SiteID)
	if err != nil {
		return 0, err
	}
	_, out, _, err := p.Mails.MailOffer(r.Context(), look.Site, to, referralapi.EmailShare{Code: strconv.FormatInt(l.OfferID, 10), Message: message, Reminder: true})
	if fault.Is(err, fault.Invalid) { // sharing has just ended
		return 0, nil
	}
	return out.Stats.CurrentlySent, err
}

// recipients are the addresses of a form; none if they are more than an offer may go to twice over.
func recipients(text string) []string {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return nil
	}
	to := strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(",; \t\r\n", c) })
	if len(to) > mostRecipients {
		return nil
	}
	return to
}
