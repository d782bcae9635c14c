package referralapi

import "github.com/talkable/talkable/internal/idempotency"

// Types of share, as Talkable names them.
const (
	SocialOfferShare = "SocialOfferShare"
	EmailOfferShare  = "EmailOfferShare"
)

// MostEmails is how many people an offer may be mailed to.
const MostEmails = 25

// Share is an advocate's sharing of an offer in Talkable's shape. Addresses are left to the caller, who knows the people.
type Share struct {
	ID                int64    `json:"id"`
	Type              string   `json:"type" enum:"SocialOfferShare,EmailOfferShare"`
	ShortURL          string   `json:"short_url" doc:"The share's own claim link"`
	ChannelIdentifier string   `json:"channel_identifier" example:"facebook"`
	Email             *string  `json:"email,omitempty" doc:"Of an e-mail: whom it went to"`
	Offer             *Offer   `json:"offer"`
	Campaign          Campaign `json:"campaign"`
	FriendsCount      int64    `json:"friends_count" doc:"People who came by its link"`
	FriendClicksCount int64    `json:"friend_clicks_count" doc:"How often they opened it"`
	SharedAt          string   `json:"shared_at" format:"date-time"`

	FriendID int64 `json:"-"` // person whom an e-mail went to
}

// Shared is the answer to a social share.
type Shared struct {
	Share  Share   `json:"share"`
	Reward *Reward `json:"reward" doc:"What the advocate earned by it; null: nothing"`
}

// EmailShare asks for e-mails about an offer.
type EmailShare struct {
	Code           string // of the offer, or its id
	Recipients     []Recipient
	Subject        string // the advocate's words; "" means ours
	Message        string
	Reminder       bool
	ValidationOnly bool
	Verified       bool // the merchant says so, not a browser
	Idempotency    idempotency.Key
}

// Recipient is what the caller knows of an address that is to get an e-mail.
type Recipient struct {
	PersonID     int64 // 0: nobody known
	Valid        bool
	Unsubscribed bool
}

// Verdict is what became of a recipient.
type Verdict struct {
	CurrentlySent  bool `json:"currently_sent"`
	PreviouslySent bool `json:"previously_sent"`
	EmailValid     bool `json:"email_valid"`
	SelfReferral   bool `json:"self_referral"`
	Unsubscribed   bool `json:"unsubscribed"`
	Blocklisted    bool `json:"blocklisted"`
	Blacklisted    bool `json:"blacklisted" doc:"Older name of blocklisted"`
	MeetsCriteria  bool `json:"meets_criteria"`
	Sharable       bool `json:"sharable" doc:"Nothing speaks against writing to this address"`
}

// EmailStats count a call's e-mails, and those of the offer.
type EmailStats struct {
	CurrentlySent     int  `json:"currently_sent"`
	CurrentlyNotSent  int  `json:"currently_not_sent"`
	PreviouslySent    int  `json:"previously_sent" doc:"By the offer before this call"`
	TotalSent         int  `json:"total_sent"`
	SentLimitExceeded bool `json:"sent_limit_exceeded" doc:"More were asked for than the offer had left"`
	LeftEmails        int  `json:"left_emails"`
	AdvocateBlocked   bool `json:"advocate_blocked"`
}

// EmailShared is the answer to e-mails that were asked for; Verdicts has one for each recipient, in their order.
type EmailShared struct {
	ValidationOnly bool       `json:"validation_only"`
	Stats          EmailStats `json:"stats"`
	Verdicts       []Verdict  `json:"verdicts"`
	Rewards        []Reward   `json:"rewards"`
}
