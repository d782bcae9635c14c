package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Kinds of op.
const (
	kindSignUp   = "sign-up"
	kindVisit    = "visit"
	kindPurchase = "purchase"
	kindRefund   = "refund"
	kindStatus   = "status"
	kindRead     = "read"    // of a person, right after it was told of
	kindHostile  = "hostile" // must be refused, and leave nothing
	kindAdjust   = "adjust"  // points, by hand
	kindRedeem   = "redeem"
	kindCancel   = "cancel"  // of a redemption
	kindStock    = "restock" // a coupon list
	kindClaim    = "claim"   // of an offer, by a friend
	kindView     = "view"    // of a page
	kindOwnCode  = "own code"
	kindBatch    = "batch"  // of payouts
	kindPayout   = "payout" // what becomes of a batch
	kindGive     = "give"   // points to another member
	kindHold     = "hold"   // points for a checkout
	kindEnd      = "end"    // of a hold
)

// op is one thing that the load wants done: it is told as often as it takes until the answer is definite. Its names are derived
// from the seed, so what the platform should hold is known without asking it.
type op struct {
	ID       string `json:"op"`   // "3-17/0/refund-2": worker, story, site, which
	Site     int    `json:"site"` // the twins are 0 and 1
	Kind     string `json:"kind"`
	Email    string `json:"email,omitempty"`
	Order    string `json:"order,omitempty"`
	Visitor  string `json:"visitor,omitempty"`
	Advocate string `json:"advocate,omitempty"` // of a visit: whose link
	Campaign string `json:"campaign,omitempty"` // of a sign-up or a visit: its tag
	Code     string `json:"code,omitempty"`     // of the link; of a purchase, the coupon's, and Advocate is whose it is
	Offer    string `json:"offer,omitempty"`    // its code
	Amount   int64  `json:"amount,omitempty"`   // minor units, or points; of a refund, 0 is all that is left
	Status   string `json:"status,omitempty"`
	To       string `json:"to,omitempty"`     // who gets points
	Batch    string `json:"batch,omitempty"`  // to redeem: its name
	Target   int64  `json:"target,omitempty"` // and id; or a redemption's, to cancel; or a coupon list's
	Line     int64  `json:"line,omitempty"`   // of a payout, that failed
	Key      string `json:"key,omitempty"`
	Public   bool   `json:"public,omitempty"` // told by a page, with the public key
	Page     bool   `json:"page,omitempty"`   // done on a page of the platform's own
	Duel     string `json:"duel,omitempty"`   // "refunds 3-17": which duel, of which story
}

// outcome is what one attempt told.
type outcome string

const (
	yes     outcome = "yes"
	no      outcome = "no"      // refused: it was not done and will never be
	unknown outcome = "unknown" // it may have been done
	unsent  outcome = "unsent"  // nobody was there to take it
)

// attempt is a line of the history.
type attempt struct {
	op
	Replica  int     `json:"replica"`
	Start    int64   `json:"start"` // microseconds since the run began
	End      int64   `json:"end"`
	HTTP     int     `json:"http,omitempty"`
	Outcome  outcome `json:"outcome"`
	Fault    string  `json:"fault,omitempty"` // code of a problem
	Hash     string  `json:"hash,omitempty"`  // of status and body
	Replayed bool    `json:"replayed,omitempty"`
	Note     string  `json:"note,omitempty"`
	Link     string  `json:"link,omitempty"`  // of a sign-up: the code of the claim link; of a claim: the coupon's
	Share    string  `json:"share,omitempty"` // of a sign-up: the code of the share link,
	Short    string  `json:"short,omitempty"` // and of the offer
	Made     int64   `json:"made,omitempty"`  // a redemption's id, or a batch's, or a hold's
}

func (a attempt) String() string {
	s := fmt.Sprintf("%8.3f–%.3f s  replica %d  %s %s", float64(a.Start)/1e6, float64(a.End)/1e6, a.Replica, a.ID, a.Outcome)
	for _, more := range []string{a.Fault, a.Note} {
		if more != "" {
			s += " " + more
		}
	}
	if a.Kind == kindPurchase || a.Kind == kindRefund {
		s += fmt.Sprintf(" (order %s, %d)", a.Order, a.Amount)
	}
	return s
}

// history is every attempt, in the order of their ends.
type history struct {
	began time.Time
	mu    sync.Mutex
	all   []attempt
	file  *os.File
	out   *bufio.Writer
}

func createHistory(path string) (*history, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &history{began: time.Now(), file: f, out: bufio.NewWriter(f)}, nil
}

func (h *history) now() int64 { return time.Since(h.began).Microseconds() }

func (h *history) add(a attempt) error {
	line, err := json.Marshal(a)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, a)
	_, err = h.out.Write(append(line, '\n'))
	return err
}

func (h *history) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.out.Flush(); err != nil {
		return err
	}
	return h.file.Close()
}

// readHistory reads what an earlier run wrote.
func readHistory(path string) ([]attempt, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []attempt
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a attempt
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(all)+1, err)
		}
		all = append(all, a)
	}
	return all, lines.Err()
}

// life is an op with all that was answered to it.
type life struct {
	op
	tries []attempt
}

// fate is the op's definite outcome; unknown when it never got one. An op that was told twice may be answered yes only.
func (l *life) fate() outcome {
	out := unknown
	for _, a := range l.tries {
		switch a.Outcome {
		case yes:
			return yes
		case no:
			out = no
		}
	}
	return out
}

// began and ended are the first moment at which it may have been done, and the one at which it certainly was.
func (l *life) began() int64 { return l.tries[0].Start }

// lives folds a history by op, in the order in which they were first answered.
func lives(all []attempt) []*life {
	byID := map[string]*life{}
	var out []*life
	for _, a := range all {
		l := byID[a.ID]
		if l == nil {
			l = &life{op: a.op}
			byID[a.ID] = l
			out = append(out, l)
		}
		l.tries = append(l.tries, a)
	}
	return out
}

// mentions are the attempts that concern any of the words: an order, an e-mail address, a visitor, an op.
func mentions(all []attempt, text string, most int) []attempt {
	var out []attempt
	for _, a := range all {
		for _, word := range []string{a.Order, a.Visitor, a.ID, a.Email} {
			if word != "" && holds(text, word) {
				out = append(out, a)
				break
			}
		}
		if len(out) == most {
			break
		}
	}
	return out
}

// holds says that text has word as a whole: "o-1-1" is not in "o-1-12".
func holds(text, word string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		end := from + i + len(word)
		if end == len(text) || !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyz-", rune(text[end])) {
			return true
		}
		from = end
	}
}
