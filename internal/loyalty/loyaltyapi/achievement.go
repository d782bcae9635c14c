package loyaltyapi

import "time"

// MemberAchievement is how far a member is with an achievement.
type MemberAchievement struct {
	Achievement string `json:"achievement" doc:"Its key"`
	Name        string `json:"name"`
	Description string `json:"description"`
	ImageURL    string `json:"image_url"`
	Kind        string `json:"kind" enum:"count,streak"`
	Counts      string `json:"counts" enum:"orders,spend,referrals,events,actions,products,categories"`
	Period      string `json:"period" enum:"ever,day,week,month,year,rolling"`

	Progress  AchievementProgress  `json:"progress"`
	Streak    *AchievementStreak   `json:"streak" doc:"null: it is none"`
	Challenge *Challenge           `json:"challenge" doc:"null: all members take part"`
	Reached   []AchievementReached `json:"reached" doc:"The latest 20, newest first"`
	Times     int                  `json:"times" doc:"How often a level of it is reached in all"`
}

// AchievementProgress is what counts in today's period, and the next goal.
type AchievementProgress struct {
	Counted int64   `json:"counted" doc:"Of a streak: its length"`
	Goal    *int64  `json:"goal" doc:"The next that isn't reached in this period; null: there is none"`
	Level   *string `json:"level" doc:"Name of that goal's level; null: it has none"`
	From    *string `json:"from" doc:"First day of the period; null: ever" example:"2026-03-01"`
	To      *string `json:"to" doc:"Last day; null: ever" example:"2026-03-31"`
	Text    string  `json:"text" example:"3 of 5 orders this month"`
}

// AchievementStreak is a streak that goes on, and the longest.
type AchievementStreak struct {
	Length      int        `json:"length" doc:"Periods, up to now; 0: none goes on"`
	Longest     int        `json:"longest"`
	Began       *string    `json:"began" doc:"First day" example:"2026-03-01"`
	BreaksAt    *time.Time `json:"breaks_at" doc:"If nothing more is done"`
	FreezesLeft int        `json:"freezes_left" doc:"Periods that may be missed"`
}

// Challenge is whether a member takes part in one.
type Challenge struct {
	Status     string     `json:"status" enum:"open,accepted,left,over" doc:"over: the deadline is past"`
	AcceptedAt *time.Time `json:"accepted_at"`
	Until      *time.Time `json:"until" doc:"What is done before it counts; null: no deadline"`
}

// AchievementReached is a level that a member reached.
type AchievementReached struct {
	Level     int       `json:"level" doc:"From 1"`
	LevelName string    `json:"level_name"`
	Nth       int       `json:"nth" doc:"For the n-th time, of what is reached again and again, ever"`
	Period    *string   `json:"period" doc:"First day of that in which it was reached; null: ever" example:"2026-03-01"`
	Goal      int64     `json:"goal"`
	Counted   int64     `json:"counted" doc:"Then"`
	Source    string    `json:"source" doc:"What did it: origin:17, for example; hand; review, where a goal was lowered or two members became one" example:"origin:17"`
	Note      string    `json:"note,omitempty" doc:"Of who gave it"`
	ReachedAt time.Time `json:"reached_at"`
}

// AchievementThing is something that counts for an achievement.
type AchievementThing struct {
	Source   string    `json:"source" example:"origin:17"`
	Name     string    `json:"name" doc:"Of the product or category, where different ones are counted"`
	Counts   int64     `json:"counts" doc:"By now"`
	Amount   int64     `json:"amount" doc:"Before refunds"`
	Refunded int64     `json:"refunded" doc:"Of the order, in minor units"`
	Gone     bool      `json:"gone" doc:"Refunded whole, or voided"`
	Period   *string   `json:"period" doc:"First day of that for which it counts; null: ever" example:"2026-03-01"`
	At       time.Time `json:"at"`
}

// AfterThing is where a page of things ends.
type AfterThing struct {
	At     time.Time `json:"at"`
	Source string    `json:"s"`
	Name   string    `json:"n"`
}

// AchievementGrant gives a level by hand, or takes it back.
type AchievementGrant struct {
	Level int    `json:"level"`
	Note  string `json:"note"`
}
