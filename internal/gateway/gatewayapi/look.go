// Package gatewayapi is what module gateway answers when others ask it: the shapes of its calls.
package gatewayapi

import "github.com/talkable/talkable/internal/site"

// Languages are those in which pages are written; the first is for browsers that ask for none of them.
var Languages = []string{"en", "de", "es", "fr"}

// LookTexts are the sentences of pages that a site may say in its own words.
var LookTexts = []string{"claim_title", "claim_intro", "claim_button", "continue_button", "share_title", "share_intro", "share_message", "gone_title", "gone_text"}

// DefaultColor is that of pages whose site has chosen none.
const DefaultColor = "#0b7a4b"

// Look is how a site's pages look.
type Look struct {
	Site      site.Site
	Name      string
	LogoURL   string                       // "": the name in letters
	Color     string                       // "#0b7a4b"
	ColorDark string                       // of dark pages; "": made of Color
	Language  string                       // one of Languages
	Texts     map[string]map[string]string // by language and name
}
