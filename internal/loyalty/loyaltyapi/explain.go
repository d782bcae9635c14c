package loyaltyapi

import "time"

// Balance is what a member had at a moment.
type Balance struct {
	Points  int64     `json:"points" doc:"Below zero: a debt"`
	Pending int64     `json:"points_pending" doc:"Earned by then, and not to be spent yet"`
	Seq     int64     `json:"seq" doc:"Of the last entry by then; 0: there was none"`
	AsOf    time.Time `json:"as_of"`
	Wallet  string    `json:"wallet,omitempty" doc:"That it is of; left out: the main one"`
}

// Transaction is a movement of points with all that decided it.
type Transaction struct {
	ID          int64     `db:"id" json:"id"`
	MemberID    int64     `db:"member_id" json:"member_id"`
	Kind        string    `db:"kind" json:"kind" enum:"earn,claw_back,expire,adjust,redeem,cancel,hold,commit,release,restore,reinstate,activate,transfer_out,transfer_in,merge_out,merge_in,pool_out,pool_in"`
	Reason      string    `db:"reason" json:"reason" enum:"purchase,reward,referral,action,join,tier,date,achievement,share,adjustment,redemption,hold,transfer,merge,unmerge,pool"`
	Source      string    `db:"source" json:"source" doc:"What caused it: each does so once"`
	Points      int64     `db:"points" json:"points" doc:"Moved"`
	About       *int64    `db:"earn_id" json:"about" doc:"The transaction that it takes back, ends or undoes"`
	Rule        Rule      `db:"rule" json:"rule" doc:"The rule and its version that decided, with the values it saw"`
	Description *string   `db:"description" json:"description"`
	EffectiveAt time.Time `db:"effective_at" json:"effective_at"`
	RecordedAt  time.Time `db:"recorded_at" json:"recorded_at"`
	Entry       *Posting  `json:"entry" doc:"On the member's account; null where nothing moved on it. The site's account has its opposite"`
	Pending     *Posting  `json:"pending" doc:"On the member's account of points that can't be spent yet; null where nothing moved on it"`
	Against     string    `json:"against" enum:"issued,redeemed,expired,adjusted,held,transferred,pending" doc:"The site's account on the other side; pending: the member's own"`
	Used        []LotUse  `json:"used" doc:"From which lots it took points; below zero, gave back to"`
	Lot         *Lot      `json:"lot" doc:"That it made"`
	Wallet      string    `db:"wallet" json:"wallet,omitempty" doc:"That it moved points in; left out: the main one"`
}

// Posting is the member's side of a transaction.
type Posting struct {
	Amount  int64 `db:"amount" json:"amount"`
	Seq     int64 `db:"seq" json:"seq"`
	Balance int64 `db:"balance_after" json:"balance" doc:"After it"`
}

// Lot is what became of the points of an earning or a gift.
type Lot struct {
	Granted    int64      `db:"granted" json:"granted"`
	Remaining  int64      `db:"remaining" json:"remaining"`
	ClawedBack int64      `db:"clawed" json:"clawed_back"`
	Forgiven   int64      `db:"forgiven" json:"forgiven" doc:"Of what was clawed back: had expired, so nobody paid"`
	Waived     int64      `db:"waived" json:"waived" doc:"Of what was clawed back: not asked for, by the programme's debt policy"`
	Expired    int64      `db:"expired" json:"expired" doc:"Each time that its points did"`
	Reinstated int64      `db:"reinstated" json:"reinstated" doc:"Of what had expired: given back, because a run of expiry was reversed"`
	Pending    bool       `db:"pending" json:"pending" doc:"Can't be spent yet"`
	ActivateAt *time.Time `db:"activates_at" json:"activates_at" doc:"When they can be, or could; null: at once, or when somebody says so"`
	ExpiresAt  *time.Time `db:"expires_at" json:"expires_at" doc:"null: never"`
	ByActivity bool       `db:"by_activity" json:"by_activity"`
	Dates      []LotDate  `json:"dates" doc:"How its date changed, the last hundred times"`
}

// LotDate is a change of a lot's date.
type LotDate struct {
	Was   *time.Time `db:"was" json:"was"`
	Ends  *time.Time `db:"ends" json:"ends"`
	Cause string     `db:"cause" json:"cause" enum:"restored,by_hand,reinstated"`
	Note  *string    `db:"note" json:"note"`
	At    time.Time  `db:"changed_at" json:"at"`
}
