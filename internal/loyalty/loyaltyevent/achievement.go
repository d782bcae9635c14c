package loyaltyevent

import "time"

// AchievementReached says that a member has reached an achievement, or one of its levels. What was lost may be reached again; then the round is
// another.
type AchievementReached struct {
	SiteID      int64     `json:"site_id"`
	MemberID    int64     `json:"member_id"`
	PersonID    int64     `json:"person_id"`
	Achievement string    `json:"achievement"` // its key
	Name        string    `json:"name"`
	Level       int64     `json:"level"` // from 1
	LevelName   string    `json:"level_name,omitempty"`
	Nth         int64     `json:"nth"`    // of what is reached again and again, ever
	Round       int64     `json:"round"`  // from 1
	Period      string    `json:"period"` // first day of that in which it was reached; 0001-01-01: ever
	Goal        int64     `json:"goal"`
	Counted     int64     `json:"counted"`
	ByHand      bool      `json:"by_hand,omitempty"` // somebody gave it
	ReachedAt   time.Time `json:"reached_at"`        // when that happened which did it
}

func (AchievementReached) EventType() string { return "loyalty.achievement_reached.v1" }

// AchievementLost says that a member has not reached something after all: because of a refund, or because somebody took it back.
type AchievementLost struct {
	SiteID      int64     `json:"site_id"`
	MemberID    int64     `json:"member_id"`
	PersonID    int64     `json:"person_id"`
	Achievement string    `json:"achievement"`
	Name        string    `json:"name"`
	Level       int64     `json:"level"`
	LevelName   string    `json:"level_name,omitempty"`
	Nth         int64     `json:"nth"`
	Round       int64     `json:"round"`
	Period      string    `json:"period"`
	Cause       string    `json:"cause"` // refund, hand
	LostAt      time.Time `json:"lost_at"`
}

func (AchievementLost) EventType() string { return "loyalty.achievement_lost.v1" }

// StreakBroken says that a member missed more periods of a streak than could be forgiven.
type StreakBroken struct {
	SiteID      int64     `json:"site_id"`
	MemberID    int64     `json:"member_id"`
	PersonID    int64     `json:"person_id"`
	Achievement string    `json:"achievement"`
	Length      int64     `json:"length"`  // periods
	Longest     int64     `json:"longest"` // of all the member's streaks of it
	Began       string    `json:"began"`   // first day of its first period
	BrokenAt    time.Time `json:"broken_at"`
}

func (StreakBroken) EventType() string { return "loyalty.streak_broken.v1" }
