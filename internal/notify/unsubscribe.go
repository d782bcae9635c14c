package notify

import (
	"strings"

	"github.com/wneessen/go-mail"
)

// unsubscribeURL is where the addressee of a message asks for no more, by one click; "" where that isn't to be asked.
func (m *Module) unsubscribeURL(j job) string {
	if necessary(j.Template) || m.PublicURL == "" {
		return ""
	}
	return strings.TrimRight(m.PublicURL, "/") + m.Cursors.UnsubscribePath(j.SiteID, j.PersonID)
}

// offerUnsubscribe lets mail programs show a button for it (RFC 2369), which works by one request (RFC 8058).
func offerUnsubscribe(m *mail.Msg, url string) {
	if url == "" {
		return
	}
	m.SetGenHeader("List-Unsubscribe", "<"+url+">")
	m.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
}
