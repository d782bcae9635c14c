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

// botsBy are the bots' words by their first byte.
var botsBy = func() (by [256][]string) {
	for _, word := range bots {
		by[word[0]] = append(by[word[0]], word)
	}
	return by
}()

// bot looks for the words in one pass.
func bot(agent string) bool {
	for i := range len(agent) {
		for _, word := range botsBy[agent[i]] {
			if strings.HasPrefix(agent[i:], word) {
				return true
			}
		}
	}
	return false
}

// machine says that no person opens the link by this request: a HEAD, a prefetch, a bot, or nobody who says who he is.
func machine(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return true
	}
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		sent := r.Header[name]
		if len(sent) == 0 {
			continue
		}
		v := strings.ToLower(sent[0])
		if strings.Contains(v, "prefetch") || strings.Contains(v, "preview") || strings.Contains(v, "prerender") {
			return true
		}
	}
	agent := strings.ToLower(strings.TrimSpace(r.UserAgent()))
	return agent == "" || bot(agent)
}
