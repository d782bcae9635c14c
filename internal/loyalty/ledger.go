package loyalty

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/lib/pq"

	"github.com/talkable/talkable/internal/bus"
	"github.com/talkable/talkable/internal/criteria"
	"github.com/talkable/talkable/internal/loyalty/loyaltyevent"
)

// Kinds of transaction.
const (
	kindEarn     = "earn"
	kindClawBack = "claw_back"
	kindExpire   = "expire"
	kindAdjust   = "adjust"
	kindRedeem   = "redeem"
	kindCancel   = "cancel" // of a redemption
)

// The site's own accounts: where points come from and where they end.
const (
	issued   = "issued"
	expired  = "expired"
	adjusted = "adjusted"
	redeemed = "redeemed"
)

// errOverflow is answered instead of a wrong balance.
var errOverflow = errors.New("an account would hold more points than an integer can")

// account is one side of an entry.
type account struct {
	SiteID  int64  `db:"site_id"`
	ID      int64  `db:"account_id"`
	Name    string `db:"name"`
	Balance int64  `db:"balance"`
	Seq     int64  `db:"seq"`
	Wallet  string `db:"wallet"` // of the programme's; "": the main one
	dirty   bool
}

// holder is a member and the account. A wallet beside the main one is a holder of its own.
type holder struct {
	account
	MemberID     int64  `db:"member_id"`
	PersonID     int64  `db:"person_id"`
	Status       string `db:"status"`
	Earned       int64  `db:"earned"`
	Tier         string `db:"tier"`
	TiersVersion int    `db:"tiers_version"`
	pace
	score   *score   // what counts towards tiers, where the programme counts it
	lots    []*lot   // with points left, the next to expire first; loaded where points are taken
	pending *account // of points that can't be spent yet; loaded where there are some
	fund    *fund    // the pool that it is in; loaded where points are spent
	tiered  bool     // earned or tier changed

	main    *holder   // of a wallet beside the main one: the member; nil: it is
	wallets []*holder // the member's that are loaded, beside the main one
	opened  bool      // of a wallet in a backtest: there were points in it

	JoinedAt time.Time `db:"joined_at"`
	fresh    bool      // joins in this batch

	dates map[string]criteria.Date // of the member, where a condition asks for them

	ForfeitAt *time.Time `db:"forfeit_at"` // when all points end; nil: never

	MergedInto int64         `db:"merged_into"` // the member that has everything of this one; 0: none
	Duplicates pq.Int64Array `db:"duplicates"`  // members that were merged into this one
}

func (h *holder) key() string { return sourceOf("member", h.MemberID) }

// lot is the points of one earning, or of an adjustment that gave, and what became of them.
type lot struct {
	SiteID     int64      `db:"site_id"`
	ID         int64      `db:"id"` // of the earning
	AccountID  int64      `db:"account_id"`
	Granted    int64      `db:"granted"`
	Remaining  int64      `db:"remaining"`
	Clawed     int64      `db:"clawed"`
	Expired    int64      `db:"expired"`
	Forgiven   int64      `db:"forgiven"`
	ExpiresAt  *time.Time `db:"expires_at"`  // nil: never, or by activity
	ByActivity bool       `db:"by_activity"` // ends when its member lapses
	Reminded   bool       `db:"reminded"`    // of this end
	WakeAt     *time.Time `db:"wake_at"`     // when the timer has something to do with it

	Reinstated  int64      `db:"reinstated"`   // of expired: somebody took back that it did
	Waived      int64      `db:"waived"`       // of clawed: there was nothing to take it from
	Pending     bool       `db:"pending"`      // can't be spent yet, and is on another account
	ActivatesAt *time.Time `db:"activates_at"` // of a pending one; nil: when somebody says so
	Tierless    bool       `db:"tierless"`     // an earning that counts for no tier

	member *holder // of a lot that lives by activity
	dirty  bool
	dated  bool // one of the dates changed
	moved  bool // to the account of what can be spent
}

// txn is what happened.
type txn struct {
	SiteID, ID, MemberID                   int64
	Kind, Source, Reason                   string
	Points                                 int64
	EarnID, OriginID, ReferralID, RewardID int64
	Rule, Description                      string
	Wallet                                 string // "": the main one
	EffectiveAt, RecordedAt                time.Time
}

