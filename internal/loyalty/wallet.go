package loyalty

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/talkable/talkable/internal/fault"
	"github.com/talkable/talkable/internal/loyalty/loyaltyapi"
)

// mainWallet is what the main wallet is called where wallets are told apart: the asset of its accounts. Within the module it is "".
const mainWallet = "points"

const maxWallets = 9 // beside the main one

var walletKey = regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`)

// Wallet is points of a programme that are kept apart from the main ones: with a balance, lots and dates of their own.
type Wallet struct {
	Key           string `json:"key" doc:"1 to 30 of a-z, 0-9 and '_', beginning with a letter; its name for good. points is the main wallet" example:"stars"`
	Name          string `json:"name" doc:"1 to 50 characters" example:"Stars"`
	Spendable     *bool  `json:"spendable,omitempty" nullable:"true" doc:"Its points can be redeemed and held; true when left out" example:"false"`
	Transferable  bool   `json:"transferable,omitempty" doc:"Members may give its points to each other" example:"false"`
	CountsForTier bool   `json:"counts_for_tier,omitempty" doc:"What is earned in it counts towards tiers' thresholds. Where a wallet does, the main one doesn't any more, from its next earning on" example:"true"`
	ExpiryRule    string `json:"expiry_rule,omitempty" doc:"rolling when left out, end_of_month, end_of_year, fixed_date, or inactivity in this wallet, as programmes have it" example:"end_of_year"`
	ExpiresAfter  *int   `json:"expires_after_days,omitempty" nullable:"true" doc:"null: never, where the rule can do without" example:"365"`
	ExpiryDay     string `json:"expiry_day,omitempty" doc:"MM-DD, for fixed_date" example:""`
	PendingRule   string `json:"pending_rule,omitempty" doc:"When what purchases earn in it can be spent, and counts: none, at once, when left out; days or event, as programmes have it" example:"days"`
	PendingDays   int    `json:"pending_days,omitempty" doc:"For days, 1 to 3650" example:"14"`
	PendingExpiry string `json:"pending_expiry,omitempty" doc:"earning when left out, or activation: what the expiry of points that were pending counts from" example:"activation"`
}

var (
	errNoWallet     = fault.New(fault.Invalid, "wallet_not_found", "The programme has no such wallet.").At("/wallet", noWallet)
	errNotSpendable = fault.New(fault.Invalid, "wallet_not_spendable", "The points of this wallet can't be spent.").At("/wallet", "can't be spent")
	errNotGivable   = fault.New(fault.Invalid, "wallet_not_transferable", "The points of this wallet can't be given to others.").At("/wallet", "can't be given to others")
)

const noWallet = "is no wallet of the programme"

// kept is a wallet as settings keep it.
func (w Wallet) kept() Wallet {
	spendable := w.spendable()
	w.Spendable = &spendable
	w.ExpiryRule = cmp.Or(w.ExpiryRule, ruleRolling)
	w.PendingRule, w.PendingExpiry = unless(w.PendingRule, "none"), unless(w.PendingExpiry, "earning")
	return w
}

func (w Wallet) spendable() bool { return w.Spendable == nil || *w.Spendable }

// policy is its rules of expiry and of waiting as a programme's.
func (w Wallet) policy() policy {
	return policy{ExpiryRule: unless(w.ExpiryRule, ruleRolling), ExpiryDay: w.ExpiryDay,
		pendingPolicy: pendingPolicy{unless(w.PendingRule, "none"), w.PendingDays, unless(w.PendingExpiry, "earning")}}
}

// keptWallets are wallets as settings keep them; nil: none.
func keptWallets(all []Wallet) (out []Wallet) {
	for _, w := range all {
		out = append(out, w.kept())
	}
	return out
}

// checkWallets says what is wrong with the wallets, and with rules that name others.
func (s settings) checkWallets(at func(pointer, format string, args ...any)) {
	if len(s.Wallets) > maxWallets {
		at("/wallets", "must be at most %d", maxWallets)
	}
	keys, names := map[string]bool{mainWallet: true}, map[string]bool{}
	for i, w := range s.Wallets[:min(len(s.Wallets), maxWallets)] {
		within := func(pointer, format string, args ...any) { at("/wallets/"+strconv.Itoa(i)+pointer, format, args...) }
		switch {
		case !walletKey.MatchString(w.Key):
			within("/key", "must have 1 to 30 lowercase letters, digits and '_', and begin with a letter")
		case keys[w.Key]:
			within("/key", "is another wallet's, or the main one's")
		}
		name := strings.ToLower(w.Name)
		switch n := utf8.RuneCountInString(w.Name); {
		case n < 1 || n > maxName || !printable(w.Name):
			within("/name", "must have 1 to %d printable characters", maxName)
		case names[name]:
			within("/name", "is used by another wallet")
		}
		keys[w.Key], names[name] = true, true
		w.policy().check(w.ExpiresAfter, within)
		if d := w.ExpiresAfter; d != nil && (*d < 1 || *d > maxDays) {
			within("/expires_after_days", "must be 1 to %d, or null for never", maxDays)
		}
	}
	if s.Earning == nil {
		return
	}
	for i, r := range s.Earning.Rules[:min(len(s.Earning.Rules), maxRules)] {
		if r.Wallet != "" && (!keys[r.Wallet] || r.Wallet == mainWallet) {
			at("/earning/rules/"+strconv.Itoa(i)+"/wallet", "%s", noWallet)
		}
	}
}

// wallet is a programme's wallet by its key; false: it has none such. "" and points are the main one, of which nothing is said here.
func (s settings) wallet(key string) (Wallet, bool) {
	for _, w := range s.Wallets {
		if w.Key == key {
			return w, true
		}
	}
	return Wallet{}, isMain(key)
}

func isMain(key string) bool { return key == "" || key == mainWallet }

// walletNamed is a wallet as requests name it, as the module does: "" is the main one.
func walletNamed(key string) string { return unless(key, mainWallet) }

// asset is what accounts call a wallet.
func asset(wallet string) string { return cmp.Or(wallet, mainWallet) }

// scores says that what is earned in a wallet counts towards tiers.
func (s settings) scores(wallet string) bool {
	if w, _ := s.wallet(wallet); !isMain(wallet) {
		return w.CountsForTier
	}
	return !slices.ContainsFunc(s.Wallets, func(w Wallet) bool { return w.CountsForTier })
}

// forWallet is the programme as it is for one of its wallets: the wallet's rules of expiry, of waiting and of earning instead of its own.
func (p program) forWallet(key string) program {
	if key == "" {
		return p
	}
	w, _ := p.wallet(key)
	expires := w.policy()
	p.ExpiryRule, p.ExpiryDay, p.ExpiresAfterDays = expires.ExpiryRule, expires.ExpiryDay, w.ExpiresAfter
	p.PointsPerUnit, p.PointsPerReferral, p.pendingPolicy = 0, 0, expires.pendingPolicy
	if d := w.ExpiresAfter; d != nil && p.RemindDays >= *d { // it would be reminded of as soon as it is there
		p.RemindDays = 0
	}
	if p.earner != nil {
		p.earner = p.earner.wallets[key]
	}
	return p
}

// calendar says that one of the wallets ends by the calendar of the site.
func calendar(wallets []Wallet) bool {
	return slices.ContainsFunc(wallets, func(w Wallet) bool { rule := w.policy().ExpiryRule; return rule != rolling && rule != inactivity })
}

// removed are the wallets that a change takes away.
func (s settings) removed(after settings) (keys []string) {
	for _, w := range s.Wallets {
		if _, ok := after.wallet(w.Key); !ok {
			keys = append(keys, w.Key)
		}
	}
	return keys
}

// sourced is what makes something that happens in several wallets once in each.
func sourced(source, wallet string) string {
	if wallet == "" {
		return source
	}
	return source + ":" + wallet
}

// in is a member's wallet; nil: it isn't loaded. "" is the member, with the main one.
func (h *holder) in(wallet string) *holder {
	if h == nil || wallet == "" {
		return h
	}
	for _, w := range h.wallets {
		if w.Wallet == wallet {
			return w
		}
	}
	return nil
}

// self is the member whose wallet it is: tier and what was earned in all are the member's.
func (h *holder) self() *holder {
	if h.main != nil {
		return h.main
	}
	return h
}

// wallet is another wallet of a member, as a holder of its own.
func (h *holder) wallet(a account, p pace) *holder {
	return &holder{account: a, pace: p, MemberID: h.MemberID, PersonID: h.PersonID, Status: h.Status, TiersVersion: h.TiersVersion, MergedInto: h.MergedInto, Duplicates: h.Duplicates, main: h}
}

// apart makes wallets of rows that were read with their member beside them: nothing of the member is kept with them.
func apart(rows []*holder) {
	for i, h := range rows {
		if h.Wallet != "" {
			member := *h
			member.account, member.pace = account{SiteID: h.SiteID}, pace{}
			rows[i] = member.wallet(h.account, h.pace)
		}
	}
}

// programOf is the programme as it is for the wallet of a holder.
func (b *books) programOf(h *holder) program { return b.programs[h.SiteID].forWallet(h.Wallet) }

// qualified is what an account of the site is called in the books of a batch: by its name, and by its wallet where that isn't the main one.
func qualified(name, wallet string) string {
	if wallet == "" {
		return name
	}
	return wallet + ":" + name
}

// unqualified is an account's wallet and its name by itself.
func unqualified(account string) (wallet, name string) {
	if wallet, name, found := strings.Cut(account, ":"); found {
		return wallet, name
	}
	return "", account
}

// siteAccount is one of a site's own accounts by its qualified name.
type siteAccount struct {
	site int64
	name string
}

// inWallets are names of the site's accounts in the main wallet, and in those that the holders are of.
func inWallets(names []string, holders []*holder) []string {
	out := names
	seen := map[string]bool{}
	for _, h := range holders {
		if h.Wallet == "" || seen[h.Wallet] {
			continue
		}
		seen[h.Wallet] = true
		for _, name := range names {
			out = append(out[:len(out):len(out)], qualified(name, h.Wallet))
		}
	}
	return out
}

// shown are a member's further wallets, in the programme's order.
func (s settings) shown(have map[string]walletRow) (out []loyaltyapi.WalletBalance) {
	for _, w := range s.Wallets {
		r := have[w.Key]
		out = append(out, loyaltyapi.WalletBalance{Key: w.Key, Name: w.Name, Balance: r.Balance, Pending: r.Pending, Expiring: r.expiring()})
	}
	return out
}

func (r walletRow) expiring() *loyaltyapi.Expiring {
	if r.ExpiresAt == nil {
		return nil
	}
	return &loyaltyapi.Expiring{Points: r.Expiring, At: *r.ExpiresAt}
}

// walletRow is a wallet of a member as the table has it, and what of it ends next.
type walletRow struct {
	Wallet    string     `db:"wallet"`
	AccountID int64      `db:"account_id"`
	Balance   int64      `db:"balance"`
	Pending   int64      `db:"pending"`
	Expiring  int64      `db:"points"`
	ExpiresAt *time.Time `db:"expires_at"`
}
