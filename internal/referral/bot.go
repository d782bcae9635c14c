package referral

import (
	"net/http"
	"strings"
)

// bots are words of crawlers, HTTP libraries and link previewers, in lower case. A person's browser holds none of them.
var bots = []string{
	"bot", "crawl", "spider", "slurp", "mediapartners", "facebookexternalhit", "facebookcatalog", "whatsapp/", "telegram", "viber",
	"skypeuripreview", "embedly", "preview", "pinterest/", "quora link", "redditbot", "vkshare", "w3c_validator", "ia_archiver",
	"curl/", "wget/", "python-", "python/", "aiohttp", "httpx/", "go-http-client", "java/", "okhttp", "apache-httpclient", "axios/",
	"node-fetch", "undici", "got (", "ruby", "faraday", "guzzle", "php/", "libwww-perl", "lwp::", "postmanruntime", "insomnia/",
	"httpie", "headlesschrome", "phantomjs", "lighthouse", "pingdom", "uptime", "monitor", "scan", "scrapy", "bingpreview",
	"google-read-aloud", "google web preview", "googleimageproxy", "feedfetcher", "mattermost", "nuzzel", "outbrain", "snap url",
}

// machine says that no person opens the link by this request: a HEAD, a prefetch, a bot, or nobody who says who he is.
func machine(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return true
	}
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		v := strings.ToLower(r.Header.Get(name))
		if strings.Contains(v, "prefetch") || strings.Contains(v, "preview") || strings.Contains(v, "prerender") {
			return true
		}
	}
	agent := strings.ToLower(strings.TrimSpace(r.UserAgent()))
	if agent == "" {
		return true
	}
	for _, word := range bots {
		if strings.Contains(agent, word) {
			return true
		}
	}
	return false
}
