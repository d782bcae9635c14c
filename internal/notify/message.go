package notify

import (
	"database/sql"
	"time"
)

// States of a message.
const (
	queued       = "queued"
	sending      = "sending"      // a worker has it, and nothing of it has left
	transmitting = "transmitting" // it is being handed to the server: if the worker dies now nobody knows what became of it
	sent         = "sent"
	failed       = "failed"
	uncertain    = "uncertain"  // its worker died while transmitting, or the server's answer was lost
	suppressed   = "suppressed" // its person wants no such mail
)

// Reasons of a message that isn't sent.
const (
	noContact    = "no_contact"   // the person never became known
	noSite       = "no_site"      // the site never became known
	noAddress    = "no_address"   // the person has no e-mail address, or one that cannot be written to
	refused      = "refused"      // by the server, for good
	gaveUp       = "gave_up"      // tried for days
	lost         = "lost"         // nobody knows whether it arrived
	unrenderable = "unrenderable" // our template is at fault
	capped       = "capped"       // of an SMS: the site had as many that day as it may have
	unsubscribed = "unsubscribed" // of a suppressed one: the person wants no mail but what is necessary
	anonymized   = "anonymized"   // of a suppressed one: nobody is to know who the person was
	tooMany      = "too_many"     // of a suppressed one: the person had as many today as the template allows
	passed       = "passed"       // of a suppressed one: its occasion was over before it left
	switchedOff  = "switched_off" // of a suppressed one: the site sends no such mail any more
	objected     = "merchant"     // of a suppressed one: the site's mail hook said no
	asking       = "asking"       // of a queued one: the site's mail hook is asked
)

const (
	patience    = 24 * time.Hour   // for a contact to become known
	sendLease   = 10 * time.Second // of a claimed message that is not in transmission yet
	handLease   = 30 * time.Second // of a message in transmission; well beyond its deadline
	bodiesStay  = 180 * 24 * time.Hour
	claimAtOnce = 20
)

// job is a claimed message with what its rendering needs.
type job struct {
	SiteID    int64     `db:"site_id"`
	ID        int64     `db:"id"`
	PersonID  int64     `db:"person_id"`
	Channel   string    `db:"channel"`
	Template  string    `db:"template"`
	Data      string    `db:"data"`
	Attempts  int       `db:"attempts"`
	Claim     int       `db:"claim"`
	Since     time.Time `db:"since"`
	QueuedAt  time.Time `db:"queued_at"`
	MessageID string    `db:"message_id_header"`

	Doubted sql.NullTime `db:"uncertain_at"` // when it was told as uncertain, if it was

	ContactKnown bool   `db:"contact_known"`
	Unsubscribed bool   `db:"unsubscribed"`
	Anonymized   bool   `db:"anonymized"`
	Email        string `db:"email"`
	Phone        string `db:"phone"`
	Agrees       bool   `db:"agrees"` // to SMS
	Texts        bool   // SMS can be sent at all
	Over         bool   `db:"over"` // what it is about has ended: an invitation, points
	FirstName    string `db:"first_name"`
	LastName     string `db:"last_name"`
	Advocate     string `db:"advocate"` // first name of who shares
	SiteKnown    bool   `db:"site_known"`
	SiteName     string `db:"site_name"`
	SiteURL      string `db:"site_url"`
	SiteFrom     string `db:"site_from"`
	SiteZone     string `db:"site_zone"`

	Unsubscribe string      `db:"-"` // where the person says so; "": the mail is necessary
	Setting     mailSetting `db:"-"` // the site's
	Off         bool        `db:"-"` // the site sends no such mail any more
	Cleared     bool        `db:"cleared"`
	Ask         bool        `db:"-"` // the site wants to be asked before
}

// fate is what to do with a message now.
type fate struct {
	status string    // sending, queued, failed, suppressed
	reason string    // of failed and suppressed; of queued: what it waits for
	next   time.Time // of queued
}

// decide says whether a due message can be sent: its contact and its site may not have arrived from their logs yet, which is
// waited for, longer the longer it takes.
func (j job) decide(now time.Time) fate {
	missing := ""
	switch {
	case !j.ContactKnown:
		missing = noContact
	case j.Anonymized:
		return fate{status: suppressed, reason: anonymized}
	case j.Over:
		return fate{status: suppressed, reason: passed}
	case j.Off:
		return fate{status: suppressed, reason: switchedOff}
	case j.Unsubscribed && !necessary(j.Template):
		return fate{status: suppressed, reason: unsubscribed}
	case j.Email == "" && !j.textable():
		return fate{status: failed, reason: noAddress}
	case !j.SiteKnown:
		missing = noSite
	default:
		return fate{status: sending}
	}
	age := now.Sub(j.Since)
	if age >= patience {
		return fate{status: failed, reason: missing}
	}
	return fate{status: queued, reason: missing, next: now.Add(min(max(time.Second, age/4), 5*time.Minute))}
}

// pauses between attempts; the last repeats until about three days have passed.
var pauses = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, time.Hour,
	6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour,
	6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour}

// pause is how long to wait after so many failed attempts; false: give up. luck in [0,1) spreads it by a quarter.
func pause(attempts int, luck float64) (time.Duration, bool) {
	if attempts > len(pauses) {
		return 0, false
	}
	d := pauses[max(attempts, 1)-1]
	return d + time.Duration(luck*float64(d)/4), true
}

// after turns what the server said to an attempt into the message's new state.
func (j job) after(o outcome, now time.Time, luck float64) fate {
	switch o.kind {
	case accepted:
		return fate{status: sent}
	case refusedForGood:
		return fate{status: failed, reason: refused}
	case unknown:
		return fate{status: uncertain, reason: lost}
	}
	d, ok := pause(j.Attempts, luck)
	if !ok {
		return fate{status: failed, reason: gaveUp}
	}
	return fate{status: queued, next: now.Add(d)}
}

// resendable says whether a person may order another attempt.
func resendable(status string) bool { return status == failed || status == uncertain }
