package web

import "strings"

// DeviceType tells desktop, mobile and tablet apart by the user agent; "" is none of them, or nobody knows: programs call, too. A tablet that
// asks for desktop pages says that it is a desktop.
func DeviceType(userAgent string) string {
	has := func(word string) bool { return strings.Contains(userAgent, word) }
	switch {
	case has("iPad"), has("Tablet"), has("PlayBook"), has("Kindle"), has("Silk/") && !has("Mobile"), has("Android") && !has("Mobi") && has("Mozilla/"):
		return "tablet"
	case has("Mobi"), has("iPhone"), has("iPod"), has("Opera Mini"), has("Windows Phone"), has("BlackBerry"):
		return "mobile"
	case has("Windows NT"), has("Macintosh"), has("X11;"), has("CrOS"):
		return "desktop"
	}
	return ""
}
