package referral

import "strings"

const similarDefinition = "Both addresses are normalised: lower case; of the local part, all from the first + on, and every dot, hyphen and underscore, are " +
	"left out; googlemail.com is gmail.com. Their distance is the least number of letters put in, left out, replaced or swapped with the next one that " +
	"makes one local part the other (optimal string alignment), and 2 more if the domains differ. They are similar if the distance is at most " +
	"similar_email_distance, and five times the distance is at most the length of the shorter local part: ann@a.example and anna@a.example aren't, " +
	"john.smith88@a.example and johnsmith89+x@a.example are, and so are johnathan.smith@a.example and johnathansmith@b.example."

const otherDomain = 2 // what another domain adds to the distance

// mailbox is an address in the form in which addresses are compared for similarity.
type mailbox struct{ local, domain string }

func mailboxOf(email string) mailbox {
	local, domain, _ := strings.Cut(strings.ToLower(email), "@")
	local, _, _ = strings.Cut(local, "+")
	local = strings.NewReplacer(".", "", "-", "", "_", "").Replace(local)
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	return mailbox{local, domain}
}

// apart is the distance of two addresses, and the length of the shorter local part.
func (m mailbox) apart(n mailbox) (distance, shorter int64) {
	distance = int64(alignment(m.local, n.local))
	if m.domain != n.domain {
		distance += otherDomain
	}
	return distance, int64(min(len(m.local), len(n.local)))
}

// similar is the definition's last sentence.
func similar(distance, shorter, most int64) bool {
	return shorter > 0 && distance <= most && 5*distance <= shorter
}

// alignment is the optimal string alignment distance: the Levenshtein distance, in which a swap of neighbours is one step. Local
// parts are ASCII and at most 64 long.
func alignment(a, b string) int {
	before, last, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(b)]
}