type entry struct {
	SiteID, TxnID, AccountID, Amount, Seq, BalanceAfter int64
	Wallet                                              string
}

// allocation is points that a transaction took out of a lot; below zero it gave them back.
type allocation struct {
	SiteID int64 `db:"site_id"`
	LotID  int64 `db:"lot_id"`
	TxnID  int64 `db:"txn_id"`
	Amount int64 `db:"amount"`
}

type tierChange struct {
	SiteID, MemberID int64
	From, To         string
	Earned           int64
	Cause            string
	TxnID            int64  // 0: no transaction did it
	Source           string // the merit that did it, and its refund; "": none
	Seen             string // what counted, where days are counted
	Version          int
	Until            *time.Time // when it will end, if nothing more counts
	At               time.Time
}

type told struct {
	site int64
	key  string
	body bus.Payload
}

// books is what a batch of postings works on: what its transaction has locked, and what it adds. Its methods decide every
// number of the batch and touch no database.
type books struct {
	now      time.Time
	ids      []int64 // for transactions, ascending
	programs map[int64]program
	own      map[siteAccount]*account
	made     map[siteID]txn // what made lots that are due
	rooms    *rooms         // what rules have given; nil: no rules decide
	joined   []*holder      // in this batch
	merits   map[siteSource]*merit
	feats    *featBooks                // what counts for achievements; nil: nothing of the batch
	counts   map[countKey]*rewardCount // of redemptions, that this batch makes or cancels
	loans    map[siteID]*loan          // what others of a pool paid of what is given back, by the lots that it was to who spent

	txns    []txn
	entries []entry
	lots    []*lot // new
	uses    []allocation
	changes []tierChange
	spent   []*redemption // new
	unspent []*redemption // looked at to be cancelled
	dates   []lotDate
	kept    []*hold // new
	ended   []*hold // looked at to be ended
	refused []earning
	asked   []step // rules that were asked, with what became of them
	tells   []told
	due     []due // what rules are to be asked about
	noted   struct{ joined, changes, reached int }
}

// earn posts an earning. A debt is repaid out of the new lot at once.
func (b *books) earn(h *holder, e earning) error {
	if e.Pending {
		return b.promise(h, e)
	}
	p := b.programOf(h)
	b.settleTier(h, p)
	t := b.earning(h, e)
	b.active(h, p, t.EffectiveAt)
	if !e.ArrivedAt.IsZero() { // as if it had waited
		b.active(h, p, e.ArrivedAt)
	}
	l := b.grant(h, t.ID, e.Points, e.ExpiresAt)
	if err := b.move(h, issued, t.ID, e.Points); err != nil {
		return err
	}
	b.txns = append(b.txns, t)
	if l.Tierless = !p.scores(h.Wallet); l.Tierless {
		b.tell(h, earnedEvent(h, e, t))
		return nil
	}
	if h.self().Earned > math.MaxInt64-e.Points {
		return errOverflow
	}
	b.credit(h, p, t.EffectiveAt, e.Points)
	b.tell(h, earnedEvent(h, e, t))
	b.place(h, p, kindEarn, t.ID, t.EffectiveAt)
	return nil
}

// earning begins the transaction of an earning.
func (b *books) earning(h *holder, e earning) txn {
	t := b.txn(h, kindEarn, e.Source, e.Reason, e.Points, e.EffectiveAt, e.Rule)
	t.OriginID, t.ReferralID, t.RewardID = e.OriginID, e.ReferralID, e.RewardID
	return t
}

func earnedEvent(h *holder, e earning, t txn) loyaltyevent.PointsEarned {
	return loyaltyevent.PointsEarned{SiteID: h.SiteID, TransactionID: t.ID, MemberID: h.MemberID, PersonID: h.PersonID,
		Points: e.Points, Balance: h.Balance, Wallet: h.Wallet, Reason: e.Reason, OriginID: e.OriginID, ReferralID: e.ReferralID, RewardID: e.RewardID,
		FriendID: e.FriendID, Pending: e.Pending, ActivatesAt: orNone(e.ActivatesAt), EffectiveAt: t.EffectiveAt, RecordedAt: t.RecordedAt}
}

