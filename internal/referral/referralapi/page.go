package referralapi

// VisitorCookie is the name under which a browser keeps its visitor's uuid, and VisitorParam that in addresses.
const (
	VisitorCookie = "tkbl_session"
	VisitorParam  = "tkbl_cvuuid"
)

// Gates of a claim page: what a friend has to tell before it gives the reward.
const (
	GateNone          = "none"
	GateEmail         = "email"
	GateEmailAndPhone = "email_and_phone"
)

// Landing is an opened link whose page is to be shown.
type Landing struct {
	SiteID       int64
	Code         string
	OfferID      int64
	CampaignID   int64
	CampaignName string
	Channel      string
	AdvocateID   int64  // person; 0 while only a visitor is known
	Visitor      string // who opens it; "": a machine, which is shown no reward
	Live         bool
	Continue     string // where the page leads on; "": nowhere
	Gate         string
	OptIn        bool // the gate asks whether mail is welcome
}

// Gated says that the reward has to be asked for.
func (l Landing) Gated() bool { return l.Gate == GateEmail || l.Gate == GateEmailAndPhone }

// Arrival is what the books know of the visitor of a claim page.
type Arrival struct {
	Own     bool     // the visitor is the advocate
	Expired bool     // the friend offer's hours are over
	Claimed bool     // the gate was passed
	Refused bool     // it was tried with an address that earns nothing
	Used    bool     // the coupon was used, or the friend was referred
	Waiting bool     // the coupon is promised, and the list is empty
	Coupons []string // codes to show
}

// LinkClaim says that a friend passes the gate of a claim page.
type LinkClaim struct {
	Landing     Landing
	FriendID    int64
	FriendPhone string // fingerprint of the number that the page asked for; "" for none
	OptedIn     bool
	Stranger    bool // nobody had known the friend before
	IP          string
	Device      string // fingerprint
}

// OfferStats are an offer's numbers for its advocate.
type OfferStats struct {
	Referrals int64 // pending and approved
	Points    int64 // earned by it, less what refunds took
	Earned    []Sum // commissions, by currency
	Coupons   int64
}

// Sum is an amount of money.
type Sum struct {
	Amount   int64  `db:"amount"` // minor units
	Currency string `db:"currency"`
}
