package web

import "strconv"

// Addressee is who a mail was for.
type Addressee struct {
	PersonID int64 `json:"p"`
}

const unsubscribing = "unsubscribe" // what the link is signed for, so that no other signature opens it

// UnsubscribePath is the path of the page by which the addressee of a mail asks for no more, without signing in.
func (c *Cursors) UnsubscribePath(siteID, personID int64) string {
	return "/unsubscribe/" + strconv.FormatInt(siteID, 10) + "/" + c.Encode(siteID, unsubscribing, Addressee{personID})
}

// Unsubscriber reads whom the token of such a path is for; false: it is none of ours, or another site's.
func (c *Cursors) Unsubscriber(siteID int64, token string) (who Addressee, ok bool) {
	ok, err := c.Decode(siteID, unsubscribing, token, &who)
	return who, ok && err == nil && who.PersonID > 0
}