// grant makes a lot, out of which a debt is repaid at once.
func (b *books) grant(h *holder, txnID, points int64, ends *time.Time) *lot {
	l := &lot{SiteID: h.SiteID, ID: txnID, AccountID: h.ID, Granted: points, Remaining: points}
	b.date(h, l, ends)
	b.repay(h, l, txnID, points)
	b.lots, h.lots = append(b.lots, l), append(h.lots, l)
	return l
}

// date gives a lot of today the date at which it ends.
func (b *books) date(h *holder, l *lot, ends *time.Time) {
	p := b.programOf(h)
	if l.ExpiresAt = ends; ends == nil && p.idleDays() > 0 {
		l.ByActivity, l.member = true, h
	}
	l.WakeAt, l.dated = p.wakes(ends, b.now), true
}

// repay takes a debt out of points that have just become the member's, and says how much that was.
func (b *books) repay(h *holder, l *lot, txnID, points int64) (repaid int64) {
	if debt := -h.Balance; debt > 0 {
		repaid = min(debt, points)
		b.use(l, txnID, repaid)
	}
	return repaid
}

// clawBack takes back what is due by now of an earning. First its own lot pays; what of it had expired is not asked for again;
// then the member's other lots pay, the next to expire first; the rest is a debt, unless the programme's debt policy waives it.
func (b *books) clawBack(h *holder, own *lot, of txn, c clawBack) error {
	before, after := own.Clawed, c.due(own.Granted)
	step := after - before
	if step <= 0 { // heard before, or rounded to nothing
		return nil
	}
	p := b.programs[h.SiteID]
	b.settleTier(h, p)
	t := b.txn(h, kindClawBack, c.Source, of.Reason, 0, c.EffectiveAt, "")
	t.EarnID, t.OriginID, t.ReferralID, t.RewardID = of.ID, of.OriginID, of.ReferralID, of.RewardID

	d := b.pay(h, own, t.ID, step)
	own.Clawed, own.Forgiven, own.Waived, own.dirty = after, own.Forgiven+d.expired, own.Waived+d.waived, true
	if b.rooms != nil {
		b.rooms.takeBack(p, of.MemberID, own, before, after)
	}

	t.Points = step - d.expired - d.waived
	t.Rule = text(clawRule{Rule: "claw_back", Cause: c.Cause, EarnID: of.ID, Granted: own.Granted, Taken: c.Part, Of: c.Whole, Before: before,
		After: after, OwnLot: d.own, Expired: d.expired, OtherLots: d.others, Debt: d.debt, Pending: own.Pending, Policy: p.DebtPolicy, Waived: d.waived})
	if t.Points > 0 {
		if err := b.moveOn(h.purse(own), issued, t.ID, -t.Points); err != nil {
			return err
		}
		b.tell(h, loyaltyevent.PointsClawedBack{SiteID: h.SiteID, TransactionID: t.ID, MemberID: h.MemberID, PersonID: h.PersonID,
			Points: t.Points, Balance: h.Balance, Wallet: h.Wallet, Reason: of.Reason, OriginID: of.OriginID, RewardID: of.RewardID, Pending: own.Pending,
			EffectiveAt: t.EffectiveAt, RecordedAt: t.RecordedAt})
	}
	b.txns = append(b.txns, t)
	if own.Pending || own.Tierless { // it never counted
		return nil
	}
	b.credit(h, p, moment(of.EffectiveAt, b.now), -step)
	b.place(h, p, kindClawBack, t.ID, t.EffectiveAt)
	return nil
}

