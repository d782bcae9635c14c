package loyaltyapi

import "time"

// Counters are what counts towards tiers.
type Counters struct {
	Points    int64 `json:"points_earned" doc:"Less what was clawed back"`
	Spend     int64 `json:"spend" doc:"Minor units of the programme's currency, net of refunds"`
	Orders    int64 `json:"orders" doc:"Not refunded whole"`
	Referrals int64 `json:"referrals" doc:"Approved"`
	Custom    int64 `json:"custom" doc:"What the shop added"`
}

// MemberTier is where a member stands.
type MemberTier struct {
	Tier       *string           `json:"tier" doc:"null below the first"`
	Since      *time.Time        `json:"since" doc:"Of the last move between tiers; null: there was none"`
	Until      *time.Time        `json:"until" doc:"When it falls, if nothing more counts; null: time alone doesn't let it fall"`
	Benefits   string            `json:"benefits"`
	Properties map[string]string `json:"properties"`
	Window     TierWindow        `json:"window"`
	Counters   Counters          `json:"counters" doc:"In the window"`
	Next       *TierGoal         `json:"next" doc:"The tier above; null at the highest"`
	Keep       *TierGoal         `json:"keep" doc:"What the tier still needs so as not to fall at until; null: nothing for now"`
	Projected  TierProjection    `json:"projected" doc:"If nothing more counts"`
}

// TierWindow is the days of which what counts is summed up.
type TierWindow struct {
	Window string  `json:"window" enum:"lifetime,rolling_days,rolling_months,calendar_year,join_year"`
	Length *int    `json:"length" doc:"Days or months of a rolling window"`
	From   *string `json:"from" doc:"First day, in the site's zone; null: the member's whole life" example:"2026-01-01"`
	To     *string `json:"to" doc:"Last day" example:"2026-12-31"`
}

// TierGoal is what a tier asks for, and what of it is missing.
type TierGoal struct {
	Tier    string     `json:"tier"`
	Match   string     `json:"match" enum:"all,any" doc:"Whether all that it needs must be there, or any of it"`
	Needs   Counters   `json:"needs" doc:"0: not asked for"`
	Missing Counters   `json:"missing"`
	By      *time.Time `json:"by" doc:"When counting begins anew, or the tier falls; null: whenever"`
}

// TierProjection is the tier of a moment to come.
type TierProjection struct {
	Tier *string    `json:"tier"`
	At   *time.Time `json:"at" doc:"When the period's result takes effect, in a rolling window when the tier changes; null: it doesn't"`
}

// TierChange is a move between tiers, with its cause.
type TierChange struct {
	ID            int64      `json:"id"`
	From          *string    `json:"from"`
	To            *string    `json:"to"`
	Cause         string     `json:"cause" doc:"earn and claw_back, with the transaction of the points; order, refund, referral, referral_voided and custom, where no points moved; time; tiers_changed"`
	TransactionID *int64     `json:"transaction_id" doc:"That earned or took back the points"`
	Source        *string    `json:"source" doc:"What counted beside points, or lowered it"`
	PointsEarned  int64      `json:"points_earned" doc:"In all, then"`
	Counters      *Counters  `json:"counters" doc:"In the window, then; null in programmes that look at lifetime points only"`
	Version       int        `json:"program_version"`
	Until         *time.Time `json:"until" doc:"When it was to fall, if nothing more counted"`
	ChangedAt     time.Time  `json:"changed_at"`
}

// AfterTierChange is where a page of moves ends.
type AfterTierChange struct {
	At time.Time `json:"at"`
	ID int64     `json:"id"`
}

// TierCount is what the shop adds to a member's own counter, once for each source.
type TierCount struct {
	Source string    `json:"source"`
	Amount int64     `json:"amount" doc:"Below zero: takes away"`
	Day    string    `json:"day" doc:"For which it counts, in the site's zone" example:"2026-03-01"`
	At     time.Time `json:"-"`
}

// TierCounted is what became of it.
type TierCounted struct {
	Counted bool       `json:"counted" doc:"false: it was before"`
	Count   TierCount  `json:"tier_count"`
	Tier    MemberTier `json:"member_tier"`
}
