package referralapi

// Types of share, as Talkable names them.
const (
	SocialOfferShare = "SocialOfferShare"
	EmailOfferShare  = "EmailOfferShare"
)

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