// expire ends a lot whose time has come.
func (b *books) expire(h *holder, l *lot, of txn) error {
	if l.Remaining == 0 || !l.lapsed(b.now) {
		return nil
	}
	points, ends := l.Remaining, moment(orNone(l.ends()), b.now)
	source := sourceOf("expire:lot", l.ID)
	if l.Expired > 0 { // points came back to it since, from a redemption that was cancelled
		source = sourceOf(source, l.Expired)
	}
	t := b.txn(h, kindExpire, source, of.Reason, points, ends,
		text(expireRule{Rule: "expiry", EarnID: l.ID, Granted: l.Granted, ExpiresAt: ends, Inactivity: l.ByActivity, Status: l.lost(b.now)}))
	t.EarnID, t.OriginID, t.ReferralID, t.RewardID = of.ID, of.OriginID, of.ReferralID, of.RewardID
	b.use(l, t.ID, points)
	l.Expired += points
	if err := b.move(h, expired, t.ID, -points); err != nil {
		return err
	}
	b.txns = append(b.txns, t)
	b.tell(h, loyaltyevent.PointsExpired{SiteID: h.SiteID, TransactionID: t.ID, MemberID: h.MemberID, PersonID: h.PersonID,
		Points: points, Balance: h.Balance, Wallet: h.Wallet, ExpiredAt: t.EffectiveAt})
	return nil
}

func (b *books) txn(h *holder, kind, source, reason string, points int64, at time.Time, rule string) txn {
	id := b.ids[0]
	b.ids = b.ids[1:]
	return txn{SiteID: h.SiteID, ID: id, MemberID: h.MemberID, Kind: kind, Source: source, Reason: reason, Points: points, Rule: rule,
		Wallet: h.Wallet, EffectiveAt: moment(at, b.now), RecordedAt: b.now}
}

// move writes both entries of a transaction: amount onto the member's account, and off the site's own.
func (b *books) move(h *holder, name string, txnID, amount int64) error {
	return b.moveOn(&h.account, name, txnID, amount)
}

// moveOn writes both entries of a transaction: amount onto an account of a member, and off the site's own.
func (b *books) moveOn(a *account, name string, txnID, amount int64) error {
	other := b.own[siteAccount{a.SiteID, qualified(name, a.Wallet)}]
	if other == nil {
		return fmt.Errorf("site %d has no account %q", a.SiteID, qualified(name, a.Wallet))
	}
	for _, side := range []struct {
		*account
		amount int64
	}{{a, amount}, {other, -amount}} {
		if err := b.post(side.account, txnID, side.amount); err != nil {
			return err
		}
	}
	return nil
}

// post writes an entry.
func (b *books) post(a *account, txnID, amount int64) error {
	sum := a.Balance + amount
	if (sum > a.Balance) != (amount > 0) {
		return errOverflow
	}
	a.Balance, a.Seq, a.dirty = sum, a.Seq+1, true
	b.entries = append(b.entries, entry{SiteID: a.SiteID, TxnID: txnID, AccountID: a.ID, Amount: amount, Seq: a.Seq, BalanceAfter: sum, Wallet: a.Wallet})
	return nil
}

// use takes points out of a lot.
func (b *books) use(l *lot, txnID, amount int64) {
	if amount > 0 {
		l.Remaining, l.dirty = l.Remaining-amount, true
		b.uses = append(b.uses, allocation{SiteID: l.SiteID, LotID: l.ID, TxnID: txnID, Amount: amount})
	}
}

// take takes points out of the member's lots, the next to expire first, and says how many there were. A lot that is due but has
// not been expired yet pays like any other.
func (b *books) take(h *holder, txnID, amount int64) (taken int64) {
	if amount == 0 {
		return 0
	}
	sortLots(h.lots)
	for _, l := range h.lots {
		n := min(amount-taken, l.Remaining)
		b.use(l, txnID, n)
		taken += n
	}
	return taken
}

// sortLots puts the next to expire first, and of those that expire together the oldest.
func sortLots(lots []*lot) {
	sort.SliceStable(lots, func(i, j int) bool { return lots[i].before(lots[j]) })
}

func (l *lot) before(o *lot) bool {
	one, other := l.ends(), o.ends()
	switch {
	case one == nil || other == nil:
		if (one == nil) != (other == nil) {
			return other == nil
		}
	case !one.Equal(*other):
		return one.Before(*other)
	}
	return l.ID < o.ID
}

func (b *books) tell(h *holder, body bus.Payload) {
	b.tells = append(b.tells, told{h.SiteID, h.key(), body})
}
